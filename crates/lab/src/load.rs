//! Applications of several kinds that stream all the time.

mod caller;
mod conversation;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use caller::{Caller, Kind};

/// Who calls, and how they speak.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Profile {
    /// Applications that speak, let their words be finalized, pause, and go on.
    pub(super) talkers: usize,
    /// Applications that say a word and then only hold their session.
    pub(super) idlers: usize,
    /// Applications that send audio as fast as it is taken, from the first moment on.
    pub(super) flooders: usize,
    /// How many bytes each of them sends in a session.
    pub(super) flood: usize,
    /// Applications that read nothing.
    pub(super) deaf: usize,
    /// Applications that send invalid frames.
    pub(super) vandals: usize,
    /// How long a talker speaks.
    #[serde(with = "humantime_member")]
    pub(super) utterance: Duration,
    /// How long it then says nothing.
    #[serde(with = "humantime_member")]
    pub(super) pause: Duration,
    /// How often it does both in a session.
    pub(super) utterances: u32,
    /// How many Finalizes it sends after each utterance.
    pub(super) finalizes: u32,
    /// How long it waits for the answer to each.
    #[serde(with = "humantime_member")]
    pub(super) finalize_wait: Duration,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            talkers: 6,
            idlers: 2,
            flooders: 0,
            flood: 24 << 20,
            deaf: 0,
            vandals: 0,
            utterance: Duration::from_millis(1500),
            pause: Duration::from_millis(1200),
            utterances: 2,
            finalizes: 1,
            finalize_wait: Duration::from_secs(5),
        }
    }
}

impl Profile {
    fn callers(&self) -> impl Iterator<Item = Kind> {
        [
            (Kind::Talker, self.talkers),
            (Kind::Idler, self.idlers),
            (Kind::Flooder, self.flooders),
            (Kind::Deaf, self.deaf),
            (Kind::Vandal, self.vandals),
        ]
        .into_iter()
        .flat_map(|(kind, count)| std::iter::repeat_n(kind, count))
    }
}

/// The callers of one lab.
#[derive(Debug)]
pub(super) struct Load {
    socket: PathBuf,
    callers: JoinSet<()>,
    stop: CancellationToken,
}

impl Load {
    /// Nobody calls yet.
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, callers: JoinSet::new(), stop: CancellationToken::new() }
    }

    /// Lets these call from now on, once those before have finished.
    pub(super) async fn set(&mut self, profile: &Profile) {
        self.quiet().await;
        self.stop = CancellationToken::new();
        for (number, kind) in profile.callers().enumerate() {
            let caller = Caller {
                kind,
                number,
                socket: self.socket.clone(),
                profile: profile.clone(),
                stop: self.stop.clone(),
            };
            self.callers.spawn(caller.run());
        }
    }

    /// Lets everybody finish.
    pub(super) async fn quiet(&mut self) {
        self.stop.cancel();
        // Whoever does not come to an end in time is hung up on.
        let finished = async { while self.callers.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISHING, finished).await.is_err() {
            self.callers.shutdown().await;
        }
    }
}

/// Longer than a sidecar may take over a FINISH in the lab.
const FINISHING: Duration = Duration::from_secs(6);

mod humantime_member {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
