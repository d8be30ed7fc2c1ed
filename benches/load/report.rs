//! What one run has measured.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The load of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) sessions: u32,
    /// Audio in each frame.
    pub(crate) frame: Duration,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
}

/// The numbers of one run. Microseconds and KiB.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) sessions: u32,
    pub(crate) frame_ms: u128,
    pub(crate) frames: u64,
    pub(crate) cpu_us_per_frame: f64,
    /// Of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) idle_kib: u64,
    pub(crate) kib_per_session: f64,
    pub(crate) latency_us: Percentiles,
    /// Results that were timed.
    pub(crate) results: u64,
    /// Sessions whose outcome was another than `finished`, or that lost audio.
    pub(crate) unfinished: u64,
}

/// Percentiles of latency.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Report {
    pub(crate) fn new(
        load: &Load,
        frames: u64,
        cpu: Duration,
        idle_kib: u64,
        pss_kib: u64,
        latencies: &Histogram<u64>,
        unfinished: u64,
    ) -> Self {
        Self {
            sessions: load.sessions,
            frame_ms: load.frame.as_millis(),
            frames,
            cpu_us_per_frame: cpu.as_secs_f64() * 1e6 / frames.max(1) as f64,
            cpu_percent: 100.0 * cpu.as_secs_f64() / load.duration.as_secs_f64(),
            idle_kib,
            kib_per_session: pss_kib as f64 / f64::from(load.sessions.max(1)),
            latency_us: Percentiles {
                p50: latencies.value_at_quantile(0.5),
                p90: latencies.value_at_quantile(0.9),
                p99: latencies.value_at_quantile(0.99),
                p999: latencies.value_at_quantile(0.999),
                max: latencies.max(),
            },
            results: latencies.len(),
            unfinished,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles { p50, p90, p99, p999, max } = self.latency_us;
        write!(
            f,
            "{:>8} {:>5} ms {:>9} {:>9.1} us {:>5.1} % {:>8.1} KiB {:>8} {:>8} {:>8} {:>8} {:>8}",
            self.sessions,
            self.frame_ms,
            self.frames,
            self.cpu_us_per_frame,
            self.cpu_percent,
            self.kib_per_session,
            p50,
            p90,
            p99,
            p999,
            max
        )
    }
}

/// The heading of the reports' columns.
pub(crate) const HEADING: &str = "sessions    frame    frames   CPU/frame    core  PSS/session   \
                                  p50 us      p90      p99    p99.9      max";
