//! Tokio's own metrics, and a ticker that detects when everything is late.

use std::time::Duration;

use prometheus::Counter;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use super::Telemetry;
use super::family::ObserveDuration;
use super::metrics::runtime::RuntimeMetrics;

/// The ticker's period.
const TICK: Duration = Duration::from_millis(100);

impl Telemetry {
    /// Measures forever how late a timer fires on this runtime; run it as a separate task.
    pub async fn watch_runtime(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = ticks.tick().await.into_std();
            let lag = clock::now().saturating_duration_since(due);
            self.metrics.runtime.lag.observe_duration(lag);
        }
    }
}

/// Updates the runtime's metrics; outside a runtime there are none.
pub(super) fn update(metrics: &RuntimeMetrics) {
    let Ok(runtime) = Handle::try_current() else { return };
    let runtime = runtime.metrics();
    let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.workers.set(gauge(runtime.num_workers()));
    metrics.tasks.set(gauge(runtime.num_alive_tasks()));
    let workers = 0..runtime.num_workers();
    let busy: Duration = workers.map(|worker| runtime.worker_total_busy_duration(worker)).sum();
    raise(&metrics.busy, busy.as_secs_f64());
}

/// Raises a counter to a total that is kept elsewhere.
fn raise(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}
