//! Schedules audio, so that a recording plays as if it were live.

use std::time::{Duration, Instant};

/// If a source pauses for longer than this, the schedule does not catch up: Deepgram accepts at
/// most 1.25 times real time.
const LAG_MAX: Duration = Duration::from_secs(1);

/// Schedules pieces of audio. Pure: the time is passed in.
///
/// Due times are sums of durations, not of waits, so that late wake-ups do not add up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    next: Instant,
    speed: f64,
}

impl Pacer {
    /// A schedule that starts now; `speed` 2.0 plays twice as fast; must be over 0.
    pub(super) fn new(now: Instant, speed: f64) -> Self {
        Self { next: now, speed }
    }

    /// When a piece of this duration is due; the next one is due that much later.
    pub(super) fn due(&mut self, now: Instant, duration: Duration) -> Instant {
        if now.saturating_duration_since(self.next) > LAG_MAX {
            self.next = now;
        }
        let due = self.next;
        self.next += duration.div_f64(self.speed);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Duration = Duration::from_millis(100);

    #[test]
    fn pieces_are_due_when_the_ones_before_have_played() {
        let start = clock::now();
        let mut pacer = Pacer::new(start, 1.0);
        let due: Vec<_> = (0..3).map(|_| pacer.due(start, CHUNK) - start).collect();
        assert_eq!(due, [Duration::ZERO, CHUNK, 2 * CHUNK]);
    }

    #[test]
    fn late_wakeups_do_not_add_up() {
        let start = clock::now();
        let mut pacer = Pacer::new(start, 1.0);
        for piece in 0..1_000 {
            let late = Duration::from_millis(9);
            assert_eq!(pacer.due(start + piece * CHUNK + late, CHUNK), start + piece * CHUNK);
        }
    }

    #[test]
    fn double_speed_halves_the_waits() {
        let start = clock::now();
        let mut pacer = Pacer::new(start, 2.0);
        pacer.due(start, CHUNK);
        assert_eq!(pacer.due(start, CHUNK) - start, CHUNK / 2);
    }

    #[test]
    fn a_source_that_stood_still_is_not_caught_up_with() {
        let start = clock::now();
        let mut pacer = Pacer::new(start, 1.0);
        pacer.due(start, CHUNK);
        let later = start + Duration::from_secs(60);
        assert_eq!(pacer.due(later, CHUNK), later);
        assert_eq!(pacer.due(later, CHUNK), later + CHUNK);
    }
}
