//! The life of a connection to Deepgram.

use tracing::Level;

use super::{Emit, line};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{CloseCode, ConnectResult, DeathLabels, DialPhase, KeepaliveError};
use session::death::{Class, Trigger};
use session::dial::{DialPhases, DialReason};
use session::fact::{
    CloseReceived, Connected, ConnectionClosed, ConnectionDied, DialFailed, LateEvidence,
    StreamClosing, TimerLate,
};
use session::millis;

impl Emit for DialFailed {
    fn emit(&self, telemetry: &Telemetry) {
        let failure = &self.failure;
        telemetry.metrics.upstream.connect_attempts[ConnectResult::Failed(failure.reason)].inc();
        line!(
            dial_level(failure.reason),
            name: "dial_failed",
            reason = failure.reason.as_str(),
            attempt = self.attempt,
            duration_ms = millis(self.duration),
            retry_in_ms = self.retry_in.map(millis),
            http_status = failure.status,
            detail = failure.detail,
            dg_request_id = failure.request_id.as_deref(),
            "could not reach Deepgram"
        );
    }
}

/// A refused key or account does not recover by itself.
fn dial_level(reason: DialReason) -> Level {
    match reason {
        DialReason::Http401 | DialReason::Http402 | DialReason::Http403 => Level::ERROR,
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

impl Emit for Connected {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.upstream.connect_attempts[ConnectResult::Ok].inc();
        observe_phases(telemetry, &self.phases);
        if let Some(buffered) = self.buffered {
            telemetry.metrics.upstream.buffered.observe_duration(buffered);
        }
        tracing::info!(
            name: "upstream_up",
            connection = self.connection,
            attempt = self.attempt,
            connect_ms = millis(self.phases.total()),
            waited_ms = millis(self.waited),
            buffered_ms = self.buffered.map(millis),
            dg_request_id = self.request_id.as_deref(),
            "connected to Deepgram"
        );
    }
}

fn observe_phases(telemetry: &Telemetry, phases: &DialPhases) {
    let durations = &telemetry.metrics.upstream.connect_duration;
    durations[DialPhase::Dns].observe_duration(phases.dns);
    durations[DialPhase::Tcp].observe_duration(phases.tcp);
    // A plain connection has no TLS phase; a zero would be misleading.
    if !phases.tls.is_zero() {
        durations[DialPhase::Tls].observe_duration(phases.tls);
    }
    durations[DialPhase::Upgrade].observe_duration(phases.upgrade);
    durations[DialPhase::Total].observe_duration(phases.total());
}

impl Emit for StreamClosing {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::debug!(name: "stream_closing", to_park = self.to_park, "sending CloseStream");
    }
}

impl Emit for CloseReceived {
    fn emit(&self, telemetry: &Telemetry) {
        let labels = (CloseCode::of(self.code), self.dg_code);
        telemetry.metrics.upstream.closes[labels].inc();
        tracing::debug!(
            name: "close_received",
            code = self.code,
            dg_code = self.dg_code.as_str(),
            "Deepgram closed its side"
        );
    }
}

impl Emit for ConnectionClosed {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::debug!(
            name: "upstream_closed",
            connection = self.connection,
            age_ms = millis(self.age),
            closing_ms = self.closing.map(millis),
            end = self.end.as_str(),
            "connection to Deepgram closed"
        );
    }
}

/// A connection died, in a session of this trace.
#[derive(Debug)]
pub(in crate::telemetry) struct Died<'a> {
    pub(in crate::telemetry) fact: &'a ConnectionDied,
    /// The trace that is exported.
    pub(in crate::telemetry) trace_id: Option<u128>,
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

impl Emit for Died<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        self.count(telemetry);
        let ConnectionDied { death, age, stage } = self.fact;
        line!(
            death_level(death.class),
            name: "upstream_lost",
            reason = death.reason.as_str(),
            trigger = death.trigger.as_str(),
            class = death.class.as_str(),
            stage = stage.as_str(),
            detail = death.detail,
            connection = death.connection,
            age_ms = millis(*age),
            send_age_ms = death.send_age_ms,
            receive_age_ms = death.receive_age_ms,
            "connection to Deepgram died"
        );
    }
}

/// Whether a death needs an operator: ours and the account's do not recover by themselves.
pub(super) fn death_level(class: Class) -> Level {
    match class {
        Class::Account | Class::Sidecar => Level::ERROR,
        Class::Provider | Class::Network => Level::WARN,
    }
}

impl Emit for LateEvidence {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::debug!(
            name: "late_evidence",
            reason = self.reason.as_str(),
            trigger = self.trigger.as_str(),
            detail = self.detail,
            "late symptom of a dead connection"
        );
    }
}

impl Emit for TimerLate {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.death.timer_lateness.observe_duration(self.lateness);
        tracing::warn!(
            name: "timer_late",
            lateness_ms = millis(self.lateness),
            "a deadline was noticed late: the sidecar was paused; check its CPU limit"
        );
    }
}
