//! What holds dials to Deepgram back, as others see it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use session::dial::Blocker;

/// Shared by the dials' queue, which writes it, and by the admin pages. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Dials(Arc<Mutex<Option<Held>>>);

/// Nothing is dialled but single probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub blocker: Blocker,
    /// Deepgram's own message or the error, up to 1 KiB.
    pub detail: String,
    pub since: Instant,
}

impl Dials {
    /// Dials are held back. What began earlier for the same cause goes on.
    pub fn hold(&self, blocker: Blocker, detail: String, now: Instant) {
        let mut held = self.lock();
        let same = held.as_ref().filter(|held| held.blocker == blocker);
        let since = same.map_or(now, |held| held.since);
        *held = Some(Held { blocker, detail, since });
    }

    /// They are no longer.
    pub fn release(&self) {
        *self.lock() = None;
    }

    /// What holds them back; `None` while nothing does.
    pub fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // It is replaced whole, whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
