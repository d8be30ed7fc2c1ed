//! What operators see: each thing that happens is one event, which updates its metric, writes its
//! log line and creates its span together.
//!
//! It only observes: no callbacks, and no lock or label lookup while audio flows.

mod deaths;
pub mod event;
mod exemplar;
mod exposition;
mod family;
pub mod label;
pub mod log;
mod metrics;
mod observer;
pub mod otlp;
mod process;
mod runtime;
mod session_table;
mod trace;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use prometheus::Registry;
use tracing_appender::non_blocking::ErrorCounter;

use crate::config::{Collector, Config};

use crate::live::LiveSession;
use deaths::Deaths;
use event::{Emit, Panicked};
use exposition::Page;
use family::ObserveDuration;
use label::{ConnectionResult, ScrapePage};
use metrics::Metrics;
use otlp::{SpanExport, Tracers};
use session::State;
use session::trace::TraceContext;
use session_table::SessionTable;

pub use deaths::DeathRecord;
pub use exposition::Format;
pub use observer::SessionTelemetry;
pub use session_table::SeriesLimits;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The source revision of this build, if the build was given it.
pub const REVISION: &str = match option_env!("DEEPGRAM_SIDECAR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The daemon's metrics, and through `tracing` its log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Telemetry {
    registry: Registry,
    metrics: Arc<Metrics>,
    sessions: Arc<SessionTable>,
    tracers: Option<Arc<Tracers>>,
    log_drops: Arc<OnceLock<ErrorCounter>>,
    deaths: Arc<Deaths>,
}

impl Telemetry {
    /// All metrics at zero, on their own registry.
    pub fn new(limits: SeriesLimits) -> Self {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::register(&registry));
        Self {
            registry,
            metrics,
            sessions: SessionTable::new(limits),
            tracers: None,
            log_drops: Arc::default(),
            deaths: Arc::default(),
        }
    }

    /// Also creates spans of sessions, and returns the task that exports them to the collector.
    /// They need the layer that [`log::init`] adds.
    pub fn with_traces(self, collector: Collector, config: &Config) -> (Self, SpanExport) {
        let (tracers, export) = otlp::open(collector, config, &self);
        (Self { tracers: Some(Arc::new(tracers)), ..self }, export)
    }

    /// Records that a session was accepted; the handle records the rest of its life.
    pub fn session(&self, live: Arc<LiveSession>) -> SessionTelemetry {
        self.session_within(live, None)
    }

    /// The same for a session whose application passed a trace.
    pub fn session_within(
        &self,
        live: Arc<LiveSession>,
        app: Option<TraceContext>,
    ) -> SessionTelemetry {
        SessionTelemetry::open(self.clone(), live, app)
    }

    /// Records that an application's connection was accepted. Drop the guard when it is closed.
    pub fn app_connection(&self) -> AppConnection {
        self.metrics.app.connections[ConnectionResult::Accepted].inc();
        self.metrics.app.connections_active.inc();
        AppConnection { telemetry: self.clone() }
    }

    /// How many sessions wait for their turn to dial.
    pub fn dials_waiting(&self, sessions: usize) {
        let sessions = i64::try_from(sessions).unwrap_or(i64::MAX);
        self.metrics.upstream.dials_waiting.set(sessions);
    }

    /// All metrics as a page. Takes milliseconds of CPU, so do not call it on a thread that serves
    /// sessions. Its own cost is counted, and shown by the next scrape.
    pub fn scrape(&self, format: Format, readiness: ReadinessSample) -> String {
        let begun = clock::now();
        self.metrics.daemon.ready.set(readiness.ready.into());
        self.metrics.daemon.draining.set(readiness.draining.into());
        runtime::update(&self.metrics.runtime);
        self.update_log();
        self.sessions.harvest(&self.metrics);
        let mut page = Page::new(format);
        exposition::write(&mut page, &self.registry.gather(), &self.metrics.exemplars);
        let cost = clock::now().saturating_duration_since(begun);
        self.metrics.daemon.scrape_duration[ScrapePage::Metrics].observe_duration(cost);
        page.finish()
    }

    /// The per-session series as a page, as many as [`SeriesLimits`] allow.
    pub fn scrape_sessions(&self, format: Format) -> String {
        let begun = clock::now();
        let mut page = Page::new(format);
        self.sessions.write(&mut page);
        let cost = clock::now().saturating_duration_since(begun);
        self.metrics.daemon.scrape_duration[ScrapePage::Sessions].observe_duration(cost);
        page.finish()
    }

    /// The last 200 deaths, newest first.
    pub fn deaths(&self) -> Vec<DeathRecord> {
        self.deaths.latest()
    }

    /// How many connections have died since startup.
    pub fn deaths_total(&self) -> u64 {
        self.deaths.total()
    }

    /// Counts the lines that the log's writer drops.
    fn watch_log(&self, drops: ErrorCounter) {
        let _ = self.log_drops.set(drops);
    }

    fn update_log(&self) {
        let dropped = self.log_drops.get().map_or(0, ErrorCounter::dropped_lines) as u64;
        let counter = &self.metrics.daemon.log_dropped;
        counter.inc_by(dropped.saturating_sub(counter.get()));
    }

    /// Turns each panic into one log line and one count instead of free text on stderr.
    pub fn install_panic_hook(&self) {
        let telemetry = self.clone();
        std::panic::set_hook(Box::new(move |info| Panicked(info).emit(&telemetry)));
    }

    fn set_state(&self, from: State, to: State) {
        let active = &self.metrics.session.active;
        if let Some(gauge) = active.get(from) {
            gauge.dec();
        }
        if let Some(gauge) = active.get(to) {
            gauge.inc();
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new(SeriesLimits::default())
    }
}

/// Whether the daemon is ready for traffic at the time of a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadinessSample {
    /// Nothing blocks it.
    pub ready: bool,
    /// Shutdown has begun.
    pub draining: bool,
}

/// An application's connection, counted as active until this is dropped.
#[derive(Debug)]
pub struct AppConnection {
    telemetry: Telemetry,
}

impl Drop for AppConnection {
    fn drop(&mut self) {
        self.telemetry.metrics.app.connections_active.dec();
    }
}
