//! Loudness to words: where speech begins and ends, and which words lie in it.
//!
//! It counts in samples and knows neither results nor turns: those are made of its words.

use std::time::Duration;

use crate::audio::Format;
use crate::settings::Settings;

/// How speech is told from silence, and how fast it is spoken; in samples of one channel.
#[derive(Clone, Debug)]
pub(super) struct Diction {
    threshold: f32,
    release: u64,
    /// From the start of a word to the start of the next.
    word_pitch: u64,
    /// What of that is spoken.
    word_length: u64,
}

impl Diction {
    pub(super) fn new(format: Format, settings: &Settings) -> Self {
        let pitch = Duration::from_secs_f64(1.0 / settings.words_per_second);
        let word_pitch = format.samples(pitch).max(2);
        Self {
            threshold: settings.speech_threshold,
            release: format.samples(settings.speech_release),
            word_pitch,
            word_length: word_pitch * 85 / 100,
        }
    }
}

/// A word in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its place in the recitation.
    pub(super) place: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Still being spoken.
    pub(super) unfinished: bool,
}

/// The speech of one channel.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// Samples heard.
    position: u64,
    speaking: bool,
    /// Samples since the last loud window.
    quiet: u64,
    /// Finished words that were not taken yet.
    words: Vec<Word>,
    /// Where the word being spoken began.
    word_start: Option<u64>,
    /// Words finished so far.
    place: usize,
}

impl Speech {
    /// Samples heard so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Samples since speech ended; 0 while it goes on.
    pub(super) fn silence(&self) -> u64 {
        if self.speaking { 0 } else { self.quiet }
    }

    /// Where the word being spoken began.
    pub(super) fn word_start(&self) -> Option<u64> {
        self.word_start
    }

    /// Takes the next window; tells where speech began if it did so in this one.
    pub(super) fn hear(&mut self, diction: &Diction, samples: u64, loudness: f32) -> Option<u64> {
        self.position += samples;
        let onset = self.detect(diction, samples, loudness);
        self.place_words(diction);
        onset
    }

    /// Whether there are words that were not taken yet.
    pub(super) fn has_words(&self) -> bool {
        !self.words.is_empty() || self.begun_word().is_some()
    }

    /// The words that were not taken yet, with the one being spoken.
    pub(super) fn words(&self) -> Vec<Word> {
        let mut words = self.words.clone();
        words.extend(self.begun_word().map(|start| Word {
            place: self.place,
            start,
            end: self.position,
            unfinished: true,
        }));
        words
    }

    /// Takes the finished words. Where speech goes on, so does a word from `end` on.
    pub(super) fn take_words(&mut self, end: u64) -> Vec<Word> {
        if self.speaking && self.word_start.is_none() {
            self.word_start = Some(end);
        }
        std::mem::take(&mut self.words)
    }

    /// Ends the word being spoken; a mere stub of one is the end of the word before it.
    pub(super) fn finish_word(&mut self, end: u64) {
        let Some(start) = self.word_start.take() else { return };
        let end = end.max(start);
        match self.words.last_mut() {
            Some(last) if end - start < (last.end - last.start) / 4 => {
                last.end = end.max(last.end);
            }
            _ if end > start => self.push_word(start, end),
            _ => {}
        }
    }

    fn begun_word(&self) -> Option<u64> {
        self.word_start.filter(|&start| start < self.position)
    }

    fn detect(&mut self, diction: &Diction, samples: u64, loudness: f32) -> Option<u64> {
        let threshold = if self.speaking { diction.threshold / 2.0 } else { diction.threshold };
        if loudness < threshold {
            self.quiet += samples;
            if self.speaking && self.quiet >= diction.release {
                self.speaking = false;
                self.finish_word(self.position - self.quiet);
            }
            return None;
        }
        self.quiet = 0;
        if self.speaking {
            return None;
        }
        self.speaking = true;
        self.word_start = Some(self.position - samples);
        self.word_start
    }

    /// Ends words that have been spoken out and begins the next ones.
    fn place_words(&mut self, diction: &Diction) {
        while let Some(start) = self.word_start {
            let audible = self.position - self.quiet;
            if audible < start + diction.word_pitch {
                return;
            }
            self.push_word(start, start + diction.word_length);
            self.word_start = Some(start + diction.word_pitch);
        }
    }

    fn push_word(&mut self, start: u64, end: u64) {
        self.words.push(Word { place: self.place, start, end, unfinished: false });
        self.place += 1;
    }
}
