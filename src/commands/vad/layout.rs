//! Where everything is in a drawing of a recording.

use std::ops::Range;

use super::axis;
use super::columns::{self, Column};
use super::drawing::{Anchor, Drawing, Ink};
use super::figures::Figures;
use super::recording::Recording;
use super::trial::{Fate, Trial};

/// In pixels, from the left and from above.
const WIDTH: u32 = 1_200;
const HEIGHT: u32 = 460;
const LEFT: u32 = 90;
const COLUMNS: u32 = 1_090;
const TITLE: u32 = 24;
const SUBTITLE: u32 = 44;
const LEVEL: Range<u32> = 60..160;
const SCORE: Range<u32> = 176..316;
const GATE: Range<u32> = 332..362;
const FINALIZE: Range<u32> = 368..380;
const CLIPPED: Range<u32> = 384..394;
const AXIS: u32 = 400;
const LEGEND: u32 = 448;

/// From a word's baseline to the middle of its letters, and to what is above it.
const MIDDLE: u32 = 4;
const LINE: u32 = 16;

const TICKS_MAX: u64 = 14;
const LEGEND_STEP: u32 = 132;

/// A part of a recording, in blocks, as one gate hears it.
pub(super) fn of(
    title: &str,
    recording: &Recording,
    trial: &Trial,
    figures: &Figures,
    view: &Range<u64>,
) -> Drawing {
    let mut drawing = Drawing::new(title, WIDTH, HEIGHT);
    let columns = columns::of(recording, trial, view, COLUMNS as usize);
    drawing.words((LEFT, TITLE), Anchor::Start, title);
    drawing.words((LEFT, SUBTITLE), Anchor::Start, subtitle(figures));
    axis(&mut drawing, &(recording.ms(view.start)..recording.ms(view.end)));
    levels(&mut drawing, &columns);
    scores(&mut drawing, &columns, trial.config.threshold);
    gate(&mut drawing, &columns);
    marks(&mut drawing, &columns);
    legend(&mut drawing);
    drawing
}

fn subtitle(figures: &Figures) -> String {
    let Figures { threshold, saved, opens, finalizes, clipped_ms, clipped_per_1000, .. } = figures;
    format!(
        "threshold {threshold}: {:.1} % saved, opens {opens}, finalizes {finalizes}, clipped \
         {clipped_ms} ms ({clipped_per_1000:.1} of 1000)",
        saved * 100.0
    )
}

fn axis(drawing: &mut Drawing, view: &Range<u64>) {
    let length = (view.end - view.start).max(1);
    for tick in axis::ticks(view, TICKS_MAX) {
        let x = LEFT + ((tick.ms - view.start) * u64::from(COLUMNS - 1) / length) as u32;
        drawing.rect((x, LEVEL.start), (1, AXIS + 6 - LEVEL.start), Ink::Grid);
        drawing.words((x, AXIS + 6 + LINE), Anchor::Middle, tick.label);
    }
    for y in [LEVEL.start, LEVEL.end, SCORE.start, SCORE.end] {
        drawing.rect((LEFT, y), (COLUMNS, 1), Ink::Grid);
    }
}

/// A waveform in decibels: on a linear scale, quiet speech would be a line.
fn levels(drawing: &mut Drawing, columns: &[Column]) {
    let middle = u32::midpoint(LEVEL.start, LEVEL.end);
    label(drawing, LEVEL.start, "level 0");
    label(drawing, middle, &format!("{} dBFS", columns::FLOOR));
    label(drawing, LEVEL.end, "0");
    for (x, column) in (LEFT..).zip(columns) {
        let half = (column.loudness * (middle - LEVEL.start) as f32).round() as u32;
        drawing.rect((x, middle - half), (1, 2 * half), Ink::Level);
    }
    drawing.rect((LEFT, middle), (COLUMNS, 1), Ink::Level);
}

fn scores(drawing: &mut Drawing, columns: &[Column], threshold: f32) {
    let y = |score: f32| SCORE.end - (score * (SCORE.end - SCORE.start) as f32).round() as u32;
    label(drawing, SCORE.start, "score 1");
    label(drawing, SCORE.end, "0");
    let clear = SCORE.start + LINE..SCORE.end - LINE;
    label(drawing, y(threshold).clamp(clear.start, clear.end), &threshold.to_string());
    for (x, column) in (LEFT..).zip(columns) {
        let ink = if column.score > threshold { Ink::Speech } else { Ink::Below };
        drawing.rect((x, y(column.score)), (1, SCORE.end - y(column.score)), ink);
    }
    drawing.rect((LEFT, y(threshold)), (COLUMNS, 1), Ink::Threshold);
}

/// What matters more is higher, for those who see no colours.
fn gate(drawing: &mut Drawing, columns: &[Column]) {
    label(drawing, u32::midpoint(GATE.start, GATE.end), "gate");
    let mut x = LEFT;
    for run in columns.chunk_by(|one, other| one.fate == other.fate) {
        let (ink, height) = band(run[0].fate);
        drawing.rect((x, GATE.end - height), (run.len() as u32, height), ink);
        x += run.len() as u32;
    }
}

fn band(fate: Fate) -> (Ink, u32) {
    match fate {
        Fate::Held => (Ink::Held, 3),
        Fate::Preroll => (Ink::Preroll, 22),
        Fate::Speech => (Ink::Speech, GATE.end - GATE.start),
        Fate::Hangover => (Ink::Hangover, 14),
    }
}

fn marks(drawing: &mut Drawing, columns: &[Column]) {
    label(drawing, u32::midpoint(FINALIZE.start, FINALIZE.end), "finalize");
    label(drawing, u32::midpoint(CLIPPED.start, CLIPPED.end), "clipped");
    for (x, column) in (LEFT..).zip(columns) {
        if column.finalizes > 0 {
            drawing.rect(
                (x - 1, FINALIZE.start),
                (3, FINALIZE.end - FINALIZE.start),
                Ink::Finalize,
            );
        }
        if column.is_clipped {
            drawing.rect((x, CLIPPED.start), (1, CLIPPED.end - CLIPPED.start), Ink::Clipped);
        }
    }
}

fn legend(drawing: &mut Drawing) {
    let fates = Fate::ALL.map(|it| (band(it).0, it.in_words()));
    let others =
        [(Ink::Threshold, "threshold"), (Ink::Finalize, "finalize"), (Ink::Clipped, "clipped")];
    for (x, (ink, text)) in
        (LEFT..).step_by(LEGEND_STEP as usize).zip(fates.into_iter().chain(others))
    {
        drawing.rect((x, LEGEND - 10), (12, 12), ink);
        drawing.words((x + 18, LEGEND), Anchor::Start, text);
    }
}

fn label(drawing: &mut Drawing, y: u32, text: &str) {
    drawing.words((LEFT - 8, y + MIDDLE), Anchor::End, text);
}
