//! From the time that Deepgram counts on a connection to session time.

use std::time::Duration;

/// How a connection's times relate to the session's. The machine hands it out with each message;
/// whoever knows the messages' JSON applies it.
///
/// Deepgram counts the audio of a connection, and that may begin with our own silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeMap {
    /// How far the connection's times are ahead of the session's.
    pub lead: Duration,
}

impl TimeMap {
    /// Whether times are passed on as they are.
    pub fn is_identity(self) -> bool {
        self.lead.is_zero()
    }
}
