//! No sample is torn between two connections: frames may end anywhere, and a connection that began with
//! half a sample would take every later one for another, or the left channel for the right.

use super::Session;
use crate::{LossCause, Outgoing};

impl Session {
    /// How many bytes are missing of the sample that the audio is in the middle of, where a connection
    /// would get what waits, or what comes next.
    pub(super) fn missing_of_sample(&self) -> u64 {
        let Some(format) = self.config.audio else { return 0 };
        let position = self.waiting_from();
        position.next_multiple_of(u64::from(format.block_bytes)) - position
    }

    /// Another connection gets what comes, and none gets the first half of a sample again: the other half
    /// is given up, for this cause.
    pub(super) fn begin_with_sample(&mut self, cause: LossCause) {
        self.torn = Some(cause);
        while let missing @ 1.. = self.missing_of_sample() {
            let (bytes, frames) = self.backlog.cut_audio(missing as usize);
            if bytes == 0 {
                return;
            }
            self.give_up_half(frames, bytes, cause);
        }
    }

    /// Audio from the next whole sample on, if it must begin with one; `None` if there is none in it.
    pub(super) fn whole_samples_of(&mut self, outgoing: Outgoing) -> Option<Outgoing> {
        let Some(cause) = self.torn else { return Some(outgoing) };
        let missing = self.missing_of_sample();
        if missing == 0 {
            self.torn = None;
            return Some(outgoing);
        }
        let (half, rest) = outgoing.split_audio(missing as usize);
        let bytes = half.audio_len() as u64;
        self.books.ledger.pass(bytes);
        self.give_up_half(half.frames(), bytes, cause);
        if rest.is_some() {
            self.torn = None;
        }
        rest
    }

    fn give_up_half(&mut self, frames: u64, bytes: u64, cause: LossCause) {
        self.books.ledger.drop_frames(frames, bytes, cause);
    }
}
