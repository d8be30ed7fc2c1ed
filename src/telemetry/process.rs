//! The standard `process_*` metrics, read from `/proc/self` at each scrape.
//!
//! Our own implementation, because the metrics library's collector counts CPU in whole seconds.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use rustix::process::{Resource, getrlimit};

/// Clock ticks per second in `/proc/self/stat`: `USER_HZ`, fixed in Linux' ABI.
const TICKS_PER_SECOND: f64 = 100.0;

/// Collects the process's own numbers.
#[derive(Clone, Debug)]
pub(crate) struct ProcessCollector {
    descs: Vec<Desc>,
}

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        let metrics = Metrics::new(&Sample::default());
        Self { descs: metrics.collectors().iter().flat_map(|c| c.desc()).cloned().collect() }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    /// Families created for each scrape, so that concurrent scrapes cannot mix their values.
    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = Metrics::new(&Sample::read());
        metrics.collectors().iter().flat_map(|collector| collector.collect()).collect()
    }
}

/// The values in `/proc`; zero where missing.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    cpu_seconds: f64,
    start_time_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    threads: f64,
    open_fds: f64,
    max_fds: f64,
}

impl Sample {
    fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let mut sample = Self {
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64,
            // Without a limit, the largest number there is, as Prometheus' own clients say it.
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as f64,
            ..Self::default()
        };
        sample.take_status(&read("/proc/self/status"));
        sample.take_stat(&read("/proc/self/stat"), &read("/proc/stat"));
        sample
    }

    fn take_status(&mut self, status: &str) {
        let number = |key| named_number(status, key);
        self.resident_bytes = number("VmRSS:") * 1024.0;
        self.virtual_bytes = number("VmSize:") * 1024.0;
        self.threads = number("Threads:");
    }

    fn take_stat(&mut self, own: &str, system: &str) {
        // The second field is the program's name, which may contain spaces and parentheses: count
        // from the last one. What follows is proc(5)'s field 3.
        let fields: Vec<&str> = own.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |field: usize| -> f64 {
            fields.get(field - 3).and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        self.cpu_seconds = (ticks(14) + ticks(15)) / TICKS_PER_SECOND;
        self.start_time_seconds = named_number(system, "btime") + ticks(22) / TICKS_PER_SECOND;
    }
}

/// The number after a key at the start of a line.
fn named_number(text: &str, key: &str) -> f64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(key));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

struct Metrics {
    cpu: Counter,
    gauges: [Gauge; 6],
}

impl Metrics {
    fn new(sample: &Sample) -> Self {
        let cpu = Counter::new("process_cpu_seconds_total", "CPU time used, in seconds.")
            .expect("the name is valid");
        cpu.inc_by(sample.cpu_seconds);
        let gauge = |name: &str, help: &str, value: f64| {
            let gauge = Gauge::new(name, help).expect("the name is valid");
            gauge.set(value);
            gauge
        };
        let gauges = [
            gauge(
                "process_start_time_seconds",
                "When the process started, since the epoch.",
                sample.start_time_seconds,
            ),
            gauge("process_resident_memory_bytes", "Resident memory.", sample.resident_bytes),
            gauge("process_virtual_memory_bytes", "Virtual memory.", sample.virtual_bytes),
            gauge("process_threads", "Number of threads.", sample.threads),
            gauge("process_open_fds", "Open file descriptors.", sample.open_fds),
            gauge("process_max_fds", "Maximum number of open file descriptors.", sample.max_fds),
        ];
        Self { cpu, gauges }
    }

    fn collectors(&self) -> Vec<&dyn Collector> {
        let gauges = self.gauges.iter().map(|gauge| gauge as &dyn Collector);
        std::iter::once(&self.cpu as &dyn Collector).chain(gauges).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let own = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 1000 0";
        let mut sample = Sample::default();
        sample.take_stat(own, "cpu 1 2 3\nbtime 1700000000\n");
        assert_eq!(sample.cpu_seconds, 2.0);
        assert_eq!(sample.start_time_seconds, 1_700_000_010.0);
    }

    #[test]
    fn a_running_process_has_memory_threads_and_descriptors() {
        let sample = Sample::read();
        assert!(sample.resident_bytes > 100_000.0, "{sample:?}");
        assert!(sample.threads >= 1.0 && sample.open_fds >= 3.0, "{sample:?}");
        assert!(sample.max_fds >= sample.open_fds, "{sample:?}");
        assert!(sample.start_time_seconds > 1_600_000_000.0, "{sample:?}");
    }
}
