//! One application, which calls again and again.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Profile;
use super::conversation::Conversation;
use client::{Client, Error, OpenRequest};

/// An application that was refused or cut off tries again soon.
const BETWEEN_CALLS: Duration = Duration::from_millis(500);

/// How long an application reads nothing before it gives up.
const DEAFNESS: Duration = Duration::from_secs(15);

/// What kind of application it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Talker,
    Idler,
    Flooder,
    Ringer,
    Deaf,
    Vandal,
}

/// One application.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) kind: Kind,
    pub(super) number: usize,
    pub(super) socket: PathBuf,
    pub(super) profile: Profile,
    pub(super) stop: CancellationToken,
}

impl Caller {
    /// Calls until it is told to stop, and then comes to an end.
    pub(super) async fn run(self) {
        // Not all at once, so that the load is even.
        let first = Duration::from_millis(150) * u32::try_from(self.number % 8).unwrap_or(0);
        self.rest(first).await;
        while !self.stop.is_cancelled() {
            // What goes wrong is what the lab is for: the sidecar's metrics tell of it.
            let _ = self.call().await;
            self.rest(BETWEEN_CALLS).await;
        }
    }

    async fn call(&self) -> Result<(), Error> {
        let mut client = Client::connect(&self.socket).await?;
        if self.kind == Kind::Vandal {
            return vandalise(client).await;
        }
        client.open(&self.request()).await?;
        if self.kind == Kind::Flooder {
            return Conversation::new(client, &self.stop).flood(self.profile.flood).await;
        }
        tokio::select! {
            opened = client.opened() => opened?,
            // Leaving cancels the dial.
            () = self.stop.cancelled() => return Ok(()),
        };
        let profile = &self.profile;
        match self.kind {
            Kind::Talker => Conversation::new(client, &self.stop).talk(profile).await,
            Kind::Idler => Conversation::new(client, &self.stop).idle(profile).await,
            Kind::Ringer => Conversation::new(client, &self.stop).ring().await,
            Kind::Deaf | Kind::Flooder | Kind::Vandal => {
                self.rest(DEAFNESS).await;
                drop(client);
                Ok(())
            }
        }
    }

    fn request(&self) -> OpenRequest {
        OpenRequest::new()
            .audio("linear16", 16_000, 1)
            .param("model", "nova-3")
            .param("interim_results", true)
            .tag("caller", format!("{:?}-{}", self.kind, self.number).to_lowercase())
    }

    async fn rest(&self, rest: Duration) {
        let _ = self.stop.run_until_cancelled(tokio::time::sleep(rest)).await;
    }
}

/// Sends what no frame is, and reads why not.
async fn vandalise(mut client: Client) -> Result<(), Error> {
    client.sender().send_bytes(b"\x7fGET / HTTP/1.1\r\n\r\n").await?;
    while client.next().await?.is_some() {}
    Ok(())
}
