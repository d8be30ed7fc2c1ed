//! One session's telemetry: its facts, and a guard for when it is cut short.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tracing::{Span, error_span};

use super::Telemetry;
use super::event::{
    Emit, FactEvent, FlightRecorded, FrameRefused, LogLine, Measure, Observed, SessionCancelled,
    SessionClosed, SessionOpened,
};
use super::session_table::SeriesEntry;
use super::trace::SessionTrace;
use crate::live::LiveSession;
use session::State;
use session::fact::{ConnectionDied, Fact, Observer, SessionEnded};
use session::trace::TraceContext;
use session::{Observation, Refusal, Sdk, millis};

/// Records what happens in one session.
///
/// If dropped without [`Fact::SessionEnded`], because its task was cancelled, it still settles the
/// gauges and writes a line.
#[derive(Debug)]
pub struct SessionTelemetry {
    telemetry: Telemetry,
    live: Arc<LiveSession>,
    /// Its entry in the table that scrapes read.
    series: SeriesEntry,
    span: Span,
    trace: SessionTrace,
    is_connected: AtomicBool,
    is_stalled: AtomicBool,
    is_ended: AtomicBool,
}

impl SessionTelemetry {
    pub(super) fn open(
        telemetry: Telemetry,
        live: Arc<LiveSession>,
        app: Option<TraceContext>,
    ) -> Self {
        let trace = SessionTrace::begin(telemetry.tracers.as_ref(), &live, app);
        if let Some(own) = trace.context() {
            live.set_trace(own);
        }
        let span = session_span(&live, trace.context(), app);
        let series = telemetry.sessions.add(live.clone());
        let opened = SessionOpened { is_listed: series.is_listed(), speaker: &live.speaker };
        span.in_scope(|| opened.emit(&telemetry));
        Self {
            telemetry,
            live,
            series,
            span,
            trace,
            is_connected: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
        }
    }

    /// The session's span, to instrument its tasks with: its fields are on each of their lines.
    pub fn span(&self) -> &Span {
        &self.span
    }

    fn emit(&self, fact: &Fact) {
        let line = FactEvent { fact, trace_id: self.trace_id() }.measure(&self.telemetry);
        match fact {
            Fact::SessionEnded(ended) => self.emit_end(fact.name(), ended, line),
            Fact::ConnectionDied(died) => {
                line.write_fact(fact);
                self.remember_death(died);
            }
            _ => line.write_fact(fact),
        }
    }

    /// Tracks what the gauges need: live connections, ongoing stalls, the end.
    fn track(&self, fact: &Fact) {
        match fact {
            Fact::Connected(_) => self.connected(),
            Fact::ConnectionDied(_) | Fact::ConnectionClosed(_) => self.disconnected(),
            Fact::SessionEnded(_) => {
                self.disconnected();
                self.is_ended.store(true, Relaxed);
                self.series.harvest(&self.telemetry.metrics);
            }
            Fact::TranscriptStalled(_) => self.is_stalled.store(true, Relaxed),
            Fact::StallEnded(_) => self.is_stalled.store(false, Relaxed),
            _ => {}
        }
        if is_anomaly(fact) {
            self.series.list_anomaly();
        }
    }

    fn connected(&self) {
        if !self.is_connected.swap(true, Relaxed) {
            self.telemetry.metrics.upstream.connections_active.inc();
        }
    }

    fn disconnected(&self) {
        if self.is_connected.swap(false, Relaxed) {
            self.telemetry.metrics.upstream.connections_active.dec();
        }
    }

    /// The trace that the session is exported in, if any, for exemplars.
    pub(super) fn trace_id(&self) -> Option<u128> {
        self.trace.exported()
    }

    /// Since OPEN.
    fn age(&self) -> Duration {
        clock::now().saturating_duration_since(self.live.opened_at)
    }

    fn remember_death(&self, died: &ConnectionDied) {
        self.telemetry.deaths.record(self.live.clone(), died.clone());
        let class = died.death.class;
        FlightRecorded { events: &self.live.events(), class }.emit(&self.telemetry);
    }

    fn emit_end(&self, name: &'static str, ended: &SessionEnded, line: LogLine) {
        let (first_death, request_id) = (self.live.first_death(), self.live.request_id());
        let (first_death, request_id) = (first_death.as_ref(), request_id.as_deref());
        line.write_whole(name, &SessionClosed { ended, first_death, request_id });
        self.trace.end(self.age(), ended);
        self.series.leave(ended);
    }
}

/// What earns a session its own series although the page is full.
fn is_anomaly(fact: &Fact) -> bool {
    matches!(fact, Fact::ConnectionDied(_) | Fact::TranscriptStalled(_) | Fact::KeepaliveGap(_))
}

impl Observer for SessionTelemetry {
    fn record(&self, fact: &Fact) {
        self.track(fact);
        self.trace.tell(&self.live, self.age(), fact);
        self.span.in_scope(|| self.emit(fact));
    }

    fn observe(&self, observation: &Observation) {
        if let Observation::Segment(segment) = observation {
            self.trace.tell_segment(self.age(), segment);
        }
        Observed { observation, trace_id: self.trace_id() }.emit(&self.telemetry);
    }

    fn refused(&self, refusal: &Refusal, http_status: Option<u16>) {
        let dialect = self.live.speaker.dialect;
        let refused = FrameRefused { refusal, dialect, http_status };
        self.span.in_scope(|| refused.emit(&self.telemetry));
    }

    fn state_changed(&self, from: State, to: State) {
        self.telemetry.set_state(from, to);
    }
}

impl Drop for SessionTelemetry {
    fn drop(&mut self) {
        let state = self.live.state();
        self.telemetry.set_state(state, State::Ended);
        self.disconnected();
        if self.is_stalled.load(Relaxed) {
            self.telemetry.metrics.transcript.stalled.dec();
        }
        self.series.harvest(&self.telemetry.metrics);
        if !self.is_ended.load(Relaxed) {
            let lived = self.age();
            self.trace.cancel(lived);
            let cancelled = SessionCancelled { state, duration_ms: millis(lived) };
            self.span.in_scope(|| cancelled.emit(&self.telemetry));
        }
    }
}

/// At level ERROR, so that lines of every enabled level carry these fields.
fn session_span(live: &LiveSession, own: Option<TraceContext>, app: Option<TraceContext>) -> Span {
    let tags: serde_json::Map<_, _> =
        live.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let tags = serde_json::Value::Object(tags).to_string();
    error_span!(
        "session",
        session_id = live.id.as_str(),
        trace_id = own.or(app).map(|it| it.trace_id_text()),
        span_id = own.map(|it| it.span_id_text()),
        endpoint = live.endpoint.path(),
        dialect = live.speaker.dialect.as_str(),
        sdk = live.speaker.sdk.map(Sdk::as_str),
        tags,
    )
}
