//! A live session as others see it: its driver writes, admin pages and metrics read.
//!
//! Single-writer atomics instead of a lock for what changes with every frame: the driver pays a few
//! plain stores per wake-up, and a reader never delays a session. What changes rarely is behind a
//! per-session lock.

mod calls;
mod counters;
pub mod dials;
mod recorder;
pub mod registry;

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use session::audio::AudioFormat;
use session::bound::SHED_IDLE_MIN;
use session::counts::Count;
use session::drain::DrainTimes;
use session::fact::{ConnectionDied, Fact};
use session::trace::TraceContext;
use session::{Dialect, Endpoint, Sdk, SessionId};

pub use calls::Call;
use calls::Calls;
pub use calls::Inspection;
pub use counters::Counters;
pub use recorder::Entry;
use recorder::Recorder;
use session::State;

/// One live session: its identity and its counters.
#[derive(Debug)]
pub struct LiveSession {
    /// Its name.
    pub id: SessionId,
    pub endpoint: Endpoint,
    /// The format of its audio, if it has a known duration.
    pub audio: Option<AudioFormat>,
    /// When the last byte of OPEN was read.
    pub opened_at: Instant,
    /// The application's tags, in order.
    pub tags: Box<[(String, String)]>,
    /// Deepgram's model, if the application set one.
    pub model: Option<Box<str>>,
    pub speaker: Speaker,
    pub counters: Counters,
    state: AtomicU8,
    trace: OnceLock<TraceContext>,
    history: Mutex<History>,
    calls: Calls,
}

/// What its application speaks, and with what.
#[derive(Clone, Debug)]
pub struct Speaker {
    pub dialect: Dialect,
    /// `None` in the native dialect.
    pub sdk: Option<Sdk>,
    /// What the SDK says of itself, up to 128 bytes.
    pub user_agent: Box<str>,
}

impl Speaker {
    /// What the SDK says of itself, if it says anything.
    pub fn user_agent(&self) -> Option<&str> {
        Some(&*self.user_agent).filter(|it| !it.is_empty())
    }
}

impl Default for Speaker {
    fn default() -> Self {
        Self { dialect: Dialect::Native, sdk: None, user_agent: Box::default() }
    }
}

/// Its events in detail; touched a few times per connection.
#[derive(Debug, Default)]
struct History {
    recorder: Recorder,
    /// Of the connection that the application's audio goes to, and of one that has a prelude.
    request_id: Option<Box<str>>,
    prelude_request_id: Option<Box<str>>,
    first_death: Option<Box<ConnectionDied>>,
}

impl LiveSession {
    /// A session that has just been opened.
    pub fn new(
        id: SessionId,
        endpoint: Endpoint,
        audio: Option<AudioFormat>,
        opened_at: Instant,
        tags: Vec<(String, String)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            endpoint,
            audio,
            opened_at,
            tags: tags.into(),
            model: None,
            speaker: Speaker::default(),
            counters: Counters::default(),
            state: AtomicU8::new(State::Connecting as u8),
            trace: OnceLock::new(),
            history: Mutex::default(),
            calls: Calls::default(),
        })
    }

    /// Sets Deepgram's model, if the application set one.
    pub fn with_model(mut self: Arc<Self>, model: Option<String>) -> Arc<Self> {
        let live = Arc::get_mut(&mut self).expect("nobody else has it so soon");
        live.model = model.map(Into::into);
        self
    }

    /// Sets what its application speaks, if that is not the native dialect.
    pub fn with_speaker(mut self: Arc<Self>, speaker: Speaker) -> Arc<Self> {
        let live = Arc::get_mut(&mut self).expect("nobody else has it so soon");
        live.speaker = speaker;
        self
    }

    pub fn state(&self) -> State {
        State::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// Sets its state and returns the previous one. Only for the driver.
    pub fn set_state(&self, state: State) -> State {
        State::ALL[usize::from(self.state.swap(state as u8, Relaxed))]
    }

    /// Its span, if it is traced.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace.get().copied()
    }

    /// Sets its span. Only the first call counts.
    pub fn set_trace(&self, context: TraceContext) {
        let _ = self.trace.set(context);
    }

    /// A count of bytes of audio as time; `None` if the encoding has no known duration.
    pub fn audio_of(&self, bytes: Count) -> Option<Duration> {
        self.audio.map(|format| format.duration(self.counters.get(bytes)))
    }

    /// How far Deepgram's latest result is behind the audio sent on the live connection; `None`
    /// without one, or if the encoding has no known duration.
    pub fn transcript_lag(&self) -> Option<Duration> {
        let format = self.audio.filter(|_| self.counters.is_connected.load(Relaxed))?;
        let sent = format.duration(self.counters.get(Count::CursorBytes));
        let end = Duration::from_millis(self.counters.get(Count::ResultEndMs));
        Some(sent.saturating_sub(end))
    }

    /// Deepgram's `dg-request-id` of the connection that the application's audio goes, or last went, to.
    pub fn request_id(&self) -> Option<String> {
        self.history().request_id.as_deref().map(str::to_owned)
    }

    /// The first death of one of its connections.
    pub fn first_death(&self) -> Option<ConnectionDied> {
        self.history().first_death.as_deref().cloned()
    }

    /// Its latest events, oldest first.
    pub fn events(&self) -> Vec<Entry> {
        self.history().recorder.entries()
    }

    /// The latest turns of its VAD gate, oldest first.
    pub fn vad_events(&self) -> Vec<Entry> {
        self.history().recorder.turns()
    }

    /// Records an event. Only for the driver.
    pub fn remember(&self, now: Instant, fact: Fact) {
        let mut history = self.history();
        match &fact {
            Fact::Connected(up) => {
                let request_id = up.request_id.as_deref().map(Into::into);
                match up.is_beside {
                    true => history.prelude_request_id = request_id,
                    false => history.request_id = request_id,
                }
            }
            Fact::PreludeEnded(ended) if ended.end.has_moved() => {
                history.request_id = history.prelude_request_id.take();
            }
            Fact::ConnectionDied(died) => {
                history.first_death.get_or_insert_with(|| Box::new(died.clone()));
            }
            _ => {}
        }
        history.recorder.record(now.saturating_duration_since(self.opened_at), fact);
    }

    /// Notifies the session that shutdown has started. Only the first call counts.
    pub fn begin_drain(&self, times: DrainTimes) {
        self.calls.drain(times);
    }

    /// Asks the session to give its connection up, if it is still idle then.
    pub fn shed(&self) {
        self.calls.shed();
    }

    /// Whether it has a connection, or is about to.
    pub fn needs_connection(&self) -> bool {
        !matches!(self.state(), State::Parked | State::Dead | State::Ended)
    }

    /// Whether it has had nothing to send for so long that another session may have its connection.
    pub fn is_idle(&self, now: Instant) -> bool {
        let is_open = self.state() == State::Open && self.counters.is_connected.load(Relaxed);
        is_open && now.saturating_duration_since(self.active_at()) >= SHED_IDLE_MIN
    }

    /// When its application's own messages were last written on the live connection.
    pub fn active_at(&self) -> Instant {
        self.opened_at + Duration::from_millis(self.counters.get(Count::ActiveMs))
    }

    /// Asks the session's task for an inspection. The answer is an error if too many are pending or
    /// the task is gone; it may take forever if the task hangs, so wait with a timeout.
    pub fn inspect(&self) -> oneshot::Receiver<Inspection> {
        self.calls.inspect()
    }

    /// Nothing will answer for it any more. Only for the driver.
    pub(super) fn end_calls(&self) {
        self.calls.end();
    }

    /// The next call; shutdown, which is permanent, only while `wants_drain`. Only for the driver.
    pub(super) fn poll_call(&self, cx: &mut Context<'_>, wants_drain: bool) -> Poll<Call> {
        self.calls.poll(cx, wants_drain)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // It is consistent after every statement, whatever panicked.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
