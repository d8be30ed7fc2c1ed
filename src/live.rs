//! A live session as others see it: its driver writes, admin pages and metrics read.
//!
//! Single-writer atomics instead of a lock for what changes with every frame: the driver pays a few
//! plain stores per wake-up, and a reader never delays a session. What changes rarely is behind a
//! per-session lock.

mod calls;
mod recorder;
pub mod registry;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use session::audio::AudioFormat;
use session::fact::{ConnectionDied, Fact};
use session::machine::{ConnectionSnapshot, Snapshot};
use session::trace::TraceContext;
use session::{Endpoint, SessionId, millis};

pub use calls::Call;
use calls::Calls;
pub use calls::Inspection;
pub use recorder::Entry;
use recorder::Recorder;
use session::State;

/// The counters of one live session. All start at zero.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections: AtomicU64,
    pub keepalives: AtomicU64,
    /// AUDIO frames read.
    pub frames: AtomicU64,
    /// AUDIO frames written.
    pub frames_sent: AtomicU64,
    /// Text messages from the application, written.
    pub texts_sent: AtomicU64,
    pub close_streams_sent: AtomicU64,
    pub pings_sent: AtomicU64,
    pub bytes_received: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub bytes_dropped: AtomicU64,
    /// Bytes of audio that are final.
    pub bytes_finalized: AtomicU64,
    /// Bytes of audio that never became final.
    pub bytes_lost: AtomicU64,
    pub messages: AtomicU64,
    pub finals: AtomicU64,
    pub finalizes_sent: AtomicU64,
    pub finalizes_requested: AtomicU64,
    /// Finalizes that have no outcome yet.
    pub finalizes_in_flight: AtomicU64,
    pub finalize_errors: AtomicU64,
    pub finalize_timeouts: AtomicU64,
    pub finalizes_skipped_dead: AtomicU64,
    /// Bytes waiting to be sent to Deepgram.
    pub upstream_queue_bytes: AtomicU64,
    /// Bytes waiting to be read by the application.
    pub app_queue_bytes: AtomicU64,
    /// Bytes on the wire to Deepgram, over all connections.
    pub wire_bytes_sent: AtomicU64,
    /// Bytes on the wire from Deepgram, over all connections.
    pub wire_bytes_received: AtomicU64,
    /// Time of the last successful send, in milliseconds since OPEN.
    pub last_send_ms: AtomicU64,
    /// Time of the last receive, in milliseconds since OPEN.
    pub last_receive_ms: AtomicU64,
    /// Bytes of audio sent on the live connection; 0 without one.
    pub cursor_bytes: AtomicU64,
    /// Up to where that audio has results, in milliseconds.
    pub result_end_ms: AtomicU64,
    /// Whether a connection is up.
    pub is_connected: AtomicBool,
    /// Whether audio goes in but no results come out.
    pub is_stalled: AtomicBool,
}

impl Counters {
    /// Shows a session's counts.
    pub(super) fn publish(&self, snapshot: &Snapshot, opened_at: Instant) {
        let store = |counter: &AtomicU64, value: u64| counter.store(value, Relaxed);
        store(&self.connections, u64::from(snapshot.connections));
        store(&self.keepalives, snapshot.keepalives);
        store(&self.frames, snapshot.audio.frames);
        store(&self.frames_sent, snapshot.written.audio_frames);
        store(&self.texts_sent, snapshot.written.texts);
        store(&self.close_streams_sent, snapshot.written.close_streams);
        store(&self.pings_sent, snapshot.written.pings);
        store(&self.bytes_received, snapshot.audio.bytes_received);
        store(&self.bytes_sent, snapshot.audio.bytes_sent);
        store(&self.bytes_dropped, snapshot.audio.bytes_dropped);
        store(&self.bytes_finalized, snapshot.bytes_finalized);
        store(&self.bytes_lost, snapshot.bytes_lost);
        store(&self.messages, snapshot.messages.received);
        store(&self.finals, snapshot.messages.finals);
        store(&self.finalizes_sent, snapshot.finalizes.sent);
        store(&self.finalizes_requested, snapshot.finalizes_requested);
        store(&self.finalizes_in_flight, snapshot.finalizes_in_flight);
        store(&self.finalize_errors, snapshot.finalizes.errors);
        store(&self.finalize_timeouts, snapshot.finalizes.timeouts);
        store(&self.finalizes_skipped_dead, snapshot.finalizes.skipped_dead);
        store(&self.upstream_queue_bytes, snapshot.upstream_queue_bytes);
        self.is_stalled.store(snapshot.is_stalled, Relaxed);
        self.is_connected.store(snapshot.connection.is_some(), Relaxed);
        self.publish_connection(snapshot.connection.as_ref(), opened_at);
    }

    /// The ages are kept from the last connection; the cursor belongs to the live one.
    fn publish_connection(&self, connection: Option<&ConnectionSnapshot>, opened_at: Instant) {
        let store = |counter: &AtomicU64, value: u64| counter.store(value, Relaxed);
        let Some(connection) = connection else {
            store(&self.cursor_bytes, 0);
            return store(&self.result_end_ms, 0);
        };
        let since_open = |at: Instant| at.duration_since(opened_at).as_millis() as u64;
        store(&self.last_send_ms, since_open(connection.last_send));
        store(&self.last_receive_ms, since_open(connection.last_receive));
        store(&self.cursor_bytes, connection.cursor_bytes);
        store(&self.result_end_ms, millis(connection.result_end));
    }
}

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
    pub counters: Counters,
    state: AtomicU8,
    trace: OnceLock<TraceContext>,
    story: Mutex<Story>,
    calls: Calls,
}

/// Its events in detail; touched a few times per connection.
#[derive(Debug, Default)]
struct Story {
    recorder: Recorder,
    request_id: Option<Box<str>>,
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
            counters: Counters::default(),
            state: AtomicU8::new(State::Connecting as u8),
            trace: OnceLock::new(),
            story: Mutex::default(),
            calls: Calls::default(),
        })
    }

    /// Sets Deepgram's model, if the application set one.
    pub fn with_model(mut self: Arc<Self>, model: Option<String>) -> Arc<Self> {
        let live = Arc::get_mut(&mut self).expect("nobody else has it so soon");
        live.model = model.map(Into::into);
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

    /// How far Deepgram's latest result is behind the audio sent on the live connection; `None`
    /// without one, or if the encoding has no known duration.
    pub fn transcript_lag(&self) -> Option<Duration> {
        let format = self.audio.filter(|_| self.counters.is_connected.load(Relaxed))?;
        let sent = format.duration(self.counters.cursor_bytes.load(Relaxed));
        let end = Duration::from_millis(self.counters.result_end_ms.load(Relaxed));
        Some(sent.saturating_sub(end))
    }

    /// Deepgram's `dg-request-id` of the latest connection.
    pub fn request_id(&self) -> Option<String> {
        self.story().request_id.as_deref().map(str::to_owned)
    }

    /// The first death of one of its connections.
    pub fn first_death(&self) -> Option<ConnectionDied> {
        self.story().first_death.as_deref().cloned()
    }

    /// Its latest events, oldest first.
    pub fn events(&self) -> Vec<Entry> {
        self.story().recorder.entries()
    }

    /// Records an event. Only for the driver.
    pub fn remember(&self, now: Instant, fact: Fact) {
        let mut story = self.story();
        match &fact {
            Fact::Connected(up) => story.request_id = up.request_id.as_deref().map(Into::into),
            Fact::ConnectionDied(died) => {
                story.first_death.get_or_insert_with(|| Box::new(died.clone()));
            }
            _ => {}
        }
        story.recorder.record(now.saturating_duration_since(self.opened_at), fact);
    }

    /// Notifies the session that shutdown has started and cuts at `deadline`. Only the first call counts.
    pub fn begin_drain(&self, deadline: Instant) {
        self.calls.drain(deadline);
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

    fn story(&self) -> MutexGuard<'_, Story> {
        // It is consistent after every statement, whatever panicked.
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
