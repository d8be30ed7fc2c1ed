//! What a session is doing, as operators see it.

use serde::Serialize;

/// What a session is doing.
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
    /// CloseStream is asked for; the last results are on their way.
    Closing = 3,
    /// The connection died; the application has not finished yet.
    Dead = 4,
    /// The keepalive budget is spent; the next audio reopens.
    Parked = 5,
    /// Over; the last frame may still be on its way.
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

    /// The label value.
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
