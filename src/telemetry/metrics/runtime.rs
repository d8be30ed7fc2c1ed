//! The runtime that all sessions share: shows whether we are the ones who are late.

use prometheus::{Counter, Histogram, IntGauge};

use crate::telemetry::family::{Families, bounds};

/// Tokio's workers and tasks.
#[derive(Debug)]
pub(crate) struct RuntimeMetrics {
    pub(crate) lag: Histogram,
    pub(crate) workers: IntGauge,
    pub(crate) tasks: IntGauge,
    pub(crate) busy: Counter,
}

impl RuntimeMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            lag: families.histogram(
                "runtime_lag_seconds",
                "How late a 100 ms timer fires: blocked workers, or a CPU limit.",
                bounds::FAST,
            ),
            workers: families.gauge("runtime_workers", "Worker threads of the runtime."),
            tasks: families.gauge("runtime_tasks", "Live tasks of the runtime."),
            busy: families.fraction(
                "runtime_busy_seconds_total",
                "Time that the runtime's workers were busy, in total.",
            ),
        }
    }
}
