//! Events of the span export.
//!
//! One line when failures start and one when they end; no line per request.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use url::Url;

use super::Emit;
use crate::telemetry::Telemetry;
use crate::telemetry::family::ObserveDuration;
use crate::telemetry::label::ExportResult;
use session::millis;

/// The collector accepted a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpansExported {
    pub(crate) accepted: u64,
    /// Spans of the batch that it rejected.
    pub(crate) rejected: u64,
    /// From request to response.
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

/// A request to the collector failed; its batch may be resent.
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

/// A batch was rejected, or failed for too long to be resent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpansFailed {
    pub(crate) count: u64,
}

impl Emit for SpansFailed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.otlp.spans_exported[ExportResult::Failure].inc_by(self.count);
    }
}

/// The collector no longer accepts spans: failures start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OtlpFailing<'a, E> {
    /// Where the spans go.
    pub(crate) url: &'a Url,
    /// Why it failed; never contains a header.
    pub(crate) error: &'a E,
}

impl<E: Display> Emit for OtlpFailing<'_, E> {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::warn!(
            name: "otlp_failing",
            url = %self.url,
            error = %self.error,
            "traces are not reaching the collector; sessions are not affected"
        );
    }
}

/// The collector accepts spans again.
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
            "traces are reaching the collector again"
        );
    }
}
