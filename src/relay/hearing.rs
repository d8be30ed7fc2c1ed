//! Whether someone speaks in the application's audio, for sessions whose gate wants to know.

use bytes::Bytes;
use session::audio::AudioFormat;
use session::gate::Heard;
use vad::{Detector, Earshot, Vad};

/// What is heard at a time: half a second of 16 kHz linear16, in a fifth of a millisecond. A frame may be
/// 1 MiB, two minutes of telephone audio, and other sessions are not to wait for that.
const PIECE_BYTES: usize = 16 << 10;

/// The ears of one session: none until its gate first wants to know, and none when it no longer does.
#[derive(Default)]
pub(super) struct Hearing {
    vad: Option<Box<Vad<Box<dyn Detector + Send>>>>,
    /// A long frame of which some is heard.
    begun: Option<Begun>,
    /// Makes the detector of a channel, where it is not the usual one.
    #[cfg(test)]
    pub(super) detector: Option<fn() -> Box<dyn Detector + Send>>,
}

/// A frame of audio that is being listened to.
struct Begun {
    format: AudioFormat,
    audio: Bytes,
    at: usize,
    heard: Heard,
}

impl Hearing {
    /// Begins to listen to a frame of audio of this format; speech is what scores over the threshold.
    pub(super) fn begin(&mut self, format: AudioFormat, threshold: f32, audio: Bytes) {
        if self.vad.is_none() {
            let detector = self.detector();
            let vad = Vad::with_detectors(format, threshold, |_channel| detector());
            self.vad = Some(Box::new(vad));
        }
        self.begun = Some(Begun { format, audio, at: 0, heard: Heard::Nothing });
    }

    /// Whether a frame has not been heard to its end.
    pub(super) fn is_busy(&self) -> bool {
        self.begun.is_some()
    }

    /// Listens to the next piece of it: gives the frame, and what was heard in it, when that is all.
    pub(super) fn go_on(&mut self) -> Option<(Bytes, Heard)> {
        let (vad, begun) = (self.vad.as_mut()?, self.begun.as_mut()?);
        let rest = &begun.audio[begun.at..];
        let piece = &rest[..rest.len().min(PIECE_BYTES)];
        let samples = begun.format.samples(piece.len() as u64);
        begun.heard = begun.heard.followed_by(vad.hear(piece), samples);
        begun.at += piece.len();
        let is_over = begun.at == begun.audio.len();
        self.begun.take_if(|_| is_over).map(|it| (it.audio, it.heard))
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
