//! Events of a session's traffic.

use tracing::Level;

use super::line::{LogLine, Measure};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::{Dropped, FinalizeError, KeepaliveError};
use session::LossCause;
use session::fact::{
    AudioLost, BinaryDropped, FinalizeAnswered, FinalizeFailed, FinalizeSkipped, FinalizeTimedOut,
    GapLevel, KeepaliveBlocked, KeepaliveGap, KeepaliveSent, StallEnded, TranscriptStalled,
};

impl Measure for KeepaliveSent {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let keepalive = &telemetry.metrics.keepalive;
        if let Some(kind) = self.endpoint.traits().keepalive {
            keepalive.sent[kind].inc();
        }
        keepalive.lateness.observe_duration(self.lateness);
        LogLine::debug("keepalive sent")
    }
}

impl Measure for KeepaliveBlocked {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.keepalive.errors[KeepaliveError::WriteBlocked].inc();
        LogLine::warn("keepalive due, but earlier messages are still waiting to be written")
    }
}

impl Measure for KeepaliveGap {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.keepalive.gap_violations[self.level].inc();
        let level = match self.level {
            GapLevel::NearMiss => Level::WARN,
            GapLevel::Breach => Level::ERROR,
        };
        LogLine::at(level, "nothing was sent for at least 80 % of Deepgram's idle timeout")
    }
}

/// A Finalize was answered, in a session of this trace.
#[derive(Debug)]
pub(super) struct Answered<'a> {
    pub(super) fact: &'a FinalizeAnswered,
    /// The trace that is exported.
    pub(super) trace_id: Option<u128>,
}

impl Measure for Answered<'_> {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let finalize = &telemetry.metrics.finalize;
        finalize.answered.inc_by(self.fact.count);
        finalize.latency.observe_duration(self.fact.latency, self.trace_id);
        LogLine::debug("Finalize answered")
    }
}

impl Measure for FinalizeTimedOut {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.finalize.errors[FinalizeError::Timeout].inc_by(self.count);
        LogLine::warn("no answer to Finalize within session.finalize_timeout")
    }
}

impl Measure for FinalizeFailed {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.finalize.errors[FinalizeError::WriteFailed].inc_by(self.count);
        LogLine::warn("Finalize could not be written on a live connection")
    }
}

impl Measure for FinalizeSkipped {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.finalize.skipped[self.cause].inc_by(self.count);
        LogLine::debug("Finalize skipped")
    }
}

impl Measure for TranscriptStalled {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.transcript.stalled.inc();
        LogLine::warn("stalled: audio goes in, but no results come out")
    }
}

impl Measure for StallEnded {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.transcript.stalled.dec();
        telemetry.metrics.transcript.stalls[self.outcome].inc();
        LogLine::info("stall ended")
    }
}

impl Measure for AudioLost {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let audio = &telemetry.metrics.audio;
        audio.lost[self.cause].inc_by(self.duration.as_secs_f64());
        audio.lost_bytes[self.cause].inc_by(self.bytes);
        audio.dropped[Dropped::Audio(self.cause)].inc_by(self.frames);
        LogLine::at(loss_level(self.cause), "audio lost: it never became text")
    }
}

/// What an application does to itself needs no operator.
fn loss_level(cause: LossCause) -> Level {
    match cause {
        LossCause::AfterFinish | LossCause::AppGone => Level::DEBUG,
        LossCause::Dead
        | LossCause::ConnectFailed
        | LossCause::DrainDeadline
        | LossCause::FinishTimeout
        | LossCause::RingOverflow
        | LossCause::Unprocessed
        | LossCause::Unconfirmed => Level::WARN,
    }
}

impl Measure for BinaryDropped {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.audio.dropped[Dropped::Binary].inc();
        LogLine::debug("binary message from Deepgram dropped: the protocol has no frame for it")
    }
}
