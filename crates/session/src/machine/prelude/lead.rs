//! The audio of a prelude and the silence behind it, at Deepgram's pace.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::audio::AudioFormat;
use crate::bound::RING_BYTES_MAX;
use crate::machine::pace::{PIECE, Pace};
use crate::ring::Ring;
use crate::{ErrorCode, Refusal};

/// The longest prelude (contract, section 8).
const PRELUDE_MAX: Duration = Duration::from_secs(10);

/// What goes ahead of the live audio.
#[derive(Debug)]
pub(super) struct Lead {
    format: AudioFormat,
    /// What the application has sent and main has not got.
    audio: Ring,
    received: u64,
    is_ended: bool,
    /// What it is padded to, in bytes.
    pad_to: u64,
    /// Bytes that main has got, padding included.
    sent: u64,
    /// Set once main is up.
    pace: Option<Pace>,
}

impl Lead {
    pub(super) fn new(format: AudioFormat, pad_to: Duration) -> Self {
        Self {
            format,
            audio: Ring::new(RING_BYTES_MAX, u64::from(format.block_bytes)),
            received: 0,
            is_ended: false,
            pad_to: format.bytes(pad_to),
            sent: 0,
            pace: None,
        }
    }

    /// More of the application's audio.
    pub(super) fn push(&mut self, audio: &[u8]) -> Result<(), Refusal> {
        let bytes_max = self.format.bytes(PRELUDE_MAX).min(RING_BYTES_MAX);
        if self.is_ended {
            return Err(prelude_is_over());
        }
        if self.received + audio.len() as u64 > bytes_max {
            let seconds = self.format.duration(bytes_max).as_secs_f64();
            let message = format!(
                "the prelude is longer than {seconds} s of audio; send less, then an empty PRELUDE frame"
            );
            return Err(Refusal::new(ErrorCode::FrameTooLarge, message));
        }
        self.received += audio.len() as u64;
        self.audio.push(audio, None, u64::MAX);
        Ok(())
    }

    /// The application's part is complete.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    /// Main is up.
    pub(super) fn begin(&mut self, now: Instant) {
        self.pace = Some(Pace::new(now));
    }

    /// How much is to be sent, as far as is known. A sample that was begun is made whole by the padding.
    fn total(&self) -> u64 {
        if self.is_ended {
            self.pad_to.max(self.received.next_multiple_of(u64::from(self.format.block_bytes)))
        } else {
            self.received
        }
    }

    /// Whether some of it waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.sent < self.total()
    }

    /// Whether main has got all of it.
    pub(super) fn is_sent(&self) -> bool {
        self.is_ended && !self.is_waiting()
    }

    /// What has been sent: of the application's part, and of the padding.
    pub(super) fn durations(&self) -> (Duration, Duration) {
        let prelude = self.sent.min(self.received);
        (self.format.duration(prelude), self.format.duration(self.sent - prelude))
    }

    /// The next piece that may go out now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Bytes> {
        let (total, format) = (self.total(), self.format);
        let pace = self.pace.as_mut()?;
        let waiting = if self.sent < self.received { self.received } else { total } - self.sent;
        let bytes = waiting.min(pace.allowed(now, format)).min(format.bytes(PIECE).max(1));
        if bytes == 0 {
            return None;
        }
        pace.spend(bytes, format);
        let piece = if self.sent < self.received {
            self.audio.read(self.sent, bytes)
        } else {
            format.silence(bytes)
        };
        self.sent += bytes;
        self.audio.trim(self.sent);
        Some(piece)
    }
}

/// What an application is told that goes on with a prelude that has ended.
pub(super) fn prelude_is_over() -> Refusal {
    let message = "the prelude is over: it ends with an empty PRELUDE frame, or a minute after its connection \
                   is up; live audio goes into AUDIO frames";
    Refusal::new(ErrorCode::UnexpectedFrame, message)
}
