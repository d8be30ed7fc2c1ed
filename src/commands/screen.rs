//! Output while a session runs: lines on standard output, progress on the terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::OutputError;
use super::play::Progress;
use super::transcript::Caption;
use crate::admin::quantity;

const REDRAWS_PER_SECOND: u8 = 10;

/// Standard output, with a progress bar on standard error if that is a terminal.
pub(super) struct Screen<W = io::Stdout> {
    output: W,
    bar: ProgressBar,
}

impl Screen {
    /// A screen for playback of this duration, if known.
    pub(super) fn new(duration: Option<Duration>) -> Self {
        let bar = if io::stderr().is_terminal() { bar(duration) } else { ProgressBar::hidden() };
        Self { output: io::stdout(), bar }
    }

    /// A screen without a progress bar.
    pub(super) fn without_progress() -> Self {
        Self { output: io::stdout(), bar: ProgressBar::hidden() }
    }
}

impl<W: Write> Screen<W> {
    /// A screen that writes its lines elsewhere.
    #[cfg(test)]
    pub(super) fn into(output: W) -> Self {
        Self { output, bar: ProgressBar::hidden() }
    }

    /// Writes a line above the progress bar.
    pub(super) fn line(&mut self, line: impl std::fmt::Display) -> Result<(), OutputError> {
        let output = &mut self.output;
        self.bar.suspend(|| {
            writeln!(output, "{line}")?;
            output.flush()
        })?;
        Ok(())
    }

    /// Writes a highlighted line.
    #[cfg(feature = "emulator")]
    pub(super) fn heading(&mut self, text: &str) -> Result<(), OutputError> {
        use clap::builder::styling::Style;
        let style = if io::stdout().is_terminal() { Style::new().bold() } else { Style::new() };
        self.line(format_args!("{style}{text}{style:#}"))
    }

    /// Shows a final line permanently, any other until the next one.
    pub(super) fn transcript(&mut self, line: &Caption) -> Result<(), OutputError> {
        if !line.is_final {
            self.bar.set_message(line.to_string());
            return Ok(());
        }
        self.bar.set_message("");
        self.line(line)
    }

    /// Updates the progress bar. `keepalives` is shown if they are counted.
    pub(super) fn progress(&self, progress: &Progress, keepalives: Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(millis(progress.position));
        self.bar.set_prefix(status(
            progress,
            self.bar.length().map(Duration::from_millis),
            keepalives,
        ));
    }

    /// Removes the progress bar.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn bar(duration: Option<Duration>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(duration.map(millis), target);
    let template =
        if duration.is_some() { "{bar:32} {prefix}\n{wide_msg}" } else { "{prefix}\n{wide_msg}" };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is a constant"))
}

/// Position, speed, state and keepalives.
fn status(progress: &Progress, duration: Option<Duration>, keepalives: Option<u64>) -> String {
    let mut status = format!("{:.1}", progress.position.as_secs_f64());
    if let Some(duration) = duration {
        status += &format!(" of {:.1}", duration.as_secs_f64());
    }
    status += &format!(" s, {:.2}x, {}", speed(progress), progress.state.as_str());
    if let Some(keepalives) = keepalives {
        status += &format!(", {}", quantity::counted(keepalives, "keepalive"));
    }
    status
}

/// Audio per real time. No number during the first second, when a single chunk would decide it.
fn speed(progress: &Progress) -> f64 {
    if progress.elapsed < Duration::from_secs(1) {
        return 1.0;
    }
    progress.position.as_secs_f64() / progress.elapsed.as_secs_f64()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::play::PlayState;
    use super::*;

    struct GoneReader;

    impl Write for GoneReader {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(is_final: bool) -> Caption {
        Caption { start: 0.0, end: 1.0, text: "he was".into(), is_final, channel: None }
    }

    #[test]
    fn a_reader_that_has_gone_is_told_apart() {
        let mut screen = Screen::into(GoneReader);
        assert!(screen.line("lost").unwrap_err().is_reader_gone());
    }

    #[test]
    fn only_final_lines_stay() {
        let mut screen = Screen::into(Vec::new());
        screen.transcript(&line(false)).unwrap();
        screen.transcript(&line(true)).unwrap();
        assert_eq!(screen.output, b"[   0.00 -    1.00] he was\n");
    }

    #[test]
    fn the_status_tells_position_speed_state_and_keepalives() {
        let progress = Progress {
            position: Duration::from_millis(12_300),
            elapsed: Duration::from_millis(6_150),
            state: PlayState::Silent,
        };
        let duration = Some(Duration::from_secs(31));
        assert_eq!(
            status(&progress, duration, Some(2)),
            "12.3 of 31.0 s, 2.00x, silent, 2 keepalives"
        );
        assert_eq!(status(&progress, None, None), "12.3 s, 2.00x, silent");
    }
}
