//! A connection to Deepgram, from the dial to its end.

use std::time::Duration;

use serde::Serialize;

use super::{as_millis, as_millis_or_null};
use crate::close::DgCode;
use crate::death::{Death, Reason, Trigger};
use crate::dial::{DialFailure, DialPhases};

/// An attempt to reach Deepgram failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DialFailed {
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    #[serde(flatten)]
    pub failure: DialFailure,
    /// How long the attempt took.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// When the next attempt starts; `None` if there is none.
    #[serde(rename = "retry_in_ms", serialize_with = "as_millis_or_null")]
    pub retry_in: Option<Duration>,
}

/// A connection is up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connected {
    /// Number of the connection within the session, from 1.
    pub connection: u32,
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How long each phase took.
    #[serde(skip)]
    pub phases: DialPhases,
    /// Since the dial's first attempt began.
    #[serde(rename = "waited_ms", serialize_with = "as_millis")]
    pub waited: Duration,
    /// Audio buffered until then; `None` if the encoding has no known duration.
    #[serde(rename = "buffered_ms", serialize_with = "as_millis_or_null")]
    pub buffered: Option<Duration>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
}

/// Deepgram closed its side, requested or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloseReceived {
    /// RFC 6455's code: 1005 if the frame had none, 1006 if the stream ended without a frame.
    pub code: u16,
    /// Deepgram's own code in the frame's text.
    pub dg_code: DgCode,
}

/// A connection ended as requested, or was dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionClosed {
    /// Number of the connection within the session, from 1.
    pub connection: u32,
    /// How long it had been up.
    #[serde(rename = "age_ms", serialize_with = "as_millis")]
    pub age: Duration,
    /// Time since CloseStream was requested; `None` if it was not.
    #[serde(rename = "closing_ms", serialize_with = "as_millis_or_null")]
    pub closing: Option<Duration>,
    pub end: ConnectionEnd,
}

/// How a connection ended that did not die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEnd {
    /// Deepgram flushed and closed.
    Flushed,
    /// Deepgram did not close in time.
    TimedOut,
    /// The shutdown deadline cut it.
    Cut,
}

impl ConnectionEnd {
    /// The word in logs and spans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flushed => "flushed",
            Self::TimedOut => "timed_out",
            Self::Cut => "cut",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionDied {
    /// As reported to the application.
    #[serde(flatten)]
    pub death: Death,
    /// How long the connection had been up.
    #[serde(rename = "age_ms", serialize_with = "as_millis")]
    pub age: Duration,
    /// The stage of its life.
    pub stage: Stage,
}

/// The stage of a connection's life when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing sent yet.
    AwaitingAudio,
    /// Audio sent, no result yet.
    AwaitingResult,
    /// Audio flowed within the last keepalive interval.
    Streaming,
    /// Kept alive.
    Idle,
    /// A Finalize was unanswered.
    Finalizing,
    /// CloseStream had been sent.
    Closing,
}

impl Stage {
    /// Every stage, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::AwaitingAudio,
        Self::AwaitingResult,
        Self::Streaming,
        Self::Idle,
        Self::Finalizing,
        Self::Closing,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingAudio => "awaiting_audio",
            Self::AwaitingResult => "awaiting_result",
            Self::Streaming => "streaming",
            Self::Idle => "idle",
            Self::Finalizing => "finalizing",
            Self::Closing => "closing",
        }
    }
}

/// A symptom of a connection that was already dead: evidence, not a second death.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LateEvidence {
    /// The reason it would have been.
    pub reason: Reason,
    /// The operation that detected it.
    pub trigger: Trigger,
    /// Human-readable.
    pub detail: String,
}

/// A deadline was noticed too late to prove anything about the peer: we were paused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimerLate {
    /// How late.
    #[serde(rename = "lateness_ms", serialize_with = "as_millis")]
    pub lateness: Duration,
}
