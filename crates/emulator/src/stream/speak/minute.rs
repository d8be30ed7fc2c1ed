//! What was used within the last minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Amounts, each with its time. Each is at least 1, so that the limit bounds how many there are.
#[derive(Debug, Default)]
pub(super) struct Minute {
    used: VecDeque<(Instant, usize)>,
}

impl Minute {
    /// Uses an amount, unless the minute would then have more than `limit`.
    pub(super) fn use_up(&mut self, now: Instant, amount: usize, limit: usize) -> bool {
        while self.used.front().is_some_and(|(at, _)| now.duration_since(*at) >= MINUTE) {
            self.used.pop_front();
        }
        let used: usize = self.used.iter().map(|(_, amount)| amount).sum();
        let fits = used + amount <= limit;
        if fits && amount > 0 {
            self.used.push_back((now, amount));
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_minute_old_counts_no_longer() {
        let now = clock::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut minute = Minute::default();
        assert!(minute.use_up(now, 6, 10) && minute.use_up(later(30), 4, 10));
        assert!(!minute.use_up(later(59), 1, 10));
        assert!(minute.use_up(later(60), 6, 10) && !minute.use_up(later(60), 1, 10));
    }
}
