//! Loudness to transcript: where words are, which segments they form, when each result is due.
//!
//! It counts in samples and knows neither JSON nor clocks. One [`Lane`] is one channel.

use std::time::Duration;

use super::query::Parameters;
use super::settings::{Settings, UtteranceEndStyle};

/// When things happen, in samples of one channel.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    interims: bool,
    vad_events: bool,
    interim_every: u64,
    final_after: u64,
    silent_final_after: u64,
    endpointing: Option<u64>,
    utterance_end: Option<u64>,
    utterance_end_style: UtteranceEndStyle,
    release: u64,
    threshold: f32,
    /// From the start of a word to the start of the next.
    word_pitch: u64,
    /// What of that is spoken.
    word_length: u64,
}

impl Rules {
    pub(super) fn new(parameters: &Parameters, settings: &Settings) -> Self {
        let samples = |duration| parameters.format.samples(duration);
        let interims = parameters.interim_results;
        let silent = if interims { settings.silent_final_after } else { settings.interim_every };
        let word_pitch = samples(Duration::from_secs_f64(1.0 / settings.words_per_second)).max(2);
        Self {
            interims,
            vad_events: parameters.vad_events,
            interim_every: samples(settings.interim_every).max(1),
            final_after: samples(settings.final_after).max(1),
            silent_final_after: samples(silent).max(1),
            endpointing: parameters.endpointing.map(samples),
            utterance_end: parameters.utterance_end.map(samples),
            utterance_end_style: settings.utterance_end,
            release: samples(settings.speech_release),
            threshold: settings.speech_threshold,
            word_pitch,
            word_length: word_pitch * 85 / 100,
        }
    }
}

/// Something that the client is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Emission {
    SpeechStarted {
        at: u64,
    },
    Result(Segment),
    /// The end of the last word; `None` for the marker -1.
    UtteranceEnd {
        last_word_end: Option<u64>,
    },
}

/// A stretch of the stream and the words in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) words: Vec<Word>,
    pub(super) standing: Standing,
}

/// How far a result is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More will come for this stretch.
    Interim,
    /// Final, but the utterance goes on.
    Final,
    /// Final, at the end of an utterance.
    Endpoint,
    /// Final, because a Finalize asked for it.
    Finalized,
    /// Final, because the stream ends.
    Flushed,
}

impl Standing {
    pub(super) fn is_final(self) -> bool {
        self != Self::Interim
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

/// The transcription of one channel.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Samples heard.
    position: u64,
    /// Where the open segment began.
    start: u64,
    /// Interim results of the open segment.
    steps: u64,
    /// Whether the open segment holds speech.
    voiced: bool,
    speaking: bool,
    /// Samples since the last loud window.
    quiet: u64,
    /// Finished words of the open segment.
    words: Vec<Word>,
    /// Where the word being spoken began.
    word_start: Option<u64>,
    /// Words finished so far, in all segments.
    place: usize,
    /// The end of the last word that became final, until its `UtteranceEnd` was sent.
    utterance: Option<u64>,
}

impl Lane {
    /// Samples heard so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next window.
    pub(super) fn hear(
        &mut self,
        rules: &Rules,
        samples: u64,
        loudness: f32,
        emit: &mut impl FnMut(Emission),
    ) {
        self.position += samples;
        self.detect_speech(rules, samples, loudness, emit);
        self.place_words(rules);
        match self.due(rules) {
            Some(Standing::Interim) => {
                self.steps += 1;
                emit(Emission::Result(self.interim()));
                self.notice_utterance_end(rules, emit);
            }
            Some(standing) => {
                let end = self.cut(standing);
                self.close_segment(end, standing, emit);
                self.notice_utterance_end(rules, emit);
            }
            None => {}
        }
    }

    /// Makes all that was heard final; `empty_too` answers even where nothing is open.
    pub(super) fn flush(
        &mut self,
        standing: Standing,
        empty_too: bool,
        emit: &mut impl FnMut(Emission),
    ) {
        if self.position > self.start || empty_too {
            self.finish_word(self.position);
            self.close_segment(self.position, standing, emit);
        }
    }

    fn detect_speech(
        &mut self,
        rules: &Rules,
        samples: u64,
        loudness: f32,
        emit: &mut impl FnMut(Emission),
    ) {
        let threshold = if self.speaking { rules.threshold / 2.0 } else { rules.threshold };
        if loudness < threshold {
            self.quiet += samples;
            if self.speaking && self.quiet >= rules.release {
                self.speaking = false;
                self.finish_word(self.position - self.quiet);
            }
            return;
        }
        self.quiet = 0;
        self.voiced = true;
        if !self.speaking {
            self.speaking = true;
            let at = self.position - samples;
            self.word_start = Some(at);
            if rules.vad_events {
                emit(Emission::SpeechStarted { at });
            }
        }
    }

    /// Ends words that have been spoken out and begins the next ones.
    fn place_words(&mut self, rules: &Rules) {
        while let Some(start) = self.word_start {
            let audible = self.position - self.quiet;
            if audible < start + rules.word_pitch {
                return;
            }
            self.push_word(start, start + rules.word_length);
            self.word_start = Some(start + rules.word_pitch);
        }
    }

    /// Ends the word being spoken; a mere stub of one is the end of the word before it.
    fn finish_word(&mut self, end: u64) {
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

    fn push_word(&mut self, start: u64, end: u64) {
        self.words.push(Word { place: self.place, start, end, unfinished: false });
        self.place += 1;
    }

    fn due(&self, rules: &Rules) -> Option<Standing> {
        let length = self.position - self.start;
        let ended = self.voiced && !self.speaking;
        let silent_limit = rules.silent_final_after;
        if ended && rules.endpointing.is_some_and(|least| self.quiet >= least) {
            Some(Standing::Endpoint)
        } else if self.voiced && length >= rules.final_after {
            Some(Standing::Final)
        } else if !self.voiced && length >= silent_limit {
            // Without endpointing even silence is no end of an utterance.
            Some(rules.endpointing.map_or(Standing::Final, |_| Standing::Endpoint))
        } else if rules.interims && length >= (self.steps + 1) * rules.interim_every {
            Some(Standing::Interim)
        } else {
            None
        }
    }

    /// Where a final result ends: a word that is still being spoken is left to the next segment.
    fn cut(&self, standing: Standing) -> u64 {
        match (standing, self.word_start) {
            (Standing::Final, Some(word)) if word > self.start => word.min(self.position),
            _ => self.position,
        }
    }

    fn interim(&self) -> Segment {
        let mut words = self.words.clone();
        let begun = self.word_start.filter(|&start| start < self.position);
        words.extend(begun.map(|start| Word {
            place: self.place,
            start,
            end: self.position,
            unfinished: true,
        }));
        Segment { start: self.start, end: self.position, words, standing: Standing::Interim }
    }

    fn close_segment(&mut self, end: u64, standing: Standing, emit: &mut impl FnMut(Emission)) {
        let words = std::mem::take(&mut self.words);
        self.utterance = words.last().map(|word| word.end).or(self.utterance);
        emit(Emission::Result(Segment { start: self.start, end, words, standing }));
        self.start = end;
        self.steps = 0;
        self.voiced = self.speaking;
        if self.speaking && self.word_start.is_none() {
            self.word_start = Some(end);
        }
    }

    /// Deepgram looks for the gap only when it has a result to send.
    fn notice_utterance_end(&mut self, rules: &Rules, emit: &mut impl FnMut(Emission)) {
        let (Some(gap), Some(end)) = (rules.utterance_end, self.utterance) else { return };
        let next_begun = self.voiced && rules.utterance_end_style != UtteranceEndStyle::Late;
        if self.position.saturating_sub(end) < gap || next_begun {
            return;
        }
        self.utterance = None;
        let marked = rules.utterance_end_style == UtteranceEndStyle::MinusOne;
        emit(Emission::UtteranceEnd { last_word_end: (!marked).then_some(end) });
    }
}

#[cfg(test)]
mod tests;
