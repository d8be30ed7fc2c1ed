//! What a session gives up, and how it ends.

use std::time::Duration;

use serde::Serialize;

use super::{as_millis, as_millis_or_null};
use crate::LossCause;
use crate::summary::Summary;

/// The keepalive budget was spent and the connection closed.
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

/// Audio was given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AudioLost {
    /// AUDIO frames that were never sent; 0 where all had been sent but not made final.
    pub frames: u64,
    /// Bytes, sent or not, that never became final.
    pub bytes: u64,
    /// The same as time, where the encoding tells it.
    #[serde(rename = "lost_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// Why.
    pub cause: LossCause,
}

/// The application left its socket unread for `session.app_stall_timeout`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AppStalled;

/// The session is over; nothing follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionEnded {
    /// The books.
    #[serde(flatten)]
    pub summary: Summary,
    /// Why, where the outcome alone does not say it.
    pub cause: Option<EndCause>,
    /// The longest time between two successful sends on one connection.
    #[serde(rename = "send_gap_max_ms", serialize_with = "as_millis")]
    pub send_gap_max: Duration,
    /// Audio received; `None` where the encoding tells no time.
    #[serde(rename = "audio_ms", serialize_with = "as_millis_or_null")]
    pub audio: Option<Duration>,
    /// Since shutdown began; `None` where it had not.
    #[serde(rename = "drain_ms", serialize_with = "as_millis_or_null")]
    pub drained_for: Option<Duration>,
    /// Finalizes that were asked for.
    pub finalizes_requested: u64,
    /// What was dropped beside audio with bytes in it.
    #[serde(skip)]
    pub drops: Drops,
}

/// What a session dropped beside audio with bytes in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// AUDIO frames without a byte: Deepgram would take one for the end of the stream.
    pub empty_frames: u64,
    /// TEXT frames that came after FINISH or after a death.
    pub texts: u64,
    /// UPDATE frames that came after FINISH.
    pub updates: u64,
    /// Messages of Deepgram's that the application was no longer there to read.
    pub messages: u64,
}

/// Why a session was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The application left without FINISH.
    AppLeft,
    /// The application left its socket unread.
    AppStalled,
    /// The application broke the contract.
    AppProtocol,
    /// The session was parked and no new connection could be had.
    ResumeFailed,
}

impl EndCause {
    /// Every cause, in declaration order.
    pub const ALL: [Self; 4] =
        [Self::AppLeft, Self::AppStalled, Self::AppProtocol, Self::ResumeFailed];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppLeft => "app_left",
            Self::AppStalled => "app_stalled",
            Self::AppProtocol => "app_protocol",
            Self::ResumeFailed => "resume_failed",
        }
    }
}
