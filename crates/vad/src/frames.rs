//! A frame of the detector's, from the samples of several messages.

use rubato::ResampleError;
use session::audio::AudioFormat;

use crate::blocks;
use crate::detector::{FRAME_SAMPLES, SAMPLE_RATE};
use crate::resampler::Resampler;

/// The frame that is being filled, of all channels.
#[derive(Debug)]
pub(crate) struct Frames {
    format: AudioFormat,
    /// Samples at the application's rate, `room` of each channel, the first `filled` of them in use.
    samples: Box<[i16]>,
    room: usize,
    filled: usize,
    /// `None` at 16 kHz: the samples are the frame.
    resampler: Option<Box<Resampler>>,
    /// Blocks up to the end of the last frame.
    end: u64,
}

impl Frames {
    pub(crate) fn new(format: AudioFormat) -> Self {
        let resampler =
            (format.sample_rate != SAMPLE_RATE).then(|| Box::new(Resampler::new(format)));
        let room = resampler.as_ref().map_or(FRAME_SAMPLES, |it| it.wanted_max());
        let samples = vec![0; room * format.channels as usize].into();
        Self { format, samples, room, filled: 0, resampler, end: 0 }
    }

    /// Takes blocks until the frame is complete; what is left of them.
    pub(crate) fn fill<'a>(&mut self, audio: &'a [u8]) -> &'a [u8] {
        let block = self.format.block_bytes as usize;
        let taken = (self.wanted() - self.filled).min(audio.len() / block);
        let (audio, rest) = audio.split_at(taken * block);
        for (channel, samples) in self.samples.chunks_exact_mut(self.room).enumerate() {
            blocks::decode(audio, self.format, channel, &mut samples[self.filled..]);
        }
        self.filled += taken;
        rest
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.filled == self.wanted()
    }

    /// The frame that is complete, by channel; begins the next one.
    pub(crate) fn take(&mut self) -> Result<&[[i16; FRAME_SAMPLES]], ResampleError> {
        self.end += std::mem::take(&mut self.filled) as u64;
        match &mut self.resampler {
            None => Ok(self.samples.as_chunks().0),
            Some(resampler) => resampler.resample(&self.samples, self.room),
        }
    }

    /// Where the last frame that was taken ends, in blocks.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    fn wanted(&self) -> usize {
        self.resampler.as_ref().map_or(FRAME_SAMPLES, |it| it.wanted())
    }
}
