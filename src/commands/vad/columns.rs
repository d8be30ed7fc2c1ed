//! A recording in so many columns, each with what matters most in its time.

use std::ops::Range;

use super::recording::Recording;
use super::trial::{Fate, Trial};

/// The quietest that is shown, in decibels of full scale.
pub(super) const FLOOR: f32 = -60.0;

/// A part of the recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    /// The largest sample: 0 at [`FLOOR`] or below, 1 at full scale.
    pub(super) loudness: f32,
    /// The highest.
    pub(super) score: f32,
    /// Of most of it.
    pub(super) fate: Fate,
    pub(super) finalizes: usize,
    /// Speech in it is held back.
    pub(super) is_clipped: bool,
}

/// The columns of a part of a recording, in blocks.
pub(super) fn of(
    recording: &Recording,
    trial: &Trial,
    view: &Range<u64>,
    count: usize,
) -> Vec<Column> {
    let clipped = recording.clipped(trial);
    let edge = |at: usize| view.start + (view.end - view.start) * at as u64 / count as u64;
    let column = |at| {
        let start = edge(at);
        column(recording, trial, &clipped, &(start..edge(at + 1).max(start + 1)))
    };
    (0..count).map(column).collect()
}

fn column(
    recording: &Recording,
    trial: &Trial,
    clipped: &[Range<u64>],
    blocks: &Range<u64>,
) -> Column {
    let peaks = recording.envelope.within(blocks).iter().map(|it| it.peak);
    let peak = peaks.fold(FLOOR, f32::max);
    let finalizes = |until| trial.finalizes.partition_point(|it| *it < until);
    let clip = clipped.partition_point(|it| it.end <= blocks.start);
    Column {
        loudness: 1.0 - peak.min(0.0) / FLOOR,
        score: score(recording, blocks),
        fate: fate(trial, blocks),
        finalizes: finalizes(blocks.end) - finalizes(blocks.start),
        is_clipped: clipped.get(clip).is_some_and(|it| it.start < blocks.end),
    }
}

fn score(recording: &Recording, blocks: &Range<u64>) -> f32 {
    let scores = &recording.scores;
    let first = scores.partition_point(|it| it.end <= blocks.start);
    // The frame that the column ends in counts as well.
    let last = scores.partition_point(|it| it.end < blocks.end) + 1;
    scores[first..last.min(scores.len())].iter().map(|it| it.score).fold(0.0, f32::max)
}

fn fate(trial: &Trial, blocks: &Range<u64>) -> Fate {
    let first = trial.runs.partition_point(|it| it.blocks.end <= blocks.start);
    let mut times = Fate::ALL.map(|it| (0, it));
    for run in trial.runs[first..].iter().take_while(|it| it.blocks.start < blocks.end) {
        let time = run.blocks.end.min(blocks.end) - run.blocks.start.max(blocks.start);
        times[run.fate as usize].0 += time;
    }
    times.into_iter().max().map_or(Fate::Held, |(_, fate)| fate)
}
