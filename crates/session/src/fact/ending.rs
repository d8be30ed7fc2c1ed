//! What a session loses, and how it ends.

use std::time::Duration;

use serde::Serialize;

use super::{as_millis, as_millis_or_null};
use crate::LossCause;
use crate::summary::Summary;

/// The keepalive budget was used up and the connection closed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionParked {
    /// How long nothing but keepalives was sent.
    #[serde(rename = "idle_ms", serialize_with = "as_millis")]
    pub idle: Duration,
}

/// Audio reopened a parked session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionResumed {
    /// How long nothing but keepalives was sent, parked time included.
    #[serde(rename = "idle_ms", serialize_with = "as_millis")]
    pub idle: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AudioLost {
    /// AUDIO frames that were never sent; 0 if all had been sent but not become final.
    pub frames: u64,
    /// Bytes, sent or not, that never became final.
    pub bytes: u64,
    /// The same as a duration, if the encoding has a known one.
    #[serde(rename = "lost_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    pub cause: LossCause,
}

/// The application did not read its socket for `session.app_stall_timeout`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AppStalled;

/// The session is over; nothing follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionEnded {
    #[serde(flatten)]
    pub summary: Summary,
    /// Why, if the outcome does not say it.
    pub cause: Option<EndCause>,
    /// The longest time between two successful sends on one connection.
    #[serde(rename = "send_gap_max_ms", serialize_with = "as_millis")]
    pub send_gap_max: Duration,
    /// Audio received; `None` if the encoding has no known duration.
    #[serde(rename = "audio_ms", serialize_with = "as_millis_or_null")]
    pub audio: Option<Duration>,
    /// Time since the start of shutdown; `None` without one.
    #[serde(rename = "drain_ms", serialize_with = "as_millis_or_null")]
    pub drained_for: Option<Duration>,
    pub finalizes_requested: u64,
    /// What was dropped besides non-empty audio.
    #[serde(skip)]
    pub drops: Drops,
}

/// What a session dropped besides non-empty audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Empty AUDIO frames: Deepgram would treat one as the end of the stream.
    pub empty_frames: u64,
    /// TEXT frames after FINISH or after a death.
    pub texts: u64,
    /// UPDATE frames after FINISH.
    pub updates: u64,
    /// Messages from Deepgram for an application that had left.
    pub messages: u64,
}

/// Why a session was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The application left without FINISH.
    AppLeft,
    /// The application did not read its socket.
    AppStalled,
    /// The application broke the contract.
    AppProtocol,
    /// The session was parked and no new connection could be made.
    ResumeFailed,
}

impl EndCause {
    /// Every cause, in declaration order.
    pub const ALL: [Self; 4] =
        [Self::AppLeft, Self::AppStalled, Self::AppProtocol, Self::ResumeFailed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppLeft => "app_left",
            Self::AppStalled => "app_stalled",
            Self::AppProtocol => "app_protocol",
            Self::ResumeFailed => "resume_failed",
        }
    }
}
