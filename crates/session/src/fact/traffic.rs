//! A connection's traffic besides audio, and where it is missing.

use crate::members::{Members, Visitor};
use std::time::Duration;

use crate::Endpoint;

/// A keepalive was written.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveSent {
    /// Which endpoint's kind: a text message on v1, a Ping on v2.
    pub endpoint: Endpoint,
    /// How late the machine issued it.
    pub lateness: Duration,
}

impl Members for KeepaliveSent {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word_if_any(self.endpoint.traits().keepalive);
        visitor.member("lateness_ms", self.lateness);
    }
}

/// A keepalive was due while earlier messages were still waiting to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveBlocked;

impl Members for KeepaliveBlocked {
    fn visit<'a>(&'a self, _visitor: &mut Visitor<'_, 'a>) {}
}

/// The pause in sending came close to Deepgram's idle timeout, or exceeded it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveGap {
    /// From one successful send to the next, or to the connection's death.
    pub gap: Duration,
    /// How bad.
    pub level: GapLevel,
}

impl Members for KeepaliveGap {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("gap_ms", self.gap);
        visitor.word(self.level);
    }
}

crate::vocabulary! {
    /// How close a gap between two sends came to Deepgram's idle timeout.
    pub enum GapLevel: "gap_level" {
        /// At least 80 % of it.
        NearMiss = "near_miss",
        /// All of it: the keepalive failed.
        Breach = "breach",
    }
}

impl GapLevel {
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
}

/// A `from_finalize` result was received.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeAnswered {
    /// Time since the oldest Finalize that it answers was written.
    pub latency: Duration,
    /// How many it answers.
    pub count: u64,
}

impl Members for FinalizeAnswered {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("latency_ms", self.latency);
        visitor.member("finalizes", self.count);
    }
}

/// Finalizes had no answer within `session.finalize_timeout`.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeTimedOut {
    /// How long that is.
    pub waited: Duration,
    pub count: u64,
}

impl Members for FinalizeTimedOut {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("waited_ms", self.waited);
        visitor.member("finalizes", self.count);
    }
}

/// Finalizes could not be written on a live connection.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeFailed {
    pub count: u64,
}

impl Members for FinalizeFailed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("finalizes", self.count);
    }
}

/// Finalizes had nowhere to go, or their connection ended before the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalizeSkipped {
    pub count: u64,
    pub cause: SkipCause,
}

impl Members for FinalizeSkipped {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("finalizes", self.count);
        visitor.word(self.cause);
    }
}

crate::vocabulary! {
    /// Why a Finalize was skipped.
    pub enum SkipCause: "cause" {
        /// The connection was dead, or died before the answer.
        Dead = "dead",
        /// Nothing was left to flush: the stream had been closed, or the session was parked.
        Superseded = "superseded",
    }
}

/// CloseStream was requested: no more audio will be sent on this connection.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamClosing {
    /// Whether the session will be parked rather than end.
    pub to_park: bool,
}

impl Members for StreamClosing {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("to_park", self.to_park);
    }
}

/// Audio went in and nothing came out for `liveness.stall_after`.
#[derive(Clone, Debug, PartialEq)]
pub struct TranscriptStalled {
    pub silent: Duration,
}

impl Members for TranscriptStalled {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("silent_ms", self.silent);
    }
}

/// A stall is over.
#[derive(Clone, Debug, PartialEq)]
pub struct StallEnded {
    /// How long nothing came out.
    pub silent: Duration,
    pub outcome: StallOutcome,
}

impl Members for StallEnded {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("silent_ms", self.silent);
        visitor.word(self.outcome);
    }
}

crate::vocabulary! {
    /// How a stall ended.
    pub enum StallOutcome: "outcome" {
        /// A message was received.
        Recovered = "recovered",
        /// The connection died.
        Died = "died",
        /// The connection was dropped before anything was received.
        Ended = "ended",
    }
}

/// Deepgram sent a binary message, for which the contract has no frame.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryDropped {
    pub bytes: usize,
}

impl Members for BinaryDropped {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("bytes", self.bytes);
    }
}
