//! How often a session may dial again, and how long it waits before.

use std::collections::VecDeque;
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
    per_minute: usize,
    /// Dials since a connection lived for [`PROVEN_AFTER`].
    spent: u32,
    /// Dials since a connection answered.
    unanswered: u32,
    /// When the latest connections came up: as many as may in a minute.
    ups: VecDeque<Instant>,
    random: Random,
}

impl Budget {
    pub(super) fn new(config: &RecoveryConfig, seed: u64) -> Self {
        Self {
            reconnects_max: config.max_reconnects,
            per_minute: config.reconnects_per_minute as usize,
            spent: 0,
            unanswered: 0,
            ups: VecDeque::new(),
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
        Some(backoff.unwrap_or_default().max(self.minute_left(now)))
    }

    /// How long there have been as many connections as may be in a minute.
    fn minute_left(&self, now: Instant) -> Duration {
        match self.ups.front() {
            Some(oldest) if self.ups.len() >= self.per_minute => {
                (*oldest + MINUTE).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        }
    }

    /// A connection came up again.
    pub(super) fn up(&mut self, now: Instant) {
        if self.ups.len() >= self.per_minute {
            self.ups.pop_front();
        }
        self.ups.push_back(now);
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
    fn in_a_minute_no_more_connections_come_up_than_may() {
        let mut budget = budget(100, 4);
        let start = clock::now();
        for it in 0..4 {
            budget.up(start + SECOND * it);
        }
        assert_eq!(budget.spend(start + SECOND * 10), Some(SECOND * 50));
        budget.up(start + SECOND * 60);
        budget.died(SECOND, true);
        assert_eq!(budget.spend(start + SECOND * 60), Some(SECOND));
    }
}
