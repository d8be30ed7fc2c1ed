//! Queues, back-pressure, and what the sidecar itself adds to a message's way.

use prometheus::{Counter, Histogram, IntGauge};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::Queue;
use session::Side;

/// How full and how slow.
#[derive(Debug)]
pub(crate) struct FlowMetrics {
    pub(crate) queued: Children<Queue, IntGauge>,
    pub(crate) queued_max: Children<Queue, IntGauge>,
    pub(crate) queue_limit: Children<Queue, IntGauge>,
    pub(crate) blocked: Children<Side, Counter>,
    pub(crate) delivery: Histogram,
}

impl FlowMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            queued: families.gauges(
                "queue_bytes",
                "Bytes that wait to be written, over all sessions, by queue.",
                &["queue"],
            ),
            queued_max: families.gauges(
                "queue_session_max_bytes",
                "Bytes that wait to be written in the session with most of them, by queue.",
                &["queue"],
            ),
            queue_limit: families.gauges(
                "queue_limit_bytes",
                "Most bytes that one session lets wait, by queue.",
                &["queue"],
            ),
            blocked: families.fractions(
                "backpressure_seconds_total",
                "Time that writes stayed blocked, counted when they go on, by the slow side.",
                &["side"],
            ),
            delivery: families.histogram(
                "app_delivery_latency_seconds",
                "Time from a message read to all of it written to the application.",
                bounds::FAST,
            ),
        }
    }
}
