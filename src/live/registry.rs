//! The live sessions: the limit, the ids in use, and the list for admin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::LiveSession;
use session::{ErrorCode, Refusal, SessionId};

/// All live sessions, including latched ones. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Registry {
    sessions_max: usize,
    connections_max: Option<usize>,
    sessions: Mutex<Sessions>,
    cut: AtomicUsize,
}

#[derive(Debug, Default)]
struct Sessions {
    named: HashMap<SessionId, Arc<LiveSession>>,
    /// Those whose names others may have.
    nameless: Vec<Arc<LiveSession>>,
}

impl Sessions {
    fn len(&self) -> usize {
        self.named.len() + self.nameless.len()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<LiveSession>> {
        self.named.values().chain(&self.nameless)
    }

    fn remove(&mut self, session: &Arc<LiveSession>) {
        if self.named.get(&session.id).is_some_and(|it| Arc::ptr_eq(it, session)) {
            self.named.remove(&session.id);
        } else {
            self.nameless.retain(|it| !Arc::ptr_eq(it, session));
        }
    }
}

impl Registry {
    /// A registry with room for this many sessions, of which so many may have a connection.
    pub fn new(sessions_max: usize, connections_max: Option<usize>) -> Arc<Self> {
        let (sessions, cut) = (Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { sessions_max, connections_max, sessions, cut })
    }

    /// The maximum number of connections.
    pub fn connections_max(&self) -> usize {
        self.connections_max.unwrap_or(usize::MAX)
    }

    /// The maximum number of sessions.
    pub fn sessions_max(&self) -> usize {
        self.sessions_max
    }

    /// Whether there is no room for another session.
    pub fn is_full(&self, now: Instant) -> bool {
        let sessions = self.lock();
        sessions.len() >= self.sessions_max || self.lacks_connections(&sessions, now)
    }

    /// Whether all connections that may be are in use, and none is idle enough to be given up.
    fn lacks_connections(&self, sessions: &Sessions, now: Instant) -> bool {
        let in_use = || sessions.all().filter(|it| it.needs_connection() && !it.is_idle(now));
        self.connections_max.is_some_and(|max| sessions.len() >= max && in_use().count() >= max)
    }

    /// Asks so many sessions to give their connections up: those that have been idle for longest.
    pub fn shed(&self, count: usize, now: Instant) {
        if count == 0 {
            return;
        }
        let mut idle: Vec<_> = self.lock().all().filter(|it| it.is_idle(now)).cloned().collect();
        idle.sort_by_key(|session| session.active_at());
        idle.iter().take(count).for_each(|session| session.shed());
    }

    /// Gives a session its slot and id, until the [`Slot`] is dropped.
    pub fn claim(self: &Arc<Self>, session: Arc<LiveSession>) -> Result<Slot, Refusal> {
        let mut sessions = self.lock();
        if sessions.len() >= self.sessions_max {
            return Err(self.too_many());
        }
        if sessions.named.contains_key(&session.id) {
            return Err(Refusal::of_field(
                ErrorCode::SessionIdInUse,
                "session_id",
                format!(
                    "session id \"{}\" is in use; choose another or end that session",
                    session.id
                ),
            ));
        }
        sessions.named.insert(session.id.clone(), session.clone());
        Ok(Slot { registry: self.clone(), session })
    }

    /// The refusal when all slots are taken.
    pub fn too_many(&self) -> Refusal {
        Refusal::new(
            ErrorCode::TooManySessions,
            format!(
                "all {} session slots are taken; end a session, or raise {}",
                self.sessions_max.min(self.connections_max()),
                if self.connections_max() < self.sessions_max {
                    "upstream.max_connections to what the Deepgram project allows this pod"
                } else {
                    "ipc.max_sessions"
                },
            ),
        )
    }

    /// How many sessions the shutdown deadline has cut.
    pub fn cut(&self) -> usize {
        self.cut.load(Relaxed)
    }

    /// The live sessions, oldest first.
    pub fn sessions(&self) -> Vec<Arc<LiveSession>> {
        let mut sessions: Vec<_> = self.lock().all().cloned().collect();
        sessions.sort_by_key(|session| session.opened_at);
        sessions
    }

    pub fn session(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.lock().named.get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sessions> {
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

    /// Lets others have the session's name, while it keeps its place.
    pub fn free_name(&self) {
        let mut sessions = self.registry.lock();
        sessions.remove(&self.session);
        sessions.nameless.push(self.session.clone());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use session::counts::Count;
    use session::{Endpoint, State};

    use super::*;
    use crate::live::Call;

    fn session(id: &str) -> Arc<LiveSession> {
        let id = SessionId::parse(id).unwrap();
        LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new())
    }

    #[test]
    fn a_name_is_in_use_until_its_slot_is_dropped() {
        let registry = Registry::new(4, None);
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
        let registry = Registry::new(1, None);
        let slot = registry.claim(session("a")).unwrap();
        assert!(registry.is_full(clock::now()));
        assert_eq!(registry.claim(session("b")).unwrap_err().code, ErrorCode::TooManySessions);
        drop(slot);
        assert!(registry.claim(session("b")).is_ok());
    }

    /// A session that has been open for a minute, and idle for so long.
    fn idle(id: &str, seconds: u64) -> Arc<LiveSession> {
        let opened_at = clock::now() - Duration::from_secs(60);
        let id = SessionId::parse(id).unwrap();
        let session = LiveSession::new(id, Endpoint::V1Listen, None, opened_at, Vec::new());
        session.set_state(State::Open);
        session.counters.is_connected.store(true, Relaxed);
        session.counters.set(Count::ActiveMs, 1_000 * (60 - seconds));
        session
    }

    async fn is_shed(session: &LiveSession) -> bool {
        let call = poll_fn(|cx| Poll::Ready(session.poll_call(cx, false))).await;
        matches!(call, Poll::Ready(Call::Shed))
    }

    #[tokio::test]
    async fn the_longest_idle_sessions_are_asked_for_their_connections() {
        let registry = Registry::new(9, Some(4));
        let sessions = [idle("a", 15), idle("b", 40), idle("c", 3), idle("d", 20)];
        let _slots = sessions.clone().map(|it| registry.claim(it).unwrap());
        registry.shed(2, clock::now());
        let mut shed = Vec::new();
        for session in &sessions {
            shed.push(is_shed(session).await);
        }
        assert_eq!(shed, [false, true, false, true]);
    }

    #[test]
    fn there_is_room_while_a_connection_is_idle_or_free() {
        let registry = Registry::new(9, Some(2));
        let (busy, other) = (idle("a", 1), idle("b", 15));
        let _slots = [&busy, &other].map(|it| registry.claim(it.clone()).unwrap());
        assert!(!registry.is_full(clock::now()), "one of them can be given up");
        other.counters.set(Count::ActiveMs, 59_000);
        assert!(registry.is_full(clock::now()));
        assert!(registry.too_many().message.contains("upstream.max_connections"));
        other.set_state(State::Parked);
        assert!(!registry.is_full(clock::now()));
    }
}
