//! What the application sends while no connection is up, in its order and bounded.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::bound::BACKLOG_BYTES_MAX;
use crate::{Outgoing, SessionConfig};

/// What one entry costs beside its payload, so that a flood of empty ones is bounded as well.
pub(super) const ENTRY_BYTES: usize = 64;

/// A queue that is filled while dialling and emptied when connected.
#[derive(Debug)]
pub(super) struct Backlog {
    entries: VecDeque<Outgoing>,
    audio_bytes: u64,
    bytes: u64,
    audio_bytes_max: u64,
}

impl Backlog {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let audio_bytes_max =
            config.audio.map_or(BACKLOG_BYTES_MAX, |format| format.bytes(config.connect_buffer));
        Self { entries: VecDeque::new(), audio_bytes: 0, bytes: 0, audio_bytes_max }
    }

    /// Whether the bound is reached. What is handed in all the same is kept: the one frame that was
    /// already read when the bound was reached.
    pub(super) fn is_full(&self) -> bool {
        self.audio_bytes >= self.audio_bytes_max || self.bytes >= BACKLOG_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has_audio(&self) -> bool {
        self.audio_bytes > 0
    }

    /// Bytes of everything that waits, and what keeping it costs.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of audio that wait.
    pub(super) fn audio_bytes(&self) -> u64 {
        self.audio_bytes
    }

    /// Frames and bytes of audio that wait.
    #[cfg(test)]
    pub(super) fn audio(&self) -> (u64, u64) {
        let frames = self.entries.iter().map(Outgoing::frames).sum();
        (frames, self.audio_bytes)
    }

    pub(super) fn push(&mut self, entry: Outgoing) {
        self.bytes += (entry.payload_len() + ENTRY_BYTES) as u64;
        self.audio_bytes += entry.audio_len() as u64;
        self.entries.push_back(unshared(entry));
    }

    /// Takes out the first so many bytes of audio, or all there are: how many, and how many frames end in
    /// them.
    pub(super) fn cut_audio(&mut self, bytes: usize) -> (u64, u64) {
        let Some(place) = self.entries.iter().position(|it| it.audio_len() > 0) else {
            return (0, 0);
        };
        let Some(entry) = self.entries.remove(place) else { return (0, 0) };
        let (cut, rest) = entry.split_audio(bytes);
        let cut_bytes = cut.audio_len() as u64;
        self.bytes -= cut_bytes;
        self.audio_bytes -= cut_bytes;
        match rest {
            Some(rest) => self.entries.insert(place, rest),
            None => self.bytes -= ENTRY_BYTES as u64,
        }
        (cut_bytes, cut.frames())
    }

    /// The oldest entry. The last one gives the memory back.
    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let entry = self.entries.pop_front();
        if let Some(entry) = &entry {
            self.bytes -= (entry.payload_len() + ENTRY_BYTES) as u64;
            self.audio_bytes -= entry.audio_len() as u64;
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        entry
    }
}

/// A frame shares the whole buffer that it was read into. Kept for seconds, small frames would hold
/// many times their size, so they are copied out of it.
fn unshared(entry: Outgoing) -> Outgoing {
    match entry {
        Outgoing::Audio(bytes) => Outgoing::Audio(Bytes::copy_from_slice(&bytes)),
        Outgoing::Text(bytes) => Outgoing::Text(Bytes::copy_from_slice(&bytes)),
        other => other,
    }
}
