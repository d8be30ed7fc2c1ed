//! Applications of several kinds that stream all the time.

mod caller;
mod conversation;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use caller::{Caller, Kind};

/// Longer than a sidecar may take over a FINISH in the lab.
const FINISHING: Duration = Duration::from_secs(6);

/// How many applications of each kind, and how they stream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Profile {
    /// Applications that stream speech, send Finalize, pause, and continue.
    pub(super) talkers: usize,
    /// Applications that stream one word and then only keep their session open.
    pub(super) idlers: usize,
    /// Applications that send audio as fast as it is accepted, from the start.
    pub(super) flooders: usize,
    /// How many bytes each of them sends in a session.
    pub(super) flood: usize,
    /// Applications that stream a ringing tone, which a speech detector takes for speech.
    pub(super) ringers: usize,
    /// Applications that read nothing.
    pub(super) deaf: usize,
    /// Applications that send invalid frames.
    pub(super) vandals: usize,
    /// How long a talker speaks.
    #[serde(with = "humantime_member")]
    pub(super) utterance: Duration,
    /// How long it then stays silent.
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
            ringers: 0,
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
            (Kind::Ringer, self.ringers),
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
    /// No load yet.
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, callers: JoinSet::new(), stop: CancellationToken::new() }
    }

    /// Switches to this load, once the previous applications have finished.
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

    /// Lets all applications finish.
    pub(super) async fn quiet(&mut self) {
        self.stop.cancel();
        // Applications that do not finish in time are disconnected.
        let finished = async { while self.callers.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISHING, finished).await.is_err() {
            self.callers.shutdown().await;
        }
    }
}

mod humantime_member {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
