//! A session's flight recorder: its latest events, for the page of a live session and for the log
//! when a connection dies.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::json;
use session::fact::Fact;
use session::millis;

/// Maximum entries. An idle session needs one; for a busy one, they cover a few minutes.
const ENTRIES_MAX: usize = 32;

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

/// The last [`ENTRIES_MAX`] entries.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    entries: VecDeque<Entry>,
}

impl Recorder {
    pub(super) fn record(&mut self, at: Duration, fact: Fact) {
        if let Some(last) = self.entries.back_mut()
            && is_routine(&fact)
            && discriminant(&last.fact) == discriminant(&fact)
        {
            (last.until, last.fact) = (at, fact);
            last.count += 1;
            return;
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, until: at, count: 1, fact });
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
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
    use session::fact::{AppStalled, KeepaliveSent, TimerLate};

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
