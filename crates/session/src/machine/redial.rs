//! How often and how long to wait before dialling again.

use std::time::{Duration, Instant};

/// Longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(32);

/// Attempts of one dial, and the jitter between them.
#[derive(Debug)]
pub(super) struct Redial {
    attempts_max: u32,
    attempt: u32,
    /// When the first attempt of this dial began, and the latest one.
    begun: Instant,
    attempt_begun: Instant,
    random: u64,
}

impl Redial {
    pub(super) fn new(attempts_max: u32, now: Instant, seed: u64) -> Self {
        Self { attempts_max, attempt: 0, begun: now, attempt_begun: now, random: seed }
    }

    /// Begins a new dial: its first attempt.
    pub(super) fn restart(&mut self, now: Instant) {
        self.attempt = 1;
        self.begun = now;
    }

    /// The attempt under way begins.
    pub(super) fn begin_attempt(&mut self, now: Instant) {
        self.attempt_begun = now;
    }

    /// Since the first attempt of this dial began.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        now.duration_since(self.begun)
    }

    /// Since the latest attempt began.
    pub(super) fn attempted(&self, now: Instant) -> Duration {
        now.duration_since(self.attempt_begun)
    }

    /// The attempt under way, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long to wait for the next attempt, `min(2^k s + jitter, 32 s)`; `None` when all are used.
    pub(super) fn next_delay(&mut self) -> Option<Duration> {
        if self.attempt >= self.attempts_max {
            return None;
        }
        let exponential = Duration::from_secs(1_u64.checked_shl(self.attempt - 1).unwrap_or(32));
        self.attempt += 1;
        Some((exponential + self.jitter()).min(BACKOFF_MAX))
    }

    /// 0 to 1 s, so that sessions refused together do not return together. Splitmix64.
    fn jitter(&mut self) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Duration::from_nanos(mixed % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::now;

    #[test]
    fn three_attempts_wait_one_and_two_seconds_plus_jitter() {
        for seed in 0..200 {
            let mut redial = Redial::new(3, now(), seed);
            redial.restart(now());
            let first = redial.next_delay().unwrap();
            let second = redial.next_delay().unwrap();
            assert!((1..2).contains(&first.as_secs()), "{first:?}");
            assert!((2..3).contains(&second.as_secs()), "{second:?}");
            assert_eq!(redial.next_delay(), None);
        }
    }

    #[test]
    fn no_wait_is_over_the_cap() {
        let mut redial = Redial::new(200, now(), 7);
        redial.restart(now());
        let delays: Vec<_> = std::iter::from_fn(|| redial.next_delay()).collect();
        assert_eq!(delays.len(), 199);
        assert!(delays.iter().all(|delay| *delay <= BACKOFF_MAX));
        assert_eq!(delays[100], BACKOFF_MAX);
    }
}
