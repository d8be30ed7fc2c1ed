//! What the session machine reports to operators: one fact for each thing that happened.
//!
//! The machine only returns facts; `telemetry` decides which metric, log line and span each one
//! becomes. As JSON a fact is an object whose `event` is the name of its log line.

mod connection;
mod ending;
mod traffic;

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Observation, Refusal, State, millis};

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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Fact {
    DialFailed(DialFailed),
    #[serde(rename = "upstream_up")]
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
    #[serde(rename = "upstream_closed")]
    ConnectionClosed(ConnectionClosed),
    #[serde(rename = "upstream_lost")]
    ConnectionDied(ConnectionDied),
    LateEvidence(LateEvidence),
    TimerLate(TimerLate),
    #[serde(rename = "stall_begin")]
    TranscriptStalled(TranscriptStalled),
    #[serde(rename = "stall_end")]
    StallEnded(StallEnded),
    SessionParked(SessionParked),
    SessionResumed(SessionResumed),
    AudioLost(AudioLost),
    AppStalled(AppStalled),
    BinaryDropped(BinaryDropped),
    /// Boxed, because it is several times as large as the others, and many facts are kept.
    #[serde(rename = "session_end")]
    SessionEnded(Box<SessionEnded>),
}

impl Fact {
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

/// Durations in JSON are whole milliseconds.
fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(*duration))
}

/// The same for one that may be missing.
fn as_millis_or_null<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(millis).serialize(serializer)
}
