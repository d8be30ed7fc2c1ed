//! A session's flight recorder: its latest events, for the page of a live session and for the log
//! when a connection dies. Its VAD gate's turns, about ten a minute, are kept apart.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::json;
use session::fact::Fact;
use session::millis;

/// Maximum entries. An idle session needs one; for a busy one, they cover a few minutes.
const ENTRIES_MAX: usize = 32;

/// So many of them may be routine before routine gives way to what is rare. Where silence is held back,
/// keepalives and Finalizes take turns, and would push a death out within minutes.
const ROUTINE_MIN: usize = 8;

/// Maximum turns of the gate: a few minutes of conversation.
const TURNS_MAX: usize = 32;

/// One event, or a run of the same event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// When it first happened, since OPEN.
    #[serde(rename = "at_ms", serialize_with = "as_millis")]
    pub at: Duration,
    /// When it last happened, since OPEN.
    #[serde(rename = "until_ms", serialize_with = "as_millis")]
    pub until: Duration,
    /// How many times.
    pub count: u64,
    /// The event; of a run, the last one.
    #[serde(flatten, serialize_with = "json::members")]
    pub fact: Fact,
}

/// The last [`ENTRIES_MAX`] entries, and the gate's last [`TURNS_MAX`] turns.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    entries: VecDeque<Entry>,
    turns: VecDeque<Entry>,
}

impl Recorder {
    pub(super) fn record(&mut self, at: Duration, fact: Fact) {
        if is_turn(&fact) {
            return self.record_turn(at, fact);
        }
        if let Some(last) = self.entries.back_mut()
            && is_routine(&fact)
            && discriminant(&last.fact) == discriminant(&fact)
        {
            (last.until, last.fact) = (at, fact);
            last.count += 1;
            return;
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.remove(self.least_worth());
        }
        self.entries.push_back(Entry { at, until: at, count: 1, fact });
    }

    /// Which entry goes first: the oldest, unless there is more routine than is needed.
    fn least_worth(&self) -> usize {
        let routine = || self.entries.iter().enumerate().filter(|(_, it)| is_routine(&it.fact));
        let oldest = routine().next().filter(|_| routine().count() > ROUTINE_MIN);
        oldest.map_or(0, |(index, _)| index)
    }

    fn record_turn(&mut self, at: Duration, fact: Fact) {
        if self.turns.len() == TURNS_MAX {
            self.turns.pop_front();
        }
        self.turns.push_back(Entry { at, until: at, count: 1, fact });
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    /// The gate's, oldest first.
    pub(super) fn turns(&self) -> Vec<Entry> {
        self.turns.iter().cloned().collect()
    }
}

/// The gate has opened or closed.
fn is_turn(fact: &Fact) -> bool {
    matches!(fact, Fact::VadOpened(_) | Fact::VadClosed(_))
}

/// Routine events of a healthy session, which would otherwise push out what matters.
fn is_routine(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::KeepaliveSent(_)
            | Fact::KeepaliveBlocked(_)
            | Fact::FinalizeAnswered(_)
            | Fact::FinalizeSkipped(_)
            | Fact::BinaryDropped(_)
    )
}

fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::Endpoint;
    use session::death::{Death, Reason};
    use session::fact::{
        AppStalled, ConnectionDied, FinalizeAnswered, KeepaliveSent, Stage, TimerLate, VadClosed,
        VadOpened,
    };

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn keepalive() -> Fact {
        Fact::KeepaliveSent(KeepaliveSent { endpoint: Endpoint::V1Listen, lateness: S(0) })
    }

    #[test]
    fn routine_in_a_row_is_one_entry() {
        let mut recorder = Recorder::default();
        (1..=1000).for_each(|second| recorder.record(S(5 * second), keepalive()));
        recorder.record(S(5001), Fact::AppStalled(AppStalled));
        recorder.record(S(5002), keepalive());
        let entries = recorder.entries();
        let seen: Vec<_> = entries.iter().map(|it| (it.at, it.until, it.count)).collect();
        assert_eq!(seen, [(S(5), S(5000), 1000), (S(5001), S(5001), 1), (S(5002), S(5002), 1)]);
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let mut recorder = Recorder::default();
        for second in 0..100 {
            recorder.record(S(second), Fact::TimerLate(TimerLate { lateness: S(second) }));
        }
        let entries = recorder.entries();
        assert_eq!(entries.len(), ENTRIES_MAX);
        assert_eq!((entries[0].at, entries[31].at), (S(68), S(99)));
    }

    fn died() -> Fact {
        let reason = Reason::PingTimeout;
        let death = Death {
            reason,
            trigger: reason.triggers()[0],
            class: reason.class(),
            detail: String::new(),
            send_age_ms: 1,
            receive_age_ms: 2,
            connection: 1,
            final_ms: None,
        };
        Fact::ConnectionDied(ConnectionDied { death, age: S(1), stage: Stage::Idle })
    }

    /// A conversation behind an active gate, for a day.
    #[test]
    fn neither_turns_of_the_gate_nor_routine_push_a_death_out() {
        let mut recorder = Recorder::default();
        recorder.record(S(1), died());
        for minute in 1..1_440 {
            let at = S(60 * minute);
            recorder.record(at, Fact::VadOpened(VadOpened { held: S(20) }));
            recorder
                .record(at, Fact::FinalizeAnswered(FinalizeAnswered { latency: S(0), count: 1 }));
            recorder.record(at, Fact::VadClosed(VadClosed { passed: S(40) }));
            recorder.record(at, keepalive());
        }
        let entries = recorder.entries();
        assert_eq!((entries.len(), entries[0].fact.name()), (ENTRIES_MAX, "upstream_lost"));
        assert_eq!((entries[31].fact.name(), entries[31].at), ("keepalive_sent", S(60 * 1_439)));
        let turns = recorder.turns();
        assert_eq!((turns.len(), turns[31].fact.name()), (TURNS_MAX, "vad_closed"));
        assert!(entries.iter().all(|it| !is_turn(&it.fact)));
    }

    #[test]
    fn what_is_rare_leaves_some_routine_in_place() {
        let mut recorder = Recorder::default();
        (0..100).for_each(|second| {
            recorder.record(S(second), keepalive());
            recorder.record(S(second), Fact::AppStalled(AppStalled));
        });
        let entries = recorder.entries();
        let routine = entries.iter().filter(|it| is_routine(&it.fact)).count();
        assert_eq!((routine, entries[31].at), (ROUTINE_MIN, S(99)));
    }

    #[test]
    fn an_entry_is_one_flat_object() {
        let mut recorder = Recorder::default();
        recorder.record(S(3), Fact::TimerLate(TimerLate { lateness: S(2) }));
        recorder.record(S(4), Fact::AppStalled(AppStalled));
        assert_eq!(
            serde_json::to_value(recorder.entries()).unwrap(),
            serde_json::json!([
                {"at_ms": 3000, "until_ms": 3000, "count": 1, "event": "timer_late",
                 "lateness_ms": 2000},
                {"at_ms": 4000, "until_ms": 4000, "count": 1, "event": "app_stalled"},
            ])
        );
    }
}
