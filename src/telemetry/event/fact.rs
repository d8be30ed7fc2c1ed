//! The metrics and the log line of each fact.

use super::connection::Died;
use super::line::{LogLine, Measure};
use super::stream::Answered;
use crate::telemetry::Telemetry;
use session::fact::Fact;

/// A fact, in a session of this trace.
#[derive(Debug)]
pub(in crate::telemetry) struct FactEvent<'a> {
    pub(in crate::telemetry) fact: &'a Fact,
    /// The trace that is exported.
    pub(in crate::telemetry) trace_id: Option<u128>,
}

impl Measure for FactEvent<'_> {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let trace_id = self.trace_id;
        match self.fact {
            Fact::DialFailed(fact) => fact.measure(telemetry),
            Fact::Connected(fact) => fact.measure(telemetry),
            Fact::KeepaliveSent(fact) => fact.measure(telemetry),
            Fact::KeepaliveBlocked(fact) => fact.measure(telemetry),
            Fact::KeepaliveGap(fact) => fact.measure(telemetry),
            Fact::FinalizeAnswered(fact) => Answered { fact, trace_id }.measure(telemetry),
            Fact::FinalizeTimedOut(fact) => fact.measure(telemetry),
            Fact::FinalizeFailed(fact) => fact.measure(telemetry),
            Fact::FinalizeSkipped(fact) => fact.measure(telemetry),
            Fact::StreamClosing(fact) => fact.measure(telemetry),
            Fact::UpstreamError(fact) => fact.measure(telemetry),
            Fact::CloseReceived(fact) => fact.measure(telemetry),
            Fact::ConnectionClosed(fact) => fact.measure(telemetry),
            Fact::ConnectionDied(fact) => Died { fact, trace_id }.measure(telemetry),
            Fact::LateEvidence(fact) => fact.measure(telemetry),
            Fact::TimerLate(fact) => fact.measure(telemetry),
            Fact::TranscriptStalled(fact) => fact.measure(telemetry),
            Fact::StallEnded(fact) => fact.measure(telemetry),
            Fact::SessionParked(fact) => fact.measure(telemetry),
            Fact::SessionResumed(fact) => fact.measure(telemetry),
            Fact::RecoveryUnavailable(fact) => fact.measure(telemetry),
            Fact::ResultsElsewhere(fact) => fact.measure(telemetry),
            Fact::Reconnecting(fact) => fact.measure(telemetry),
            Fact::Recovered(fact) => fact.measure(telemetry),
            Fact::RecoveryFailed(fact) => fact.measure(telemetry),
            Fact::VadNotAvailable(fact) => fact.measure(telemetry),
            Fact::VadModeChanged(fact) => fact.measure(telemetry),
            Fact::VadOpened(fact) => fact.measure(telemetry),
            Fact::VadClosed(fact) => fact.measure(telemetry),
            Fact::VadFailed(fact) => fact.measure(telemetry),
            Fact::PreludeSent(fact) => fact.measure(telemetry),
            Fact::PreludeEnded(fact) => fact.measure(telemetry),
            Fact::AudioLost(fact) => fact.measure(telemetry),
            Fact::AppStalled(fact) => fact.measure(telemetry),
            Fact::BinaryDropped(fact) => fact.measure(telemetry),
            Fact::SessionEnded(fact) => fact.measure(telemetry),
        }
    }
}
