//! What a session's connections share with it: the books, and the effects that wait to be carried
//! out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Output;
use super::ledger::{Ledger, Loss};
use super::segment::SegmentStart;
use crate::counts::{Count, Counted};
use crate::fact::{AudioLost, Drops, Fact, FinalizeSkipped, SkipCause, TimerLate};
use crate::{Joints, LossCause, Observation, SessionConfig, Side};

/// A verdict that comes later than this says more about our own pause (CPU throttling, a stopped
/// process) than about the peer, so it is put off until the peer has had its time anew.
const LATENESS_MAX: Duration = Duration::from_secs(1);

/// The session's books, and its effects in order.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
    /// Where in the session the audio belongs that the gate lets through.
    pub(super) joints: Joints,
    pub(super) counts: Counted,
    finalizes_settled: u64,
    /// The longest silence towards Deepgram.
    pub(super) send_gap_max: Duration,
    pub(super) drops: Drops,
    pub(super) segment: SegmentStart,
    pub(super) first_audio: FirstAudio,
    pub(super) outputs: VecDeque<Output>,
}

/// The wait for a session's first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstAudio {
    NotSent,
    SentAt(Instant),
    Answered,
}

impl FirstAudio {
    /// A result has come: how long the session's first audio waited for it, told once.
    pub(super) fn answer(&mut self, now: Instant) -> Option<Duration> {
        let Self::SentAt(sent_at) = *self else { return None };
        *self = Self::Answered;
        Some(now.duration_since(sent_at))
    }
}

impl Books {
    pub(super) fn new(config: &SessionConfig, now: Instant) -> Self {
        let ledger = Ledger::new(config.audio);
        let counts = Counted::default();
        Self {
            segment: SegmentStart::new(now, ledger.summary(), &counts),
            ledger,
            joints: Joints::default(),
            counts,
            finalizes_settled: 0,
            send_gap_max: Duration::ZERO,
            drops: Drops::default(),
            first_audio: FirstAudio::NotSent,
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn record(&mut self, fact: Fact) {
        self.finalizes_settled += fact.finalizes_settled();
        self.push(Output::Record(Box::new(fact)));
    }

    pub(super) fn finalizes_in_flight(&self) -> u64 {
        self.counts[Count::FinalizesRequested].saturating_sub(self.finalizes_settled)
    }

    pub(super) fn observe(&mut self, observation: Observation) {
        self.push(Output::Observe(observation));
    }

    /// Tells for how long a socket refused what was written to it.
    pub(super) fn unblocked(&mut self, now: Instant, side: Side, since: Option<Instant>) {
        if let Some(since) = since {
            let duration = now.duration_since(since);
            self.observe(Observation::Unblocked { side, duration });
        }
    }

    /// Finalizes were not and will not be written.
    pub(super) fn skip_finalizes(&mut self, count: u64, cause: SkipCause) {
        if count > 0 {
            self.record(Fact::FinalizeSkipped(FinalizeSkipped { count, cause }));
        }
        if cause == SkipCause::Dead {
            self.counts[Count::FinalizesSkippedDead] += count;
        }
    }

    /// Tells what has been lost since this was last told, frames and bytes: once for each ending, not
    /// for each frame.
    pub(super) fn record_loss(&mut self, cause: LossCause) -> Option<(u64, u64)> {
        let Loss { frames, bytes, .. } = self.ledger.take_untold(cause);
        if bytes == 0 {
            return None;
        }
        let duration = self.ledger.duration(bytes);
        self.record(Fact::AudioLost(AudioLost { frames, bytes, duration, cause }));
        Some((frames, bytes))
    }

    /// Whether a deadline is noticed too late to be a verdict on a peer; it is told if so.
    pub(super) fn is_too_late(&mut self, lateness: Duration) -> bool {
        let late = lateness > LATENESS_MAX;
        if late {
            self.record(Fact::TimerLate(TimerLate { lateness }));
        }
        late
    }
}
