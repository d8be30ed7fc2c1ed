//! Messages on their way to the client, each with the moment at which it may leave.

use std::collections::VecDeque;
use std::time::Instant;

/// From here on the client's socket is not read. The audio in the backlog may add to it.
const MESSAGES_MAX: usize = 512;

/// A queue that keeps its order: nothing overtakes what is slower to come.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    messages: VecDeque<(Instant, T)>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new() }
    }
}

impl<T> Outbox<T> {
    pub(super) fn push(&mut self, due: Instant, message: T) {
        let last = self.messages.back().map(|(due, _)| *due);
        self.messages.push_back((last.map_or(due, |last| last.max(due)), message));
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<T> {
        let due = self.messages.front().is_some_and(|(due, _)| *due <= now);
        due.then(|| self.messages.pop_front()).flatten().map(|(_, message)| message)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.messages.front().map(|(due, _)| *due)
    }

    /// Whether the client takes its results too slowly for more to be worked out.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= MESSAGES_MAX
    }
}
