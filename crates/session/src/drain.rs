//! Shutdown, as sessions know it: when it does what, and what it has come to.

use std::time::{Duration, Instant};

use crate::members::{Members, Visitor};
use crate::summary::Outcome;

/// When shutdown does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// Until then live applications go on.
    pub linger_until: Instant,
    /// Sessions that are left then are cut.
    pub deadline: Instant,
}

crate::vocabulary! {
    /// What became of a session's audio in shutdown.
    pub enum Flush: "flush" {
        /// Deepgram has answered all of it.
        Flushed = "flushed",
        /// Some of it never became text.
        Incomplete = "incomplete",
        /// The shutdown deadline ended the session.
        Cut = "cut",
    }
}

impl Flush {
    pub(crate) fn of(cut: bool, unflushed_bytes: u64) -> Self {
        match (cut, unflushed_bytes) {
            (true, _) => Self::Cut,
            (false, 0) => Self::Flushed,
            (false, _) => Self::Incomplete,
        }
    }
}

crate::vocabulary! {
    /// Whether the application has read its last frame.
    pub enum LastFrame: "last_frame" {
        /// It has read everything, and closed its socket.
        Read = "read",
        /// It closed its socket and left something unread.
        Unread = "unread",
        /// It could not be written: the application had left, or did not read.
        Unsent = "unsent",
        /// It was written, and the application did not close its socket in time, or had shut its
        /// writing side before: nothing tells.
        Unknown = "unknown",
    }
}

/// What shutdown has come to for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Time from the start of shutdown to the session's end.
    pub lasted: Duration,
    pub flush: Flush,
    /// Audio that was read before CloseStream, and after the start of shutdown was found never to
    /// become text; `None` if the encoding has no known duration.
    pub unflushed: Option<Duration>,
}

impl Members for Drained {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("drain_ms", self.lasted);
        visitor.word(self.flush);
        visitor.member("unflushed_ms", self.unflushed);
    }
}

/// The receipt of a session that ended in shutdown: the last that is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub outcome: Outcome,
    pub drained: Drained,
    pub last_frame: LastFrame,
}

impl Members for Receipt {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.outcome);
        visitor.member("cut", self.drained.flush == Flush::Cut);
        visitor.flatten(&self.drained);
        visitor.word(self.last_frame);
    }
}

/// The receipts of all sessions that shutdown has ended, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    flushes: [usize; Flush::ALL.len()],
    last_frames: [usize; LastFrame::ALL.len()],
    /// Audio that never became text.
    pub unflushed: Duration,
}

impl Tally {
    /// Adds a receipt.
    pub fn add(&mut self, receipt: &Receipt) {
        self.flushes[receipt.drained.flush as usize] += 1;
        self.last_frames[receipt.last_frame as usize] += 1;
        self.unflushed += receipt.drained.unflushed.unwrap_or_default();
    }

    /// How many sessions there were.
    pub fn sessions(&self) -> usize {
        self.flushes.iter().sum()
    }

    /// For how many of them the audio came to this.
    pub fn flushes(&self, flush: Flush) -> usize {
        self.flushes[flush as usize]
    }

    /// For how many of them the last frame came to this.
    pub fn last_frames(&self, last_frame: LastFrame) -> usize {
        self.last_frames[last_frame as usize]
    }
}
