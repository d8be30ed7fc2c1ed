//! The way of spans to the collector.

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
                &["result"],
            ),
            spans_exported: families.counters(
                "otlp_spans_exported_total",
                "Spans that the collector took, or that it refused for good, by result.",
                &["result"],
            ),
            spans_dropped: families.counters(
                "otlp_spans_dropped_total",
                "Spans that were never delivered to the collector, by reason.",
                &["reason"],
            ),
            queue: families.gauge(
                "otlp_queue_spans",
                "Spans that wait for the collector, those of the request under way included.",
            ),
            queue_limit: families.gauge(
                "otlp_queue_limit_spans",
                "Spans that may wait for the collector; 0 without traces.",
            ),
            export_duration: families.histogram(
                "otlp_export_duration_seconds",
                "Time of a request to the collector, whatever its result.",
                bounds::FAST,
            ),
            last_success: families.gauge_fraction(
                "otlp_last_success_timestamp_seconds",
                "When the collector last took spans, as Unix time; 0 for never.",
            ),
        }
    }
}
