//! Where strings, objects and arrays begin and end in JSON text.

use std::slice::Iter;

use super::eight;

const BLOCK: usize = 64;

/// The places of quotes and brackets, in order.
///
/// It marks a block at a time, and where it looks next never hangs on what it found. That is faster than
/// memchr where so many strings are this short: memchr would start anew behind each quote.
pub(super) struct Marks<'a> {
    text: &'a [u8],
    blocks: Iter<'a, [u8; BLOCK]>,
    /// What is behind all of those.
    rest: &'a [u8],
    /// Where the block ends that is marked.
    to: usize,
    /// A bit for each of its bytes, the lowest for the first; those that were returned are cleared.
    marked: u64,
}

impl<'a> Marks<'a> {
    /// From a place on that is not in a string.
    pub(super) fn new(text: &'a [u8], from: usize) -> Self {
        let (blocks, rest) = text[from..].as_chunks();
        Self { text, blocks: blocks.iter(), rest, to: from, marked: 0 }
    }

    /// The place of the next quote or bracket, and which it is; now and then of another character.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(usize, u8)> {
        while self.marked == 0 {
            self.marked = match self.blocks.next() {
                Some(block) => marked(block),
                None if self.rest.is_empty() => return None,
                None => marked(&padded(std::mem::take(&mut self.rest))),
            };
            self.to += BLOCK;
        }
        let place = self.to - BLOCK + self.marked.trailing_zeros() as usize;
        self.marked &= self.marked - 1;
        Some((place, self.text[place]))
    }

    /// The place of the quote at the end of the string whose first quote was the last to be returned.
    #[inline(always)]
    pub(super) fn end_of_string(&mut self) -> Option<usize> {
        loop {
            let (place, byte) = self.next()?;
            if byte == b'"' && !self.is_escaped(place) {
                return Some(place);
            }
        }
    }

    fn is_escaped(&self, place: usize) -> bool {
        let before = &self.text[..place];
        before.ends_with(b"\\")
            && before.iter().rev().take_while(|it| **it == b'\\').count() % 2 == 1
    }
}

fn marked(block: &[u8; BLOCK]) -> u64 {
    let mut marked = 0;
    for (place, eight) in block.as_chunks().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        let marks = eight::are(eight, b'"') | eight::may_be_brackets(eight);
        marked |= eight::bits(marks) << (8 * place);
    }
    marked
}

/// The last bytes, with zeros behind them.
fn padded(text: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..text.len()].copy_from_slice(text);
    block
}
