//! A connection's traffic besides audio, and where it is missing.

use std::time::Duration;

use serde::Serialize;

use super::as_millis;
use crate::Endpoint;

/// A keepalive was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeepaliveSent {
    /// Which endpoint's kind: a text message on v1, a Ping on v2.
    #[serde(skip)]
    pub endpoint: Endpoint,
    /// How late the machine issued it.
    #[serde(rename = "lateness_ms", serialize_with = "as_millis")]
    pub lateness: Duration,
}

/// A keepalive was due while earlier messages were still waiting to be written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeepaliveBlocked;

/// The pause in sending came close to Deepgram's idle timeout, or exceeded it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeepaliveGap {
    /// From one successful send to the next, or to the connection's death.
    #[serde(rename = "gap_ms", serialize_with = "as_millis")]
    pub gap: Duration,
    /// How bad.
    pub level: GapLevel,
}

/// How close a gap between two sends came to Deepgram's idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapLevel {
    /// At least 80 % of it.
    NearMiss,
    /// All of it: the keepalive failed.
    Breach,
}

impl GapLevel {
    /// Every level, in declaration order.
    pub const ALL: [Self; 2] = [Self::NearMiss, Self::Breach];

    /// Deepgram closes a connection on which nothing was sent for about this long.
    pub const DEADLINE: Duration = Duration::from_secs(10);

    /// The level of a gap; `None` if it was harmless.
    pub fn of(gap: Duration) -> Option<Self> {
        if gap >= Self::DEADLINE {
            Some(Self::Breach)
        } else if gap >= Self::DEADLINE * 4 / 5 {
            Some(Self::NearMiss)
        } else {
            None
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NearMiss => "near_miss",
            Self::Breach => "breach",
        }
    }
}

/// A `from_finalize` result was received.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FinalizeAnswered {
    /// Time since the oldest Finalize that it answers was written.
    #[serde(rename = "latency_ms", serialize_with = "as_millis")]
    pub latency: Duration,
    /// How many it answers.
    #[serde(rename = "finalizes")]
    pub count: u64,
}

/// Finalizes had no answer within `session.finalize_timeout`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FinalizeTimedOut {
    /// How long that is.
    #[serde(rename = "waited_ms", serialize_with = "as_millis")]
    pub waited: Duration,
    #[serde(rename = "finalizes")]
    pub count: u64,
}

/// Finalizes could not be written on a live connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FinalizeFailed {
    #[serde(rename = "finalizes")]
    pub count: u64,
}

/// Finalizes had nowhere to go, or their connection ended before the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FinalizeSkipped {
    #[serde(rename = "finalizes")]
    pub count: u64,
    pub cause: SkipCause,
}

/// Why a Finalize was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipCause {
    /// The connection was dead, or died before the answer.
    Dead,
    /// Nothing was left to flush: the stream had been closed, or the session was parked.
    Superseded,
}

impl SkipCause {
    /// Every cause, in declaration order.
    pub const ALL: [Self; 2] = [Self::Dead, Self::Superseded];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }
}

/// CloseStream was requested: no more audio will be sent on this connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamClosing {
    /// Whether the session will be parked rather than end.
    pub to_park: bool,
}

/// Audio went in and nothing came out for `liveness.stall_after`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TranscriptStalled {
    #[serde(rename = "silent_ms", serialize_with = "as_millis")]
    pub silent: Duration,
}

/// A stall is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StallEnded {
    /// How long nothing came out.
    #[serde(rename = "silent_ms", serialize_with = "as_millis")]
    pub silent: Duration,
    pub outcome: StallOutcome,
}

/// How a stall ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StallOutcome {
    /// A message was received.
    Recovered,
    /// The connection died.
    Died,
    /// The connection was dropped before anything was received.
    Ended,
}

impl StallOutcome {
    /// Every outcome, in declaration order.
    pub const ALL: [Self; 3] = [Self::Recovered, Self::Died, Self::Ended];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Died => "died",
            Self::Ended => "ended",
        }
    }
}

/// Deepgram sent a binary message, for which the contract has no frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BinaryDropped {
    pub bytes: usize,
}
