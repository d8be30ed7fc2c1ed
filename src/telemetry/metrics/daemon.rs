//! The daemon itself: its version, readiness, and the cost of monitoring it.

use prometheus::{GaugeVec, Histogram, IntCounter, IntGauge, Opts};

use crate::config::LogLevel;
use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::ScrapePage;
use crate::telemetry::process::ProcessCollector;

#[derive(Debug)]
pub(crate) struct DaemonMetrics {
    pub(crate) ready: IntGauge,
    pub(crate) draining: IntGauge,
    pub(crate) panics: IntCounter,
    pub(crate) log_messages: Children<LogLevel, IntCounter>,
    pub(crate) log_suppressed: Children<LogLevel, IntCounter>,
    pub(crate) log_dropped: IntCounter,
    pub(crate) scrape_duration: Children<ScrapePage, Histogram>,
}

impl DaemonMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        register_build_info(families);
        families.register(Ok(ProcessCollector::new()));
        Self {
            ready: families.gauge("ready", "1 while nothing blocks readiness."),
            draining: families.gauge("draining", "1 once shutdown has started."),
            panics: families.counter("panics_total", "Panics: bugs in the sidecar."),
            log_messages: families.counters("log_messages_total", "Log lines written, by level."),
            log_suppressed: families.counters(
                "log_suppressed_total",
                "Log lines suppressed by their event's rate limit, by level.",
            ),
            log_dropped: families.counter(
                "log_dropped_total",
                "Log lines dropped because standard error was blocked for too long.",
            ),
            scrape_duration: families.histograms(
                "scrape_duration_seconds",
                "Time to gather and encode a page for a scraper.",
                bounds::FAST,
            ),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "its label values are known only to the build")]
fn register_build_info(families: &Families<'_>) {
    let opts = Opts::new("deepgram_sidecar_build_info", "The running version; always 1.");
    let family = families.register(GaugeVec::new(opts, &["version", "revision"]));
    family.with_label_values(&[super::super::VERSION, super::super::REVISION]).set(1.0);
}
