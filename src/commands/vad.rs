//! `vad`: what the VAD gate would do to a recording.

mod args;
mod axis;
mod columns;
mod drawing;
mod envelope;
mod figures;
mod json;
mod layout;
mod output;
mod picture;
mod pixels;
mod recording;
mod report;
mod svg;
#[cfg(test)]
mod tests;
mod trial;

use std::io::{self, IsTerminal};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::configuration::EXIT_USAGE;
use super::output::print_line;
use super::plain;
use super::source::Source;
use crate::config;

pub use args::Args;
use figures::Figures;
use picture::Canvas;
use recording::Recording;
use report::Report;

/// Read at a time, at least: the progress bar moves by it.
const PIECE: Duration = Duration::from_millis(100);

/// Without a terminal.
const WIDTH: usize = 80;

/// Hears the recording and shows it. The exit code is 2 for options or a configuration that are wrong.
///
/// # Errors
/// A recording that cannot be read or heard; standard output that cannot be written.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = args.check_view().and_then(|()| args.section());
    let section = match checked {
        Ok(section) => section,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let shown = runtime.block_on(shown(args, &section, canvas()));
    // A read of standard input cannot be interrupted; it must not block the exit.
    runtime.shutdown_background();
    print_line(shown?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// What is printed.
async fn shown(args: &Args, section: &config::Vad, canvas: Canvas) -> anyhow::Result<String> {
    let mut source = Source::open(&args.file, args.raw.encoding()?, args.frame.max(PIECE))?;
    let cannot = || format!("cannot hear {}", args.file.display());
    let recording = heard(args, section, &mut source).await.with_context(cannot)?;
    let view = view(args, &recording)?;
    let price = section.price_per_minute;
    let figures: Vec<_> =
        recording.trials.iter().map(|it| Figures::of(&recording, it, price)).collect();
    let title = format!("{}: {}", name(&args.file), source.encoding);
    let trial = &recording.trials[0];
    if let Some(picture) = &args.output {
        picture.write(&layout::of(&title, &recording, trial, &figures[0], &view))?;
    }
    if args.json {
        return Ok(json::of(&recording, &figures, args.scores));
    }
    let picture = picture::of(&recording, trial, &view, canvas);
    let report = Report {
        title: &title,
        message: args.frame,
        recording: &recording,
        trial,
        figures: &figures[0],
    };
    let mut text = format!("{picture}\n{report}");
    if figures.len() > 1 {
        text += &format!("\n{}\n", report::comparison(&figures[1..]));
    }
    Ok(text)
}

async fn heard(
    args: &Args,
    section: &config::Vad,
    source: &mut Source,
) -> anyhow::Result<Recording> {
    let bar = bar(source.duration);
    let progress = |heard: Duration| bar.set_position(heard.as_secs());
    let gates = args.gates(section)?;
    let recording = Recording::hear(source, args.frame, &gates, progress).await;
    bar.finish_and_clear();
    recording
}

/// What the picture shows, in blocks.
fn view(args: &Args, recording: &Recording) -> anyhow::Result<Range<u64>> {
    let format = recording.format;
    let blocks = |it: Duration| format.samples(format.bytes(it)).min(recording.blocks);
    let view = blocks(args.from)..args.to.map_or(recording.blocks, blocks);
    ensure!(!view.is_empty(), "there is no audio between --from and --to");
    Ok(view)
}

/// As wide as the terminal. Coloured unless `NO_COLOR` says otherwise.
fn canvas() -> Canvas {
    if !io::stdout().is_terminal() {
        return Canvas { width: WIDTH, is_coloured: false };
    }
    let width = crossterm::terminal::size().map_or(WIDTH, |(columns, _)| columns.into());
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    Canvas { width, is_coloured }
}

/// A bar in seconds of audio, if there is a terminal to draw it on and a length to compare with.
fn bar(duration: Option<Duration>) -> ProgressBar {
    let Some(duration) = duration.filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(duration.as_secs()), target);
    let template = "{bar:32} {pos} of {len} s";
    bar.with_style(ProgressStyle::with_template(template).expect("the template is a constant"))
}

fn name(file: &Path) -> String {
    match file.to_str() {
        Some("-") => "standard input".into(),
        _ => plain::line(&file.file_name().unwrap_or_default().to_string_lossy()),
    }
}
