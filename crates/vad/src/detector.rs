//! The speech detector, behind one method: tests script it, and there may be another.

use std::fmt;

/// What a detector takes, in Hz.
pub(crate) const SAMPLE_RATE: u32 = 16_000;

/// Samples that it judges at a time: 16 ms.
pub const FRAME_SAMPLES: usize = 256;

/// Hears speech in one channel, which it gets in order and from the start.
pub trait Detector {
    /// The next 16 ms, at 16 kHz: how likely they are to be speech, from 0 to 1.
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32;
}

impl<D: Detector + ?Sized> Detector for Box<D> {
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        (**self).push(mono16k)
    }
}

/// The neural network that ships. It remembers what it has heard, for minutes: one for each session and
/// channel, and never reset.
#[derive(Default)]
pub struct Earshot(earshot::Detector);

impl Detector for Earshot {
    /// In debug builds the library's method for floats panics on what is louder than full scale.
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        self.0.predict_i16(mono16k)
    }
}

impl fmt::Debug for Earshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Earshot").finish_non_exhaustive()
    }
}
