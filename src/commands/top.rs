//! `top`: the live sessions of a running daemon, continuously.

mod fullscreen;
mod screen;
mod view;

use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::admin::{self, Address, AskError};
use super::live::Sessions;
use crate::admin::column::SortKey;
use fullscreen::Fullscreen;
use screen::Palette;
use view::{Pressed, View};

/// Show the live sessions of a running daemon, and keep showing them.
///
/// Red sessions are dead or stalled. Yellow ones are reconnecting, or have sent nothing for 8 s
/// where Deepgram closes after 10 s. Keys choose the sort order: they are listed in the last line. NO_COLOR is honoured.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    daemon: admin::Args,

    /// Initial sort key, largest first.
    #[arg(long, value_name = "KEY", default_value = "send_age")]
    pub sort: SortKey,

    /// Refresh interval.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
}

fn parse_interval(text: &str) -> anyhow::Result<Duration> {
    let interval = humantime::parse_duration(text)?;
    let sensible = Duration::from_millis(100)..=Duration::from_secs(60);
    anyhow::ensure!(sensible.contains(&interval), "choose 100ms to 1m");
    Ok(interval)
}

/// Shows sessions until q, Ctrl-C or a signal.
///
/// # Errors
/// Standard output is not a terminal, or the terminal cannot be used. A daemon that does not
/// respond is not an error: it is shown.
pub fn main(args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        io::stdout().is_terminal(),
        "top needs a terminal; `deepgram-sidecar sessions` prints the same once"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let shown = runtime.block_on(show(args));
    // Reading keys blocks a thread, which must not block the exit.
    runtime.shutdown_background();
    shown.map(|()| ExitCode::SUCCESS)
}

async fn show(args: Args) -> anyhow::Result<()> {
    let mut end = EndSignals::new().context("cannot listen for signals")?;
    let mut terminal = Fullscreen::enter().context("cannot use the terminal")?;
    let mut keys = EventStream::new();
    let mut looks = interval(args.interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let address = args.daemon.admin;
    let mut view = View::new(address.to_string(), args.sort);
    let palette = Palette::of_environment();
    let mut question = None;
    loop {
        terminal.draw(|frame| screen::draw(frame, &mut view, palette))?;
        tokio::select! {
            () = end.signal() => return Ok(()),
            event = keys.next() => match event.transpose()? {
                None => return Ok(()),
                Some(Event::Key(key)) => match view.press(key) {
                    Pressed::Quit => return Ok(()),
                    Pressed::Sort => question = Some(ask(&address, &view)),
                    Pressed::Nothing => {}
                },
                Some(_) => {}
            },
            answer = answer(&mut question) => {
                question = None;
                view.take(answer);
            }
            _ = looks.tick() => {
                question.get_or_insert_with(|| ask(&address, &view));
            }
        }
    }
}

/// A request in flight.
type Question = Pin<Box<dyn Future<Output = Result<Sessions, AskError>>>>;

fn ask(address: &Address, view: &View) -> Question {
    let (address, path) = (address.clone(), view.path());
    Box::pin(async move { admin::parse(&address, &admin::get(&address, &path).await?) })
}

/// The response to the request in flight; pending forever without one.
async fn answer(question: &mut Option<Question>) -> Result<Sessions, AskError> {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}

/// Signals that end the command, handled so that the terminal is restored.
struct EndSignals([Signal; 3]);

impl EndSignals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn signal(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_no_eye_can_follow_is_refused() {
        assert_eq!(parse_interval("250ms").unwrap(), Duration::from_millis(250));
        for text in ["0s", "99ms", "2m", "soon"] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }
}
