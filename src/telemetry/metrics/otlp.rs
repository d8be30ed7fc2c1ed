//! Span export.

use prometheus::{Gauge, Histogram, IntCounter, IntGauge};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{ExportResult, SpanDrop};

/// Spans that ended = exported + dropped + queued, at any time.
#[derive(Debug)]
pub(crate) struct OtlpMetrics {
    pub(crate) exports: Children<ExportResult, IntCounter>,
    pub(crate) spans_exported: Children<ExportResult, IntCounter>,
    pub(crate) spans_dropped: Children<SpanDrop, IntCounter>,
    pub(crate) queue: IntGauge,
    pub(crate) queue_limit: IntGauge,
    pub(crate) export_duration: Histogram,
    pub(crate) last_success: Gauge,
}

impl OtlpMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            exports: families.counters(
                "otlp_exports_total",
                "Requests to the collector, each attempt, by result.",
            ),
            spans_exported: families.counters(
                "otlp_spans_exported_total",
                "Spans that the collector accepted or rejected, by result.",
            ),
            spans_dropped: families.counters(
                "otlp_spans_dropped_total",
                "Spans never delivered to the collector, by reason.",
            ),
            queue: families.gauge(
                "otlp_queue_spans",
                "Spans waiting for the collector, including those of the current request.",
            ),
            queue_limit: families.gauge(
                "otlp_queue_limit_spans",
                "Maximum spans waiting for the collector; 0 if tracing is off.",
            ),
            export_duration: families.histogram(
                "otlp_export_duration_seconds",
                "Duration of requests to the collector, whatever the result.",
                bounds::FAST,
            ),
            last_success: families.gauge_fraction(
                "otlp_last_success_timestamp_seconds",
                "When the collector last accepted spans, as Unix time; 0 for never.",
            ),
        }
    }
}
