//! How often and how long to wait before dialling again, and coming up.

use std::time::{Duration, Instant};

use super::super::Output;
use super::{Connection, Context, Event, State, Timer};
use crate::backoff::Random;
use crate::bound::DIAL_WAIT_MAX;
use crate::dial::{DialFailure, DialPhases, DialReason};
use crate::fact::{DialFailed, Fact};

/// What a dial is said to have failed with that the session had no more time for.
const NO_ANSWER: &str = "Deepgram had not answered by the time at which its SDKs give up";

impl Connection {
    /// Which attempt is under way, from 1.
    pub(in crate::machine) fn attempt_number(&self) -> u32 {
        self.dial.attempt
    }

    /// Since the first attempt began.
    pub(in crate::machine) fn waited(&self, now: Instant) -> Duration {
        now.duration_since(self.dial.begun)
    }

    /// The session wants another attempt.
    pub(in crate::machine) fn redial(&mut self, cx: &mut Context<'_>, delay: Duration) {
        self.dial.begin_anew();
        self.attempt_in(cx, delay);
    }

    pub(super) fn attempt_in(&mut self, cx: &mut Context<'_>, delay: Duration) {
        if delay.is_zero() {
            self.attempt(cx);
        } else {
            self.timers.set(Timer::Redial, cx.now + delay);
        }
    }

    pub(super) fn attempt(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        self.dial.attempt_begun = cx.now;
        cx.books.push(Output::Dial(self.id, self.dial.patience_at(cx.now)));
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
        let retry_in = self.dial.retry_in(cx.now, &failure);
        let duration = cx.now.duration_since(self.dial.attempt_begun);
        let fact = DialFailed { attempt, failure: failure.clone(), duration, retry_in };
        cx.books.record(Fact::DialFailed(fact));
        let Some(delay) = retry_in else {
            return Some(Event::GaveUp { failure, attempts: attempt });
        };
        self.dial.failure = Some(Box::new(failure));
        self.timers.set(Timer::Redial, cx.now + delay);
        None
    }

    /// There is no time left for the attempt under way. Gives why it is not up: what Deepgram has said
    /// before tells more than that.
    pub(in crate::machine) fn out_of_time(&mut self, cx: &mut Context<'_>) -> Event {
        let attempts = self.dial.attempt;
        let failure = DialFailure::before_answer(DialReason::Timeout, NO_ANSWER);
        let duration = cx.now.duration_since(self.dial.attempt_begun);
        let fact =
            DialFailed { attempt: attempts, failure: failure.clone(), duration, retry_in: None };
        cx.books.record(Fact::DialFailed(fact));
        let failure = self.dial.failure.take().map_or(failure, |before| *before);
        Event::GaveUp { failure, attempts }
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
    /// Spent of [`DIAL_WAIT_MAX`].
    waited: Duration,
    /// Whether there is another attempt is not for the dial to say.
    pub(super) is_single: bool,
    /// When it must be up, if somebody waits for it.
    pub(super) until: Option<Instant>,
    /// Why the attempt before failed.
    failure: Option<Box<DialFailure>>,
    random: Random,
}

impl Dial {
    /// The first attempt begins.
    pub(super) fn new(attempts_max: u32, now: Instant, seed: u64) -> Self {
        Self {
            attempts_max,
            attempt: 1,
            begun: now,
            attempt_begun: now,
            waited: Duration::ZERO,
            is_single: false,
            until: None,
            failure: None,
            random: Random::new(seed),
        }
    }

    /// The next attempt is one for itself.
    fn begin_anew(&mut self) {
        self.attempt += 1;
        self.waited = Duration::ZERO;
    }

    /// How long all further attempts may wait behind other sessions' dials.
    pub(super) fn patience(&self) -> Duration {
        DIAL_WAIT_MAX.saturating_sub(self.waited)
    }

    /// How long the attempt that begins now may.
    fn patience_at(&self, now: Instant) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(now));
        left.map_or(self.patience(), |left| left.min(self.patience()))
    }

    /// How long to wait after a failure: what Deepgram asked for, or the formula if that is longer.
    /// `None` if there is no further attempt: it cannot help, all are used, or Deepgram asked for
    /// more than what is left.
    fn retry_in(&mut self, now: Instant, failure: &DialFailure) -> Option<Duration> {
        self.waited += failure.queued;
        let asked = failure.retry_after.unwrap_or_default();
        if !failure.is_retryable() || asked > self.patience() {
            return None;
        }
        let delay = self.next_delay()?.max(asked);
        self.waited += asked;
        if self.until.is_some_and(|until| now + delay >= until) {
            self.attempt -= 1;
            return None;
        }
        Some(delay)
    }

    /// The formula, `min(2^k s + jitter, 32 s)`; `None` when all attempts are used.
    fn next_delay(&mut self) -> Option<Duration> {
        if self.is_single || self.attempt >= self.attempts_max {
            return None;
        }
        let k = self.attempt - 1;
        self.attempt += 1;
        Some(self.random.backoff(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::BACKOFF_MAX;
    use crate::dial::DialReason;
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
    fn asking_for(seconds: u64) -> DialFailure {
        let refused = DialFailure::before_answer(DialReason::Http429, "full");
        DialFailure { retry_after: Some(Duration::from_secs(seconds)), ..refused }
    }

    #[test]
    fn the_longer_of_formula_and_retry_after_is_waited() {
        let mut dial = Dial::new(3, now(), 7);
        assert!(dial.retry_in(now(), &asking_for(0)).unwrap() >= Duration::from_secs(1));
        assert_eq!(dial.retry_in(now(), &asking_for(20)), Some(Duration::from_secs(20)));
    }

    #[test]
    fn what_exceeds_a_minute_or_what_is_left_of_it_is_not_waited_for() {
        assert_eq!(Dial::new(3, now(), 7).retry_in(now(), &asking_for(61)), None);
        let mut dial = Dial::new(9, now(), 7);
        assert_eq!(dial.retry_in(now(), &asking_for(40)), Some(Duration::from_secs(40)));
        assert_eq!(dial.patience(), Duration::from_secs(20));
        assert_eq!(dial.retry_in(now(), &asking_for(21)), None);
        let queued = DialFailure { queued: Duration::from_secs(20), ..asking_for(1) };
        assert_eq!(dial.retry_in(now(), &queued), None, "waiting behind others uses it up too");
    }

    #[test]
    fn what_others_were_told_is_final() {
        let withheld = DialFailure { withheld: true, ..asking_for(1) };
        assert_eq!(Dial::new(3, now(), 7).retry_in(now(), &withheld), None);
    }
}
