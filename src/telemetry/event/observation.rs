//! Measurements of a session: only histograms and counters, no log line, and no allocation or
//! lookup, because some come with every message.

use std::time::Duration;

use super::Emit;
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{ResultKind, WireMessage};
use session::{MessageKind, Observation};

/// A measurement in a session of this trace.
#[derive(Debug)]
pub(in crate::telemetry) struct Observed<'a> {
    pub(in crate::telemetry) observation: &'a Observation,
    /// The trace that is exported.
    pub(in crate::telemetry) trace_id: Option<u128>,
}

impl Emit for Observed<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let metrics = &telemetry.metrics;
        match self.observation {
            Observation::Message { kind, lag, first_result } => {
                metrics.upstream.messages[WireMessage::received(kind)].inc();
                self.observe_result(telemetry, kind, *lag, *first_result);
            }
            Observation::Delivered { latency } => metrics.flow.delivery.observe_duration(*latency),
            Observation::SendGap { gap } => metrics.keepalive.send_gap.observe_duration(*gap),
            Observation::PingAnswered { round_trip } => {
                metrics.upstream.ping_rtt.observe_duration(*round_trip);
            }
            Observation::Unblocked { side, duration } => {
                metrics.flow.blocked[*side].inc_by(duration.as_secs_f64());
            }
            // Its values are differences of totals, which the totals already show.
            Observation::Segment(_) => {}
        }
    }
}

impl Observed<'_> {
    fn observe_result(
        &self,
        telemetry: &Telemetry,
        kind: &MessageKind,
        lag: Option<Duration>,
        first_result: Option<Duration>,
    ) {
        let transcript = &telemetry.metrics.transcript;
        if let (Some(lag), Some(kind)) = (lag, result_kind(kind)) {
            transcript.latency[kind].observe_duration(lag, self.trace_id);
        }
        if let Some(first_result) = first_result {
            transcript.first_result.observe_duration(first_result, self.trace_id);
        }
    }
}

fn result_kind(kind: &MessageKind) -> Option<ResultKind> {
    match kind {
        MessageKind::Results { is_final: true, .. }
        | MessageKind::TurnInfo { end_of_turn: true, .. } => Some(ResultKind::Final),
        MessageKind::Results { .. } | MessageKind::TurnInfo { .. } => Some(ResultKind::Interim),
        MessageKind::Metadata { .. }
        | MessageKind::SpeechStarted { .. }
        | MessageKind::UtteranceEnd { .. }
        | MessageKind::Configured
        | MessageKind::Error
        | MessageKind::Other => None,
    }
}
