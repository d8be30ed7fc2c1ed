//! A Finalize's whole story on its connection: written, then answered, timed out, failed or given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Connection, Context, Event, Timer};
use crate::counts::Count;
use crate::fact::{
    Fact, FinalizeAnswered, FinalizeFailed, FinalizeSkipped, FinalizeTimedOut, SkipCause,
};

/// Most entries kept; a flood beyond it shares the newest entry's deadline.
const ENTRIES_MAX: usize = 1024;

impl Connection {
    /// The kernel has taken some, `again` of them for the second time. An answer may have come before
    /// this was known.
    pub(super) fn finalizes_written(&mut self, cx: &mut Context<'_>, count: u64, again: u64) {
        let answered = std::mem::take(&mut self.finalizes.answered_early).min(count);
        cx.books.counts[Count::FinalizesSent] += count - again;
        if count > answered {
            self.finalizes.push(cx.now, count - answered);
            if !self.timers.is_running(Timer::Finalize) {
                self.timers.set(Timer::Finalize, cx.now + cx.config.finalize_timeout);
            }
        }
        if answered > 0 {
            let latency = Duration::ZERO;
            cx.books.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count: answered }));
        }
    }

    /// A `from_finalize` result came: it answers all that were sent.
    pub(super) fn finalize_answered(&mut self, cx: &mut Context<'_>) {
        if let Some((count, latency)) = self.finalizes.answer(cx.now) {
            self.timers.clear(Timer::Finalize);
            cx.books.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count }));
        } else {
            // The kernel has taken it and not yet all that went along with it.
            self.finalizes.answered_early = self.unwritten.finalizes;
        }
    }

    /// The oldest has waited long enough.
    pub(super) fn finalize_deadline(
        &mut self,
        cx: &mut Context<'_>,
        lateness: Duration,
    ) -> Option<Event> {
        let timeout = cx.config.finalize_timeout;
        if !cx.is_reading || cx.books.is_too_late(lateness) {
            // Its answer may lie unread behind what the application does not take, or come while
            // we catch up: every wait begins anew.
            self.finalizes.restart(cx.now);
            self.timers.set(Timer::Finalize, cx.now + timeout);
            return None;
        }
        let count = self.finalizes.expire(cx.now, timeout);
        if let Some(deadline) = self.finalizes.deadline(timeout) {
            self.timers.set(Timer::Finalize, deadline);
        }
        if count > 0 {
            cx.books.counts[Count::FinalizeTimeouts] += count;
            cx.books.record(Fact::FinalizeTimedOut(FinalizeTimedOut { waited: timeout, count }));
        }
        None
    }

    /// Lets every wait begin anew.
    pub(super) fn restart_finalizes(&mut self, cx: &mut Context<'_>) {
        self.finalizes.restart(cx.now);
        if self.timers.is_running(Timer::Finalize) {
            self.timers.set(Timer::Finalize, cx.now + cx.config.finalize_timeout);
        }
    }

    /// Those that could not be written on a live connection are errors, and nothing else is.
    pub(super) fn fail_unwritten_finalizes(&mut self, cx: &mut Context<'_>) {
        let count = self.unwritten_finalizes();
        // What was answered has been written, whatever came after it.
        self.unwritten.finalizes -= count;
        if count > 0 {
            cx.books.counts[Count::FinalizeErrors] += count;
            cx.books.record(Fact::FinalizeFailed(FinalizeFailed { count }));
        }
    }

    /// The connection ends: those that are unwritten are skipped. So are, in the metrics, those that
    /// were written and get no answer any more; in the summary they stay `sent`.
    pub(super) fn give_up_finalizes(&mut self, cx: &mut Context<'_>, cause: SkipCause) {
        cx.books.skip_finalizes(self.unwritten.finalizes, cause);
        let count = self.finalizes.give_up();
        if count > 0 {
            cx.books.record(Fact::FinalizeSkipped(FinalizeSkipped { count, cause }));
        }
    }
}

/// Unanswered Finalizes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Finalizes {
    unanswered: VecDeque<(Instant, u64)>,
    /// How many were answered while they were still among the unwritten.
    answered_early: u64,
    /// No wait counts from before this.
    restarted_at: Option<Instant>,
}

impl Finalizes {
    fn push(&mut self, written_at: Instant, count: u64) {
        let full = self.unanswered.len() >= ENTRIES_MAX;
        match self.unanswered.back_mut() {
            Some(newest) if full => newest.1 += count,
            _ => self.unanswered.push_back((written_at, count)),
        }
    }

    /// Whether an answer is due.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// How many were written and have no answer.
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.iter().map(|entry| entry.1).sum()
    }

    /// How many were answered while they were still among the unwritten.
    pub(super) fn answered_early(&self) -> u64 {
        self.answered_early
    }

    fn oldest(&self) -> Option<Instant> {
        self.unanswered.front().map(|entry| entry.0)
    }

    /// One answer answers all: how many they were, and how long the oldest waited.
    fn answer(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let oldest = self.oldest()?;
        Some((self.give_up(), now.duration_since(oldest)))
    }

    /// Lets every wait begin anew.
    fn restart(&mut self, now: Instant) {
        self.restarted_at = Some(now);
    }

    /// When the oldest will have waited for `timeout`.
    fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.oldest().map(|written_at| self.wait_begins(written_at) + timeout)
    }

    fn wait_begins(&self, written_at: Instant) -> Instant {
        self.restarted_at.map_or(written_at, |restarted_at| restarted_at.max(written_at))
    }

    /// Takes those that have waited for `timeout`: how many they were.
    fn expire(&mut self, now: Instant, timeout: Duration) -> u64 {
        let is_expired = |entry: &(Instant, u64)| self.wait_begins(entry.0) + timeout <= now;
        let expired = self.unanswered.iter().take_while(|entry| is_expired(entry)).count();
        self.unanswered.drain(..expired).map(|entry| entry.1).sum()
    }

    /// Takes all of them: how many they were.
    fn give_up(&mut self) -> u64 {
        self.unanswered.drain(..).map(|entry| entry.1).sum()
    }
}
