//! One session's spans: its own, which lasts as long as it does, and those below it, each made when
//! what it tells of is over.
//!
//! A span is exported when it ends, so a session is seen while it lasts by what has happened in it;
//! the spans below arrive before the one above. Where nothing is sampled nothing is made, until a
//! connection dies or none can be had: then what the flight recorder kept becomes a trace of its
//! own, linked to the application's.

mod root;
mod span;
mod story;

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
use session::Segment;
use session::fact::{Fact, SessionEnded};
use session::summary::Outcome;
use session::trace::TraceContext;
use span::Failure;
use story::Story;

/// The target of session spans, which the trace layer sees and nobody else.
pub(super) const TARGET: &str = "deepgram_sidecar::spans";

/// The name of a session's own span.
const SESSION: &str = "stt.session";

/// Makes session spans into exported ones. Without its own filter it would take every span and
/// event of every crate.
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

/// One session's spans; nothing where there are no traces.
#[derive(Debug, Default)]
pub(super) struct SessionTrace(Option<Box<Traced>>);

/// A session whose spans may be made.
#[derive(Debug)]
struct Traced {
    tracers: Arc<Tracers>,
    /// What the session's clock calls zero.
    begun: SystemTime,
    /// Closed when this is dropped; its end was told before.
    _span: Span,
    own: SpanContext,
    app: Option<SpanContext>,
    /// The trace of the story.
    exported: OnceLock<u128>,
    /// The spans below; `None` while the session is not sampled.
    story: Mutex<Option<Story>>,
}

impl SessionTrace {
    /// Begins the span of a session, below that of its application where it has one.
    pub(super) fn begin(
        tracers: Option<&Arc<Tracers>>,
        live: &LiveSession,
        app: Option<TraceContext>,
    ) -> Self {
        Self(tracers.and_then(|tracers| Traced::begin(tracers, live, app)).map(Box::new))
    }

    /// The place of the session's span, sampled or not.
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

    /// Something happened, so long after OPEN. Comes before `live` remembers it.
    pub(super) fn tell(&self, live: &LiveSession, at: Duration, fact: &Fact) {
        let Some(traced) = &self.0 else { return };
        let mut story = traced.story();
        if story.is_none() && is_worth_keeping(fact) {
            let was_up = matches!(fact, Fact::ConnectionDied(_));
            *story = Some(traced.keep(live, was_up));
        }
        if let Some(story) = &mut *story {
            story.tell(at, fact);
        }
    }

    /// A stretch of the session's life is over, so long after OPEN.
    pub(super) fn tell_segment(&self, at: Duration, segment: &Segment) {
        if let Some(traced) = &self.0
            && let Some(story) = &*traced.story()
        {
            story.add(span::segment(segment, at));
        }
    }

    /// The session is over: closes its span with its books.
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
            && let Some(story) = &mut *traced.story()
        {
            story.close(at, attributes, failure);
        }
    }
}

impl Traced {
    /// `None` where no layer makes spans of sessions.
    fn begin(
        tracers: &Arc<Tracers>,
        live: &LiveSession,
        app: Option<TraceContext>,
    ) -> Option<Self> {
        let app = app.map(remote);
        let span = error_span!(target: TARGET, parent: None, SESSION, otel.kind = "server");
        // After the span has taken its own time, so that nothing below it begins before it.
        let begun = SystemTime::now();
        if let Some(app) = &app {
            // It fails only where no layer takes the span, which the next lines find as well.
            let _ = span.set_parent(Context::new().with_remote_span_context(app.clone()));
        }
        let parent = span.context();
        let own = parent.span().span_context().clone();
        if !own.is_valid() {
            return None;
        }
        let (exported, story) = (OnceLock::new(), Mutex::default());
        let traced =
            Self { tracers: tracers.clone(), begun, _span: span, own, app, exported, story };
        if traced.own.is_sampled() {
            root::attributes(live).into_iter().for_each(|it| parent.span().set_attribute(it));
            let story = traced.story_of(&tracers.live, parent);
            *traced.story() = Some(story);
        }
        Some(traced)
    }

    /// The trace of a session that was not sampled and turned out to matter: its spans so far.
    /// `was_up` says whether it has had a connection.
    fn keep(&self, live: &LiveSession, was_up: bool) -> Story {
        let linked = self.app.as_ref().unwrap_or(&self.own).clone();
        let kept = &self.tracers.kept;
        let builder = kept
            .span_builder(SESSION)
            .with_kind(SpanKind::Server)
            .with_start_time(self.begun)
            .with_links(vec![Link::with_context(linked)])
            .with_attributes(root::attributes(live));
        let root = Context::new().with_span(kept.build_with_context(builder, &Context::new()));
        let mut story = self.story_of(kept, root);
        story.replay(&live.events(), was_up);
        story
    }

    /// Nothing yet below a session's span.
    fn story_of(&self, tracer: &SdkTracer, session: Context) -> Story {
        let id = session.span().span_context().trace_id();
        let _ = self.exported.set(number(id));
        Story::new(tracer.clone(), self.tracers.peer.clone(), self.begun, session)
    }

    fn story(&self) -> MutexGuard<'_, Option<Story>> {
        // It is whole after every statement, whatever panicked.
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes a trace of a session that was not sampled.
fn is_worth_keeping(fact: &Fact) -> bool {
    match fact {
        Fact::ConnectionDied(_) => true,
        Fact::SessionEnded(ended) => ended.summary.outcome == Outcome::ConnectFailed,
        _ => false,
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
