//! From the time that Deepgram counts on a connection to session time.

use std::time::Duration;

/// How a connection's times relate to the session's. The machine hands it out with each message;
/// whoever knows the messages' JSON applies it.
///
/// Deepgram counts the audio of a connection, which may begin with our own silence, and begins
/// somewhere in the session's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeMap {
    /// How long our own silence is.
    pub lead: Duration,
    /// The session time at which the application's audio on the connection begins.
    pub base: Duration,
    /// The session time up to which the application has the words; zero for none of this message's.
    pub known: Duration,
}

impl TimeMap {
    /// The session time of a time on the connection.
    pub fn session_time(&self, time: Duration) -> Duration {
        self.base + time.saturating_sub(self.lead)
    }

    /// Whether times are passed on as they are.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }
}
