//! Connections that have asked for nothing yet: where places are scarce, the oldest gives up its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a new connection waits for a place before a silent one loses its own.
const EVICT_AFTER: Duration = Duration::from_millis(10);

/// The silent connections, by age; bounded by the places.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    tickets: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// A silent connection; it is one no longer when this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    silent: Silent,
    ticket: u64,
    evicted: CancellationToken,
}

impl Silent {
    /// A connection has been accepted.
    pub(super) fn enter(&self) -> Entry {
        let evicted = CancellationToken::new();
        let mut entries = self.lock();
        entries.tickets += 1;
        let ticket = entries.tickets;
        entries.waiting.insert(ticket, evicted.clone());
        drop(entries);
        Entry { silent: self.clone(), ticket, evicted }
    }

    /// A place, if need be that of the connection that has been silent longest. `None` once the places
    /// are closed, which never happens.
    pub(super) async fn place(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            match timeout(EVICT_AFTER, places.clone().acquire_owned()).await {
                Ok(place) => return place.ok(),
                Err(_) => self.evict_oldest(),
            }
        }
    }

    fn evict_oldest(&self) {
        if let Some((_, oldest)) = self.lock().waiting.pop_first() {
            oldest.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // The entries are consistent after every statement, whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Cancelled when its place is needed.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.silent.lock().waiting.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_silent_connection_makes_room_and_one_that_has_asked_does_not() {
        let places = Arc::new(Semaphore::new(3));
        let silent = Silent::default();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push((silent.place(&places).await.unwrap(), Some(silent.enter())));
        }
        // The first has asked for something.
        let first = held[0].1.take().unwrap().evicted();
        let evicted = held[1].1.as_ref().unwrap().evicted();
        let (place, ()) = tokio::join!(silent.place(&places), async {
            evicted.cancelled().await;
            drop(held.remove(1));
        });
        assert!(place.is_some() && !first.is_cancelled());
        assert!(!held[1].1.as_ref().unwrap().evicted().is_cancelled());
    }
}
