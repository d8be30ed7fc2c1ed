//! Whether someone speaks in the application's audio, for sessions whose gate wants to know.

use session::audio::AudioFormat;
use session::gate::Heard;
use vad::{Detector, Earshot, Vad};

/// The ears of one session: none until its gate first wants to know, and none when it no longer does.
#[derive(Default)]
pub(super) struct Hearing {
    vad: Option<Box<Vad<Box<dyn Detector + Send>>>>,
    /// Makes the detector of a channel, where it is not the usual one.
    #[cfg(test)]
    pub(super) detector: Option<fn() -> Box<dyn Detector + Send>>,
}

impl Hearing {
    /// Listens to a frame of audio of this format; speech is what scores over the threshold.
    pub(super) fn hear(&mut self, format: AudioFormat, threshold: f32, audio: &[u8]) -> Heard {
        if self.vad.is_none() {
            let detector = self.detector();
            let vad = Vad::with_detectors(format, threshold, |_channel| detector());
            self.vad = Some(Box::new(vad));
        }
        self.vad.as_mut().map_or(Heard::Nothing, |vad| vad.hear(audio))
    }

    /// Nobody wants to know any more: memory is given back.
    pub(super) fn end(&mut self) {
        self.vad = None;
    }

    fn detector(&self) -> fn() -> Box<dyn Detector + Send> {
        #[cfg(test)]
        if let Some(detector) = self.detector {
            return detector;
        }
        || Box::new(Earshot::default())
    }
}
