//! Any sample rate to 16 kHz, a frame of the detector's at a time.

use rubato::audioadapter_buffers::number_to_float::SequentialNumbers;
use rubato::{
    Async, FixedAsync, PolynomialDegree, ResampleError, Resampler as _,
    SincInterpolationParameters, SincInterpolationType, WindowFunction,
};
use session::audio::AudioFormat;

use crate::detector::{FRAME_SAMPLES, SAMPLE_RATE};

/// A filter of 0.7 ms at 48 kHz. Twice the length changed no decision on speech.
const TAPS: usize = 32;

/// Phases of the filter, of which the nearest is taken: 24, 32 and 48 kHz hit one exactly, and at 44.1 kHz
/// interpolating between two changed no decision either, for half as much CPU again.
const PHASES: usize = 32;

/// Resamples all channels at once.
#[derive(Debug)]
pub(crate) struct Resampler {
    inner: Async<f32>,
    frame: Box<[[i16; FRAME_SAMPLES]]>,
}

impl Resampler {
    pub(crate) fn new(format: AudioFormat) -> Self {
        let channels = format.channels as usize;
        let ratio = f64::from(SAMPLE_RATE) / f64::from(format.sample_rate);
        let inner = if format.sample_rate > SAMPLE_RATE {
            Self::downward(ratio, channels)
        } else {
            Self::upward(ratio, channels)
        };
        Self { inner, frame: vec![[0; FRAME_SAMPLES]; channels].into() }
    }

    /// What lies above 8 kHz must go. Without a filter, hiss up there is folded into the voice's band: at
    /// 32 kHz 85 % of it was taken for speech, and it hid a third of the speech.
    fn downward(ratio: f64, channels: usize) -> Async<f32> {
        let filter = SincInterpolationParameters::new(TAPS, WindowFunction::Hann)
            .oversampling_factor(PHASES)
            .interpolation(SincInterpolationType::Nearest);
        Async::new_sinc(ratio, 1.0, &filter, FRAME_SAMPLES, channels, FixedAsync::Output)
            .expect("the ratio lies between 1/3 and 1")
    }

    /// A filter is worse here: above 4 kHz it leaves nothing at all, and the detector takes noise with
    /// nothing above 4 kHz for speech. Of white noise at -25 dBFS that was 97 %, and with a cubic curve none.
    fn upward(ratio: f64, channels: usize) -> Async<f32> {
        let degree = PolynomialDegree::Cubic;
        Async::new_poly(ratio, 1.0, degree, FRAME_SAMPLES, channels, FixedAsync::Output)
            .expect("the ratio lies between 1 and 2")
    }

    /// Samples of each channel that the next frame takes.
    pub(crate) fn wanted(&self) -> usize {
        self.inner.input_frames_next()
    }

    pub(crate) fn wanted_max(&self) -> usize {
        self.inner.input_frames_max()
    }

    /// The next frame, of each channel. `samples` has `room` of each, of which the first are taken.
    pub(crate) fn resample(
        &mut self,
        samples: &[i16],
        room: usize,
    ) -> Result<&[[i16; FRAME_SAMPLES]], ResampleError> {
        let channels = self.frame.len();
        let from = SequentialNumbers::new(samples, channels, room)
            .expect("there is room for all channels");
        let mut to =
            SequentialNumbers::new_mut(self.frame.as_flattened_mut(), channels, FRAME_SAMPLES)
                .expect("there is a frame for each channel");
        self.inner.process_into_buffer(&from, &mut to, None)?;
        Ok(&self.frame)
    }
}
