//! How often a session may dial again, and how long it waits before.

use std::time::{Duration, Instant};

use crate::RecoveryConfig;
use crate::backoff::Random;

/// A connection that has answered and lived for so long has done its work: the count of reconnects
/// starts anew.
const PROVEN_AFTER: Duration = Duration::from_secs(60);

const MINUTE: Duration = Duration::from_secs(60);

/// What is left of a session's reconnects.
#[derive(Debug)]
pub(super) struct Budget {
    reconnects_max: u32,
    per_minute: u32,
    /// Dials since a connection lived for [`PROVEN_AFTER`].
    spent: u32,
    /// Dials since a connection answered.
    unanswered: u32,
    /// When the room that connections have taken is free again: each takes its share of a minute. There is
    /// room for a minute's worth at once.
    free_at: Option<Instant>,
    random: Random,
}

impl Budget {
    pub(super) fn new(config: &RecoveryConfig, seed: u64) -> Self {
        Self {
            reconnects_max: config.max_reconnects,
            per_minute: config.reconnects_per_minute.max(1),
            spent: 0,
            unanswered: 0,
            free_at: None,
            random: Random::new(seed),
        }
    }

    /// A connection died at that age; `answered` if it had said something.
    pub(super) fn died(&mut self, age: Duration, answered: bool) {
        if answered {
            self.unanswered = 0;
        }
        if answered && age >= PROVEN_AFTER {
            self.spent = 0;
        }
    }

    /// Another dial: how long to wait before it. `None` if the budget is spent.
    pub(super) fn spend(&mut self, now: Instant) -> Option<Duration> {
        if self.spent >= self.reconnects_max {
            return None;
        }
        let backoff = self.unanswered.checked_sub(1).map(|k| self.random.backoff(k));
        self.spent += 1;
        self.unanswered += 1;
        Some(backoff.unwrap_or_default().max(self.room_in(now)))
    }

    /// How long until there is room for another connection: one share at most.
    fn room_in(&self, now: Instant) -> Duration {
        let taken = self.free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        taken.saturating_sub(MINUTE - self.share())
    }

    /// A connection came up again.
    pub(super) fn up(&mut self, now: Instant) {
        let free_at = self.free_at.map_or(now, |at| at.max(now)) + self.share();
        self.free_at = Some(free_at);
    }

    fn share(&self) -> Duration {
        MINUTE / self.per_minute
    }

    /// Dials since a connection lived for a minute.
    pub(super) fn spent(&self) -> u32 {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn budget(max_reconnects: u32, reconnects_per_minute: u32) -> Budget {
        let ring = SECOND * 30;
        Budget::new(&RecoveryConfig { ring, max_reconnects, reconnects_per_minute }, 7)
    }

    #[test]
    fn the_first_dial_is_at_once_and_the_next_ones_wait_by_the_formula() {
        let mut budget = budget(10, 4);
        let now = clock::now();
        let delays: Vec<_> = (0..7).map(|_| budget.spend(now).unwrap().as_secs()).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn it_is_spent_after_so_many_dials_and_starts_anew_after_a_minute_of_life() {
        let mut budget = budget(3, 60);
        let now = clock::now();
        for _ in 0..3 {
            budget.died(SECOND * 59, true);
            assert_eq!(budget.spend(now), Some(Duration::ZERO), "the one before had answered");
        }
        budget.died(SECOND * 59, true);
        assert_eq!(budget.spend(now), None);
        budget.died(SECOND * 60, false);
        assert_eq!(budget.spend(now), None, "a connection that is mute proves nothing");
        budget.died(SECOND * 60, true);
        assert!(budget.spend(now).is_some());
    }

    #[test]
    fn after_four_at_once_a_connection_comes_up_every_quarter_of_a_minute() {
        let mut budget = budget(100, 4);
        let mut now = clock::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = budget.spend(now).unwrap();
            waits.push(wait.as_secs());
            now += wait;
            budget.up(now);
            budget.died(SECOND, true);
        }
        assert_eq!(waits, [0, 0, 0, 0, 15, 15, 15, 15]);
        now += SECOND * 30;
        assert_eq!(budget.spend(now), Some(Duration::ZERO), "two shares are free again");
    }
}
