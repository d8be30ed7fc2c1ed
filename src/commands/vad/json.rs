//! A recording and its figures for other programs.

use std::ops::Range;

use serde::Serialize;

use super::figures::Figures;
use super::recording::Recording;
use super::trial::{Fate, Trial};

/// All that is known; times from the start of the recording.
#[derive(Serialize)]
struct Document<'a> {
    recording: Audio<'a>,
    gate: Settings,
    summary: &'a Figures,
    /// What becomes of the audio, in order and without gaps.
    segments: Vec<Segment>,
    finalizes_ms: Vec<u64>,
    reference_speech: Vec<Span>,
    clipped: Vec<Span>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    compared: &'a [Figures],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scores: Vec<Scored>,
}

#[derive(Serialize)]
struct Audio<'a> {
    encoding: &'a str,
    sample_rate: u32,
    channels: u32,
    duration_ms: u64,
    /// It is shorter than its header says.
    cut_short: bool,
}

#[derive(Serialize)]
struct Settings {
    threshold: f32,
    preroll_ms: u128,
    hangover_ms: u128,
    finalize_after_ms: u128,
}

#[derive(Serialize)]
struct Segment {
    #[serde(flatten)]
    span: Span,
    fate: Fate,
}

#[derive(Serialize)]
struct Span {
    start_ms: u64,
    end_ms: u64,
}

/// A frame of 16 ms that ends there.
#[derive(Serialize)]
struct Scored {
    end_ms: u64,
    score: f32,
}

/// On one line. `figures` has those of the first trial, then those of the others.
pub(super) fn of(recording: &Recording, figures: &[Figures], has_scores: bool) -> String {
    let trial = &recording.trials[0];
    let span =
        |it: &Range<u64>| Span { start_ms: recording.ms(it.start), end_ms: recording.ms(it.end) };
    let segments =
        trial.runs.iter().map(|it| Segment { span: span(&it.blocks), fate: it.fate }).collect();
    let scored = recording.scores.iter().filter(|_| has_scores);
    let document = Document {
        recording: audio(recording),
        gate: settings(trial),
        summary: &figures[0],
        segments,
        finalizes_ms: trial.finalizes.iter().map(|it| recording.ms(*it)).collect(),
        reference_speech: recording.reference.speech.iter().map(span).collect(),
        clipped: recording.clipped(trial).iter().map(span).collect(),
        compared: &figures[1..],
        scores: scored.map(|it| Scored { end_ms: recording.ms(it.end), score: it.score }).collect(),
    };
    serde_json::to_string(&document).expect("it has string keys and finite numbers")
}

fn audio(recording: &Recording) -> Audio<'static> {
    let format = recording.format;
    Audio {
        encoding: format.encoding.as_str(),
        sample_rate: format.sample_rate,
        channels: format.channels,
        duration_ms: recording.ms(recording.blocks),
        cut_short: recording.is_cut_short,
    }
}

fn settings(trial: &Trial) -> Settings {
    let config = trial.config;
    Settings {
        threshold: config.threshold,
        preroll_ms: config.preroll.as_millis(),
        hangover_ms: config.hangover.as_millis(),
        finalize_after_ms: config.finalize_after.as_millis(),
    }
}
