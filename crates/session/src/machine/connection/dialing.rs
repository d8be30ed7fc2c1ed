//! How often and how long to wait before dialling again, and coming up.

use std::time::{Duration, Instant};

use super::super::Output;
use super::{Connection, Context, Event, State, Timer};
use crate::dial::{DialFailure, DialPhases};
use crate::fact::{DialFailed, Fact};

/// Longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(32);

impl Connection {
    /// Which attempt is under way, from 1.
    pub(in crate::machine) fn attempt_number(&self) -> u32 {
        self.dial.attempt
    }

    /// Since the first attempt began.
    pub(in crate::machine) fn waited(&self, now: Instant) -> Duration {
        now.duration_since(self.dial.begun)
    }

    pub(super) fn attempt(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        self.dial.attempt_begun = cx.now;
        cx.books.push(Output::Dial(self.id));
        None
    }

    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        request_id: Option<String>,
        phases: DialPhases,
    ) -> Event {
        self.state = State::Open;
        self.up_since = cx.now;
        self.last_send = cx.now;
        self.last_receive = cx.now;
        self.active_at = cx.now;
        self.arm_keepalive(cx);
        self.arm_ping(cx);
        Event::Up { request_id, phases }
    }

    pub(super) fn dial_failed(
        &mut self,
        cx: &mut Context<'_>,
        failure: DialFailure,
    ) -> Option<Event> {
        let attempt = self.dial.attempt;
        let retry_in = if failure.is_retryable() { self.dial.next_delay() } else { None };
        let duration = cx.now.duration_since(self.dial.attempt_begun);
        let fact = DialFailed { attempt, failure: failure.clone(), duration, retry_in };
        cx.books.record(Fact::DialFailed(fact));
        let Some(delay) = retry_in else {
            return Some(Event::GaveUp { failure, attempts: attempt });
        };
        self.timers.set(Timer::Redial, cx.now + delay);
        None
    }
}

/// The attempts of one dial, and the jitter between them.
#[derive(Debug)]
pub(super) struct Dial {
    attempts_max: u32,
    /// The attempt under way, from 1.
    attempt: u32,
    /// When the first attempt began, and the latest one.
    begun: Instant,
    attempt_begun: Instant,
    random: u64,
}

impl Dial {
    /// The first attempt begins.
    pub(super) fn new(attempts_max: u32, now: Instant, seed: u64) -> Self {
        Self { attempts_max, attempt: 1, begun: now, attempt_begun: now, random: seed }
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
            let mut dial = Dial::new(3, now(), seed);
            let first = dial.next_delay().unwrap();
            let second = dial.next_delay().unwrap();
            assert!((1..2).contains(&first.as_secs()), "{first:?}");
            assert!((2..3).contains(&second.as_secs()), "{second:?}");
            assert_eq!(dial.next_delay(), None);
        }
    }

    #[test]
    fn no_wait_is_over_the_cap() {
        let mut dial = Dial::new(200, now(), 7);
        let delays: Vec<_> = std::iter::from_fn(|| dial.next_delay()).collect();
        assert_eq!(delays.len(), 199);
        assert!(delays.iter().all(|delay| *delay <= BACKOFF_MAX));
        assert_eq!(delays[100], BACKOFF_MAX);
    }
}
