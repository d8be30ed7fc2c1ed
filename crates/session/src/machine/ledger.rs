//! The audio's books, twice over: where each byte went, and what became of it.
//!
//! Transport: received = sent + dropped + gated + waiting. Fate: received = finalized + in flight +
//! gated + lost + unknown.
//! Both balance after every step; the property tests check it.

use std::time::Duration;

use crate::audio::AudioFormat;
use crate::summary::AudioSummary;
use crate::{LossCause, millis};

/// The books of one session. Bytes of the application's audio throughout.
#[derive(Debug)]
pub(super) struct Ledger {
    format: Option<AudioFormat>,
    frames_received: u64,
    bytes_received: u64,
    frames_sent: u64,
    bytes_sent: u64,
    frames_dropped: u64,
    bytes_dropped: u64,
    passed: u64,
    frames_gated: u64,
    bytes_gated: u64,
    finalized: u64,
    unknown: u64,
    lost: [Loss; LossCause::ALL.len()],
}

/// Audio that was given up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    /// Frames that were never sent.
    pub(super) frames: u64,
    /// Bytes, sent or not.
    pub(super) bytes: u64,
    /// How much of that the operators know.
    told_frames: u64,
    told_bytes: u64,
}

impl Ledger {
    pub(super) fn new(format: Option<AudioFormat>) -> Self {
        Self {
            format,
            frames_received: 0,
            bytes_received: 0,
            frames_sent: 0,
            bytes_sent: 0,
            frames_dropped: 0,
            bytes_dropped: 0,
            passed: 0,
            frames_gated: 0,
            bytes_gated: 0,
            finalized: 0,
            unknown: 0,
            lost: [Loss::default(); LossCause::ALL.len()],
        }
    }

    /// Audio was read, in which so many frames end.
    pub(super) fn receive(&mut self, frames: u64, bytes: u64) {
        self.frames_received += frames;
        self.bytes_received += bytes;
    }

    /// Frames were written.
    pub(super) fn send(&mut self, frames: u64, bytes: u64) {
        self.frames_sent += frames;
        self.bytes_sent += bytes;
    }

    /// An empty frame has nothing to send.
    pub(super) fn drop_empty(&mut self) {
        self.frames_dropped += 1;
    }

    /// Frames will never be sent.
    pub(super) fn drop_frames(&mut self, frames: u64, bytes: u64, cause: LossCause) {
        self.frames_dropped += frames;
        self.bytes_dropped += bytes;
        self.lost[cause as usize].frames += frames;
        self.lost[cause as usize].bytes += bytes;
    }

    /// Text is final for so many bytes more.
    pub(super) fn finalize(&mut self, bytes: u64) {
        self.finalized += bytes;
    }

    /// Bytes that were sent will never become final.
    pub(super) fn lose(&mut self, bytes: u64, cause: LossCause) {
        self.lost[cause as usize].bytes += bytes;
    }

    /// Deepgram ended cleanly, and nothing tells whether it got to these bytes.
    pub(super) fn leave_unknown(&mut self, bytes: u64) {
        self.unknown += bytes;
    }

    /// What was lost to a cause since this was last asked.
    pub(super) fn take_untold(&mut self, cause: LossCause) -> Loss {
        let loss = &mut self.lost[cause as usize];
        let untold = Loss {
            frames: loss.frames - loss.told_frames,
            bytes: loss.bytes - loss.told_bytes,
            ..Loss::default()
        };
        (loss.told_frames, loss.told_bytes) = (loss.frames, loss.bytes);
        untold
    }

    /// How long so many bytes play; zero where the encoding does not tell.
    pub(super) fn duration(&self, bytes: u64) -> Duration {
        self.format.map_or(Duration::ZERO, |format| format.duration(bytes))
    }

    pub(super) fn finalized_bytes(&self) -> u64 {
        self.finalized
    }

    pub(super) fn unknown_bytes(&self) -> u64 {
        self.unknown
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.bytes_received
    }

    /// Bytes that the gate has let through: the audio that is sent is counted by them.
    pub(super) fn passed_bytes(&self) -> u64 {
        self.passed
    }

    /// The gate lets audio through.
    pub(super) fn pass(&mut self, bytes: u64) {
        self.passed += bytes;
    }

    /// The gate has held frames back for good.
    pub(super) fn gate(&mut self, frames: u64, bytes: u64) {
        self.frames_gated += frames;
        self.bytes_gated += bytes;
    }

    /// Whole milliseconds; `None` where the encoding tells no time.
    pub(super) fn millis(&self, bytes: u64) -> Option<u64> {
        self.format.map(|format| millis(format.duration(bytes)))
    }

    pub(super) fn lost_bytes_to(&self, cause: LossCause) -> u64 {
        self.lost[cause as usize].bytes
    }

    pub(super) fn lost_bytes(&self) -> u64 {
        self.lost.iter().map(|loss| loss.bytes).sum()
    }

    pub(super) fn summary(&self) -> AudioSummary {
        AudioSummary {
            frames: self.frames_received,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            frames_dropped: self.frames_dropped,
            bytes_dropped: self.bytes_dropped,
            bytes_gated: self.bytes_gated,
        }
    }

    /// Whether both books balance, given what waits to be sent and what was sent and is not final.
    #[cfg(test)]
    pub(super) fn is_balanced(
        &self,
        frames_waiting: u64,
        bytes_waiting: u64,
        bytes_in_flight: u64,
    ) -> bool {
        let in_flight = bytes_in_flight + bytes_waiting;
        let frames_held = self.frames_dropped + self.frames_gated + frames_waiting;
        let bytes_held = self.bytes_dropped + self.bytes_gated + bytes_waiting;
        let fate = self.finalized + in_flight + self.bytes_gated + self.lost_bytes() + self.unknown;
        self.frames_received == self.frames_sent + frames_held
            && self.bytes_received == self.bytes_sent + bytes_held
            && self.bytes_received == fate
    }
}
