//! A code in test audio that says where each stretch of it came from.
//!
//! The audio is mono linear16, in blocks of 32 samples. Each sample carries its block's number, so
//! that a block of which any sample is missing, or that was joined from two, is not recognised:
//! what is counted was there whole. The first and the last of a block are like no others, so that
//! none of a block's edges is taken for another's middle. Two blocks that lie 8,192 blocks apart
//! (16 s at 16 kHz) share their edges, and a join of such two exactly there goes unnoticed; so does
//! a sample that stands in for an equal one. Audio that was cut between the two bytes of a sample is
//! lost to the code, as it is to any decoder.

use std::collections::VecDeque;
use std::ops::Range;

use serde::Serialize;

/// Samples in a block: what is recognised as a whole or not at all.
pub const BLOCK_SAMPLES: u64 = 32;

const DATA_MASK: u16 = 0x1fff;
/// Above the data, each at least a quarter of the loudest.
const EVEN: u16 = 0x4000;
const FIRST: u16 = 0x6000;
const LAST: u16 = 0x8000;
const ODD: u16 = 0xc000;

/// Test audio that carries its own position: `samples` samples from `start_sample` on.
///
/// It is loud enough to be taken for speech. Any cut of a longer encoding equals the encoding of
/// that cut.
pub fn encode(start_sample: u64, samples: usize) -> Vec<u8> {
    let mut audio = Vec::with_capacity(samples * 2);
    for sample in start_sample..start_sample + samples as u64 {
        let value = coded(sample / BLOCK_SAMPLES, (sample % BLOCK_SAMPLES) as usize);
        audio.extend_from_slice(&value.to_le_bytes());
    }
    audio
}

/// Which samples of position-coded audio were transcribed once, more than once, or never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Positions {
    /// Runs of whole blocks, in samples, in the order in which they became final.
    runs: Vec<Range<u64>>,
    /// Runs that found no room. Unless it is 0, [`Positions::never`] tells too much.
    overflow: u64,
}

impl Positions {
    /// Longest list of runs that is kept.
    pub const RUNS_MAX: usize = 4096;

    /// Counts a block as transcribed.
    pub fn record(&mut self, block: u64) {
        let start = block * BLOCK_SAMPLES;
        let end = start + BLOCK_SAMPLES;
        let has_room = self.runs.len() < Self::RUNS_MAX;
        match self.runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if has_room => self.runs.push(start..end),
            _ => self.overflow += 1,
        }
    }

    /// Adds what another connection transcribed of the same audio.
    pub fn merge(&mut self, other: &Self) {
        let room = Self::RUNS_MAX.saturating_sub(self.runs.len());
        self.runs.extend(other.runs.iter().take(room).cloned());
        self.overflow += other.overflow + other.runs.len().saturating_sub(room) as u64;
    }

    /// A message, which is a JSON object, with these runs as its last member: `"positions":
    /// [[start, end], …]`. They are no objects: their members would look like timestamps.
    pub(super) fn told_in(&self, message: &str) -> String {
        let runs: Vec<String> =
            self.runs.iter().map(|run| format!("[{},{}]", run.start, run.end)).collect();
        let members = message.strip_suffix('}').unwrap_or(message);
        format!("{members},\"positions\":[{}]}}", runs.join(","))
    }

    /// Samples that were transcribed exactly once, as ranges in ascending order.
    pub fn once(&self) -> Vec<Range<u64>> {
        self.counted(u64::MAX, |count| count == 1)
    }

    /// Samples that were transcribed more than once.
    pub fn repeated(&self) -> Vec<Range<u64>> {
        self.counted(u64::MAX, |count| count > 1)
    }

    /// Samples before `total` that were never transcribed. Where `total` is no multiple of
    /// [`BLOCK_SAMPLES`] the incomplete last block is among them.
    pub fn never(&self, total: u64) -> Vec<Range<u64>> {
        self.counted(total, |count| count == 0)
    }

    /// Runs for which there was no room.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The three lists together; `never` up to the last sample that was transcribed.
    pub fn summary(&self) -> PositionSummary {
        let total = self.runs.iter().map(|run| run.end).max().unwrap_or(0);
        PositionSummary {
            once: self.once(),
            repeated: self.repeated(),
            never: self.never(total),
            overflow: self.overflow,
        }
    }

    /// Sweeps over the edges of all runs and keeps the stretches whose count is `wanted`.
    fn counted(&self, total: u64, wanted: impl Fn(i64) -> bool) -> Vec<Range<u64>> {
        let mut edges: Vec<(u64, i64)> =
            self.runs.iter().flat_map(|run| [(run.start, 1), (run.end, -1)]).collect();
        edges.push((total, 0));
        edges.sort_unstable();
        let mut stretches: Vec<Range<u64>> = Vec::new();
        let (mut at, mut count) = (0, 0);
        for (edge, change) in edges {
            if at < edge.min(total) && wanted(count) {
                match stretches.last_mut() {
                    Some(last) if last.end == at => last.end = edge.min(total),
                    _ => stretches.push(at..edge.min(total)),
                }
            }
            at = edge;
            count += change;
        }
        stretches
    }
}

/// What [`Positions`] says, as data: ranges of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PositionSummary {
    /// Transcribed once.
    pub once: Vec<Range<u64>>,
    /// Transcribed more than once.
    pub repeated: Vec<Range<u64>>,
    /// Not transcribed, although something behind it was.
    pub never: Vec<Range<u64>>,
    /// Runs that could not be kept; unless 0, the lists are incomplete.
    pub overflow: u64,
}

/// Finds whole blocks in a stream of samples and holds them until they become final.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The last samples, at most a block.
    recent: VecDeque<i16>,
    /// The first byte of a sample that a message boundary cut.
    half: Option<u8>,
    /// Samples read.
    read: u64,
    /// Blocks that are not yet final, each with the stream's sample at which it ended.
    pending: VecDeque<(u64, u64)>,
}

impl Reader {
    /// Reads linear16 bytes, cut anywhere.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.half.take() {
                None => self.half = Some(byte),
                Some(low) => self.take_sample(i16::from_le_bytes([low, byte])),
            }
        }
    }

    /// Hands out the blocks that end within the stream's first `end` samples.
    pub(super) fn settle(&mut self, end: u64, mut block_is_final: impl FnMut(u64)) {
        while let Some(&(_, block)) = self.pending.front().filter(|(ended, _)| *ended <= end) {
            self.pending.pop_front();
            block_is_final(block);
        }
    }

    fn take_sample(&mut self, sample: i16) {
        self.read += 1;
        self.recent.push_back(sample);
        while self.recent.front().is_some_and(|&first| !is_first(first)) {
            self.recent.pop_front();
        }
        if self.recent.len() < BLOCK_SAMPLES as usize {
            return;
        }
        if let Some(block) = block_number(&self.recent) {
            self.pending.push_back((self.read, block));
            self.recent.clear();
        } else {
            self.recent.pop_front();
        }
    }
}

/// The number of the block that these 32 samples are, if they are one.
fn block_number(samples: &VecDeque<i16>) -> Option<u64> {
    let data = |slot: usize| u64::from(samples[slot] as u16 & DATA_MASK);
    let block = data(0) | data(1) << 13 | data(3) << 26;
    let whole = samples.iter().enumerate().all(|(slot, &sample)| sample == coded(block, slot));
    whole.then_some(block)
}

/// The sample in a slot of a block. Even slots and the last carry the low 13 bits of the number,
/// odd ones the rest in turn. The sign alternates, and what marks the first and the last makes them
/// louder still.
fn coded(block: u64, slot: usize) -> i16 {
    let (mark, shift) = match slot {
        0 => (FIRST, 0),
        31 => (LAST, 0),
        slot if slot.is_multiple_of(2) => (EVEN, 0),
        slot if slot % 4 == 1 => (ODD, 13),
        _ => (ODD, 26),
    };
    (mark | (block >> shift) as u16 & DATA_MASK) as i16
}

fn is_first(sample: i16) -> bool {
    sample as u16 & !DATA_MASK == FIRST
}

#[cfg(test)]
mod tests;
