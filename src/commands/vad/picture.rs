//! The picture in the terminal.

use std::fmt::Write;
use std::ops::Range;

use clap::builder::styling::{AnsiColor, Style};

use super::axis;
use super::columns::{self, Column};
use super::recording::Recording;
use super::trial::{Fate, Trial};

/// What stands to the left, and the least that is left for the picture.
const GUTTER: usize = 11;
const COLUMNS_MIN: usize = 30;

const LEVEL_ROWS: usize = 3;
const SCORE_ROWS: usize = 5;

/// Columns that are longer, in ms, hide too much to leave it unsaid: a pre-roll is as short.
const AGGREGATED_MS: u64 = 300;

/// What a tick takes on the axis, at most, with a space.
const TICK_WIDTH: usize = 10;

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const THRESHOLD: char = '┄';

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) is_coloured: bool,
}

/// A character and its colour.
type Cell = (char, Style);

/// Draws a part of the recording, in blocks, as one gate hears it.
pub(super) fn of(
    recording: &Recording,
    trial: &Trial,
    view: &Range<u64>,
    canvas: Canvas,
) -> String {
    let count = canvas.width.saturating_sub(GUTTER).max(COLUMNS_MIN);
    let columns = columns::of(recording, trial, view, count);
    let mut picture = Picture { text: String::new(), columns, is_coloured: canvas.is_coloured };
    picture.levels();
    picture.scores(trial.config.threshold);
    picture.row("gate", |it| (letter(it.fate), style(it.fate)));
    picture.row("finalize", finalize);
    if picture.columns.iter().any(|it| it.is_clipped) {
        picture.row("clipped", |it| (if it.is_clipped { '!' } else { ' ' }, clipped()));
    }
    let (from, to) = (recording.ms(view.start), recording.ms(view.end));
    picture.line("", axis(&(from..to), count).chars().map(|it| (it, Style::new())));
    picture.legend();
    let is_shown = |fate| picture.columns.iter().any(|it| it.fate == fate);
    let has_preroll = trial.runs.iter().any(|it| {
        it.fate == Fate::Preroll && it.blocks.start < view.end && view.start < it.blocks.end
    });
    let hides_preroll = has_preroll && !is_shown(Fate::Preroll);
    picture.notes((to - from) / count as u64, hides_preroll);
    picture.text
}

struct Picture {
    text: String,
    columns: Vec<Column>,
    is_coloured: bool,
}

impl Picture {
    fn levels(&mut self) {
        for row in (0..LEVEL_ROWS).rev() {
            let name = match row {
                0 => format!("{} dBFS", columns::FLOOR),
                _ if row == LEVEL_ROWS - 1 => "level    0".into(),
                _ => String::new(),
            };
            self.row(&name, |it| (bar(it.loudness, row, LEVEL_ROWS), AnsiColor::Cyan.on_default()));
        }
    }

    fn scores(&mut self, threshold: f32) {
        let at = (threshold * SCORE_ROWS as f32) as usize;
        for row in (0..SCORE_ROWS).rev() {
            let name = match row {
                _ if row == at => format!("{threshold}"),
                0 => "0".into(),
                _ if row == SCORE_ROWS - 1 => "score    1".into(),
                _ => String::new(),
            };
            self.row(&name, |it| match bar(it.score, row, SCORE_ROWS) {
                ' ' if row == at => (THRESHOLD, Style::new()),
                bar if it.score > threshold => (bar, style(Fate::Speech)),
                bar => (bar, AnsiColor::BrightBlack.on_default()),
            });
        }
    }

    fn row(&mut self, name: &str, cell: impl Fn(&Column) -> Cell) {
        let cells: Vec<_> = self.columns.iter().map(cell).collect();
        self.line(name, cells.into_iter());
    }

    /// Spaces at the end are left out.
    fn line(&mut self, name: &str, cells: impl Iterator<Item = Cell>) {
        let mut cells: Vec<_> = cells.collect();
        cells.truncate(cells.iter().rposition(|it| it.0 != ' ').map_or(0, |it| it + 1));
        let name = format!("{name:>width$} ", width = GUTTER - 1);
        self.text += if cells.is_empty() { name.trim_end() } else { &name };
        for run in cells.chunk_by(|one, other| one.1 == other.1) {
            let text: String = run.iter().map(|it| it.0).collect();
            self.paint(&text, run[0].1);
        }
        self.text.push('\n');
    }

    fn legend(&mut self) {
        let _ = write!(self.text, "{:GUTTER$}", "");
        for fate in Fate::ALL {
            self.paint(&letter(fate).to_string(), style(fate));
            let _ = write!(self.text, " {}   ", fate.in_words());
        }
        self.text += "▲ finalize";
        if self.columns.iter().any(|it| it.is_clipped) {
            self.text += "   ";
            self.paint("!", clipped());
            self.text += " clipped";
        }
        self.text.push('\n');
    }

    /// What cannot be seen, where a column is that long.
    fn notes(&mut self, column_ms: u64, hides_preroll: bool) {
        let has_several = self.columns.iter().any(|it| it.finalizes > 1);
        let mut note = |text: &str| {
            let _ = writeln!(self.text, "{:GUTTER$}{text}", "");
        };
        if column_ms >= AGGREGATED_MS {
            let seconds = column_ms as f64 / 1_000.0;
            note(&format!(
                "A column is {seconds:.1} s. It shows its loudest moment, its highest score,"
            ));
            note("and what becomes of most of it.");
        }
        if hides_preroll {
            note("The pre-roll is too short to be seen; --from and --to show a part closely.");
        }
        if has_several {
            note("A digit in the row finalize is their number in that column; + is over 9.");
        }
    }

    fn paint(&mut self, text: &str, style: Style) {
        let style = if self.is_coloured { style } else { Style::new() };
        let _ = write!(self.text, "{style}{text}{style:#}");
    }
}

/// What a value from 0 to 1 fills of a row, of so many, counted from below.
fn bar(value: f32, row: usize, rows: usize) -> char {
    let eighths = (value * (rows * 8) as f32).round() as usize;
    EIGHTHS[eighths.saturating_sub(row * 8).min(8)]
}

fn letter(fate: Fate) -> char {
    match fate {
        Fate::Held => '·',
        Fate::Preroll => '<',
        Fate::Speech => '█',
        Fate::Hangover => '▒',
    }
}

fn style(fate: Fate) -> Style {
    match fate {
        Fate::Held => AnsiColor::BrightBlack.on_default(),
        Fate::Preroll => AnsiColor::Blue.on_default(),
        Fate::Speech => AnsiColor::Green.on_default(),
        Fate::Hangover => AnsiColor::Yellow.on_default(),
    }
}

fn clipped() -> Style {
    AnsiColor::Red.on_default().bold()
}

/// A column that has several says how many.
fn finalize(column: &Column) -> Cell {
    let mark = match column.finalizes {
        0 => ' ',
        1 => '▲',
        it => u32::try_from(it).ok().and_then(|it| char::from_digit(it, 10)).unwrap_or('+'),
    };
    (mark, AnsiColor::Magenta.on_default())
}

fn axis(view: &Range<u64>, count: usize) -> String {
    let mut axis = String::new();
    for tick in axis::ticks(view, (count / TICK_WIDTH) as u64) {
        let at = (tick.ms - view.start) * count as u64 / (view.end - view.start).max(1);
        let at = at as usize;
        if at >= axis.len() && at + tick.label.len() <= count {
            axis += &" ".repeat(at - axis.len());
            axis += &tick.label;
        }
    }
    axis
}
