//! What stands below the picture: the figures as text.

use std::fmt::{self, Display};
use std::time::Duration;

use comfy_table::CellAlignment;
use session::gate::VadConfig;

use super::figures::Figures;
use super::recording::Recording;
use super::trial::Trial;
use crate::admin::quantity::counted;
use crate::commands::sessions::bare;

/// How many places of clipped speech are listed.
const PLACES_MAX: usize = 10;

const NOT_COUNTED: &str = "\
Not counted: a live connection gets everything until Deepgram's first message, a second or two; and
endpointing or utterance_end_ms of a session may raise its hangover: set --hangover to that.";

const UNHEARD: &str =
    "no speech was heard, but there is sound: is it too quiet, or is the threshold too high?";

const CUT_SHORT: &str = "the file is shorter than its header says; everything in it was heard";

/// A recording, and the gate that was tried on it.
pub(super) struct Report<'a> {
    /// What the recording is called, and its encoding.
    pub(super) title: &'a str,
    pub(super) message: Duration,
    pub(super) recording: &'a Recording,
    pub(super) trial: &'a Trial,
    pub(super) figures: &'a Figures,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { duration_ms, sent_ms, held_ms, .. } = *self.figures;
        row(f, "recording", format_args!("{}, {}", self.title, seconds(duration_ms)))?;
        row(f, "gate", gate(&self.trial.config, self.message))?;
        row(f, "sent", seconds(sent_ms))?;
        row(f, "held back", format_args!("{}{}", seconds(held_ms), saving(self.figures)))?;
        row(f, "opened", counted(self.figures.opens, "time"))?;
        row(f, "finalizes", self.figures.finalizes)?;
        row(f, "states", states(self.figures))?;
        row(f, "clipped", self.clipped())?;
        self.places(f)?;
        if self.figures.opens == 0 && self.recording.envelope.has_sound() {
            row(f, "note", UNHEARD)?;
        }
        if self.recording.is_cut_short {
            row(f, "note", CUT_SHORT)?;
        }
        writeln!(f, "{NOT_COUNTED}")
    }
}

impl Report<'_> {
    fn clipped(&self) -> String {
        let Figures { reference_speech_ms, clipped_ms, clipped_per_1000, .. } = *self.figures;
        let reference = &self.recording.reference;
        let noise = if reference.is_noisy { ", 10 dB over the noise" } else { "" };
        let of = format!(
            "{} of speech (louder than {:.0} dBFS{noise})",
            seconds(reference_speech_ms),
            // Loud noise would have it over full scale; and there is no -0.
            reference.level.min(0.0).round() + 0.0
        );
        match clipped_ms {
            0 => format!("nothing of {of}"),
            _ => format!("{clipped_ms} ms of {of}: {clipped_per_1000:.1} of 1000"),
        }
    }

    /// Where to listen.
    fn places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clipped = self.recording.clipped(self.trial);
        let place = |blocks| self.recording.ms(blocks) as f64 / 1_000.0;
        for span in clipped.iter().take(PLACES_MAX) {
            let length = self.recording.ms(span.end - span.start);
            let (start, end) = (place(span.start), place(span.end));
            row(f, "", format_args!("{start:.2} s to {end:.2} s: {length} ms"))?;
        }
        match clipped.len().saturating_sub(PLACES_MAX) {
            0 => Ok(()),
            more => row(f, "", format_args!("and {}: see --json", counted(more, "more place"))),
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{name:>10} {value}")
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1_000.0)
}

fn gate(config: &VadConfig, message: Duration) -> String {
    let VadConfig { threshold, preroll, hangover, finalize_after, .. } = *config;
    let [preroll, hangover, finalize_after, message] =
        [preroll, hangover, finalize_after, message].map(humantime::format_duration);
    format!(
        "threshold {threshold}, preroll {preroll}, hangover {hangover}, finalize-after \
         {finalize_after}, frame {message}"
    )
}

fn saving(figures: &Figures) -> String {
    let mut saving = format!(": {:.1} % saved", figures.saved * 100.0);
    if let (Some(saved), Some(full)) = (figures.saved_usd, figures.full_usd) {
        saving += &format!(", ${saved:.4} of ${full:.4}");
    }
    saving
}

fn states(figures: &Figures) -> String {
    let Figures { silence_ms, preroll_ms, speech_ms, hangover_ms, .. } = *figures;
    format!(
        "silence {} (pre-roll {}), speech {}, hangover {}",
        seconds(silence_ms),
        seconds(preroll_ms),
        seconds(speech_ms),
        seconds(hangover_ms)
    )
}

/// A line for each threshold.
pub(super) fn comparison(all: &[Figures]) -> String {
    let titles =
        ["THRESHOLD", "SAVED", "HELD", "OPENS", "FINALIZES", "CLIPPED", "PER 1000", "SAVING"];
    let shown = if all.iter().any(|it| it.saved_usd.is_some()) { 8 } else { 7 };
    let mut table = bare(titles.into_iter().take(shown));
    for it in all {
        let cells = [
            it.threshold.to_string(),
            format!("{:.1} %", it.saved * 100.0),
            seconds(it.held_ms),
            it.opens.to_string(),
            it.finalizes.to_string(),
            format!("{} ms", it.clipped_ms),
            format!("{:.1}", it.clipped_per_1000),
            it.saved_usd.map(|it| format!("${it:.4}")).unwrap_or_default(),
        ];
        table.add_row(cells.into_iter().take(shown));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
