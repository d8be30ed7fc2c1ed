//! A connection to Deepgram, from the dial to its end.

use crate::members::{Members, Visitor};
use std::time::Duration;

use crate::close::DgCode;
use crate::death::{Death, Reason, Trigger};
use crate::dial::{DialFailure, DialPhases};

/// An attempt to reach Deepgram failed.
#[derive(Clone, Debug, PartialEq)]
pub struct DialFailed {
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    pub failure: DialFailure,
    /// How long the attempt took.
    pub duration: Duration,
    /// When the next attempt starts; `None` if there is none.
    pub retry_in: Option<Duration>,
}

impl Members for DialFailed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("attempt", self.attempt);
        visitor.flatten(&self.failure);
        visitor.member("duration_ms", self.duration);
        visitor.member("retry_in_ms", self.retry_in);
    }
}

/// A connection is up.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Number of the connection within the session, from 1.
    pub connection: u32,
    /// Which attempt of this dial, from 1.
    pub attempt: u32,
    /// How long each phase took.
    pub phases: DialPhases,
    /// Since the dial's first attempt began.
    pub waited: Duration,
    /// Audio buffered until then; `None` if the encoding has no known duration.
    pub buffered: Option<Duration>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// It is for a prelude: the application's audio goes to another.
    pub is_beside: bool,
}

impl Members for Connected {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("connection", self.connection);
        visitor.member("attempt", self.attempt);
        visitor.member("connect_ms", self.phases.total());
        visitor.member("waited_ms", self.waited);
        visitor.member("buffered_ms", self.buffered);
        visitor.member("request_id", self.request_id.as_deref());
    }
}

/// Deepgram sent an `Error` message.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamError {
    /// Deepgram's `code`, or else `variant`.
    pub code: Option<String>,
    /// Deepgram's `description`.
    pub description: String,
}

impl Members for UpstreamError {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("code", self.code.as_deref());
        visitor.member("description", &self.description);
    }
}

/// Deepgram closed its side, requested or not.
#[derive(Clone, Debug, PartialEq)]
pub struct CloseReceived {
    /// RFC 6455's code: 1005 if the frame had none, 1006 if the stream ended without a frame.
    pub code: u16,
    /// Deepgram's own code in the frame's text.
    pub dg_code: DgCode,
}

impl Members for CloseReceived {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("code", self.code);
        visitor.word(self.dg_code);
    }
}

/// A connection ended as requested, or was dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionClosed {
    /// Number of the connection within the session, from 1.
    pub connection: u32,
    /// How long it had been up.
    pub age: Duration,
    /// Time since CloseStream was requested; `None` if it was not.
    pub closing: Option<Duration>,
    pub end: ConnectionEnd,
}

impl Members for ConnectionClosed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("connection", self.connection);
        visitor.member("age_ms", self.age);
        visitor.member("closing_ms", self.closing);
        visitor.word(self.end);
    }
}

crate::vocabulary! {
    /// How a connection ended that did not die.
    pub enum ConnectionEnd: "end" {
        /// Deepgram flushed and closed.
        Flushed = "flushed",
        /// Deepgram did not close in time.
        TimedOut = "timed_out",
        /// The shutdown deadline cut it.
        Cut = "cut",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionDied {
    /// As reported to the application.
    pub death: Death,
    /// How long the connection had been up.
    pub age: Duration,
    /// The stage of its life.
    pub stage: Stage,
}

impl Members for ConnectionDied {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.flatten(&self.death);
        visitor.member("age_ms", self.age);
        visitor.word(self.stage);
    }
}

crate::vocabulary! {
    /// The stage of a connection's life when it died.
    pub enum Stage: "stage" {
        /// Nothing sent yet.
        AwaitingAudio = "awaiting_audio",
        /// Audio sent, no result yet.
        AwaitingResult = "awaiting_result",
        /// Audio flowed within the last keepalive interval.
        Streaming = "streaming",
        /// Kept alive.
        Idle = "idle",
        /// A Finalize was unanswered.
        Finalizing = "finalizing",
        /// CloseStream had been sent.
        Closing = "closing",
    }
}

/// A symptom of a connection that was already dead: evidence, not a second death.
#[derive(Clone, Debug, PartialEq)]
pub struct LateEvidence {
    /// The reason it would have been.
    pub reason: Reason,
    /// The operation that detected it.
    pub trigger: Trigger,
    /// Human-readable.
    pub detail: String,
}

impl Members for LateEvidence {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.reason);
        visitor.word(self.trigger);
        visitor.member("detail", &self.detail);
    }
}

/// A deadline was noticed too late to prove anything about the peer: we were paused.
#[derive(Clone, Debug, PartialEq)]
pub struct TimerLate {
    /// How late.
    pub lateness: Duration,
}

impl Members for TimerLate {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("lateness_ms", self.lateness);
    }
}
