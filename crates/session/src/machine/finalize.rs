//! Finalizes that were written and not yet answered, and when each must be.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most entries kept; a flood beyond it shares the newest entry's deadline.
const ENTRIES_MAX: usize = 1024;

/// Unanswered Finalizes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Finalizes {
    unanswered: VecDeque<(Instant, u64)>,
    /// No wait counts from before this.
    restarted_at: Option<Instant>,
}

impl Finalizes {
    pub(super) fn push(&mut self, written_at: Instant, count: u64) {
        let full = self.unanswered.len() >= ENTRIES_MAX;
        match self.unanswered.back_mut() {
            Some(newest) if full => newest.1 += count,
            _ => self.unanswered.push_back((written_at, count)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    fn oldest(&self) -> Option<Instant> {
        self.unanswered.front().map(|entry| entry.0)
    }

    /// One answer answers all: how many they were, and how long the oldest waited.
    pub(super) fn answer(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let oldest = self.oldest()?;
        Some((self.give_up(), now.duration_since(oldest)))
    }

    /// Lets every wait begin anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.restarted_at = Some(now);
    }

    /// When the oldest will have waited for `timeout`.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.oldest().map(|written_at| self.wait_begins(written_at) + timeout)
    }

    fn wait_begins(&self, written_at: Instant) -> Instant {
        self.restarted_at.map_or(written_at, |restarted_at| restarted_at.max(written_at))
    }

    /// Takes those that have waited for `timeout`: how many they were.
    pub(super) fn expire(&mut self, now: Instant, timeout: Duration) -> u64 {
        let is_expired = |entry: &(Instant, u64)| self.wait_begins(entry.0) + timeout <= now;
        let expired = self.unanswered.iter().take_while(|entry| is_expired(entry)).count();
        self.unanswered.drain(..expired).map(|entry| entry.1).sum()
    }

    /// Takes all of them: how many they were.
    pub(super) fn give_up(&mut self) -> u64 {
        self.unanswered.drain(..).map(|entry| entry.1).sum()
    }
}
