//! Connections that have not asked for a session yet, and their bound.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Connections that may wait for their OPEN, on top of `ipc.max_sessions` (contract, section 1).
const EXTRA: usize = 128;

/// Connections that have not sent OPEN. At the limit the oldest is closed, so that silent ones
/// cannot lock anybody out.
#[derive(Debug)]
pub struct Unopened {
    connections_max: usize,
    waiting: Mutex<(u64, BTreeMap<u64, CancellationToken>)>,
}

impl Unopened {
    /// Room for the maximum number of sessions, plus some more.
    pub fn new(sessions_max: usize) -> Self {
        Self { connections_max: sessions_max + EXTRA, waiting: Mutex::default() }
    }

    pub(super) fn enter(&self) -> Waiting<'_> {
        let evicted = CancellationToken::new();
        let mut waiting = self.lock();
        waiting.0 += 1;
        let ticket = waiting.0;
        waiting.1.insert(ticket, evicted.clone());
        let too_many = waiting.1.len() > self.connections_max;
        drop(waiting);
        if too_many {
            self.evict_oldest();
        }
        Waiting { unopened: self, ticket, evicted }
    }

    /// Closes the connection that has been silent longest.
    pub fn evict_oldest(&self) {
        if let Some((_, oldest)) = self.lock().1.pop_first() {
            oldest.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, CancellationToken>)> {
        // The map is consistent after every statement, whatever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's entry among the unopened.
pub(super) struct Waiting<'a> {
    unopened: &'a Unopened,
    ticket: u64,
    evicted: CancellationToken,
}

impl Waiting<'_> {
    /// Waits until it has to give up its place.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.unopened.lock().1.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_bound_the_oldest_silent_connection_goes() {
        let unopened = Unopened { connections_max: 2, waiting: Mutex::default() };
        let first = unopened.enter();
        let second = unopened.enter();
        assert!(!first.evicted.is_cancelled());
        let _third = unopened.enter();
        assert!(first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        drop(second);
        let _fourth = unopened.enter();
        assert_eq!(unopened.lock().1.len(), 2);
    }
}
