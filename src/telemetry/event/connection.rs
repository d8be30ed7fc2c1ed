//! The life of a connection to Deepgram.

use tracing::Level;

use super::line::{LogLine, Measure};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{CloseCode, ConnectResult, DeathLabels, DialPhase, KeepaliveError};
use session::death::{Class, Trigger};
use session::dial::{DialFailure, DialPhases, DialReason, ProxyFault};
use session::fact::{
    CloseReceived, Connected, ConnectionClosed, ConnectionDied, DialFailed, LateEvidence,
    StreamClosing, TimerLate, UpstreamError,
};

impl Measure for DialFailed {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let failure = &self.failure;
        if failure.withheld {
            telemetry.metrics.upstream.dials_withheld[failure.reason].inc();
            // The line of the dial that failed says it.
            return LogLine::debug("did not dial Deepgram: others were refused just before");
        }
        telemetry.metrics.upstream.connect_attempts[ConnectResult::Failed(failure.reason)].inc();
        LogLine::at(dial_level(failure), "could not reach Deepgram")
    }
}

/// A refused key or account does not recover by itself, nor does what a proxy refuses.
fn dial_level(failure: &DialFailure) -> Level {
    match failure.reason {
        _ if failure.proxy == Some(ProxyFault::Refused) => Level::ERROR,
        DialReason::Http401 | DialReason::Http402 | DialReason::Http403 | DialReason::Resources => {
            Level::ERROR
        }
        DialReason::Dns
        | DialReason::Tcp
        | DialReason::Tls
        | DialReason::Timeout
        | DialReason::Protocol
        | DialReason::Http400
        | DialReason::Http429
        | DialReason::Http4xx
        | DialReason::Http5xx
        | DialReason::Http3xx => Level::WARN,
    }
}

impl Measure for Connected {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.upstream.connect_attempts[ConnectResult::Ok].inc();
        observe_phases(telemetry, &self.phases);
        if let Some(buffered) = self.buffered {
            telemetry.metrics.upstream.buffered.observe_duration(buffered);
        }
        LogLine::info("connected to Deepgram")
    }
}

fn observe_phases(telemetry: &Telemetry, phases: &DialPhases) {
    let durations = &telemetry.metrics.upstream.connect_duration;
    durations[DialPhase::Queued].observe_duration(phases.queued);
    durations[DialPhase::Dns].observe_duration(phases.dns);
    durations[DialPhase::Tcp].observe_duration(phases.tcp);
    // A plain connection has no TLS phase; a zero would be misleading.
    if !phases.tls.is_zero() {
        durations[DialPhase::Tls].observe_duration(phases.tls);
    }
    durations[DialPhase::Upgrade].observe_duration(phases.upgrade);
    durations[DialPhase::Total].observe_duration(phases.total());
}

impl Measure for StreamClosing {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("sending CloseStream")
    }
}

impl Measure for UpstreamError {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::warn("Deepgram sent an error")
    }
}

impl Measure for CloseReceived {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let labels = (CloseCode::of(self.code), self.dg_code);
        telemetry.metrics.upstream.closes[labels].inc();
        LogLine::debug("Deepgram closed its side")
    }
}

impl Measure for ConnectionClosed {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("connection to Deepgram closed")
    }
}

/// A connection died, in a session of this trace.
#[derive(Debug)]
pub(super) struct Died<'a> {
    pub(super) fact: &'a ConnectionDied,
    /// The trace that is exported.
    pub(super) trace_id: Option<u128>,
}

impl Died<'_> {
    fn count(&self, telemetry: &Telemetry) {
        let ConnectionDied { death, age, stage } = self.fact;
        let deaths = &telemetry.metrics.death;
        deaths.total[DeathLabels::new(death.reason, death.trigger)].inc(self.trace_id);
        deaths.by_stage[(*stage, death.class)].inc();
        deaths.age[death.reason].observe_duration(*age);
        deaths.send_age[death.reason].observe(death.send_age_ms as f64 / 1000.0);
        deaths.receive_age[death.reason].observe(death.receive_age_ms as f64 / 1000.0);
        if death.trigger == Trigger::KeepaliveWrite {
            telemetry.metrics.keepalive.errors[KeepaliveError::SocketError].inc();
        }
    }
}

impl Measure for Died<'_> {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        self.count(telemetry);
        LogLine::at(death_level(self.fact.death.class), "connection to Deepgram died")
    }
}

/// Whether a death needs an operator: ours and the account's do not recover by themselves.
pub(super) fn death_level(class: Class) -> Level {
    match class {
        Class::Account | Class::Sidecar => Level::ERROR,
        Class::Provider | Class::Network => Level::WARN,
    }
}

impl Measure for LateEvidence {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("late symptom of a dead connection")
    }
}

impl Measure for TimerLate {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.death.timer_lateness.observe_duration(self.lateness);
        LogLine::warn("a deadline was noticed late: the sidecar was paused; check its CPU limit")
    }
}
