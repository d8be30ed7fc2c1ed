//! Whether the daemon is ready for traffic: it is while nothing blocks it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The blocker that shutdown sets permanently.
const DRAINING: &str = "draining";

/// The set of named blockers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    blockers: Arc<Mutex<Blockers>>,
}

#[derive(Debug, Default)]
struct Blockers {
    registered: Vec<&'static str>,
    is_draining: bool,
}

impl Readiness {
    /// Nothing blocks yet: register blockers before the admin server is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks readiness until the guard is cleared or dropped.
    #[must_use = "dropping the blocker unblocks"]
    pub fn register(&self, name: &'static str) -> Blocker {
        self.lock().registered.push(name);
        Blocker { name, readiness: self.clone() }
    }

    /// Blocks readiness permanently: shutdown has started.
    pub fn drain(&self) {
        self.lock().is_draining = true;
    }

    /// Whether nothing blocks.
    pub fn is_ready(&self) -> bool {
        self.blockers().is_empty()
    }

    /// Whether [`Readiness::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.lock().is_draining
    }

    /// The blockers, oldest first.
    pub fn blockers(&self) -> Vec<&'static str> {
        let blockers = self.lock();
        let draining = blockers.is_draining.then_some(DRAINING);
        blockers.registered.iter().copied().chain(draining).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Blockers> {
        // The lists are consistent after every statement, whatever panicked.
        self.blockers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that is not ready yet; dropping it marks it ready.
#[derive(Debug)]
pub struct Blocker {
    name: &'static str,
    readiness: Readiness,
}

impl Blocker {
    /// Marks it ready.
    pub fn clear(self) {}
}

impl Drop for Blocker {
    fn drop(&mut self) {
        let mut blockers = self.readiness.lock();
        if let Some(place) = blockers.registered.iter().position(|name| *name == self.name) {
            blockers.registered.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_the_last_blocker_is_gone() {
        let readiness = Readiness::new();
        let socket = readiness.register("ipc_socket");
        let key = readiness.register("api_key");
        assert_eq!(readiness.blockers(), ["ipc_socket", "api_key"]);
        socket.clear();
        assert!(!readiness.is_ready());
        drop(key);
        assert!(readiness.is_ready());
    }

    #[test]
    fn draining_is_never_taken_back() {
        let readiness = Readiness::new();
        let socket = readiness.register("ipc_socket");
        readiness.drain();
        assert_eq!(readiness.blockers(), ["ipc_socket", "draining"]);
        socket.clear();
        assert_eq!(readiness.blockers(), ["draining"]);
        assert!(readiness.is_draining());
    }
}
