//! Words to results: which segments they form, and when each result is due.
//!
//! It counts in samples and knows neither JSON nor clocks. One [`Lane`] is one channel.

use super::query::Parameters;
use crate::settings::{Settings, UtteranceEndStyle};
use crate::stream::speech::{Diction, Speech, Word};

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
    diction: Diction,
}

impl Rules {
    pub(super) fn new(parameters: &Parameters, settings: &Settings) -> Self {
        let samples = |duration| parameters.format.samples(duration);
        let interims = parameters.interim_results;
        let silent = if interims { settings.silent_final_after } else { settings.interim_every };
        Self {
            interims,
            vad_events: parameters.vad_events,
            interim_every: samples(settings.interim_every).max(1),
            final_after: samples(settings.final_after).max(1),
            silent_final_after: samples(silent).max(1),
            endpointing: parameters.endpointing.map(samples),
            utterance_end: parameters.utterance_end.map(samples),
            utterance_end_style: settings.utterance_end,
            diction: Diction::new(parameters.format, settings),
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

/// The transcription of one channel.
#[derive(Debug, Default)]
pub(super) struct Lane {
    speech: Speech,
    /// Where the open segment began.
    start: u64,
    /// Interim results of the open segment.
    steps: u64,
    /// Whether the open segment holds speech.
    voiced: bool,
    /// The end of the last word that became final, until its `UtteranceEnd` was sent.
    utterance: Option<u64>,
}

impl Lane {
    /// Samples heard so far.
    pub(super) fn position(&self) -> u64 {
        self.speech.position()
    }

    /// Takes the next window.
    pub(super) fn hear(
        &mut self,
        rules: &Rules,
        samples: u64,
        loudness: f32,
        emit: &mut impl FnMut(Emission),
    ) {
        let onset = self.speech.hear(&rules.diction, samples, loudness);
        self.voiced |= self.speech.is_speaking();
        if let Some(at) = onset.filter(|_| rules.vad_events) {
            emit(Emission::SpeechStarted { at });
        }
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
        let position = self.position();
        if position > self.start || empty_too {
            self.speech.finish_word(position);
            self.close_segment(position, standing, emit);
        }
    }

    fn due(&self, rules: &Rules) -> Option<Standing> {
        let length = self.position() - self.start;
        let ended = self.voiced && !self.speech.is_speaking();
        let silent_limit = rules.silent_final_after;
        if ended && rules.endpointing.is_some_and(|least| self.speech.silence() >= least) {
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
        match (standing, self.speech.word_start()) {
            (Standing::Final, Some(word)) if word > self.start => word.min(self.position()),
            _ => self.position(),
        }
    }

    fn interim(&self) -> Segment {
        let words = self.speech.words();
        Segment { start: self.start, end: self.position(), words, standing: Standing::Interim }
    }

    fn close_segment(&mut self, end: u64, standing: Standing, emit: &mut impl FnMut(Emission)) {
        let words = self.speech.take_words(end);
        self.utterance = words.last().map(|word| word.end).or(self.utterance);
        emit(Emission::Result(Segment { start: self.start, end, words, standing }));
        self.start = end;
        self.steps = 0;
        self.voiced = self.speech.is_speaking();
    }

    /// Deepgram looks for the gap only when it has a result to send.
    fn notice_utterance_end(&mut self, rules: &Rules, emit: &mut impl FnMut(Emission)) {
        let (Some(gap), Some(end)) = (rules.utterance_end, self.utterance) else { return };
        let next_begun = self.voiced && rules.utterance_end_style != UtteranceEndStyle::Late;
        if self.position().saturating_sub(end) < gap || next_begun {
            return;
        }
        self.utterance = None;
        let marked = rules.utterance_end_style == UtteranceEndStyle::MinusOne;
        emit(Emission::UtteranceEnd { last_word_end: (!marked).then_some(end) });
    }
}

#[cfg(test)]
mod tests;
