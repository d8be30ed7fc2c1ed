//! Audio goes in and nothing comes out: noticing it, once per episode.

use std::time::{Duration, Instant};

use super::{Connection, Context};
use crate::fact::{Fact, StallEnded, StallOutcome};

/// A pause between two writes of audio counts as audio up to this long: the longest chunk that
/// Deepgram advises is 250 ms, and an application may be late with it.
const GAP_MAX: Duration = Duration::from_millis(500);

/// What has been sent since Deepgram last said anything.
#[derive(Debug, Default)]
pub(super) struct Stall {
    unanswered: Option<Unanswered>,
}

#[derive(Debug)]
struct Unanswered {
    since: Instant,
    last_audio: Instant,
    /// How much of the time since then audio was flowing.
    flowing: Duration,
    told: bool,
}

impl Stall {
    /// Audio was written. Tells for how long nothing came out when that makes a stall: silent for
    /// `stall_after`, and audio flowed for at least half of it, so that an application that pauses
    /// is not taken for a Deepgram that hangs.
    pub(super) fn audio_written(
        &mut self,
        now: Instant,
        stall_after: Duration,
    ) -> Option<Duration> {
        let fresh =
            Unanswered { since: now, last_audio: now, flowing: Duration::ZERO, told: false };
        let unanswered = self.unanswered.get_or_insert(fresh);
        unanswered.flowing += now.duration_since(unanswered.last_audio).min(GAP_MAX);
        unanswered.last_audio = now;
        let silent = now.duration_since(unanswered.since);
        let stalled =
            !unanswered.told && silent >= stall_after && unanswered.flowing >= stall_after / 2;
        unanswered.told |= stalled;
        stalled.then_some(silent)
    }

    /// Whether a stall was told that is not over.
    pub(super) fn is_told(&self) -> bool {
        self.unanswered.as_ref().is_some_and(|unanswered| unanswered.told)
    }

    /// The wait is over or counts no more. Tells how long it was if it had become a stall.
    pub(super) fn end(&mut self, now: Instant) -> Option<Duration> {
        let unanswered = self.unanswered.take().filter(|unanswered| unanswered.told)?;
        Some(now.duration_since(unanswered.since))
    }
}

impl Connection {
    /// The wait for Deepgram's word is over: if it had become a stall, that is told.
    pub(super) fn end_stall(&mut self, cx: &mut Context<'_>, outcome: StallOutcome) {
        if let Some(silent) = self.stall.end(cx.now) {
            cx.books.record(Fact::StallEnded(StallEnded { silent, outcome }));
        }
    }
}
