//! The audio that waits for a final result, so that another connection can be given it again.
//!
//! By position in the session's audio, in bytes.

use std::collections::VecDeque;

use bytes::Bytes;

/// What memory is taken and given back by: an eighth of a second of 16 kHz linear16.
const CHUNK_BYTES: usize = 4 << 10;

/// Emptied chunks that are kept between two frames: a session that streams needs them again at once.
const SPARE_MAX: usize = 1;

type Chunk = Box<[u8; CHUNK_BYTES]>;

/// Audio that was never written to Deepgram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fresh {
    /// AUDIO frames.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// Audio that found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Bytes, in all.
    pub(crate) bytes: u64,
    /// How much of that was never handed to a connection.
    pub(crate) fresh: Fresh,
}

/// Raw audio since the last final result.
#[derive(Debug)]
pub(crate) struct Ring {
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    /// Of the first chunk, what is given back already.
    skip: usize,
    start: u64,
    end: u64,
    bytes_max: u64,
    /// The unit that is not split.
    block_bytes: u64,
    /// The last bytes, as far as no connection has been handed them.
    fresh: Fresh,
}

impl Ring {
    pub(crate) fn new(bytes_max: u64, block_bytes: u64) -> Self {
        Self {
            chunks: VecDeque::new(),
            spare: Vec::new(),
            skip: 0,
            start: 0,
            end: 0,
            bytes_max: bytes_max.max(block_bytes),
            block_bytes,
            fresh: Fresh::default(),
        }
    }

    /// Where the oldest audio in it begins.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Where the next audio goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    pub(crate) fn fresh(&self) -> Fresh {
        self.fresh
    }

    /// Whether more audio pushes older audio out.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.bytes_max
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let chunks = self.chunks.len() + self.spare.len();
        (chunks * CHUNK_BYTES) as u64
    }

    /// Audio; `fresh_frames` says how many frames end with it if no connection is handed it now. Tells
    /// what had to make room, which is never anything from `pinned` on.
    pub(crate) fn push(
        &mut self,
        audio: &[u8],
        fresh_frames: Option<u64>,
        pinned: u64,
    ) -> Forgotten {
        let forgotten = self.make_room(audio.len() as u64, pinned);
        self.append(audio);
        if let Some(frames) = fresh_frames {
            self.fresh.frames += frames;
            self.fresh.bytes += audio.len() as u64;
        }
        self.spare.truncate(SPARE_MAX);
        forgotten
    }

    fn append(&mut self, mut audio: &[u8]) {
        while !audio.is_empty() {
            let used = self.skip + self.len() as usize;
            if used == self.chunks.len() * CHUNK_BYTES {
                let chunk = self.spare.pop().unwrap_or_else(|| Box::new([0; CHUNK_BYTES]));
                self.chunks.push_back(chunk);
            }
            let at = used % CHUNK_BYTES;
            let (now, later) = audio.split_at(audio.len().min(CHUNK_BYTES - at));
            let chunk = self.chunks.back_mut().expect("there is room in the last chunk");
            chunk[at..at + now.len()].copy_from_slice(now);
            self.end += now.len() as u64;
            audio = later;
        }
    }

    /// Gives up the oldest audio that has no room beside so many bytes more, in whole blocks. A frame
    /// that is longer than the ring stays whole.
    fn make_room(&mut self, bytes: u64, pinned: u64) -> Forgotten {
        let excess = (self.len() + bytes).saturating_sub(self.bytes_max);
        let excess = excess.next_multiple_of(self.block_bytes);
        let droppable = pinned.min(self.end).saturating_sub(self.start);
        let bytes = excess.min(droppable - droppable % self.block_bytes);
        if bytes == 0 {
            return Forgotten::default();
        }
        let fresh_bytes = (self.fresh.bytes + bytes).saturating_sub(self.len());
        let fresh = self.take_fresh(fresh_bytes);
        self.release(self.start + bytes);
        Forgotten { bytes, fresh }
    }

    /// The audio before `position` is final.
    pub(crate) fn trim(&mut self, position: u64) {
        if position > self.start {
            self.release(position.min(self.end));
            self.spare.truncate(SPARE_MAX);
        }
    }

    fn release(&mut self, position: u64) {
        self.skip += (position - self.start) as usize;
        self.start = position;
        while self.skip >= CHUNK_BYTES {
            self.skip -= CHUNK_BYTES;
            self.spare.extend(self.chunks.pop_front());
        }
        if self.start == self.end {
            self.spare.extend(self.chunks.pop_front());
            self.skip = 0;
        }
    }

    /// The session rests: what streaming would need again at once is given back.
    pub(crate) fn rest(&mut self) {
        self.spare = Vec::new();
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    /// Audio from a position on, copied, of at most so many bytes.
    pub(crate) fn read(&self, position: u64, bytes_max: u64) -> Bytes {
        let bytes = (self.end - position).min(bytes_max) as usize;
        let mut audio = Vec::with_capacity(bytes);
        let mut at = self.skip + (position - self.start) as usize;
        while audio.len() < bytes {
            let chunk = &self.chunks[at / CHUNK_BYTES][at % CHUNK_BYTES..];
            let piece = &chunk[..chunk.len().min(bytes - audio.len())];
            audio.extend_from_slice(piece);
            at += piece.len();
        }
        audio.into()
    }

    /// A connection is handed the audio up to `position`: how much of that is fresh.
    pub(crate) fn hand_out(&mut self, position: u64) -> Fresh {
        let left = self.end - position;
        self.take_fresh(self.fresh.bytes.saturating_sub(left))
    }

    /// So many of the fresh bytes, the oldest, and their share of the frames: the last byte takes the
    /// last.
    fn take_fresh(&mut self, bytes: u64) -> Fresh {
        if bytes == 0 {
            return Fresh::default();
        }
        let share = u128::from(self.fresh.frames) * u128::from(bytes);
        let frames = (share / u128::from(self.fresh.bytes)) as u64;
        self.fresh.frames -= frames;
        self.fresh.bytes -= bytes;
        Fresh { frames, bytes }
    }

    /// The connection is dead, and had been handed this in vain, just before what is fresh now. Tells
    /// what of it has found no room meanwhile.
    pub(crate) fn take_back(&mut self, frames: u64, bytes: u64) -> Fresh {
        self.fresh.frames += frames;
        self.fresh.bytes += bytes;
        self.take_fresh(self.fresh.bytes.saturating_sub(self.len()))
    }

    /// The next audio is at this position: what came before it was never kept.
    pub(crate) fn go_on_at(&mut self, position: u64) {
        if self.len() == 0 {
            (self.start, self.end) = (position, position);
        }
    }

    /// Nothing of its audio is needed any more.
    pub(crate) fn clear(&mut self) {
        self.release(self.end);
        self.spare.truncate(SPARE_MAX);
        self.fresh = Fresh::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(bytes_max: u64) -> Ring {
        Ring::new(bytes_max, 2)
    }

    /// Audio in which each byte tells where it stands.
    fn audio(from: u64, bytes: usize) -> Vec<u8> {
        (from..from + bytes as u64).map(|it| (it % 251) as u8).collect()
    }

    #[test]
    fn what_is_read_is_what_stands_there_whatever_was_given_back() {
        let mut ring = ring(20_000);
        let mut position = 0;
        for step in 1..200 {
            ring.push(&audio(position, step * 7), None, u64::MAX);
            position += step as u64 * 7;
            ring.trim(position.saturating_sub(3_000 + step as u64 * 11));
            let from = ring.start() + step as u64;
            assert_eq!(*ring.read(from, 2_500), audio(from, 2_500.min((position - from) as usize)));
        }
    }

    #[test]
    fn memory_follows_what_it_holds_and_is_given_back() {
        let mut ring = ring(1 << 20);
        assert_eq!(ring.memory(), 0);
        for _ in 0..100 {
            ring.push(&[0; 640], None, u64::MAX);
        }
        assert_eq!(ring.memory(), 64_000_u64.next_multiple_of(CHUNK_BYTES as u64));
        ring.trim(63_000);
        assert_eq!(ring.memory(), 2 * CHUNK_BYTES as u64, "one in use and one to spare");
        ring.trim(64_000);
        ring.rest();
        assert_eq!((ring.memory(), ring.len()), (0, 0));
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes_in_whole_blocks() {
        let mut ring = ring(1_000);
        assert_eq!(ring.push(&audio(0, 1_000), None, u64::MAX), Forgotten::default());
        let forgotten = ring.push(&audio(1_000, 3), None, u64::MAX);
        assert_eq!(forgotten, Forgotten { bytes: 4, fresh: Fresh::default() });
        assert_eq!((ring.start(), ring.end()), (4, 1_003));
        assert_eq!(*ring.read(4, 10), audio(4, 10));
    }

    #[test]
    fn of_what_goes_the_fresh_part_is_told() {
        let mut ring = ring(1_000);
        ring.push(&audio(0, 600), None, u64::MAX);
        ring.push(&audio(600, 400), Some(1), u64::MAX);
        let forgotten = ring.push(&audio(1_000, 800), Some(1), u64::MAX);
        let fresh = Fresh { frames: 0, bytes: 200 };
        assert_eq!(forgotten, Forgotten { bytes: 800, fresh });
        assert_eq!(ring.fresh(), Fresh { frames: 2, bytes: 1_000 });
    }

    #[test]
    fn the_last_fresh_byte_takes_the_last_frame() {
        let mut ring = ring(10_000);
        for position in 0..3 {
            ring.push(&audio(position * 100, 100), Some(1), u64::MAX);
        }
        let frames: Vec<u64> = (1..=6).map(|it| ring.hand_out(it * 50).frames).collect();
        assert_eq!(frames.iter().sum::<u64>(), 3);
        assert_eq!(ring.fresh(), Fresh::default());
    }

    #[test]
    fn what_a_connection_got_in_vain_is_fresh_again() {
        let mut ring = ring(10_000);
        ring.push(&audio(0, 900), None, u64::MAX);
        ring.push(&audio(900, 100), Some(1), u64::MAX);
        assert_eq!(ring.take_back(2, 300), Fresh::default());
        assert_eq!(ring.fresh(), Fresh { frames: 3, bytes: 400 });
    }
}
