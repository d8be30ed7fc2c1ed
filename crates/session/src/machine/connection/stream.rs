//! Where a connection is in its audio, by byte position: what was sent on it, and what of that is
//! final. Never by seconds, which do not add up.

use std::time::Duration;

use super::coverage::{Coverage, Slack};
use crate::audio::AudioFormat;

/// Longest frame that is allowed for where Deepgram's and our count of the audio differ: the longest
/// chunk that Deepgram advises.
const FRAME_MAX: Duration = Duration::from_millis(250);

/// How far the start of a result may be off from the end of the one before, as both are decimals.
const NOISE: Duration = Duration::from_millis(1);

/// A stretch of the connection's time that a result is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// `None` where results do not say where they start.
    pub(super) start: Option<Duration>,
    pub(super) end: Duration,
    pub(super) channel: u32,
    pub(super) channels: u32,
}

/// The audio of one connection.
#[derive(Debug, Default)]
pub(in crate::machine) struct Stream {
    /// The unit that is not split: part of a sample is not final.
    block: u64,
    /// Bytes of the application's audio that were written.
    audio: u64,
    /// The largest frame among them, in bytes.
    frame: u64,
    /// Bytes that are not the application's live audio, all ahead of it.
    lead: u64,
    /// Bytes of the application's audio that are final.
    finalized: u64,
    /// Up to where every channel has final results.
    final_end: u64,
    coverage: Coverage,
    /// Up to where there are results, in the connection's time.
    result_end: Duration,
}

impl Stream {
    /// Audio of this format.
    pub(super) fn new(format: Option<AudioFormat>) -> Self {
        let block = format.map_or(1, |it| u64::from(it.block_bytes));
        Self { block, ..Self::default() }
    }

    /// Frames were written. Of several at once the average counts as their size. Tells how many bytes
    /// more are final now: a result may have come before this was known.
    pub(super) fn send(&mut self, frames: u64, bytes: u64) -> u64 {
        self.audio += bytes;
        self.frame = self.frame.max(bytes.checked_div(frames).unwrap_or(0));
        self.take_covered()
    }

    /// Bytes that have final results although they are not known to be written.
    pub(super) fn answered_early(&self) -> u64 {
        self.coverage.end().saturating_sub(self.audio)
    }

    fn take_covered(&mut self) -> u64 {
        let whole = self.audio - self.audio % self.block.max(1);
        self.final_end = self.final_end.max(self.coverage.end().min(whole));
        self.finalize_to(self.coverage.covered(whole))
    }

    pub(super) fn send_lead(&mut self, bytes: u64) {
        self.lead += bytes;
    }

    pub(super) fn lead(&self) -> u64 {
        self.lead
    }

    /// Everything that Deepgram's clock has counted once it is written.
    pub(in crate::machine) fn cursor(&self) -> u64 {
        self.audio + self.lead
    }

    /// Bytes of the application's audio that were sent and are not final.
    pub(in crate::machine) fn in_flight(&self) -> u64 {
        self.audio - self.finalized
    }

    pub(in crate::machine) fn result_end(&self) -> Duration {
        self.result_end
    }

    /// Up to where every channel has final results, in bytes of the application's audio.
    pub(super) fn final_end(&self) -> u64 {
        self.final_end
    }

    /// The same for each channel.
    pub(super) fn final_ends(&self) -> Vec<u64> {
        self.coverage.ends().iter().map(|end| (*end).min(self.audio)).collect()
    }

    /// Bytes that were sent before that and are not final: what results left out.
    pub(super) fn left_out(&self) -> u64 {
        self.in_flight() - (self.audio - self.final_end())
    }

    /// There are results up to `end`, in the connection's time.
    pub(super) fn result(&mut self, end: Duration) {
        self.result_end = self.result_end.max(end);
    }

    /// A channel's text is final in a window. Tells how many bytes more are final now.
    pub(super) fn finalize(&mut self, format: AudioFormat, window: Window) -> u64 {
        let position = |time| format.bytes(time).saturating_sub(self.lead);
        let (start, end) = (window.start.map(position), position(window.end));
        let slack = Slack { noise: format.bytes(NOISE), total: self.slack(format) };
        self.coverage.cover(window.channel, window.channels, start, end, slack);
        self.take_covered()
    }

    /// Deepgram says at a clean end how much of the connection's audio it has processed: what came
    /// before is final, whether or not there was text in it. Tells how many bytes more that makes.
    pub(super) fn confirm(&mut self, format: AudioFormat, processed: Duration) -> u64 {
        let position = format.bytes(processed).saturating_sub(self.lead);
        let is_all = position.saturating_add(self.slack(format)) >= self.audio;
        self.finalize_to(if is_all { self.audio } else { position })
    }

    /// How far Deepgram's count may be off: a frame.
    fn slack(&self, format: AudioFormat) -> u64 {
        self.frame.min(format.bytes(FRAME_MAX))
    }

    fn finalize_to(&mut self, bytes: u64) -> u64 {
        let more = bytes.min(self.audio).saturating_sub(self.finalized);
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

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn format() -> AudioFormat {
        AudioFormat::new("linear16", 16_000, 1).unwrap()
    }

    /// A result of the only channel.
    fn result(start: u64, end: u64) -> Window {
        Window { start: Some(MS(start)), end: MS(end), channel: 0, channels: 1 }
    }

    #[test]
    fn positions_are_the_applications_own_behind_the_lead() {
        let mut stream = Stream::default();
        stream.send_lead(32_000);
        stream.send(20, 64_000);
        assert_eq!(stream.finalize(format(), result(0, 500)), 0);
        assert_eq!(stream.finalize(format(), result(500, 2_500)), 48_000);
        assert_eq!((stream.cursor(), stream.in_flight()), (96_000, 16_000));
    }

    #[test]
    fn a_result_beyond_what_was_sent_claims_no_more_than_that() {
        let mut stream = Stream::default();
        stream.send(1, 3_200);
        assert_eq!(stream.finalize(format(), result(0, 9_000)), 3_200);
        assert_eq!(stream.confirm(format(), MS(9_000)), 0);
    }

    #[test]
    fn audio_is_final_once_every_channel_is() {
        let mut stream = Stream::default();
        stream.send(20, 64_000);
        let of = |channel, end| Window { channel, channels: 2, ..result(0, end) };
        assert_eq!(stream.finalize(format(), of(0, 1_000)), 0);
        assert_eq!(stream.finalize(format(), of(1, 2_000)), 32_000);
    }

    /// An hour in frames of 20 ms, each with a result: what is claimed is exact to the byte.
    #[test]
    fn positions_do_not_drift() {
        let mut stream = Stream::default();
        let mut finalized = 0;
        for frame in 1..=180_000_u64 {
            stream.send(1, 640);
            finalized += stream.finalize(format(), result(20 * (frame - 1), 20 * frame));
        }
        assert_eq!((finalized, stream.in_flight()), (180_000 * 640, 0));
    }

    #[test]
    fn what_results_left_out_is_final_once_deepgram_says_it_was_processed() {
        let mut stream = Stream::default();
        stream.send(200, 4 * 32_000);
        stream.finalize(format(), result(0, 1_000));
        assert_eq!(stream.finalize(format(), result(3_000, 4_000)), 32_000);
        assert_eq!((stream.in_flight(), stream.final_end()), (2 * 32_000, 4 * 32_000));
        assert_eq!(stream.confirm(format(), MS(4_000)), 2 * 32_000);
    }

    #[test]
    fn deepgram_may_be_off_by_a_frame_and_no_more() {
        let sent = || {
            let mut stream = Stream::default();
            stream.send(50, 32_000);
            stream
        };
        assert_eq!(sent().confirm(format(), MS(980)), 32_000);
        assert_eq!(sent().confirm(format(), MS(979)), 979 * 32);
        assert_eq!(sent().confirm(format(), MS(0)), 0);
    }

    /// A far end may say anything.
    #[test]
    fn an_absurd_time_claims_no_more_than_was_sent_and_harms_nothing() {
        for seconds in [1_000_000_000, 577_000_000_000_000, u64::MAX / 2, u64::MAX] {
            let mut stream = Stream::default();
            stream.send(20, 64_000);
            let window = Window { end: Duration::from_secs(seconds), ..result(0, 0) };
            assert_eq!(stream.finalize(format(), window), 64_000);
            assert_eq!(stream.finalize(format(), result(0, 1_000)), 0);
            let mut stream = Stream::default();
            stream.send(20, 64_000);
            assert_eq!(stream.confirm(format(), Duration::from_secs(seconds)), 64_000);
        }
    }

    /// Deepgram's results follow one another; a peer that leaves out a frame each time is not believed.
    #[test]
    fn holes_of_a_frame_each_are_allowed_for_once() {
        let mut stream = Stream::default();
        stream.send(20, 64_000);
        let claimed: u64 = (0..10)
            .map(|it| stream.finalize(format(), result(200 * it + 100, 200 * it + 200)))
            .sum();
        assert_eq!(claimed, 11 * 3_200);
    }

    /// A recording in one frame is not wholly allowed for.
    #[test]
    fn the_frame_allowed_for_is_at_most_a_quarter_of_a_second() {
        let mut stream = Stream::default();
        stream.send(1, 30 * 32_000);
        assert_eq!(stream.confirm(format(), MS(15_000)), 15 * 32_000);
    }
}
