//! How a session outlives its connections.

use std::time::Duration;

use crate::ReconnectReason;
use crate::members::{Members, Visitor};

crate::vocabulary! {
    /// Why a session that asks for recovery cannot have it.
    pub enum NotRecoverable: "cause" {
        /// Its encoding tells no time, or has a header that another connection would miss.
        Encoding = "encoding",
        /// Results go to a callback, so nothing tells what is final.
        Callback = "callback",
        /// Nothing that the application has sent could be sent again.
        Endpoint = "endpoint",
    }
}

/// Recovery was asked for and cannot be had: a death is final.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryUnavailable {
    pub cause: NotRecoverable,
}

impl Members for RecoveryUnavailable {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.cause);
    }
}

/// Results go to a callback: that none comes here is no stall.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultsElsewhere;

impl Members for ResultsElsewhere {
    fn visit<'a>(&'a self, _visitor: &mut Visitor<'_, 'a>) {}
}

/// Another connection is tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnecting {
    /// Which dial since the death, from 1.
    pub attempt: u32,
    /// How long it waits before that.
    pub delay: Duration,
    pub reason: ReconnectReason,
}

impl Members for Reconnecting {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("attempt", self.attempt);
        visitor.member("delay_ms", self.delay);
        visitor.member(ReconnectReason::KEY, self.reason.as_str());
    }
}

/// Another connection has answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// Which, from 1.
    pub connection: u32,
    /// Dials since the death.
    pub attempts: u32,
    /// How long no connection was up.
    pub gap: Duration,
    /// From the death to the answer.
    pub took: Duration,
    /// Audio that was sent again.
    pub replayed: Duration,
    /// Audio that was lost since the death.
    pub lost: Duration,
}

impl Members for Recovered {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("connection", self.connection);
        visitor.member("attempts", self.attempts);
        visitor.member("gap_ms", self.gap);
        visitor.member("took_ms", self.took);
        visitor.member("replayed_ms", self.replayed);
        visitor.member("lost_ms", self.lost);
    }
}

/// No other connection is tried: the death is final.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryFailed {
    /// Dials since the death.
    pub attempts: u32,
    /// Dials since a connection lived for a minute, which `recovery.max_reconnects` bounds.
    pub reconnects: u32,
    /// Since the death.
    pub lasted: Duration,
    /// What the last one came to.
    pub reason: ReconnectReason,
}

impl Members for RecoveryFailed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("attempts", self.attempts);
        visitor.member("reconnects", self.reconnects);
        visitor.member("lasted_ms", self.lasted);
        visitor.member(ReconnectReason::KEY, self.reason.as_str());
    }
}
