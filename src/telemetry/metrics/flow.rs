//! Queues, back-pressure, and the latency that the sidecar itself adds.

use prometheus::{Counter, Histogram, IntGauge};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::Queue;
use session::Side;

/// Queue fill and latency.
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
                "Bytes that wait to be written or, in the ring, to be final, over all sessions.",
            ),
            queued_max: families.gauges(
                "queue_session_max_bytes",
                "Bytes waiting in the session with the most, by queue.",
            ),
            queue_limit: families.gauges(
                "queue_limit_bytes",
                "Maximum bytes waiting in one session of any encoding, by queue.",
            ),
            blocked: families.fractions(
                "backpressure_seconds_total",
                "Time that writes were blocked, counted when they resume, by the slow side.",
            ),
            delivery: families.histogram(
                "app_delivery_latency_seconds",
                "Time from reading a message to having written it to the application.",
                bounds::FAST,
            ),
        }
    }
}
