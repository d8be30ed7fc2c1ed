//! A prelude: speech that goes ahead of the live stream, on a connection of its own.

use std::time::Duration;

use crate::members::{Members, Visitor};

/// The prelude is sent, padding and all: live audio follows when it has had its effect.
#[derive(Clone, Debug, PartialEq)]
pub struct PreludeSent {
    /// The application's part.
    pub prelude: Duration,
    /// Silence behind it.
    pub padding: Duration,
    /// Since the session was opened.
    pub took: Duration,
}

impl Members for PreludeSent {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("prelude_ms", self.prelude);
        visitor.member("padding_ms", self.padding);
        visitor.member("took_ms", self.took);
    }
}

crate::vocabulary! {
    /// How a prelude ended.
    pub enum PreludeEnd: "end" {
        /// Live audio moved to the connection that knows the prelude.
        Moved = "moved",
        /// The connection of the live audio was lost, so it moved early.
        MovedEarly = "moved_early",
        /// The connection that knows the prelude was lost: live audio stays where it is.
        Lost = "lost",
        /// The session ended first.
        SessionEnded = "session_ended",
    }
}

impl PreludeEnd {
    /// Whether live audio goes to the connection that knows the prelude, or some of it.
    pub fn has_moved(self) -> bool {
        matches!(self, Self::Moved | Self::MovedEarly)
    }
}

/// A prelude is over.
#[derive(Clone, Debug, PartialEq)]
pub struct PreludeEnded {
    pub end: PreludeEnd,
    /// How much of the application's part was sent.
    pub prelude: Duration,
    /// Since the session was opened.
    pub took: Duration,
}

impl Members for PreludeEnded {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.end);
        visitor.member("prelude_ms", self.prelude);
        visitor.member("took_ms", self.took);
    }
}
