//! How many streams there are at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stream::Pool;

/// The places of a project.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: [AtomicUsize; Pool::COUNT],
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>, Pool);

impl Slots {
    /// Takes a place of a pool, unless `limit` are taken.
    pub(super) fn take(self: &Arc<Self>, pool: Pool, limit: usize) -> Option<Slot> {
        let one_more = |taken: usize| (taken < limit).then_some(taken + 1);
        let took =
            self.taken[pool as usize].fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        took.ok().map(|_| Slot(Arc::clone(self), pool))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken[self.1 as usize].fetch_sub(1, Ordering::AcqRel);
    }
}
