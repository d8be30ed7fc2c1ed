//! Where a connection is in its audio, by byte position: what was sent on it, and what of that is
//! final. Never by seconds, which do not add up.

use std::time::Duration;

use crate::audio::AudioFormat;

/// Most channels whose results are told apart.
const CHANNELS_MAX: usize = 64;

/// The audio of one connection.
#[derive(Debug, Default)]
pub(in crate::machine) struct Stream {
    /// Bytes of the application's audio that were written.
    audio: u64,
    /// Bytes of our own silence that were asked for, all ahead of the application's audio.
    silence: u64,
    /// Bytes of the application's audio that are final.
    finalized: u64,
    /// Up to where each channel is final, in bytes of the application's audio, all channels together.
    channel_ends: Vec<u64>,
    /// Up to where there are results, in the connection's time.
    result_end: Duration,
}

impl Stream {
    pub(super) fn send(&mut self, bytes: u64) {
        self.audio += bytes;
    }

    pub(super) fn send_silence(&mut self, bytes: u64) {
        self.silence += bytes;
    }

    pub(super) fn silence(&self) -> u64 {
        self.silence
    }

    /// Everything that Deepgram's clock has counted once it is written.
    pub(in crate::machine) fn cursor(&self) -> u64 {
        self.audio + self.silence
    }

    /// Bytes of the application's audio that were sent and are not final.
    pub(in crate::machine) fn in_flight(&self) -> u64 {
        self.audio - self.finalized
    }

    pub(in crate::machine) fn result_end(&self) -> Duration {
        self.result_end
    }

    /// There are results up to `end`, in the connection's time.
    pub(super) fn result(&mut self, end: Duration) {
        self.result_end = self.result_end.max(end);
    }

    /// A channel's text is final up to `end`, in the connection's time. Tells how many bytes more
    /// are final now.
    pub(super) fn finalize(
        &mut self,
        format: AudioFormat,
        end: Duration,
        channel: u32,
        channels: u32,
    ) -> u64 {
        let channels = (channels as usize).clamp(1, CHANNELS_MAX);
        if self.channel_ends.len() < channels {
            self.channel_ends.resize(channels, 0);
        }
        if let Some(reached) = self.channel_ends.get_mut(channel as usize) {
            *reached = (*reached).max(format.bytes(end).saturating_sub(self.silence));
        }
        let all = self.channel_ends.iter().min().copied().unwrap_or(0);
        self.finalize_to(all.min(self.audio))
    }

    /// All that was sent is final. Tells how many bytes more that makes.
    pub(super) fn finalize_all(&mut self) -> u64 {
        self.finalize_to(self.audio)
    }

    fn finalize_to(&mut self, position: u64) -> u64 {
        let more = position.saturating_sub(self.finalized);
        self.finalized += more;
        more
    }

    /// How far `end` is behind what was sent; `None` where the encoding tells no time.
    pub(in crate::machine) fn lag(
        &self,
        format: Option<AudioFormat>,
        end: Duration,
    ) -> Option<Duration> {
        Some(format?.duration(self.cursor()).saturating_sub(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format() -> AudioFormat {
        AudioFormat::new("linear16", 16_000, 1).unwrap()
    }

    #[test]
    fn positions_are_the_applications_own_behind_our_silence() {
        let mut stream = Stream::default();
        stream.send_silence(32_000);
        stream.send(64_000);
        assert_eq!(stream.finalize(format(), Duration::from_millis(500), 0, 1), 0);
        assert_eq!(stream.finalize(format(), Duration::from_millis(2_500), 0, 1), 48_000);
        assert_eq!((stream.cursor(), stream.in_flight()), (96_000, 16_000));
    }

    #[test]
    fn a_result_beyond_what_was_sent_claims_no_more_than_that() {
        let mut stream = Stream::default();
        stream.send(3_200);
        assert_eq!(stream.finalize(format(), Duration::from_secs(9), 0, 1), 3_200);
        assert_eq!(stream.finalize_all(), 0);
    }

    #[test]
    fn audio_is_final_once_every_channel_is() {
        let mut stream = Stream::default();
        stream.send(64_000);
        assert_eq!(stream.finalize(format(), Duration::from_secs(1), 0, 2), 0);
        assert_eq!(stream.finalize(format(), Duration::from_secs(2), 1, 2), 32_000);
    }

    /// An hour in frames of 20 ms, each with a result: what is claimed is exact to the byte.
    #[test]
    fn positions_do_not_drift() {
        let mut stream = Stream::default();
        let mut finalized = 0;
        for frame in 1..=180_000_u64 {
            stream.send(640);
            finalized += stream.finalize(format(), Duration::from_millis(20 * frame), 0, 1);
        }
        assert_eq!((finalized, stream.in_flight()), (180_000 * 640, 0));
    }
}
