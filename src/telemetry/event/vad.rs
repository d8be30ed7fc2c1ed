//! What the VAD gate and the prelude do.

use tracing::Level;

use super::line::{LogLine, Measure};
use crate::telemetry::Telemetry;
use session::fact::{
    PreludeEnded, PreludeSent, VadClosed, VadFailed, VadModeChanged, VadNotAvailable, VadOpened,
};

impl Measure for VadNotAvailable {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::info("no VAD gate: everything is sent")
    }
}

impl Measure for VadModeChanged {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::info("the mode of the VAD gate has changed")
    }
}

impl Measure for VadOpened {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::at(Level::DEBUG, "speech: the VAD gate has opened")
    }
}

impl Measure for VadClosed {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::at(Level::DEBUG, "no more speech: the VAD gate has closed")
    }
}

impl Measure for VadFailed {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::at(Level::ERROR, "the speech detector has failed: everything is sent from now on")
    }
}

impl Measure for PreludeSent {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::info("the prelude is sent")
    }
}

impl Measure for PreludeEnded {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::info("the prelude is over")
    }
}
