//! How sessions outlive their connections.

use tracing::Level;

use super::line::{LogLine, Measure};
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::RecoveryOutcome;
use session::fact::{
    NotRecoverable, Reconnecting, Recovered, RecoveryFailed, RecoveryUnavailable, ResultsElsewhere,
};

impl Measure for RecoveryUnavailable {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.recovery.unavailable[self.cause].inc();
        LogLine::info(match self.cause {
            NotRecoverable::Encoding => {
                "no recovery: the encoding has no known duration, so a death will be final"
            }
            NotRecoverable::Callback => {
                "no recovery: the results go to a callback, so a death will be final"
            }
            NotRecoverable::Endpoint => {
                "no recovery: the endpoint keeps a state that is lost with its connection, so a death \
                 will be final"
            }
        })
    }
}

impl Measure for ResultsElsewhere {
    fn measure(&self, _telemetry: &Telemetry) -> LogLine {
        LogLine::info("results go to a callback: stalls are not watched for")
    }
}

impl Measure for Reconnecting {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.recovery.reconnects.inc();
        LogLine::info("dialling another connection to take over")
    }
}

impl Measure for Recovered {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        let recovery = &telemetry.metrics.recovery;
        recovery.recoveries[RecoveryOutcome::Recovered].inc();
        recovery.gap.observe_duration(self.gap);
        recovery.duration.observe_duration(self.took);
        recovery.replayed.inc_by(self.replayed.as_secs_f64());
        let level = if self.lost.is_zero() { Level::INFO } else { Level::WARN };
        LogLine::at(level, "recovered: another connection has answered")
    }
}

impl Measure for RecoveryFailed {
    fn measure(&self, telemetry: &Telemetry) -> LogLine {
        telemetry.metrics.recovery.recoveries[RecoveryOutcome::Failed].inc();
        LogLine::at(Level::ERROR, "recovery given up: the session ends with its connection dead")
    }
}
