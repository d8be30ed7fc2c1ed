//! The live sessions: the limit, the ids in use, and the list for admin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::LiveSession;
use session::{ErrorCode, Refusal, SessionId};

/// All live sessions, including latched ones. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Registry {
    sessions_max: usize,
    sessions: Mutex<HashMap<SessionId, Arc<LiveSession>>>,
    cut: AtomicUsize,
}

impl Registry {
    /// A registry with room for this many sessions.
    pub fn new(sessions_max: usize) -> Arc<Self> {
        Arc::new(Self { sessions_max, sessions: Mutex::default(), cut: AtomicUsize::new(0) })
    }

    /// The maximum number of sessions.
    pub fn sessions_max(&self) -> usize {
        self.sessions_max
    }

    /// Whether there is no room for another session.
    pub fn is_full(&self) -> bool {
        self.lock().len() >= self.sessions_max
    }

    /// Gives a session its slot and id, until the [`Slot`] is dropped.
    pub fn claim(self: &Arc<Self>, session: Arc<LiveSession>) -> Result<Slot, Refusal> {
        let mut sessions = self.lock();
        if sessions.len() >= self.sessions_max {
            return Err(self.too_many());
        }
        if sessions.contains_key(&session.id) {
            return Err(Refusal::of_field(
                ErrorCode::SessionIdInUse,
                "session_id",
                format!(
                    "session id \"{}\" is in use; choose another or end that session",
                    session.id
                ),
            ));
        }
        sessions.insert(session.id.clone(), session.clone());
        Ok(Slot { registry: self.clone(), session })
    }

    /// The refusal when all slots are taken.
    pub fn too_many(&self) -> Refusal {
        Refusal::new(
            ErrorCode::TooManySessions,
            format!(
                "all {} session slots are taken; end a session, or raise ipc.max_sessions and \
                 upstream.max_connections",
                self.sessions_max
            ),
        )
    }

    /// How many sessions the shutdown deadline has cut.
    pub fn cut(&self) -> usize {
        self.cut.load(Relaxed)
    }

    /// The live sessions, oldest first.
    pub fn sessions(&self) -> Vec<Arc<LiveSession>> {
        let mut sessions: Vec<_> = self.lock().values().cloned().collect();
        sessions.sort_by_key(|session| session.opened_at);
        sessions
    }

    pub fn session(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<LiveSession>>> {
        // No code panics while holding this lock, and the map is consistent after every statement.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's slot in the [`Registry`]; dropping it frees slot and id.
#[derive(Debug)]
pub struct Slot {
    registry: Arc<Registry>,
    session: Arc<LiveSession>,
}

impl Slot {
    /// Counts the session as one that the shutdown deadline has cut.
    pub fn count_cut(&self) {
        self.registry.cut.fetch_add(1, Relaxed);
    }

    pub fn session(&self) -> &Arc<LiveSession> {
        &self.session
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.session.id);
    }
}

#[cfg(test)]
mod tests {
    use session::Endpoint;

    use super::*;

    fn session(id: &str) -> Arc<LiveSession> {
        let id = SessionId::parse(id).unwrap();
        LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new())
    }

    #[test]
    fn a_name_is_in_use_until_its_slot_is_dropped() {
        let registry = Registry::new(4);
        let slot = registry.claim(session("a")).unwrap();
        let refusal = registry.claim(session("a")).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::SessionIdInUse);
        let found = registry.session(&slot.session().id).unwrap();
        assert!(Arc::ptr_eq(&found, slot.session()));
        drop(slot);
        assert!(registry.session(&found.id).is_none());
        assert!(registry.claim(session("a")).is_ok());
    }

    #[test]
    fn the_cap_refuses_and_frees() {
        let registry = Registry::new(1);
        let slot = registry.claim(session("a")).unwrap();
        assert!(registry.is_full());
        assert_eq!(registry.claim(session("b")).unwrap_err().code, ErrorCode::TooManySessions);
        drop(slot);
        assert!(registry.claim(session("b")).is_ok());
    }
}
