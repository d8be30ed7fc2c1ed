//! What the session machine reports to operators: one fact for each thing that happened.
//!
//! The machine only returns facts; `telemetry` decides which metric, log line and span each one
//! becomes. As JSON a fact is an object whose `event` is the name of its log line.

mod connection;
mod ending;
mod traffic;

use crate::members::{Members, Visitor};
use crate::{Observation, Refusal, State};

pub use connection::{
    CloseReceived, Connected, ConnectionClosed, ConnectionDied, ConnectionEnd, DialFailed,
    LateEvidence, Stage, TimerLate,
};
pub use ending::{
    AppStalled, AudioLost, Drops, EndCause, SessionEnded, SessionParked, SessionResumed,
};
pub use traffic::{
    BinaryDropped, FinalizeAnswered, FinalizeFailed, FinalizeSkipped, FinalizeTimedOut, GapLevel,
    KeepaliveBlocked, KeepaliveGap, KeepaliveSent, SkipCause, StallEnded, StallOutcome,
    StreamClosing, TranscriptStalled,
};

/// One thing that happened in a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    DialFailed(DialFailed),
    Connected(Connected),
    KeepaliveSent(KeepaliveSent),
    KeepaliveBlocked(KeepaliveBlocked),
    KeepaliveGap(KeepaliveGap),
    FinalizeAnswered(FinalizeAnswered),
    FinalizeTimedOut(FinalizeTimedOut),
    FinalizeFailed(FinalizeFailed),
    FinalizeSkipped(FinalizeSkipped),
    StreamClosing(StreamClosing),
    CloseReceived(CloseReceived),
    ConnectionClosed(ConnectionClosed),
    ConnectionDied(ConnectionDied),
    LateEvidence(LateEvidence),
    TimerLate(TimerLate),
    TranscriptStalled(TranscriptStalled),
    StallEnded(StallEnded),
    SessionParked(SessionParked),
    SessionResumed(SessionResumed),
    AudioLost(AudioLost),
    AppStalled(AppStalled),
    BinaryDropped(BinaryDropped),
    /// Boxed, because it is several times as large as the others, and many facts are kept.
    SessionEnded(Box<SessionEnded>),
}

impl Fact {
    /// The name of its log line, and what it says.
    fn told(&self) -> (&'static str, &dyn Members) {
        match self {
            Self::DialFailed(fact) => ("dial_failed", fact),
            Self::Connected(fact) => ("upstream_up", fact),
            Self::KeepaliveSent(fact) => ("keepalive_sent", fact),
            Self::KeepaliveBlocked(fact) => ("keepalive_blocked", fact),
            Self::KeepaliveGap(fact) => ("keepalive_gap", fact),
            Self::FinalizeAnswered(fact) => ("finalize_answered", fact),
            Self::FinalizeTimedOut(fact) => ("finalize_timed_out", fact),
            Self::FinalizeFailed(fact) => ("finalize_failed", fact),
            Self::FinalizeSkipped(fact) => ("finalize_skipped", fact),
            Self::StreamClosing(fact) => ("stream_closing", fact),
            Self::CloseReceived(fact) => ("close_received", fact),
            Self::ConnectionClosed(fact) => ("upstream_closed", fact),
            Self::ConnectionDied(fact) => ("upstream_lost", fact),
            Self::LateEvidence(fact) => ("late_evidence", fact),
            Self::TimerLate(fact) => ("timer_late", fact),
            Self::TranscriptStalled(fact) => ("stall_begin", fact),
            Self::StallEnded(fact) => ("stall_end", fact),
            Self::SessionParked(fact) => ("session_parked", fact),
            Self::SessionResumed(fact) => ("session_resumed", fact),
            Self::AudioLost(fact) => ("audio_lost", fact),
            Self::AppStalled(fact) => ("app_stalled", fact),
            Self::BinaryDropped(fact) => ("binary_dropped", fact),
            Self::SessionEnded(fact) => ("session_end", &**fact),
        }
    }

    /// The name of its log line.
    pub fn name(&self) -> &'static str {
        self.told().0
    }

    /// What it says, without its name.
    pub fn members(&self) -> &dyn Members {
        self.told().1
    }

    /// How many Finalizes it settles: each requested one is settled by exactly one fact.
    pub fn finalizes_settled(&self) -> u64 {
        match self {
            Self::FinalizeAnswered(fact) => fact.count,
            Self::FinalizeTimedOut(fact) => fact.count,
            Self::FinalizeFailed(fact) => fact.count,
            Self::FinalizeSkipped(fact) => fact.count,
            _ => 0,
        }
    }
}

impl Members for Fact {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        let (name, members) = self.told();
        visitor.member("event", name).flatten(members);
    }
}

/// Observes a session. Called from the session's own task, so it must not block.
pub trait Observer {
    /// Something happened.
    fn record(&self, fact: &Fact);

    /// Something was measured. May be called for every message, so it must neither allocate nor
    /// look anything up.
    fn observe(&self, observation: &Observation);

    /// The application is sent an ERROR.
    fn refused(&self, refusal: &Refusal);

    /// The session's state changed.
    fn state_changed(&self, from: State, to: State);
}
