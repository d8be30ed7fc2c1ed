//! The facts that a session machine tells while its session lives.

use tracing::Level;

use super::{Emit, line};
use crate::session::death::{Class, Trigger};
use crate::session::dial::{DialPhases, DialReason};
use crate::session::fact::{
    AppStalled, AudioLost, BinaryDropped, Connected, ConnectionDied, DialFailed, FinalizeAnswered,
    FinalizeFailed, FinalizeSkipped, FinalizeTimedOut, KeepaliveBlocked, KeepaliveSent,
    LateEvidence, SessionParked, SessionResumed, SkipCause, TimerLate, TranscriptStalled,
};
use crate::session::{Endpoint, LossCause};
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{
    ConnectResult, DeathLabels, DialPhase, Dropped, FinalizeError, KeepaliveError, KeepaliveKind,
};
use crate::telemetry::{Telemetry, millis};

impl Emit for DialFailed {
    fn emit(&self, telemetry: &Telemetry) {
        let failure = &self.failure;
        telemetry.metrics.upstream.connect_attempts[ConnectResult::Failed(failure.reason)].inc();
        line!(
            dial_level(failure.reason),
            name: "dial_failed",
            reason = failure.reason.as_str(),
            attempt = self.attempt,
            retry_in_ms = self.retry_in.map(millis),
            http_status = failure.status,
            detail = failure.detail,
            dg_request_id = failure.request_id.as_deref(),
            "could not reach Deepgram"
        );
    }
}

/// A refused key or account will not heal by itself.
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
        tracing::info!(
            name: "upstream_up",
            connection = self.connection,
            attempt = self.attempt,
            connect_ms = millis(self.phases.total()),
            dg_request_id = self.request_id.as_deref(),
            "connected to Deepgram"
        );
    }
}

fn observe_phases(telemetry: &Telemetry, phases: &DialPhases) {
    let durations = &telemetry.metrics.upstream.connect_duration;
    durations[DialPhase::Dns].observe_duration(phases.dns);
    durations[DialPhase::Tcp].observe_duration(phases.tcp);
    // A plain connection has no TLS phase; a zero would be a lie about TLS.
    if !phases.tls.is_zero() {
        durations[DialPhase::Tls].observe_duration(phases.tls);
    }
    durations[DialPhase::Upgrade].observe_duration(phases.upgrade);
    durations[DialPhase::Total].observe_duration(phases.total());
}

impl Emit for KeepaliveSent {
    fn emit(&self, telemetry: &Telemetry) {
        let kind = match self.endpoint {
            Endpoint::V1Listen => KeepaliveKind::Text,
            Endpoint::V2Listen => KeepaliveKind::Ping,
        };
        let keepalive = &telemetry.metrics.keepalive;
        keepalive.sent[kind].inc();
        keepalive.lateness.observe_duration(self.lateness);
        tracing::debug!(
            name: "keepalive_sent",
            kind = kind.as_str(),
            lateness_ms = millis(self.lateness),
            "keepalive sent"
        );
    }
}

impl Emit for KeepaliveBlocked {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.keepalive.errors[KeepaliveError::WriteBlocked].inc();
        tracing::warn!(
            name: "keepalive_blocked",
            "a keepalive was due while earlier messages still waited to be written"
        );
    }
}

impl Emit for FinalizeAnswered {
    fn emit(&self, telemetry: &Telemetry) {
        let finalize = &telemetry.metrics.finalize;
        finalize.requests.inc_by(self.count);
        finalize.answered.inc_by(self.count);
        finalize.latency.observe_duration(self.latency);
        tracing::debug!(
            name: "finalize_answered",
            count = self.count,
            latency_ms = millis(self.latency),
            "Finalize answered"
        );
    }
}

impl Emit for FinalizeTimedOut {
    fn emit(&self, telemetry: &Telemetry) {
        finalize_failed(telemetry, FinalizeError::Timeout, self.count);
    }
}

impl Emit for FinalizeFailed {
    fn emit(&self, telemetry: &Telemetry) {
        finalize_failed(telemetry, FinalizeError::WriteFailed, self.count);
    }
}

fn finalize_failed(telemetry: &Telemetry, error: FinalizeError, count: u64) {
    let finalize = &telemetry.metrics.finalize;
    finalize.requests.inc_by(count);
    finalize.errors[error].inc_by(count);
    tracing::warn!(name: "finalize_failed", reason = error.as_str(), count, "Finalize failed");
}

impl Emit for FinalizeSkipped {
    fn emit(&self, telemetry: &Telemetry) {
        let finalize = &telemetry.metrics.finalize;
        finalize.requests.inc_by(self.count);
        finalize.skipped[self.cause].inc_by(self.count);
        let reason = match self.cause {
            SkipCause::Dead => "dead",
            SkipCause::Superseded => "superseded",
        };
        tracing::debug!(name: "finalize_skipped", reason, count = self.count, "Finalize skipped");
    }
}

impl Emit for ConnectionDied {
    fn emit(&self, telemetry: &Telemetry) {
        let death = &self.death;
        let deaths = &telemetry.metrics.death;
        deaths.total[DeathLabels::new(death.reason, death.trigger)].inc();
        deaths.by_stage[(self.stage, death.class)].inc();
        deaths.age[death.reason].observe_duration(self.age);
        deaths.send_age[death.reason].observe(death.send_age_ms as f64 / 1000.0);
        deaths.receive_age[death.reason].observe(death.receive_age_ms as f64 / 1000.0);
        if death.trigger == Trigger::KeepaliveWrite {
            telemetry.metrics.keepalive.errors[KeepaliveError::SocketError].inc();
        }
        line!(
            death_level(death.class),
            name: "upstream_lost",
            reason = death.reason.as_str(),
            trigger = death.trigger.as_str(),
            class = death.class.as_str(),
            stage = self.stage.as_str(),
            detail = death.detail,
            connection = death.connection,
            age_ms = millis(self.age),
            send_age_ms = death.send_age_ms,
            receive_age_ms = death.receive_age_ms,
            "the connection to Deepgram died"
        );
    }
}

/// Whether a death needs an operator: ours and the account's do not heal by themselves.
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
            "a symptom of a connection that was dead already"
        );
    }
}

impl Emit for TimerLate {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.death.timer_lateness.observe_duration(self.lateness);
        tracing::warn!(
            name: "timer_late",
            lateness_ms = millis(self.lateness),
            "a deadline was noticed late: the sidecar was paused; look at its CPU limit"
        );
    }
}

impl Emit for TranscriptStalled {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.transcript_stalls.inc();
        tracing::warn!(
            name: "stall_begin",
            silent_ms = millis(self.silent),
            "audio goes in and nothing comes out"
        );
    }
}

impl Emit for SessionParked {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.parked.inc();
        tracing::info!(name: "session_parked", idle_ms = millis(self.idle), "parked for idleness");
    }
}

impl Emit for SessionResumed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.session.resumed.inc();
        tracing::info!(name: "session_resumed", idle_ms = millis(self.idle), "audio has resumed it");
    }
}

impl Emit for AudioLost {
    fn emit(&self, telemetry: &Telemetry) {
        let audio = &telemetry.metrics.audio;
        audio.lost[self.cause].inc_by(self.duration.as_secs_f64());
        audio.lost_bytes[self.cause].inc_by(self.bytes);
        audio.dropped[Dropped::Audio(self.cause)].inc_by(self.frames);
        line!(
            loss_level(self.cause),
            name: "audio_lost",
            cause = self.cause.as_str(),
            frames = self.frames,
            bytes = self.bytes,
            lost_ms = millis(self.duration),
            "audio never became text"
        );
    }
}

/// What an application does to itself is no matter for an operator.
fn loss_level(cause: LossCause) -> Level {
    match cause {
        LossCause::AfterFinish | LossCause::AppGone => Level::DEBUG,
        LossCause::Dead
        | LossCause::ConnectFailed
        | LossCause::DrainDeadline
        | LossCause::FinishTimeout => Level::WARN,
    }
}

impl Emit for AppStalled {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.stalls.inc();
        tracing::warn!(
            name: "app_stalled",
            "the application left its socket unread for session.app_stall_timeout"
        );
    }
}

impl Emit for BinaryDropped {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.audio.dropped[Dropped::Binary].inc();
        tracing::debug!(
            name: "binary_dropped",
            bytes = self.bytes,
            "Deepgram sent a binary message, which no frame can carry"
        );
    }
}
