//! What the session machine reports to operators: one fact for each thing that happened.
//!
//! The machine only returns facts; `telemetry` decides which metric, log line and span each one
//! becomes. As JSON a fact is an object whose `event` is the name of its log line.

mod connection;
mod ending;
mod prelude;
mod recovery;
mod traffic;
mod vad;

use crate::members::{Members, Visitor};
use crate::{Observation, Refusal, State};

pub use connection::{
    CloseReceived, Connected, ConnectionClosed, ConnectionDied, ConnectionEnd, DialFailed,
    LateEvidence, Stage, TimerLate, UpstreamError,
};
pub use ending::{
    AppStalled, AudioLost, Drops, ParkCause, SessionEnded, SessionParked, SessionResumed,
};
pub use prelude::{PreludeEnd, PreludeEnded, PreludeSent};
pub use recovery::{
    NotRecoverable, Reconnecting, Recovered, RecoveryFailed, RecoveryUnavailable, ResultsElsewhere,
};
pub use traffic::{
    BinaryDropped, FinalizeAnswered, FinalizeFailed, FinalizeSkipped, FinalizeTimedOut, GapLevel,
    KeepaliveBlocked, KeepaliveGap, KeepaliveSent, SkipCause, StallEnded, StallOutcome,
    StreamClosing, TranscriptStalled,
};
pub use vad::{VadClosed, VadFailed, VadModeChanged, VadModeSource, VadNotAvailable, VadOpened};

/// Lists the kinds of facts, each with its type and the name of its log line.
macro_rules! facts {
    ($( $(#[$doc:meta])* $kind:ident($type:ty) = $name:literal, )+) => {
        /// One thing that happened in a session.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Fact {
            $( $(#[$doc])* $kind($type), )+
        }

        impl Fact {
            /// Every name, in declaration order.
            pub const NAMES: [&'static str; [$( $name ),+].len()] = [$( $name ),+];

            /// The name of its log line.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$kind(_) => $name, )+
                }
            }

            /// What it says, without its name.
            pub fn members(&self) -> &dyn Members {
                match self {
                    $( Self::$kind(fact) => fact, )+
                }
            }
        }
    };
}

facts! {
    DialFailed(DialFailed) = "dial_failed",
    Connected(Connected) = "upstream_up",
    KeepaliveSent(KeepaliveSent) = "keepalive_sent",
    KeepaliveBlocked(KeepaliveBlocked) = "keepalive_blocked",
    KeepaliveGap(KeepaliveGap) = "keepalive_gap",
    FinalizeAnswered(FinalizeAnswered) = "finalize_answered",
    FinalizeTimedOut(FinalizeTimedOut) = "finalize_timed_out",
    FinalizeFailed(FinalizeFailed) = "finalize_failed",
    FinalizeSkipped(FinalizeSkipped) = "finalize_skipped",
    StreamClosing(StreamClosing) = "stream_closing",
    UpstreamError(UpstreamError) = "upstream_error",
    CloseReceived(CloseReceived) = "close_received",
    ConnectionClosed(ConnectionClosed) = "upstream_closed",
    ConnectionDied(ConnectionDied) = "upstream_lost",
    LateEvidence(LateEvidence) = "late_evidence",
    TimerLate(TimerLate) = "timer_late",
    TranscriptStalled(TranscriptStalled) = "stall_begin",
    StallEnded(StallEnded) = "stall_end",
    SessionParked(SessionParked) = "session_parked",
    SessionResumed(SessionResumed) = "session_resumed",
    RecoveryUnavailable(RecoveryUnavailable) = "recovery_unavailable",
    ResultsElsewhere(ResultsElsewhere) = "results_elsewhere",
    Reconnecting(Reconnecting) = "reconnecting",
    Recovered(Recovered) = "recovered",
    RecoveryFailed(RecoveryFailed) = "recovery_failed",
    VadNotAvailable(VadNotAvailable) = "vad_not_available",
    VadModeChanged(VadModeChanged) = "vad_mode_changed",
    VadOpened(VadOpened) = "vad_opened",
    VadClosed(VadClosed) = "vad_closed",
    VadFailed(VadFailed) = "vad_failed",
    PreludeSent(PreludeSent) = "prelude_sent",
    PreludeEnded(PreludeEnded) = "prelude_ended",
    AudioLost(AudioLost) = "audio_lost",
    AppStalled(AppStalled) = "app_stalled",
    BinaryDropped(BinaryDropped) = "binary_dropped",
    /// Boxed, because it is several times as large as the others, and many facts are kept.
    SessionEnded(Box<SessionEnded>) = "session_end",
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

impl Members for Fact {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("event", self.name()).flatten(self.members());
    }
}

/// Observes a session. Called from the session's own task, so it must not block.
pub trait Observer {
    /// Something happened.
    fn record(&self, fact: &Fact);

    /// Something was measured. May be called for every message, so it must neither allocate nor
    /// look anything up.
    fn observe(&self, observation: &Observation);

    /// The application is sent an ERROR, or this HTTP status instead of its upgrade.
    fn refused(&self, refusal: &Refusal, http_status: Option<u16>);

    /// The session's state changed.
    fn state_changed(&self, from: State, to: State);
}
