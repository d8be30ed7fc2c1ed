//! The shutdown signal: that it has started, when it does what, and what it has come to.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::live::registry::Registry;
use session::drain::{DrainTimes, Receipt, Tally};

/// Shared with every part of the daemon; clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    times: Arc<OnceLock<DrainTimes>>,
    begun: CancellationToken,
    tally: Arc<Mutex<Tally>>,
}

impl Drain {
    /// Starts it: notifies every live session, and everything that waits for [`Drain::begun`]. Only
    /// the first call counts.
    pub fn begin(&self, times: DrainTimes, registry: &Registry) {
        if self.times.set(times).is_ok() {
            self.begun.cancel();
            for session in registry.sessions() {
                session.begin_drain(times);
            }
        }
    }

    /// When it does what; `None` before the start.
    ///
    /// A session that claims its slot and then finds `None` here is notified by [`Drain::begin`]: the
    /// times are set before the sessions are listed.
    pub fn times(&self) -> Option<DrainTimes> {
        self.times.get().copied()
    }

    /// Waits until it starts.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Takes the receipt of a session that it has ended.
    pub fn file(&self, receipt: &Receipt) {
        self.lock().add(receipt);
    }

    /// What it has come to so far.
    pub fn tally(&self) -> Tally {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        // The tally is consistent enough after every statement, whatever panicked.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
