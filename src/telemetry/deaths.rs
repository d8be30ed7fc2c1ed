//! The last deaths with their context, to explain them after the session is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::live::LiveSession;
use session::fact::ConnectionDied;

/// Maximum deaths kept. Each keeps its session's record alive, about ten kilobytes.
const DEATHS_MAX: usize = 200;

/// One connection's death.
#[derive(Clone, Debug)]
pub struct DeathRecord {
    /// When it was detected.
    pub at: SystemTime,
    /// The session; its flight recorder has the evidence, including later events.
    pub session: Arc<LiveSession>,
    pub died: ConnectionDied,
    /// Deepgram's `dg-request-id` of the connection that died.
    pub request_id: Option<String>,
}

/// The last [`DEATHS_MAX`] deaths.
#[derive(Debug, Default)]
pub(crate) struct Deaths(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// Newest first.
    records: VecDeque<DeathRecord>,
    total: u64,
}

impl Deaths {
    pub(crate) fn record(&self, session: Arc<LiveSession>, died: ConnectionDied) {
        let mut ring = self.lock();
        ring.records.truncate(DEATHS_MAX - 1);
        let request_id = session.request_id();
        ring.records.push_front(DeathRecord { at: SystemTime::now(), session, died, request_id });
        ring.total += 1;
    }

    /// Newest first.
    pub(crate) fn latest(&self) -> Vec<DeathRecord> {
        self.lock().records.iter().cloned().collect()
    }

    /// How many there were, including those no longer kept.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // It is consistent after every statement that can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use session::death::{Death, Reason, Trigger};
    use session::dial::DialPhases;
    use session::fact::{Connected, Fact, Stage};
    use session::{Endpoint, SessionId};

    fn died(connection: u32) -> ConnectionDied {
        let death = Death {
            reason: Reason::BrokenPipe,
            trigger: Trigger::AudioWrite,
            class: Reason::BrokenPipe.class(),
            detail: String::new(),
            send_age_ms: 0,
            receive_age_ms: 0,
            connection,
            final_ms: None,
        };
        ConnectionDied { death, age: Duration::ZERO, stage: Stage::Idle }
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten_but_counted() {
        let deaths = Deaths::default();
        let id = SessionId::parse("a").unwrap();
        let live = LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new());
        (1..=250).for_each(|connection| deaths.record(live.clone(), died(connection)));
        let latest = deaths.latest();
        let connections: Vec<_> = latest.iter().map(|it| it.died.death.connection).collect();
        assert_eq!(connections, (51..=250).rev().collect::<Vec<_>>());
        assert_eq!(deaths.total(), 250);
    }

    /// A session that recovers has another connection a moment later.
    #[test]
    fn a_death_keeps_the_request_id_of_its_own_connection() {
        let deaths = Deaths::default();
        let id = SessionId::parse("a").unwrap();
        let live = LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new());
        for request_id in ["first", "second"] {
            let up = Connected {
                connection: 1,
                attempt: 1,
                phases: DialPhases::default(),
                waited: Duration::ZERO,
                buffered: None,
                request_id: Some(request_id.to_owned()),
                is_beside: false,
            };
            live.remember(clock::now(), Fact::Connected(up));
            deaths.record(live.clone(), died(1));
        }
        let ids: Vec<_> = deaths.latest().into_iter().filter_map(|it| it.request_id).collect();
        assert_eq!(ids, ["second", "first"]);
    }
}
