//! How fast audio that has waited is sent: Deepgram takes it little faster than it plays.

use std::time::{Duration, Instant};

use crate::audio::AudioFormat;

/// How often a piece goes out.
pub(super) const STEP: Duration = Duration::from_millis(100);

/// The largest piece: the longest chunk that Deepgram advises.
pub(super) const PIECE: Duration = Duration::from_millis(250);

/// Deepgram's documented limit is 1.25 times real time: 5/4.
const RATE: (u32, u32) = (5, 4);

/// What may go out at once, at the beginning and after a wait.
const BURST: Duration = Duration::from_secs(1);

/// A bucket that fills with time, in time of audio.
#[derive(Debug)]
pub(super) struct Pace {
    credit: Duration,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { credit: BURST, at: now }
    }

    /// Bytes that may go out now.
    pub(super) fn allowed(&mut self, now: Instant, format: AudioFormat) -> u64 {
        let earned = now.saturating_duration_since(self.at) * RATE.0 / RATE.1;
        self.credit = (self.credit + earned).min(BURST);
        self.at = now;
        format.bytes(self.credit)
    }

    /// They have.
    pub(super) fn spend(&mut self, bytes: u64, format: AudioFormat) {
        self.credit = self.credit.saturating_sub(format.duration(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_audio_takes_48_seconds_less_the_burst() {
        let format = AudioFormat::new("linear16", 16_000, 1).unwrap();
        let start = clock::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        let mut left = format.bytes(Duration::from_secs(60));
        while left > 0 {
            let bytes = pace.allowed(now, format).min(left);
            pace.spend(bytes, format);
            left -= bytes;
            now += STEP;
        }
        let took = (now - start).as_millis();
        assert!((47_000..=47_500).contains(&took), "{took}");
    }
}
