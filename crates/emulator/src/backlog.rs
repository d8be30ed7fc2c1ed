//! What a client has sent and the engine has not worked through yet, and how fast it does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::audio::Format;

/// Audio that may be worked through ahead of the pace, so that audio which comes in real time
/// never waits and costs no timer.
const HEAD_START: Duration = Duration::from_millis(300);

/// A longer message is worked through in pieces of this length.
const SLICE: Duration = Duration::from_millis(100);

/// Messages in the queue; more stop the reading.
const JOBS_MAX: usize = 65_536;

/// Work in the order in which it came.
#[derive(Debug)]
pub(super) enum Job<C> {
    Audio(Bytes),
    /// What an endpoint does in its turn after the audio before it.
    Command(C),
}

/// A queue of work that yields audio no faster than the engine can take it.
#[derive(Debug)]
pub(super) struct Backlog<C> {
    jobs: VecDeque<Job<C>>,
    /// Audio in the queue, and how much stops the reading.
    bytes: u64,
    bytes_max: u64,
    slice_bytes: usize,
    /// Seconds that a byte keeps the engine busy; 0 where it is infinitely fast.
    seconds_per_byte: f64,
    /// When the engine will have worked through what it was given.
    busy_until: Instant,
}

impl<C> Backlog<C> {
    pub(super) fn new(
        format: Format,
        pacing: Option<f64>,
        longest: Duration,
        now: Instant,
    ) -> Self {
        let rate = format.bytes_per_second() as f64;
        Self {
            jobs: VecDeque::new(),
            bytes: 0,
            bytes_max: (longest.as_secs_f64() * rate) as u64,
            slice_bytes: (SLICE.as_secs_f64() * rate).ceil() as usize,
            seconds_per_byte: pacing.map_or(0.0, |factor| 1.0 / (factor * rate)),
            busy_until: now,
        }
    }

    pub(super) fn push(&mut self, job: Job<C>) {
        if let Job::Audio(audio) = &job {
            self.bytes += audio.len() as u64;
        }
        self.jobs.push_back(job);
    }

    /// Adds what is done after the audio so far.
    pub(super) fn push_command(&mut self, command: C) {
        self.push(Job::Command(command));
    }

    /// Whether no more may come in for now.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max || self.jobs.len() >= JOBS_MAX
    }

    /// The next piece of work that the engine is free for.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job<C>> {
        if self.deadline().is_some_and(|free| free > now) {
            return None;
        }
        match self.jobs.front_mut() {
            Some(Job::Audio(audio)) if audio.len() > self.slice_bytes => {
                let slice = audio.split_to(self.slice_bytes);
                self.spend(now, slice.len());
                Some(Job::Audio(slice))
            }
            Some(Job::Audio(audio)) => {
                let length = audio.len();
                self.spend(now, length);
                self.jobs.pop_front()
            }
            _ => self.jobs.pop_front(),
        }
    }

    /// When the engine will be free for the audio that waits; `None` where none does.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = matches!(self.jobs.front(), Some(Job::Audio(_)));
        waits.then(|| self.busy_until.checked_sub(HEAD_START).unwrap_or(self.busy_until))
    }

    fn spend(&mut self, now: Instant, length: usize) {
        self.bytes -= length as u64;
        let busy = Duration::from_secs_f64(length as f64 * self.seconds_per_byte);
        self.busy_until = self.busy_until.max(now) + busy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of a flood is worked through within a time.
    fn worked(pacing: Option<f64>, within: Duration) -> u64 {
        let now = clock::now();
        let format = Format::new(Some("linear16"), Some(16_000), 1);
        let mut backlog = Backlog::<()>::new(format, pacing, Duration::from_secs(60), now);
        backlog.push(Job::Audio(vec![0; 32_000 * 30].into()));
        let (mut at, mut bytes) = (now, 0);
        while at <= now + within {
            while let Some(Job::Audio(slice)) = backlog.next(at) {
                bytes += slice.len() as u64;
            }
            let Some(free) = backlog.deadline() else { break };
            at = free;
        }
        bytes
    }

    #[test]
    fn a_flood_is_worked_through_at_the_pace_and_no_faster() {
        let bytes = worked(Some(1.25), Duration::from_secs(10));
        let seconds = bytes as f64 / 32_000.0;
        assert!((12.5..13.1).contains(&seconds), "{seconds} s of audio in 10 s");
    }

    #[test]
    fn without_a_pace_nothing_waits() {
        assert_eq!(worked(None, Duration::ZERO), 32_000 * 30);
    }

    #[test]
    fn audio_in_real_time_never_waits() {
        let mut now = clock::now();
        let format = Format::new(Some("linear16"), Some(16_000), 1);
        let mut backlog = Backlog::<()>::new(format, Some(1.25), Duration::from_secs(60), now);
        for _ in 0..100 {
            backlog.push(Job::Audio(vec![0; 3_200].into()));
            assert!(backlog.next(now).is_some() && backlog.next(now).is_none());
            now += Duration::from_millis(100);
        }
    }

    #[test]
    fn what_waits_is_bounded_by_its_length_in_time() {
        let now = clock::now();
        let format = Format::new(Some("linear16"), Some(16_000), 1);
        let mut backlog = Backlog::<()>::new(format, Some(1.25), Duration::from_secs(1), now);
        backlog.push(Job::Audio(vec![0; 31_999].into()));
        assert!(!backlog.is_full());
        backlog.push(Job::Audio(vec![0; 1].into()));
        assert!(backlog.is_full());
    }
}
