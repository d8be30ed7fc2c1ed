//! A session's state, as operators see it.

use serde::Serialize;

/// A session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// Dialling Deepgram, the first time or to resume.
    Connecting = 0,
    /// Streaming, or kept alive.
    Open = 1,
    /// Open with an unanswered Finalize.
    Finalizing = 2,
    /// CloseStream is requested; waiting for the last results.
    Closing = 3,
    /// The connection died, but the application has not finished yet.
    Dead = 4,
    /// The keepalive budget is used up; the next audio reopens the connection.
    Parked = 5,
    /// Over; the last frame may still be in flight.
    Ended = 6,
}

impl State {
    /// Every state, in order of its number.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Open,
        Self::Finalizing,
        Self::Closing,
        Self::Dead,
        Self::Parked,
        Self::Ended,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Finalizing => "finalizing",
            Self::Closing => "closing",
            Self::Dead => "dead",
            Self::Parked => "parked",
            Self::Ended => "ended",
        }
    }
}
