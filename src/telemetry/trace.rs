//! One session's spans: its own, which lasts as long as the session, and its child spans, each
//! created when what it describes is over.
//!
//! Spans are exported when they end, so a running session is visible through its child spans, which
//! arrive before their parent. An unsampled session creates no spans until a connection dies or
//! none can be made: then the contents of the flight recorder become a separate trace, linked to
//! the application's.

mod child_spans;
mod root;
mod span;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Span, Subscriber, error_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::otlp::Tracers;
use crate::live::LiveSession;
use child_spans::ChildSpans;
use session::Segment;
use session::fact::{Fact, SessionEnded};
use session::summary::Outcome;
use session::trace::TraceContext;
use span::Failure;

/// The target of session spans, which only the trace layer sees.
pub(super) const TARGET: &str = "deepgram_sidecar::spans";

/// The name of a session's own span.
const SESSION: &str = "stt.session";

/// Exports session spans. Without its own filter it would take every span and event of every crate.
pub(super) fn layer<S>(tracers: &Tracers) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracers.live.clone())
        .with_threads(false)
        .with_location(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::ERROR))
}

/// One session's spans; does nothing if tracing is off.
#[derive(Debug, Default)]
pub(super) struct SessionTrace(Option<Box<Traced>>);

/// A session whose spans may be created.
#[derive(Debug)]
struct Traced {
    tracers: Arc<Tracers>,
    /// Time zero of the session's clock.
    begun: SystemTime,
    /// Closed when this is dropped; its end was recorded before.
    _span: Span,
    own: SpanContext,
    app: Option<SpanContext>,
    /// The trace of the child spans.
    exported: OnceLock<u128>,
    /// The child spans; `None` while the session is unsampled.
    spans: Mutex<Option<ChildSpans>>,
}

impl SessionTrace {
    /// Starts the span of a session, as a child of the application's span if there is one.
    pub(super) fn begin(
        tracers: Option<&Arc<Tracers>>,
        live: &LiveSession,
        app: Option<TraceContext>,
    ) -> Self {
        Self(tracers.and_then(|tracers| Traced::begin(tracers, live, app)).map(Box::new))
    }

    /// The context of the session's span, sampled or not.
    pub(super) fn context(&self) -> Option<TraceContext> {
        let own = &self.0.as_ref()?.own;
        Some(TraceContext {
            trace_id: number(own.trace_id()),
            span_id: u64::from_be_bytes(own.span_id().to_bytes()),
            is_sampled: own.is_sampled(),
        })
    }

    /// The trace that the session's spans are exported in, if they are. Takes no lock.
    pub(super) fn exported(&self) -> Option<u128> {
        self.0.as_ref()?.exported.get().copied()
    }

    /// Something happened, at this time after OPEN. Called before `live` records it.
    pub(super) fn tell(&self, live: &LiveSession, at: Duration, fact: &Fact) {
        let Some(traced) = &self.0 else { return };
        let mut spans = traced.spans();
        if spans.is_none() && is_worth_keeping(fact) {
            let was_up = matches!(fact, Fact::ConnectionDied(_));
            *spans = Some(traced.keep(live, was_up));
        }
        if let Some(spans) = &mut *spans {
            spans.tell(at, fact);
        }
    }

    /// A segment of the session's life is over, at this time after OPEN.
    pub(super) fn tell_segment(&self, at: Duration, segment: &Segment) {
        if let Some(traced) = &self.0
            && let Some(spans) = &*traced.spans()
        {
            spans.add(span::segment(segment, at));
        }
    }

    /// The session is over: closes its span with the summary.
    pub(super) fn end(&self, at: Duration, ended: &SessionEnded) {
        let (attributes, failure) = root::totals(ended);
        self.close(at, attributes, failure);
    }

    /// The session's task was cancelled.
    pub(super) fn cancel(&self, at: Duration) {
        let (attributes, failure) = root::cancelled();
        self.close(at, attributes, failure);
    }

    fn close(&self, at: Duration, attributes: Vec<KeyValue>, failure: Option<Failure>) {
        if let Some(traced) = &self.0
            && let Some(spans) = &mut *traced.spans()
        {
            spans.close(at, attributes, failure);
        }
    }
}

impl Traced {
    /// `None` if no layer creates session spans.
    fn begin(
        tracers: &Arc<Tracers>,
        live: &LiveSession,
        app: Option<TraceContext>,
    ) -> Option<Self> {
        let app = app.map(remote);
        let span = error_span!(target: TARGET, parent: None, SESSION, otel.kind = "server");
        // After the span has taken its start time, so that no child starts before it.
        let begun = SystemTime::now();
        if let Some(app) = &app {
            // It fails only if no layer takes the span, which the next lines also detect.
            let _ = span.set_parent(Context::new().with_remote_span_context(app.clone()));
        }
        let parent = span.context();
        let own = parent.span().span_context().clone();
        if !own.is_valid() {
            return None;
        }
        let (exported, spans) = (OnceLock::new(), Mutex::default());
        let traced =
            Self { tracers: tracers.clone(), begun, _span: span, own, app, exported, spans };
        if traced.own.is_sampled() {
            root::attributes(live).into_iter().for_each(|it| parent.span().set_attribute(it));
            let spans = traced.spans_of(&tracers.live, parent);
            *traced.spans() = Some(spans);
        }
        Some(traced)
    }

    /// The trace of an unsampled session that turned out to matter: its spans so far. `was_up` says
    /// whether it has had a connection.
    fn keep(&self, live: &LiveSession, was_up: bool) -> ChildSpans {
        let linked = self.app.as_ref().unwrap_or(&self.own).clone();
        let kept = &self.tracers.kept;
        let builder = kept
            .span_builder(SESSION)
            .with_kind(SpanKind::Server)
            .with_start_time(self.begun)
            .with_links(vec![Link::with_context(linked)])
            .with_attributes(root::attributes(live));
        let root = Context::new().with_span(kept.build_with_context(builder, &Context::new()));
        let mut spans = self.spans_of(kept, root);
        spans.replay(&live.events(), was_up);
        spans
    }

    /// No child spans yet.
    fn spans_of(&self, tracer: &SdkTracer, session: Context) -> ChildSpans {
        let id = session.span().span_context().trace_id();
        let _ = self.exported.set(number(id));
        ChildSpans::new(tracer.clone(), self.tracers.peer.clone(), self.begun, session)
    }

    fn spans(&self) -> MutexGuard<'_, Option<ChildSpans>> {
        // It is consistent after every statement, whatever panicked.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What turns an unsampled session into a trace.
fn is_worth_keeping(fact: &Fact) -> bool {
    match fact {
        Fact::ConnectionDied(_) => true,
        Fact::SessionEnded(ended) => ended.summary.outcome == Outcome::ConnectFailed,
        _ => false,
    }
}

/// The attributes that a fact gives to its span, or to the session's at its end.
#[cfg(test)]
pub(super) fn attributes_of(fact: &Fact) -> Vec<KeyValue> {
    match fact {
        Fact::SessionEnded(ended) => root::totals(ended).0,
        _ => span::of(fact, Duration::ZERO).map(|it| it.attributes).unwrap_or_default(),
    }
}

fn number(id: TraceId) -> u128 {
    u128::from_be_bytes(id.to_bytes())
}

fn remote(context: TraceContext) -> SpanContext {
    let flags = if context.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let (trace, span) = (TraceId::from(context.trace_id), SpanId::from(context.span_id));
    SpanContext::new(trace, span, flags, true, TraceState::default())
}
