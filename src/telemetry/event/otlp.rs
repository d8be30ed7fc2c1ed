//! What happens to spans on their way to the collector.
//!
//! One line begins an episode of failures and one ends it; no line is written per request.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use url::Url;

use super::Emit;
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::ExportResult;
use session::millis;

/// The collector answered that it took a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpansExported {
    /// Spans that it took.
    pub(crate) accepted: u64,
    /// Spans of the batch that it refused for good.
    pub(crate) rejected: u64,
    /// From the request to the answer.
    pub(crate) duration: Duration,
}

impl Emit for SpansExported {
    fn emit(&self, telemetry: &Telemetry) {
        let otlp = &telemetry.metrics.otlp;
        otlp.exports[ExportResult::Success].inc();
        otlp.export_duration.observe_duration(self.duration);
        otlp.spans_exported[ExportResult::Success].inc_by(self.accepted);
        otlp.spans_exported[ExportResult::Failure].inc_by(self.rejected);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        otlp.last_success.set(now.as_secs_f64());
    }
}

/// A request to the collector failed; its batch may be sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExportFailed {
    /// From the request to the failure.
    pub(crate) duration: Duration,
}

impl Emit for ExportFailed {
    fn emit(&self, telemetry: &Telemetry) {
        let otlp = &telemetry.metrics.otlp;
        otlp.exports[ExportResult::Failure].inc();
        otlp.export_duration.observe_duration(self.duration);
    }
}

/// A batch was refused for good, or failed for too long to be sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpansFailed {
    /// The spans in it.
    pub(crate) count: u64,
}

impl Emit for SpansFailed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.otlp.spans_exported[ExportResult::Failure].inc_by(self.count);
    }
}

/// The collector does not take spans any more: an episode of failures begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtlpFailing<'a, E> {
    /// Where the spans go.
    pub(crate) url: &'a Url,
    /// Why it failed; never holds a header.
    pub(crate) error: &'a E,
}

impl<E: Display> Emit for OtlpFailing<'_, E> {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::warn!(
            name: "otlp_failing",
            url = %self.url,
            error = %self.error,
            "traces do not reach the collector; sessions go on unharmed"
        );
    }
}

/// The collector takes spans again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtlpRecovered {
    /// How long it did not.
    pub(crate) failing: Duration,
    /// Spans that were lost meanwhile.
    pub(crate) lost: u64,
}

impl Emit for OtlpRecovered {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "otlp_recovered",
            failing_ms = millis(self.failing),
            spans_lost = self.lost,
            "traces reach the collector again"
        );
    }
}
