//! One session as `stream` and `demo` run it: play, show results, report how it ended.

use std::pin::pin;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::notice::Notice;
use super::play::{Progress, play};
use super::screen::Screen;
use super::source::Source;
use super::summary::Table;
use super::transcript::Caption;
use client::{self, Client, Event, Incoming, Refusal, Summary};
use session::audio::AudioFormat;

/// How a session ended, from the user's point of view.
#[derive(Debug)]
pub(super) enum StreamEnd {
    Finished(Box<Summary>),
    Refused(Refusal),
    /// A second Ctrl-C.
    Quit,
}

impl StreamEnd {
    /// The summary; `None` if the user quit.
    ///
    /// # Errors
    /// A session that was refused.
    pub(super) fn into_summary(self) -> Result<Option<Summary>, client::Error> {
        match self {
            Self::Finished(summary) => Ok(Some(*summary)),
            Self::Refused(refusal) => Err(client::Error::Refused(Box::new(refusal))),
            Self::Quit => Ok(None),
        }
    }
}

/// What to print for each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Text for people.
    Text,
    /// A line of JSON.
    Json,
}

/// A session and its screen.
pub(super) struct Session<W = std::io::Stdout> {
    screen: Screen<W>,
    view: View,
    keepalives: Option<watch::Receiver<u64>>,
    is_opened: bool,
    /// The audio's, once it plays.
    format: Option<AudioFormat>,
    /// Stops the recording early.
    stop: CancellationToken,
}

impl<O: std::io::Write> Session<O> {
    pub(super) fn new(screen: Screen<O>, view: View) -> Self {
        let stop = CancellationToken::new();
        Self { screen, view, keepalives: None, is_opened: false, format: None, stop }
    }

    /// Shows keepalives, from the emulator's count.
    #[cfg(feature = "emulator")]
    pub(super) fn with_keepalives(self, keepalives: watch::Receiver<u64>) -> Self {
        Self { keepalives: Some(keepalives), ..self }
    }

    /// Plays the source to its end and waits for the session's last frame.
    pub(super) async fn run<R, W>(
        mut self,
        client: Client<R, W>,
        mut source: Source,
        speed: f64,
    ) -> anyhow::Result<StreamEnd>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.format = Some(source.encoding.format);
        let (mut sender, mut receiver) = client.split();
        let (progress, mut shown) = watch::channel(Progress::START);
        let mut interrupts = signal(SignalKind::interrupt())?;
        let stop = self.stop.clone();
        let mut playing = pin!(play(&mut sender, &mut source, speed, &progress, &stop));
        let mut played = None;
        let end = loop {
            select! {
                result = &mut playing, if played.is_none() => played = Some(result),
                incoming = receiver.next() => {
                    if let Some(end) = self.take(incoming?.ok_or(client::Error::ClosedEarly)?)? {
                        break end;
                    }
                }
                Some(count) = next_count(&mut self.keepalives) => self.show_keepalive(count)?,
                Ok(()) = shown.changed() => self.show_progress(*shown.borrow_and_update()),
                _ = interrupts.recv() => {
                    if self.stop.is_cancelled() {
                        break StreamEnd::Quit;
                    }
                    self.stop.cancel();
                }
            }
        };
        self.show_end(&end)?;
        played.map_or(Ok(()), of_the_source)?;
        Ok(end)
    }

    fn take(&mut self, incoming: Incoming) -> anyhow::Result<Option<StreamEnd>> {
        if self.view == View::Json {
            self.show_json(&incoming)?;
        }
        match incoming {
            Incoming::Opened(_) => self.is_opened = true,
            Incoming::Message(message) => self.show_message(&message)?,
            Incoming::Event(event) => self.take_event(&event)?,
            Incoming::Error(refusal) if self.is_opened => self.show_text(&refusal)?,
            Incoming::Error(refusal) => return Ok(Some(StreamEnd::Refused(refusal))),
            Incoming::Finished(summary) => return Ok(Some(StreamEnd::Finished(summary))),
            Incoming::Unknown { .. } => {}
        }
        Ok(None)
    }

    fn take_event(&mut self, event: &Event) -> anyhow::Result<()> {
        if event.is_final_death() {
            // A latched session accepts audio but drops it: stop playing.
            self.stop.cancel();
        }
        self.show_text(Notice(event))
    }

    fn show_message(&mut self, message: &[u8]) -> anyhow::Result<()> {
        match Caption::read(message) {
            Some(line) if self.view == View::Text => Ok(self.screen.transcript(&line)?),
            _ => Ok(()),
        }
    }

    fn show_text(&mut self, line: impl std::fmt::Display) -> anyhow::Result<()> {
        if self.view == View::Text {
            self.screen.line(line)?;
        }
        Ok(())
    }

    fn show_keepalive(&mut self, count: u64) -> anyhow::Result<()> {
        self.show_text(format_args!("keepalive {count}: silence, but the connection stays alive"))
    }

    fn show_progress(&self, progress: Progress) {
        let keepalives = self.keepalives.as_ref().map(|count| *count.borrow());
        self.screen.progress(&progress, keepalives);
    }

    fn show_end(&mut self, end: &StreamEnd) -> anyhow::Result<()> {
        self.screen.clear();
        match end {
            StreamEnd::Finished(summary) => {
                self.show_text(format_args!("\n{}", Table(summary, self.format)))
            }
            StreamEnd::Refused(_) | StreamEnd::Quit => Ok(()),
        }
    }

    fn show_json(&mut self, incoming: &Incoming) -> anyhow::Result<()> {
        let line = match incoming {
            Incoming::Opened(opened) => json_line("opened", opened),
            Incoming::Event(event) => json_line("event", event),
            Incoming::Error(refusal) => json_line("error", refusal),
            Incoming::Finished(summary) => json_line("finished", summary),
            Incoming::Message(message) => match serde_json::from_slice::<&RawValue>(message) {
                Ok(json) => json_line("message", json),
                Err(_) => json_line("message", &String::from_utf8_lossy(message)),
            },
            Incoming::Unknown { .. } => return Ok(()),
        };
        Ok(self.screen.line(line?)?)
    }
}

/// The next count; never, once counting has stopped.
async fn next_count(keepalives: &mut Option<watch::Receiver<u64>>) -> Option<u64> {
    let counted = keepalives.as_mut()?;
    counted.changed().await.ok()?;
    Some(*counted.borrow_and_update())
}

/// A failed send is better explained by the session's end; a failed source is not.
fn of_the_source(played: anyhow::Result<()>) -> anyhow::Result<()> {
    match played {
        Err(error) if error.is::<client::Error>() => Ok(()),
        played => played,
    }
}

fn json_line(frame: &str, payload: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Frame<'a, P: ?Sized> {
        frame: &'a str,
        payload: &'a P,
    }
    serde_json::to_string(&Frame { frame, payload })
}

#[cfg(test)]
mod tests;
