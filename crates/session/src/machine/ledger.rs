//! The audio's books, twice over: where each byte went, and what became of it.
//!
//! Transport: received = sent + dropped + waiting. Fate: received = finalized + in flight + lost.
//! Both balance after every step; the property tests check it.

use std::time::Duration;

use crate::LossCause;
use crate::audio::AudioFormat;
use crate::summary::AudioSummary;

/// Most channels whose results are told apart.
const CHANNELS_MAX: usize = 64;

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
    finalized: u64,
    lost: [Loss; LossCause::ALL.len()],
    stream: Stream,
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

/// The part that starts anew with each connection.
#[derive(Debug, Default)]
struct Stream {
    sent: u64,
    finalized: u64,
    /// Up to where each channel is final, in bytes of all channels.
    channel_ends: Vec<u64>,
}

/// How a connection's audio ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum StreamEnd {
    /// Deepgram flushed all of it.
    Flushed,
    /// What was not final is lost.
    Lost(LossCause),
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
            finalized: 0,
            lost: [Loss::default(); LossCause::ALL.len()],
            stream: Stream::default(),
        }
    }

    /// A frame was read.
    pub(super) fn receive(&mut self, bytes: u64) {
        self.frames_received += 1;
        self.bytes_received += bytes;
    }

    /// Frames were written.
    pub(super) fn send(&mut self, frames: u64, bytes: u64) {
        self.frames_sent += frames;
        self.bytes_sent += bytes;
        self.stream.sent += bytes;
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

    /// A channel's text is final up to `end` of this connection's audio.
    pub(super) fn finalize(&mut self, end: Duration, channel: u32, channels: u32) {
        let Some(format) = self.format else { return };
        let channels = (channels as usize).clamp(1, CHANNELS_MAX);
        let ends = &mut self.stream.channel_ends;
        if ends.len() < channels {
            ends.resize(channels, 0);
        }
        if let Some(slot) = ends.get_mut(channel as usize) {
            *slot = (*slot).max(format.bytes(end));
        }
        let all = ends.iter().min().copied().unwrap_or(0);
        self.finalize_to(all.min(self.stream.sent));
    }

    /// The connection is over.
    pub(super) fn end_stream(&mut self, end: StreamEnd) {
        match end {
            StreamEnd::Flushed => self.finalize_to(self.stream.sent),
            StreamEnd::Lost(cause) => {
                let open = self.stream.sent - self.stream.finalized;
                self.lost[cause as usize].bytes += open;
            }
        }
        self.stream = Stream::default();
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

    fn finalize_to(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.stream.finalized);
        self.stream.finalized += more;
        self.finalized += more;
    }

    /// How long so many bytes play; zero where the encoding does not tell.
    pub(super) fn duration(&self, bytes: u64) -> Duration {
        self.format.map_or(Duration::ZERO, |format| format.duration(bytes))
    }

    /// Bytes sent on the connection that is up.
    pub(super) fn stream_bytes(&self) -> u64 {
        self.stream.sent
    }

    pub(super) fn finalized_bytes(&self) -> u64 {
        self.finalized
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
            bytes_gated: 0,
        }
    }

    /// Whether both books balance, given what waits to be sent.
    #[cfg(test)]
    pub(super) fn is_balanced(&self, frames_waiting: u64, bytes_waiting: u64) -> bool {
        let in_flight = self.stream.sent - self.stream.finalized + bytes_waiting;
        self.frames_received == self.frames_sent + self.frames_dropped + frames_waiting
            && self.bytes_received == self.bytes_sent + self.bytes_dropped + bytes_waiting
            && self.bytes_received == self.finalized + in_flight + self.lost_bytes()
    }
}
