//! What changes in a text, and the text with it changed.

use std::ops::Range;

use smallvec::SmallVec;

use super::decimal::{self, Decimal};

/// Edits that fit on the stack: two for each of 60 words, and a few. Beyond them they are on the heap.
const USUAL: usize = 128;

/// What becomes of a piece of text.
pub(super) enum With {
    /// Nothing yet, and nothing if it stays so.
    Same,
    /// It is replaced by a time in seconds.
    Seconds(f64),
    /// By a time as it is written.
    Decimal(Decimal),
    /// By a piece of other text.
    Other(Range<usize>),
}

struct Edit {
    at: Range<usize>,
    with: With,
}

/// What changes in a text, from its front to its end.
#[derive(Default)]
pub(super) struct Edits(SmallVec<[Edit; USUAL]>);

impl Edits {
    /// Adds an edit behind all others, and returns its place.
    pub(super) fn push(&mut self, at: Range<usize>, with: With) -> usize {
        self.0.push(Edit { at, with });
        self.0.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Says otherwise what becomes of a piece.
    pub(super) fn set(&mut self, place: usize, with: With) {
        self.0[place].with = with;
    }

    /// The time that a piece begins with, which thereby is that piece.
    pub(super) fn seconds(&mut self, place: usize, text: &[u8]) -> Option<f64> {
        let at = &mut self.0[place].at;
        let (seconds, length) = decimal::read(text.get(at.start..)?)?;
        at.end = at.start + length;
        Some(seconds)
    }

    /// A time that does not move keeps its digits.
    pub(super) fn set_seconds(&mut self, place: Option<usize>, before: f64, seconds: f64) {
        if let Some(place) = place
            && (seconds - before).abs() >= decimal::ROUNDED_AWAY
            && decimal::is_time(seconds)
        {
            self.set(place, With::Seconds(seconds));
        }
    }

    /// The text with everything changed; `None` if nothing is.
    ///
    /// As long as its buffer, so that it can become [`bytes::Bytes`] without another allocation.
    pub(super) fn splice(&mut self, text: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        let (mut removed, mut added, mut is_changed) = (0, 0, false);
        for Edit { at, with } in &mut self.0 {
            if let Some(with) = with.write(other) {
                (removed, added, is_changed) = (removed + at.len(), added + with.len(), true);
            }
        }
        is_changed.then_some(())?;
        let mut spliced = Vec::with_capacity(text.len() + added - removed);
        let mut done = 0;
        for Edit { at, with } in &self.0 {
            let Some(with) = with.bytes(other) else { continue };
            spliced.extend_from_slice(&text[done..at.start]);
            spliced.extend_from_slice(with);
            done = at.end;
        }
        spliced.extend_from_slice(&text[done..]);
        Some(spliced)
    }
}

impl With {
    pub(super) const NOTHING: Self = Self::Other(0..0);

    /// Sees to it that a time is written, and returns what a piece is replaced by.
    fn write<'a>(&'a mut self, other: &'a [u8]) -> Option<&'a [u8]> {
        if let Self::Seconds(seconds) = *self {
            *self = Self::Decimal(Decimal::of(seconds));
        }
        self.bytes(other)
    }

    fn bytes<'a>(&'a self, other: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Same | Self::Seconds(_) => None,
            Self::Decimal(decimal) => Some(decimal.as_bytes()),
            Self::Other(at) => Some(&other[at.clone()]),
        }
    }
}
