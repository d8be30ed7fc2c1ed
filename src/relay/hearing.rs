//! Whether someone speaks in the application's audio, for sessions whose gate wants to know.

use std::time::Duration;

use bytes::Bytes;
use session::audio::AudioFormat;
use session::gate::Heard;
use vad::{Detector, Earshot, Vad};

/// What is heard at a time: the longest chunk that Deepgram advises. The gate follows speech as closely
/// as that, however long an application's frames are; and since one may be 1 MiB, two minutes of
/// telephone audio, other sessions are not to wait for the whole of it.
const PIECE: Duration = Duration::from_millis(250);

/// A frame, or a piece of one.
pub(super) struct Piece {
    pub(super) audio: Bytes,
    pub(super) heard: Heard,
    /// Whether its frame ends with it.
    pub(super) is_end: bool,
}

/// The ears of one session: none until its gate first wants to know, and none when it no longer does.
#[derive(Default)]
pub(super) struct Hearing {
    vad: Option<Box<Vad<Box<dyn Detector + Send>>>>,
    /// A frame that is not heard to its end.
    begun: Option<Box<Begun>>,
    /// Makes the detector of a channel, where it is not the usual one.
    #[cfg(test)]
    pub(super) detector: Option<fn() -> Box<dyn Detector + Send>>,
}

/// What is left of a frame of audio, and how much of that is heard at a time.
struct Begun {
    rest: Bytes,
    piece_bytes: usize,
}

impl Hearing {
    /// Listens to a frame of audio of this format, or to the first piece of a long one; speech is what
    /// scores over the threshold.
    pub(super) fn hear(
        &mut self,
        format: AudioFormat,
        threshold: f32,
        audio: Bytes,
    ) -> Option<Piece> {
        if self.vad.is_none() {
            let detector = self.detector();
            let vad = Vad::with_detectors(format, threshold, |_channel| detector());
            self.vad = Some(Box::new(vad));
        }
        let piece_bytes = format.bytes(PIECE).max(u64::from(format.block_bytes)) as usize;
        if audio.len() > piece_bytes {
            self.begun = Some(Box::new(Begun { rest: audio, piece_bytes }));
            return self.go_on();
        }
        let heard = self.vad.as_mut()?.hear(&audio);
        Some(Piece { audio, heard, is_end: true })
    }

    /// Whether a frame has not been heard to its end.
    pub(super) fn is_busy(&self) -> bool {
        self.begun.is_some()
    }

    /// Listens to the next piece of it.
    pub(super) fn go_on(&mut self) -> Option<Piece> {
        let (vad, begun) = (self.vad.as_mut()?, self.begun.as_mut()?);
        let audio = begun.rest.split_to(begun.piece_bytes.min(begun.rest.len()));
        let (heard, is_end) = (vad.hear(&audio), begun.rest.is_empty());
        self.begun.take_if(|_| is_end);
        Some(Piece { audio, heard, is_end })
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
