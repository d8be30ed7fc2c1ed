//! Events of a session's traffic.

use tracing::Level;

use super::{Emit, line};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{Dropped, FinalizeError, KeepaliveError, KeepaliveKind};
use session::fact::{
    AudioLost, BinaryDropped, FinalizeAnswered, FinalizeFailed, FinalizeSkipped, FinalizeTimedOut,
    GapLevel, KeepaliveBlocked, KeepaliveGap, KeepaliveSent, StallEnded, TranscriptStalled,
};
use session::{Endpoint, LossCause, millis};

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
            "keepalive due, but earlier messages are still waiting to be written"
        );
    }
}

impl Emit for KeepaliveGap {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.keepalive.gap_violations[self.level].inc();
        line!(
            match self.level {
                GapLevel::NearMiss => Level::WARN,
                GapLevel::Breach => Level::ERROR,
            },
            name: "keepalive_gap",
            gap_level = self.level.as_str(),
            gap_ms = millis(self.gap),
            "nothing was sent for at least 80 % of Deepgram's idle timeout"
        );
    }
}

/// A Finalize was answered, in a session of this trace.
#[derive(Debug)]
pub(in crate::telemetry) struct Answered<'a> {
    pub(in crate::telemetry) fact: &'a FinalizeAnswered,
    /// The trace that is exported.
    pub(in crate::telemetry) trace_id: Option<u128>,
}

impl Emit for Answered<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let finalize = &telemetry.metrics.finalize;
        finalize.answered.inc_by(self.fact.count);
        finalize.latency.observe_duration(self.fact.latency, self.trace_id);
        tracing::debug!(
            name: "finalize_answered",
            finalizes = self.fact.count,
            latency_ms = millis(self.fact.latency),
            "Finalize answered"
        );
    }
}

impl Emit for FinalizeTimedOut {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.finalize.errors[FinalizeError::Timeout].inc_by(self.count);
        tracing::warn!(
            name: "finalize_timed_out",
            finalizes = self.count,
            waited_ms = millis(self.waited),
            "no answer to Finalize within session.finalize_timeout"
        );
    }
}

impl Emit for FinalizeFailed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.finalize.errors[FinalizeError::WriteFailed].inc_by(self.count);
        tracing::warn!(
            name: "finalize_failed",
            finalizes = self.count,
            "Finalize could not be written on a live connection"
        );
    }
}

impl Emit for FinalizeSkipped {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.finalize.skipped[self.cause].inc_by(self.count);
        tracing::debug!(
            name: "finalize_skipped",
            cause = self.cause.as_str(),
            finalizes = self.count,
            "Finalize skipped"
        );
    }
}

impl Emit for TranscriptStalled {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.transcript.stalled.inc();
        tracing::warn!(
            name: "stall_begin",
            silent_ms = millis(self.silent),
            "stalled: audio goes in, but no results come out"
        );
    }
}

impl Emit for StallEnded {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.transcript.stalled.dec();
        telemetry.metrics.transcript.stalls[self.outcome].inc();
        tracing::info!(
            name: "stall_end",
            silent_ms = millis(self.silent),
            outcome = self.outcome.as_str(),
            "stall ended"
        );
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
            "audio lost: it never became text"
        );
    }
}

/// What an application does to itself needs no operator.
fn loss_level(cause: LossCause) -> Level {
    match cause {
        LossCause::AfterFinish | LossCause::AppGone => Level::DEBUG,
        LossCause::Dead
        | LossCause::ConnectFailed
        | LossCause::DrainDeadline
        | LossCause::FinishTimeout => Level::WARN,
    }
}

impl Emit for BinaryDropped {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.audio.dropped[Dropped::Binary].inc();
        tracing::debug!(
            name: "binary_dropped",
            bytes = self.bytes,
            "binary message from Deepgram dropped: the protocol has no frame for it"
        );
    }
}
