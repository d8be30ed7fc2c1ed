//! The child spans of one session, in the order in which they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Span as _, SpanKind, SpanRef, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use super::span::{self, Described, Failure};
use crate::live::Entry;
use session::fact::{ConnectionClosed, Fact, SessionEnded};

/// Turns facts into spans. It has an open span only while the first connection is dialled.
#[derive(Debug)]
pub(super) struct ChildSpans {
    tracer: SdkTracer,
    /// Deepgram's address, for the spans that wait for it.
    peer: Arc<[KeyValue]>,
    begun: SystemTime,
    /// The session's span.
    session: Context,
    /// `stt.session.open`, while it is the parent of connection attempts.
    opening: Option<Context>,
    /// Whether a connection has been up.
    is_open: bool,
    closing: Option<Closing>,
    parked_at: Option<Duration>,
}

/// CloseStream was requested.
#[derive(Clone, Copy, Debug)]
struct Closing {
    since: Duration,
    to_park: bool,
}

impl ChildSpans {
    pub(super) fn new(
        tracer: SdkTracer,
        peer: Arc<[KeyValue]>,
        begun: SystemTime,
        session: Context,
    ) -> Self {
        Self {
            tracer,
            peer,
            begun,
            session,
            opening: None,
            is_open: false,
            closing: None,
            parked_at: None,
        }
    }

    /// Replays a session's flight recorder; also needs whether a connection was up in it.
    pub(super) fn replay(&mut self, entries: &[Entry], was_up: bool) {
        // If the first connection is no longer recorded, neither is how it came up.
        let is_first =
            |entry: &Entry| matches!(&entry.fact, Fact::Connected(it) if it.connection == 1);
        self.is_open = was_up && !entries.iter().any(is_first);
        entries.iter().for_each(|entry| self.tell(entry.until, &entry.fact));
    }

    /// Creates the spans that a fact completes.
    pub(super) fn tell(&mut self, at: Duration, fact: &Fact) {
        match fact {
            Fact::StreamClosing(fact) => {
                self.closing = Some(Closing { since: at, to_park: fact.to_park });
            }
            Fact::SessionParked(_) => self.parked_at = Some(at),
            Fact::SessionResumed(_) => self.unpark(at),
            Fact::SessionEnded(ended) => self.complete(at, ended),
            _ => {}
        }
        if let Some(described) = span::of(fact, at) {
            self.add_below(fact, described);
        }
        match fact {
            Fact::Connected(_) => self.opened(at, None),
            Fact::ConnectionClosed(ConnectionClosed { .. }) => self.closed(at, None),
            Fact::ConnectionDied(fact) => {
                let detail = fact.death.detail.clone();
                self.closed(at, Some(Failure::new(fact.death.reason.as_str(), detail)));
            }
            _ => {}
        }
    }

    /// Creates a direct child of the session's span.
    pub(super) fn add(&self, described: Described) {
        self.make(described, &self.session);
    }

    /// Closes the session's own span.
    pub(super) fn close(
        &mut self,
        at: Duration,
        attributes: Vec<KeyValue>,
        failure: Option<Failure>,
    ) {
        let span = self.session.span();
        attributes.into_iter().for_each(|attribute| span.set_attribute(attribute));
        fail(&span, failure.as_ref());
        span.end_with_timestamp(self.begun + at);
    }

    /// Attempts to open the first connection are children of `stt.session.open`.
    fn add_below(&mut self, fact: &Fact, described: Described) {
        let is_attempt = matches!(fact, Fact::DialFailed(_) | Fact::Connected(_));
        if is_attempt && !self.is_open {
            let opening = self.opening.take().unwrap_or_else(|| self.open());
            self.make(described, &opening);
            self.opening = Some(opening);
        } else {
            self.add(described);
        }
    }

    fn open(&self) -> Context {
        let Described { name, kind, start, .. } = span::open(Duration::ZERO);
        let builder =
            self.tracer.span_builder(name).with_kind(kind).with_start_time(self.begun + start);
        self.session.with_span(self.tracer.build_with_context(builder, &self.session))
    }

    /// A connection is up, or none will ever be.
    fn opened(&mut self, at: Duration, failure: Option<Failure>) {
        self.is_open = true;
        if let Some(opening) = self.opening.take() {
            fail(&opening.span(), failure.as_ref());
            opening.span().end_with_timestamp(self.begun + at);
        }
    }

    fn closed(&mut self, at: Duration, failure: Option<Failure>) {
        if let Some(Closing { since, to_park: false }) = self.closing.take() {
            self.add(Described { failure, ..span::close(since, at) });
        }
    }

    fn unpark(&mut self, at: Duration) {
        if let Some(since) = self.parked_at.take() {
            self.add(span::parked(since, at));
        }
    }

    /// Ends whatever ends with the session.
    fn complete(&mut self, at: Duration, ended: &SessionEnded) {
        self.unpark(at);
        let never = Failure::new(ended.summary.outcome.as_str(), "no connection to Deepgram");
        self.opened(at, Some(never));
        if let Some(drained) = ended.drained {
            self.add(span::drain(at, drained));
        }
    }

    fn make(&self, described: Described, parent: &Context) {
        let Described { name, kind, start, end, mut attributes, failure } = described;
        if kind == SpanKind::Client {
            attributes.extend(self.peer.iter().cloned());
        }
        let builder = self
            .tracer
            .span_builder(name)
            .with_kind(kind)
            .with_start_time(self.begun + start)
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, parent);
        if let Some(Failure { kind, detail }) = failure {
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(detail));
        }
        span.end_with_timestamp(self.begun + end);
    }
}

fn fail(span: &SpanRef<'_>, failure: Option<&Failure>) {
    if let Some(Failure { kind, detail }) = failure {
        span.set_attribute(KeyValue::new("error.type", *kind));
        span.set_status(Status::error(detail.clone()));
    }
}
