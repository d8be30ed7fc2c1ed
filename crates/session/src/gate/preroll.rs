//! The newest of what is held back: it is sent after all if someone turns out to have spoken already.

use bytes::Bytes;

use crate::ring::{Forgotten, Fresh, Ring};

/// The last moments of held audio, in whole samples.
#[derive(Debug)]
pub(super) struct Preroll {
    ring: Ring,
    bytes_max: u64,
    block_bytes: u64,
}

impl Preroll {
    pub(super) fn new(bytes_max: u64, block_bytes: u64) -> Self {
        Self { ring: Ring::new(bytes_max, block_bytes), bytes_max, block_bytes }
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.len() == 0
    }

    /// Bytes, and how many frames end in them.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let Fresh { frames, bytes } = self.ring.fresh();
        (bytes, frames)
    }

    /// Memory that it keeps audio in, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> u64 {
        self.ring.memory()
    }

    /// Audio in which so many frames end. Tells what had to make room, and so is held back for good.
    pub(super) fn hold(&mut self, audio: &[u8], frames: u64) -> Fresh {
        let bytes = audio.len() as u64;
        if bytes <= self.bytes_max {
            let Forgotten { fresh, .. } = self.ring.push(audio, Some(frames), u64::MAX);
            return fresh;
        }
        let total = self.ring.len() + bytes;
        let excess = (total - self.bytes_max).next_multiple_of(self.block_bytes);
        let excess = excess.min(total - total % self.block_bytes);
        let rest = &audio[(excess - self.ring.len()) as usize..];
        let mut gated = Fresh { bytes: excess, frames: self.ring.fresh().frames };
        self.ring.clear();
        if rest.is_empty() {
            gated.frames += frames;
        } else {
            self.ring.push(rest, Some(frames), u64::MAX);
        }
        gated
    }

    /// All of it, to be sent.
    pub(super) fn release(&mut self) -> Option<(Bytes, u64)> {
        if self.is_empty() {
            return None;
        }
        let audio = self.ring.read(self.ring.start(), u64::MAX);
        let frames = self.ring.fresh().frames;
        self.ring.clear();
        Some((audio, frames))
    }

    /// All of it, never to be sent.
    pub(super) fn give_up(&mut self) -> Fresh {
        let fresh = self.ring.fresh();
        self.ring.clear();
        self.ring.rest();
        fresh
    }
}
