//! One session's telemetry: the facts of its life, and a guard for a life cut short.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Span, error_span};

use super::event::{Emit, FrameRefused, SessionCancelled, SessionClosed, SessionOpened};
use super::{Telemetry, millis};
use crate::session::fact::{Connected, ConnectionDied, Fact, Observer, SessionEnded};
use crate::session::live::{LiveSession, State};
use crate::session::{Refusal, clock};

/// Tells what happens in one session.
///
/// Dropped without [`Fact::SessionEnded`], because its task was cancelled, it still settles the
/// gauges and writes a line.
#[derive(Debug)]
pub struct SessionTelemetry {
    telemetry: Telemetry,
    live: Arc<LiveSession>,
    span: Span,
    is_connected: AtomicBool,
    is_ended: AtomicBool,
    finalizes_settled: AtomicU64,
    notes: Mutex<Notes>,
}

/// What the last line of a session tells of its life; touched a few times per connection.
#[derive(Debug, Default)]
struct Notes {
    request_id: Option<String>,
    first_death: Option<ConnectionDied>,
}

impl SessionTelemetry {
    pub(super) fn open(telemetry: Telemetry, live: Arc<LiveSession>) -> Self {
        let span = session_span(&live);
        span.in_scope(|| SessionOpened.emit(&telemetry));
        Self {
            telemetry,
            live,
            span,
            is_connected: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            finalizes_settled: AtomicU64::new(0),
            notes: Mutex::default(),
        }
    }

    /// The session's span, to instrument its tasks with: its fields stand on each of their lines.
    pub fn span(&self) -> &Span {
        &self.span
    }

    fn emit(&self, fact: &Fact) {
        let telemetry = &self.telemetry;
        match fact {
            Fact::DialFailed(fact) => fact.emit(telemetry),
            Fact::Connected(fact) => fact.emit(telemetry),
            Fact::KeepaliveSent(fact) => fact.emit(telemetry),
            Fact::KeepaliveBlocked(fact) => fact.emit(telemetry),
            Fact::FinalizeAnswered(fact) => fact.emit(telemetry),
            Fact::FinalizeTimedOut(fact) => fact.emit(telemetry),
            Fact::FinalizeFailed(fact) => fact.emit(telemetry),
            Fact::FinalizeSkipped(fact) => fact.emit(telemetry),
            Fact::ConnectionDied(fact) => fact.emit(telemetry),
            Fact::LateEvidence(fact) => fact.emit(telemetry),
            Fact::TimerLate(fact) => fact.emit(telemetry),
            Fact::TranscriptStalled(fact) => fact.emit(telemetry),
            Fact::SessionParked(fact) => fact.emit(telemetry),
            Fact::SessionResumed(fact) => fact.emit(telemetry),
            Fact::AudioLost(fact) => fact.emit(telemetry),
            Fact::AppStalled(fact) => fact.emit(telemetry),
            Fact::BinaryDropped(fact) => fact.emit(telemetry),
            Fact::SessionEnded(fact) => self.emit_end(fact),
        }
    }

    /// Keeps what later facts need of this one.
    fn track(&self, fact: &Fact) {
        match fact {
            Fact::Connected(fact) => self.connected(fact),
            Fact::ConnectionDied(fact) => self.died(fact),
            Fact::SessionParked(_) | Fact::SessionEnded(_) => self.disconnected(),
            Fact::FinalizeAnswered(fact) => self.settle(fact.count),
            Fact::FinalizeTimedOut(fact) => self.settle(fact.count),
            Fact::FinalizeFailed(fact) => self.settle(fact.count),
            Fact::FinalizeSkipped(fact) => self.settle(fact.count),
            Fact::DialFailed(_)
            | Fact::KeepaliveSent(_)
            | Fact::KeepaliveBlocked(_)
            | Fact::LateEvidence(_)
            | Fact::TimerLate(_)
            | Fact::TranscriptStalled(_)
            | Fact::SessionResumed(_)
            | Fact::AudioLost(_)
            | Fact::AppStalled(_)
            | Fact::BinaryDropped(_) => {}
        }
    }

    fn connected(&self, fact: &Connected) {
        if !self.is_connected.swap(true, Relaxed) {
            self.telemetry.metrics.upstream.connections_active.inc();
        }
        self.notes().request_id.clone_from(&fact.request_id);
    }

    fn died(&self, fact: &ConnectionDied) {
        self.disconnected();
        self.notes().first_death.get_or_insert_with(|| fact.clone());
    }

    fn disconnected(&self) {
        if self.is_connected.swap(false, Relaxed) {
            self.telemetry.metrics.upstream.connections_active.dec();
        }
    }

    fn settle(&self, finalizes: u64) {
        self.finalizes_settled.fetch_add(finalizes, Relaxed);
    }

    fn emit_end(&self, ended: &SessionEnded) {
        self.is_ended.store(true, Relaxed);
        let settled = self.finalizes_settled.load(Relaxed);
        let notes = self.notes();
        let closed = SessionClosed {
            ended,
            finalizes_unsettled: ended.finalizes_requested.saturating_sub(settled),
            first_death: notes.first_death.as_ref(),
            request_id: notes.request_id.as_deref(),
        };
        closed.emit(&self.telemetry);
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        // Notes are whole after every statement, whatever panicked.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for SessionTelemetry {
    fn record(&self, fact: &Fact) {
        self.track(fact);
        self.span.in_scope(|| self.emit(fact));
    }

    fn refused(&self, refusal: &Refusal) {
        self.span.in_scope(|| FrameRefused { refusal }.emit(&self.telemetry));
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
        if !self.is_ended.load(Relaxed) {
            let lived = clock::now().saturating_duration_since(self.live.opened_at);
            let cancelled = SessionCancelled { state, duration_ms: millis(lived) };
            self.span.in_scope(|| cancelled.emit(&self.telemetry));
        }
    }
}

/// At level ERROR, so that a line of any level that is let through carries these fields.
fn session_span(live: &LiveSession) -> Span {
    let tags: serde_json::Map<_, _> =
        live.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let tags = serde_json::Value::Object(tags).to_string();
    error_span!("session", session_id = live.id.as_str(), endpoint = live.endpoint.path(), tags,)
}
