//! What the VAD gate and the prelude do.

use tracing::Level;

use super::line::{LogLine, Measure};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::ModeChange;
use session::fact::{
    PreludeEnd, PreludeEnded, PreludeSent, VadClosed, VadFailed, VadModeChanged, VadNotAvailable,
    VadOpened,
};
use session::gate::{VadMode, VadUnavailable};

impl Measure for VadNotAvailable {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.vad.not_available[self.cause].inc();
        LogLine::info(match self.cause {
            VadUnavailable::Encoding => {
                "no VAD gate: it can hear only linear16, mulaw and alaw, with a sample_rate and channels that \
                 are whole numbers, so everything is sent"
            }
            VadUnavailable::SampleRate => {
                "no VAD gate: it can hear only 8000 to 48000 samples a second, so everything is sent"
            }
            VadUnavailable::Channels => {
                "no VAD gate: it can hear at most 8 channels, so everything is sent"
            }
            VadUnavailable::Endpoint => {
                "no VAD gate: it is for /v1/listen alone, so everything is sent"
            }
            VadUnavailable::Callback => {
                "no VAD gate: the times of results that go to a callback cannot be moved, so everything is sent"
            }
        })
    }
}

impl Measure for VadModeChanged {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.vad.mode_changes[ModeChange { to: self.to, by: self.by }].inc();
        LogLine::info(match self.to {
            VadMode::Off => "VAD gate off: everything is sent",
            VadMode::Shadow => {
                "VAD gate in shadow: everything is sent, and what it would hold back is counted"
            }
            VadMode::Active => "VAD gate active: silence is held back",
        })
    }
}

impl Measure for VadOpened {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("speech: the VAD gate has opened")
    }
}

impl Measure for VadClosed {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("no more speech: the VAD gate has closed")
    }
}

impl Measure for VadFailed {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.vad.faults.inc();
        let message = "the speech detector has failed, a bug: everything is sent until the session ends; \
                       please report this line and the panic before it";
        LogLine::at(Level::ERROR, message)
    }
}

impl Measure for PreludeSent {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::debug("prelude sent: live audio follows when it has had its effect")
    }
}

impl Measure for PreludeEnded {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let prelude = &telemetry.metrics.prelude;
        prelude.ended[self.end].inc();
        prelude.duration.observe_duration(self.took);
        match self.end {
            PreludeEnd::Moved => LogLine::info(
                "prelude over: live audio goes to the connection that knows its voice",
            ),
            PreludeEnd::MovedEarly => LogLine::warn(
                "prelude cut short: the connection of the live audio was lost, so live audio goes to \
                 the prelude's, which may not know its voice yet",
            ),
            PreludeEnd::Lost => LogLine::warn(
                "prelude lost with its connection: live audio stays where it is, where its voice is \
                 not known",
            ),
            PreludeEnd::SessionEnded => LogLine::info("prelude over: the session ended first"),
        }
    }
}
