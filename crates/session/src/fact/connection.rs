//! The life of a connection to Deepgram, from the dial to its end.

use std::time::Duration;

use serde::Serialize;

use super::{as_millis, as_millis_or_null};
use crate::death::{Death, Reason, Trigger};
use crate::dial::{DialFailure, DialPhases};

/// An attempt to reach Deepgram failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DialFailed {
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How.
    #[serde(flatten)]
    pub failure: DialFailure,
    /// How long the attempt took.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// When the next attempt comes; `None` where there is none.
    #[serde(rename = "retry_in_ms", serialize_with = "as_millis_or_null")]
    pub retry_in: Option<Duration>,
}

/// A connection is up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connected {
    /// Which of the session's connections, from 1.
    pub connection: u32,
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How long each phase took.
    #[serde(skip)]
    pub phases: DialPhases,
    /// Since the dial's first attempt began.
    #[serde(rename = "waited_ms", serialize_with = "as_millis")]
    pub waited: Duration,
    /// Audio that has waited for it; `None` where the encoding tells no time.
    #[serde(rename = "buffered_ms", serialize_with = "as_millis_or_null")]
    pub buffered: Option<Duration>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
}

/// Deepgram closed its side, asked or unasked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloseReceived {
    /// RFC 6455's code: 1005 where the frame had none, 1006 where the stream ended without a frame.
    pub code: u16,
    /// Deepgram's own code in the frame's text.
    pub dg_code: DgCode,
}

/// Deepgram's own codes, as a close frame's text names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DgCode {
    /// The text names none.
    None,
    /// NET-0000.
    #[serde(rename = "net_0000")]
    Net0000,
    /// NET-0001.
    #[serde(rename = "net_0001")]
    Net0001,
    /// DATA-0000.
    #[serde(rename = "data_0000")]
    Data0000,
    /// One that this version does not know.
    Other,
}

impl DgCode {
    /// Every code, in declaration order.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Net0000, Self::Net0001, Self::Data0000, Self::Other];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Net0000 => "net_0000",
            Self::Net0001 => "net_0001",
            Self::Data0000 => "data_0000",
            Self::Other => "other",
        }
    }
}

/// A connection ended as it was asked to, or was let go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionClosed {
    /// Which of the session's connections, from 1.
    pub connection: u32,
    /// How long it had been up.
    #[serde(rename = "age_ms", serialize_with = "as_millis")]
    pub age: Duration,
    /// Since CloseStream was asked for; `None` where it was not.
    #[serde(rename = "closing_ms", serialize_with = "as_millis_or_null")]
    pub closing: Option<Duration>,
    /// How.
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

/// A connection died.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionDied {
    /// As the application is told it.
    #[serde(flatten)]
    pub death: Death,
    /// How long the connection had been up.
    #[serde(rename = "age_ms", serialize_with = "as_millis")]
    pub age: Duration,
    /// Where in its life it was.
    pub stage: Stage,
}

/// Where in its life a connection was when it died.
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

    /// The label value.
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

/// A symptom of a connection that was dead already: evidence, not a second death.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LateEvidence {
    /// What it would have been the cause of.
    pub reason: Reason,
    /// The operation that saw it.
    pub trigger: Trigger,
    /// For people.
    pub detail: String,
}

/// A deadline was noticed so late that it proves nothing about the peer: we were paused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimerLate {
    /// How late.
    #[serde(rename = "lateness_ms", serialize_with = "as_millis")]
    pub lateness: Duration,
}
