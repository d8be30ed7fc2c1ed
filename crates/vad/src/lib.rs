//! Hears speech in an application's audio: its bytes in, [`Heard`] out, message by message.
//!
//! ```text
//! bytes ─▶ blocks ─▶ samples of each channel ─▶ 16 kHz ─▶ frames of 16 ms ─▶ a detector each
//! ```
//!
//! The detector gets a converted copy; what is sent to Deepgram is the application's own bytes. A
//! message may end anywhere, in a sample as well: what is left over waits for the next one, so that
//! any cut of a stream is judged alike. It does not decide what becomes of the audio; that is
//! [`session::gate`].

mod blocks;
mod detector;
mod frames;
mod resampler;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use session::Endpoint;
use session::audio::AudioFormat;
use session::gate::{Heard, VadUnavailable};

use blocks::Remainder;
use frames::Frames;

pub use blocks::decode;
pub use detector::{Detector, Earshot, FRAME_SAMPLES};

/// Voice activity detection on one session's audio.
#[derive(Debug)]
pub struct Vad<D = Earshot> {
    format: AudioFormat,
    threshold: f32,
    remainder: Remainder,
    frames: Frames,
    /// One for each channel: a mean of all would halve a lone speaker, and cancel an inverted copy.
    detectors: Box<[D]>,
    /// Whole blocks of all messages.
    received: u64,
    has_failed: bool,
}

/// How likely a frame is to be speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Where the frame ends, in the application's blocks from the start of the session. The resampler
    /// looks ahead, by 32 blocks at most, and they are counted as the frame's.
    pub end: u64,
    /// From 0 to 1; of the channel in which it is highest.
    pub score: f32,
}

/// The speech in one message, as far as is known.
///
/// [`Vad`] keeps one for its own threshold. Whoever wants to know what other thresholds would make of
/// the same scores keeps one for each.
#[derive(Clone, Copy, Debug)]
pub struct Hearing {
    threshold: f32,
    frame_ended: bool,
    speech_end: Option<u64>,
}

impl Hearing {
    /// Nothing yet: speech is what scores over `threshold`.
    pub fn new(threshold: f32) -> Self {
        Self { threshold, frame_ended: false, speech_end: None }
    }

    /// A frame that ends in the message.
    pub fn add(&mut self, Score { end, score }: Score) {
        self.frame_ended = true;
        if score > self.threshold {
            self.speech_end = Some(end);
        }
    }

    /// What was heard in the message, which ends after so many blocks of the session.
    pub fn heard(self, received: u64) -> Heard {
        match self {
            Self { speech_end: Some(end), .. } => Heard::Speech { since: received - end },
            Self { frame_ended: true, .. } => Heard::Silence,
            Self { .. } => Heard::Nothing,
        }
    }
}

impl Vad {
    /// Hears speech where the score is over `threshold`.
    ///
    /// # Panics
    /// If [`VadUnavailable::of`] has a reason why this format cannot be heard: a session is to ask first.
    pub fn new(format: AudioFormat, threshold: f32) -> Self {
        Self::with_detectors(format, threshold, |_| Earshot::default())
    }
}

impl<D: Detector> Vad<D> {
    /// The same with other detectors: `detector` makes that of a channel.
    ///
    /// # Panics
    /// As [`Vad::new`].
    pub fn with_detectors(
        format: AudioFormat,
        threshold: f32,
        detector: impl FnMut(u32) -> D,
    ) -> Self {
        let unavailable = VadUnavailable::of(Endpoint::V1Listen, Some(format), false);
        assert_eq!(unavailable, None, "only what can be heard gets a VAD");
        Self {
            format,
            threshold,
            remainder: Remainder::default(),
            frames: Frames::new(format),
            detectors: (0..format.channels).map(detector).collect(),
            received: 0,
            has_failed: false,
        }
    }

    /// The next message, of any length.
    ///
    /// A detector that panics or gives no score is never asked again: this and all later messages are a
    /// [`Heard::Fault`]. The process's panic hook runs nevertheless.
    pub fn hear(&mut self, audio: &[u8]) -> Heard {
        self.hear_with(audio, |_| {})
    }

    /// The same, and tells `each` the score of each frame that ends in the message.
    pub fn hear_with(&mut self, audio: &[u8], mut each: impl FnMut(Score)) -> Heard {
        if self.has_failed {
            return Heard::Fault;
        }
        let mut hearing = Hearing::new(self.threshold);
        let (begun, blocks) = self.remainder.split(audio, self.block_bytes());
        for blocks in [begun.as_slice(), blocks] {
            if !self.take(blocks, &mut hearing, &mut each) {
                self.has_failed = true;
                return Heard::Fault;
            }
        }
        hearing.heard(self.received)
    }

    fn block_bytes(&self) -> usize {
        self.format.block_bytes as usize
    }

    /// Takes whole blocks; `false` if the detector has failed.
    fn take(
        &mut self,
        mut blocks: &[u8],
        hearing: &mut Hearing,
        each: &mut impl FnMut(Score),
    ) -> bool {
        self.received += self.format.samples(blocks.len() as u64);
        while !blocks.is_empty() {
            blocks = self.frames.fill(blocks);
            if !self.frames.is_complete() {
                break;
            }
            let Some(score) = self.judge() else { return false };
            let score = Score { end: self.frames.end(), score };
            hearing.add(score);
            each(score);
        }
        true
    }

    /// The score of the frame that is complete; `None` if there is none to be had.
    fn judge(&mut self) -> Option<f32> {
        let Self { frames, detectors, .. } = self;
        // Nobody sees what a panic has left half done: neither is touched again.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let channels = frames.take().ok()?;
            let mut highest = 0.0_f32;
            for (detector, channel) in detectors.iter_mut().zip(channels) {
                let score = detector.push(channel);
                if !(0.0..=1.0).contains(&score) {
                    return None;
                }
                highest = highest.max(score);
            }
            Some(highest)
        }));
        judged.ok().flatten()
    }
}
