//! A live session as others may see it: its driver writes, admin pages and metrics read.
//!
//! Single-writer atomics instead of a lock: the driver pays a few plain stores per wake-up, and a
//! reader never delays a session.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::task::AtomicWaker;
use serde::Serialize;

use super::{Endpoint, SessionId};

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum State {
    /// Dialling Deepgram, the first time or to resume.
    Connecting = 0,
    /// Streaming, or kept alive.
    Open = 1,
    /// Open with an unanswered Finalize.
    Finalizing = 2,
    /// CloseStream is asked for; the last results are on their way.
    Closing = 3,
    /// The connection died; the application has not finished yet.
    Dead = 4,
    /// The keepalive budget is spent; the next audio reopens.
    Parked = 5,
    /// Over; the last frame may still be on its way.
    Ended = 6,
}

impl State {
    /// Every state, in order of its number.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Open,
        Self::Finalizing,
        Self::Closing,
        Self::Dead,
        Self::Parked,
        Self::Ended,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Finalizing => "finalizing",
            Self::Closing => "closing",
            Self::Dead => "dead",
            Self::Parked => "parked",
            Self::Ended => "ended",
        }
    }
}

/// The counters of one live session. All start at zero.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the summary's member of the same name, so far")]
pub struct Counters {
    pub connections: AtomicU64,
    pub keepalives: AtomicU64,
    pub frames: AtomicU64,
    pub bytes_received: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub bytes_dropped: AtomicU64,
    pub messages: AtomicU64,
    pub finals: AtomicU64,
    pub finalizes_sent: AtomicU64,
    /// Milliseconds since OPEN when something was last sent successfully.
    pub last_send_ms: AtomicU64,
    /// Milliseconds since OPEN when something was last received.
    pub last_receive_ms: AtomicU64,
}

/// One live session: who it is, and what it has done so far.
#[derive(Debug)]
pub struct LiveSession {
    /// Its name.
    pub id: SessionId,
    /// Deepgram's endpoint.
    pub endpoint: Endpoint,
    /// When the last byte of OPEN was read.
    pub opened_at: Instant,
    /// The application's tags, in its order.
    pub tags: Vec<(String, String)>,
    /// What it has done so far.
    pub counters: Counters,
    state: AtomicU8,
    drain: DrainRequest,
}

/// How shutdown reaches a session: a flag and a waker of its own, so that a session that is only
/// streaming never touches a lock that others touch.
#[derive(Debug, Default)]
struct DrainRequest {
    deadline: OnceLock<Instant>,
    waker: AtomicWaker,
}

impl LiveSession {
    /// A session that has just been opened.
    pub fn new(
        id: SessionId,
        endpoint: Endpoint,
        opened_at: Instant,
        tags: Vec<(String, String)>,
    ) -> Arc<Self> {
        let state = AtomicU8::new(State::Connecting as u8);
        Arc::new(Self {
            id,
            endpoint,
            opened_at,
            tags,
            counters: Counters::default(),
            state,
            drain: DrainRequest::default(),
        })
    }

    /// Tells the session that shutdown has begun and cuts at `deadline`. The first call counts.
    pub fn begin_drain(&self, deadline: Instant) {
        let _ = self.drain.deadline.set(deadline);
        self.drain.waker.wake();
    }

    /// Shutdown's deadline, once it has begun. The driver's alone.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Instant> {
        if self.drain.deadline.get().is_none() {
            self.drain.waker.register(cx.waker());
        }
        self.drain.deadline.get().map_or(Poll::Pending, |deadline| Poll::Ready(*deadline))
    }

    /// What it is doing now.
    pub fn state(&self) -> State {
        State::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// Tells what it is doing now; returns what it was doing before. The driver's alone.
    pub fn set_state(&self, state: State) -> State {
        State::ALL[usize::from(self.state.swap(state as u8, Relaxed))]
    }
}
