//! What the session machine tells the operators' side: one fact for each thing that happened.
//!
//! The machine only returns facts; `telemetry` decides which metric, log line and span each one
//! moves.

use std::time::Duration;

use super::death::{Death, Reason, Trigger};
use super::dial::{DialFailure, DialPhases};
use super::live::State;
use super::summary::Summary;
use super::{Endpoint, LossCause, Refusal};

/// One thing that happened in a session.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is named by the struct that it holds")]
pub enum Fact {
    DialFailed(DialFailed),
    Connected(Connected),
    KeepaliveSent(KeepaliveSent),
    KeepaliveBlocked(KeepaliveBlocked),
    FinalizeAnswered(FinalizeAnswered),
    FinalizeTimedOut(FinalizeTimedOut),
    FinalizeFailed(FinalizeFailed),
    FinalizeSkipped(FinalizeSkipped),
    ConnectionDied(ConnectionDied),
    LateEvidence(LateEvidence),
    TimerLate(TimerLate),
    TranscriptStalled(TranscriptStalled),
    SessionParked(SessionParked),
    SessionResumed(SessionResumed),
    AudioLost(AudioLost),
    AppStalled(AppStalled),
    BinaryDropped(BinaryDropped),
    SessionEnded(SessionEnded),
}

/// Whoever is told what happens in a session. Called from the session's own task, so it must
/// neither block nor wait.
pub trait Observer {
    /// One thing happened.
    fn record(&self, fact: &Fact);

    /// The application is sent an ERROR.
    fn refused(&self, refusal: &Refusal);

    /// The session is doing something else now.
    fn state_changed(&self, from: State, to: State);
}

/// An attempt to reach Deepgram failed.
#[derive(Clone, Debug, PartialEq)]
pub struct DialFailed {
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How.
    pub failure: DialFailure,
    /// When the next attempt comes; `None` where there is none.
    pub retry_in: Option<Duration>,
}

/// A connection is up.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Which of the session's connections, from 1.
    pub connection: u32,
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How long each phase took.
    pub phases: DialPhases,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
}

/// A keepalive was written.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveSent {
    /// Which endpoint's kind: a text message on v1, a Ping on v2.
    pub endpoint: Endpoint,
    /// How much later than due the machine asked for it.
    pub lateness: Duration,
}

/// A keepalive was due while earlier messages still waited to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveBlocked;

/// A `from_finalize` result came.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeAnswered {
    /// Since the oldest Finalize that it answers was written.
    pub latency: Duration,
    /// How many it answers.
    pub count: u64,
}

/// Finalizes had no answer within `session.finalize_timeout`.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeTimedOut {
    /// How many.
    pub count: u64,
}

/// Finalizes could not be written on a live connection.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeFailed {
    /// How many.
    pub count: u64,
}

/// Finalizes had nowhere to go, or their connection ended before the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeSkipped {
    /// How many.
    pub count: u64,
    /// Why.
    pub cause: SkipCause,
}

/// Why a Finalize was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipCause {
    /// The connection was dead, or died before the answer.
    Dead,
    /// Nothing was left to flush: the stream had been closed, or the session was parked.
    Superseded,
}

/// A connection died.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionDied {
    /// As the application is told it.
    pub death: Death,
    /// How long the connection had been up.
    pub age: Duration,
    /// Where in its life it was.
    pub stage: Stage,
}

/// Where in its life a connection was when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq)]
pub struct LateEvidence {
    /// What it would have been the cause of.
    pub reason: Reason,
    /// The operation that saw it.
    pub trigger: Trigger,
    /// For people.
    pub detail: String,
}

/// A deadline was noticed so late that it proves nothing about the peer: we were paused.
#[derive(Clone, Debug, PartialEq)]
pub struct TimerLate {
    /// How late.
    pub lateness: Duration,
}

/// Audio went in and nothing came out for `liveness.stall_after`.
#[derive(Clone, Debug, PartialEq)]
pub struct TranscriptStalled {
    /// For how long.
    pub silent: Duration,
}

/// The keepalive budget was spent and the connection closed.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionParked {
    /// How long nothing but keepalives was sent.
    pub idle: Duration,
}

/// Audio reopened a parked session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionResumed {
    /// How long nothing but keepalives was sent, parked time included.
    pub idle: Duration,
}

/// Audio was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioLost {
    /// AUDIO frames that were never sent; 0 where all had been sent but not made final.
    pub frames: u64,
    /// Bytes, sent or not, that never became final.
    pub bytes: u64,
    /// The same as time, where the encoding tells it.
    pub duration: Duration,
    /// Why.
    pub cause: LossCause,
}

/// The application left its socket unread for `session.app_stall_timeout`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppStalled;

/// Deepgram sent a binary message, which the contract has no frame for.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryDropped {
    /// Its bytes.
    pub bytes: usize,
}

/// The session is over; nothing follows.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEnded {
    /// The books.
    pub summary: Summary,
    /// Why, where the outcome alone does not say it.
    pub cause: Option<EndCause>,
    /// The longest time between two successful sends on one connection.
    pub send_gap_max: Duration,
    /// Finalizes that were asked for.
    pub finalizes_requested: u64,
    /// What was dropped beside audio with bytes in it.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
