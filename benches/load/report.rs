//! What one run has measured.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::hop::Way;

/// The heading of the reports' columns. CPU of hop, emulator and harness is in percent of one
/// core, memory in KiB per session, latency in microseconds.
pub(crate) const HEADING: &str = "way     sessions  frame frames/s us/frame   hop% emul.% harn.%    \
                                  idle  active  rested     p50     p90     p99   p99.9     max";

/// The load of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) sessions: u32,
    /// Audio in each frame.
    pub(crate) frame: Duration,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) tls: bool,
}

/// Frames sent and CPU time used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) frames: u64,
    pub(crate) hop: Duration,
    pub(crate) emulator: Duration,
    pub(crate) harness: Duration,
}

impl Work {
    /// What was done since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            hop: self.hop.saturating_sub(before.hop),
            emulator: self.emulator.saturating_sub(before.emulator),
            harness: self.harness.saturating_sub(before.harness),
        }
    }
}

/// The hop's memory, in KiB of proportional set size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Without sessions.
    pub(crate) empty_kib: u64,
    /// With all sessions open and nothing sent.
    pub(crate) idle_kib: u64,
    /// While they stream.
    pub(crate) active_kib: u64,
    /// When they have been silent again past a keepalive.
    pub(crate) rested_kib: u64,
}

/// The numbers of one run. What concerns the hop is 0 where there is none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    way: Way,
    sessions: u32,
    frame_ms: u128,
    tls: bool,
    frames: u64,
    frames_per_second: f64,
    cpu_us_per_frame: f64,
    /// Of one core.
    cpu_percent: f64,
    emulator_cpu_percent: f64,
    harness_cpu_percent: f64,
    empty_kib: u64,
    idle_kib_per_session: f64,
    active_kib_per_session: f64,
    rested_kib_per_session: f64,
    latency_us: Percentiles,
    /// Results that were timed.
    results: u64,
    /// Sessions that ended otherwise than asked, or lost audio.
    pub(crate) unfinished: u64,
}

/// Percentiles of latency, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Percentiles {
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl Report {
    pub(crate) fn new(
        way: Way,
        load: &Load,
        work: Work,
        memory: Memory,
        latencies: &Histogram<u64>,
        unfinished: u64,
    ) -> Self {
        let seconds = load.duration.as_secs_f64();
        let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / seconds;
        let per_session = |kib: u64| {
            kib.saturating_sub(memory.empty_kib) as f64 / f64::from(load.sessions.max(1))
        };
        Self {
            way,
            sessions: load.sessions,
            frame_ms: load.frame.as_millis(),
            tls: load.tls,
            frames: work.frames,
            frames_per_second: work.frames as f64 / seconds,
            cpu_us_per_frame: work.hop.as_secs_f64() * 1e6 / work.frames.max(1) as f64,
            cpu_percent: percent(work.hop),
            emulator_cpu_percent: percent(work.emulator),
            harness_cpu_percent: percent(work.harness),
            empty_kib: memory.empty_kib,
            idle_kib_per_session: per_session(memory.idle_kib),
            active_kib_per_session: per_session(memory.active_kib),
            rested_kib_per_session: per_session(memory.rested_kib),
            latency_us: Percentiles::of(latencies),
            results: latencies.len(),
            unfinished,
        }
    }

    fn same_load(&self, other: &Self) -> bool {
        (self.sessions, self.frame_ms) == (other.sessions, other.frame_ms)
    }
}

impl Percentiles {
    fn of(latencies: &Histogram<u64>) -> Self {
        Self {
            p50: latencies.value_at_quantile(0.5),
            p90: latencies.value_at_quantile(0.9),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            max: latencies.max(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles { p50, p90, p99, p999, max } = self.latency_us;
        write!(
            f,
            "{:<8}{:>8} {:>6} {:>8.0} {:>8.1} {:>6.1} {:>6.1} {:>6.1} {:>7.1} {:>7.1} {:>7.1} \
             {:>7} {:>7} {:>7} {:>7} {:>7}",
            self.way.as_str(),
            self.sessions,
            self.frame_ms,
            self.frames_per_second,
            self.cpu_us_per_frame,
            self.cpu_percent,
            self.emulator_cpu_percent,
            self.harness_cpu_percent,
            self.idle_kib_per_session,
            self.active_kib_per_session,
            self.rested_kib_per_session,
            p50,
            p90,
            p99,
            p999,
            max
        )
    }
}

/// What each hop adds to the latency of the direct way under the same load.
pub(crate) fn added_latencies(reports: &[Report]) -> Vec<String> {
    let hops = reports.iter().filter(|it| it.way != Way::Direct);
    let added = |hop: &Report| {
        let is_direct = |it: &&Report| it.way == Way::Direct && it.same_load(hop);
        let direct = reports.iter().find(is_direct)?.latency_us;
        let more = |with: u64, without: u64| {
            let ratio = with as f64 / without.max(1) as f64;
            format!("{:+} us ({ratio:.2} x)", with as i64 - without as i64)
        };
        Some(format!(
            "{} adds to direct, {} sessions x {} ms: p50 {}, p99 {}",
            hop.way.as_str(),
            hop.sessions,
            hop.frame_ms,
            more(hop.latency_us.p50, direct.p50),
            more(hop.latency_us.p99, direct.p99)
        ))
    };
    hops.filter_map(added).collect()
}
