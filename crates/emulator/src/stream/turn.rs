//! Words to turns: when one begins, when it may be over, when it is.
//!
//! It counts in samples and knows neither JSON nor clocks, so that the same audio makes the same
//! turns. Their windows join without a gap: each reaches from the end of the turn before it.

mod thresholds;

use std::time::Duration;

use crate::audio::Format;
use crate::settings::Settings;
use crate::stream::speech::{Diction, Speech, Word};
pub(super) use thresholds::{Changes, Thresholds};

/// When things happen, in samples.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    format: Format,
    diction: Diction,
    update_every: u64,
    certain_after: u64,
    confidence_max: f32,
    turn_max: u64,
    thresholds: Thresholds,
    timeout: u64,
}

impl Rules {
    pub(super) fn new(format: Format, thresholds: Thresholds, settings: &Settings) -> Self {
        let flux = &settings.flux;
        let samples = |duration| format.samples(duration).max(1);
        let mut rules = Self {
            format,
            diction: Diction::new(format, settings),
            update_every: samples(flux.update_every),
            certain_after: samples(flux.certain_after),
            confidence_max: flux.confidence_max,
            turn_max: samples(flux.turn_max),
            thresholds,
            timeout: 0,
        };
        rules.set_thresholds(thresholds);
        rules
    }

    pub(super) fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
        let timeout = Duration::from_millis(u64::from(thresholds.timeout_ms));
        self.timeout = self.format.samples(timeout);
    }

    fn confidence(&self, silence: u64) -> f32 {
        (silence as f32 / self.certain_after as f32).min(self.confidence_max)
    }
}

/// What a message says of a turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Info {
    pub(super) event: Event,
    /// Which turn, from 0.
    pub(super) turn: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) words: Vec<Word>,
    pub(super) confidence: f32,
}

impl Info {
    /// Up to where it makes the audio final: nothing but the end of a turn does.
    pub(super) fn settles(&self) -> Option<u64> {
        matches!(self.event, Event::EndOfTurn(_)).then_some(self.end)
    }
}

/// Why a message says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Update,
    StartOfTurn,
    EagerEndOfTurn,
    TurnResumed,
    EndOfTurn(Trigger),
}

/// What ended a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Model,
    Timeout,
    /// A ForceEndTurn.
    Manual,
}

/// The turns of a stream.
#[derive(Debug, Default)]
pub(super) struct Turns {
    speech: Speech,
    phase: TurnPhase,
    /// The turn at hand.
    index: u64,
    /// Where its window begins.
    start: u64,
    /// Updates that have come due.
    updates: u64,
}

/// How far a turn has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TurnPhase {
    /// Nothing was said.
    #[default]
    Ready,
    Speaking,
    /// An EagerEndOfTurn was sent.
    Pending,
}

impl Turns {
    /// Takes the next window.
    pub(super) fn hear(
        &mut self,
        rules: &Rules,
        samples: u64,
        loudness: f32,
        emit: &mut impl FnMut(Info),
    ) {
        self.speech.hear(&rules.diction, samples, loudness);
        let due = self.speech.position() / rules.update_every;
        let is_due = due > self.updates;
        self.updates = due;
        // An event says all that an Update of the same window would say.
        if !self.advance(rules, emit) && is_due {
            emit(self.info(rules, Event::Update));
        }
    }

    /// Ends the turn at hand where it is; false where there is none.
    pub(super) fn force_end(&mut self, rules: &Rules, emit: &mut impl FnMut(Info)) -> bool {
        let is_open = self.phase != TurnPhase::Ready;
        if is_open {
            let end = self.speech.position();
            self.speech.finish_word(end);
            self.end(rules, end, Trigger::Manual, emit);
        }
        is_open
    }

    /// Says a last time how things stand, where anything was heard since the last turn.
    pub(super) fn close(&mut self, rules: &Rules, emit: &mut impl FnMut(Info)) {
        let end = self.speech.position();
        if end > self.start {
            self.speech.finish_word(end);
            emit(self.info(rules, Event::Update));
        }
    }

    /// Takes the steps that are due; tells whether there was one.
    fn advance(&mut self, rules: &Rules, emit: &mut impl FnMut(Info)) -> bool {
        let before = (self.phase, self.index);
        if self.phase == TurnPhase::Ready && self.speech.has_words() {
            self.step(rules, TurnPhase::Speaking, Event::StartOfTurn, emit);
        }
        if self.phase == TurnPhase::Pending && self.speech.is_speaking() {
            self.step(rules, TurnPhase::Speaking, Event::TurnResumed, emit);
        }
        let confidence = self.confidence(rules);
        let is_eager = rules.thresholds.eager.is_some_and(|least| confidence >= least);
        if self.phase == TurnPhase::Speaking && !self.speech.is_speaking() && is_eager {
            self.step(rules, TurnPhase::Pending, Event::EagerEndOfTurn, emit);
        }
        if let Some((end, trigger)) = self.due_end(rules, confidence) {
            self.end(rules, end, trigger, emit);
        }
        (self.phase, self.index) != before
    }

    fn step(&mut self, rules: &Rules, phase: TurnPhase, event: Event, emit: &mut impl FnMut(Info)) {
        self.phase = phase;
        emit(self.info(rules, event));
    }

    /// Where and why the turn at hand is over, if it is.
    fn due_end(&self, rules: &Rules, confidence: f32) -> Option<(u64, Trigger)> {
        let position = self.speech.position();
        if self.phase == TurnPhase::Ready {
            return None;
        }
        let end = rules.thresholds.end;
        // A threshold of 1.0 leaves the end to the timeout and to ForceEndTurn.
        if end < 1.0 && confidence >= end {
            Some((position, Trigger::Model))
        } else if self.speech.silence() >= rules.timeout {
            Some((position, Trigger::Timeout))
        } else if position - self.start >= rules.turn_max {
            // A word that is still being spoken is left to the next turn.
            let word = self.speech.word_start().filter(|word| *word > self.start);
            Some((word.unwrap_or(position), Trigger::Model))
        } else {
            None
        }
    }

    fn end(&mut self, rules: &Rules, end: u64, trigger: Trigger, emit: &mut impl FnMut(Info)) {
        let confidence = self.confidence(rules);
        let words = self.speech.take_words(end);
        let event = Event::EndOfTurn(trigger);
        emit(Info { event, turn: self.index, start: self.start, end, words, confidence });
        self.phase = TurnPhase::Ready;
        self.index += 1;
        self.start = end;
    }

    /// How likely it is that the turn at hand is over; 0 where there is none.
    fn confidence(&self, rules: &Rules) -> f32 {
        let is_open = self.phase != TurnPhase::Ready;
        if is_open { rules.confidence(self.speech.silence()) } else { 0.0 }
    }

    fn info(&self, rules: &Rules, event: Event) -> Info {
        Info {
            event,
            turn: self.index,
            start: self.start,
            end: self.speech.position(),
            words: self.speech.words(),
            confidence: self.confidence(rules),
        }
    }
}

#[cfg(test)]
mod tests;
