//! Messages on their way to the client, each with the moment at which it may leave.

use std::collections::VecDeque;
use std::time::Instant;

use crate::record::End;

/// From here on the client's socket is not read. The audio in the backlog may add to it.
const OUTPUTS_MAX: usize = 512;

/// A message to the client.
#[derive(Debug)]
pub(crate) enum Output {
    /// What was heard; a mute server keeps it back.
    Transcript {
        text: String,
        /// Where in the audio a final result ends, in samples.
        settles: Option<u64>,
    },
    /// Metadata or Error.
    Text(String),
    /// The end, and why.
    Close { code: u16, reason: String, end: End },
}

/// A queue that keeps its order: nothing overtakes what is slower to come.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<(Instant, Output)>,
}

impl Outbox {
    pub(super) fn push(&mut self, due: Instant, output: Output) {
        let last = self.outputs.back().map(|(due, _)| *due);
        self.outputs.push_back((last.map_or(due, |last| last.max(due)), output));
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Output> {
        let due = self.outputs.front().is_some_and(|(due, _)| *due <= now);
        due.then(|| self.outputs.pop_front()).flatten().map(|(_, output)| output)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.outputs.front().map(|(due, _)| *due)
    }

    /// Whether the client takes its results too slowly for more to be worked out.
    pub(super) fn is_full(&self) -> bool {
        self.outputs.len() >= OUTPUTS_MAX
    }
}
