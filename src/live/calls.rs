//! How others reach a session's task: shutdown and inspections.
//!
//! Per-session flags and one waker, so that a streaming session never touches a shared lock.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use session::drain::DrainTimes;
use session::machine::{Snapshot, Timer};

/// Maximum inspections waiting for one session.
const WAITING_MAX: usize = 8;

/// An inspection of a session: what its counters do not have.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// When the session answered.
    pub at: Instant,
    /// Its counts.
    pub snapshot: Snapshot,
    /// The running timers, and when each is due.
    pub deadlines: Vec<(Timer, Instant)>,
}

/// A request to a session.
#[derive(Debug)]
pub enum Call {
    /// Shutdown has started, and does what when.
    Drain(DrainTimes),
    Inspect(Vec<oneshot::Sender<Inspection>>),
    /// Another session needs its connection.
    Shed,
}

/// Who waits for an answer.
#[derive(Debug, Default)]
struct Inspectors {
    waiting: Vec<oneshot::Sender<Inspection>>,
    /// The session's task is gone: nothing will answer.
    is_over: bool,
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    drain: OnceLock<DrainTimes>,
    is_inspected: AtomicBool,
    is_shed: AtomicBool,
    inspectors: Mutex<Inspectors>,
    waker: AtomicWaker,
}

impl Calls {
    pub(super) fn drain(&self, times: DrainTimes) {
        let _ = self.drain.set(times);
        self.waker.wake();
    }

    pub(super) fn shed(&self) {
        self.is_shed.store(true, std::sync::atomic::Ordering::Release);
        self.waker.wake();
    }

    /// The answer comes from the session's task; an error if too many are already waiting or the
    /// task is gone.
    pub(super) fn inspect(&self) -> oneshot::Receiver<Inspection> {
        let (answer, answered) = oneshot::channel();
        let mut inspectors = self.inspectors();
        if inspectors.waiting.len() < WAITING_MAX && !inspectors.is_over {
            inspectors.waiting.push(answer);
        }
        drop(inspectors);
        self.is_inspected.store(true, std::sync::atomic::Ordering::Release);
        self.waker.wake();
        answered
    }

    /// The session's task is gone: pending inspections fail.
    pub(super) fn end(&self) {
        let mut inspectors = self.inspectors();
        inspectors.is_over = true;
        inspectors.waiting.clear();
    }

    /// The next call; shutdown, which is permanent, only while `wants_drain`.
    pub(super) fn poll(&self, cx: &mut Context<'_>, wants_drain: bool) -> Poll<Call> {
        if let Some(call) = self.take(wants_drain) {
            return Poll::Ready(call);
        }
        self.waker.register(cx.waker());
        // Again, for calls between the check and the registration.
        self.take(wants_drain).map_or(Poll::Pending, Poll::Ready)
    }

    fn take(&self, wants_drain: bool) -> Option<Call> {
        if wants_drain && let Some(times) = self.drain.get() {
            return Some(Call::Drain(*times));
        }
        if self.is_shed.load(Acquire) && self.is_shed.swap(false, AcqRel) {
            return Some(Call::Shed);
        }
        // A plain load first: it is checked every turn, and almost never set.
        let is_inspected = self.is_inspected.load(Acquire) && self.is_inspected.swap(false, AcqRel);
        is_inspected.then(|| Call::Inspect(std::mem::take(&mut self.inspectors().waiting)))
    }

    fn inspectors(&self) -> std::sync::MutexGuard<'_, Inspectors> {
        // The list is consistent after every statement, whatever panicked.
        self.inspectors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
