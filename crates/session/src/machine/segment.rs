//! The session's life in stretches of a minute, so that operators see a session while it lives and
//! not only when it is over.

use std::time::{Duration, Instant};

use super::Session;
use super::timer::SessionTimer;
use crate::counts::{Count, Counted};
use crate::summary::AudioSummary;
use crate::{Observation, Segment};

/// How long a stretch is. Some trace stores give a trace up after 20 minutes of nothing new.
const LENGTH: Duration = Duration::from_secs(60);

/// What the totals were when the stretch began.
#[derive(Debug)]
pub(super) struct SegmentStart {
    at: Instant,
    audio: AudioSummary,
    keepalives: u64,
    messages: u64,
    finals: u64,
    /// The longest silence that has ended since.
    pub(super) send_gap_max: Duration,
}

impl SegmentStart {
    pub(super) fn new(at: Instant, audio: AudioSummary, counts: &Counted) -> Self {
        Self {
            at,
            audio,
            keepalives: counts[Count::Keepalives],
            messages: counts[Count::Messages],
            finals: counts[Count::Finals],
            send_gap_max: Duration::ZERO,
        }
    }
}

impl Session {
    /// Tells what happened since the last time, and begins the next stretch.
    pub(super) fn end_segment(&mut self, now: Instant) {
        let audio = self.books.ledger.summary();
        let next = SegmentStart::new(now, audio, &self.books.counts);
        let start = std::mem::replace(&mut self.books.segment, next);
        let counts = &self.books.counts;
        let segment = Segment {
            duration: now.duration_since(start.at),
            bytes_received: audio.bytes_received - start.audio.bytes_received,
            bytes_sent: audio.bytes_sent - start.audio.bytes_sent,
            audio: self.config.audio,
            keepalives: counts[Count::Keepalives] - start.keepalives,
            messages: counts[Count::Messages] - start.messages,
            finals: counts[Count::Finals] - start.finals,
            send_gap_max: start.send_gap_max,
            lag: self.current().and_then(|it| it.lag(self.config.audio)),
        };
        self.books.observe(Observation::Segment(Box::new(segment)));
        self.arm_segment(now);
    }

    pub(super) fn arm_segment(&mut self, now: Instant) {
        self.timers.set(SessionTimer::Segment, now + LENGTH);
    }
}
