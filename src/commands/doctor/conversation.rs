//! One stream as a diagnosis holds it: what is sent when, and everything that came back.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout_at;

use super::recorded::Recorded;
use crate::upstream::link::Link;
use crate::upstream::transport::Transport;
use session::death::Reason;
use session::{Outgoing, UpstreamInput};

/// Messages kept of one stream; a peer that sends more is left.
const HEARD_MAX: usize = 10_000;

/// Bytes received on one stream, likewise.
const HEARD_BYTES_MAX: u64 = 16 << 20;

/// An upgraded stream.
pub(super) struct Opened {
    link: Link<Recorded<Transport>>,
}

impl Opened {
    pub(super) fn new(link: Link<Recorded<Transport>>) -> Self {
        Self { link }
    }

    /// Leaves without a word.
    pub(super) fn hang_up(self) {
        self.link.hang_up();
    }
}

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When, counted from the upgrade.
    pub(super) at: Duration,
    pub(super) outgoing: Outgoing,
}

/// What a peer did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// A text message; `Null` if it is not JSON.
    Text(Value),
    Binary,
    Ping,
    Pong,
    /// A close frame.
    Closed {
        code: Option<u16>,
        reason: Reason,
        /// Code and text.
        detail: String,
    },
    /// The connection failed without one.
    Failed {
        reason: Reason,
        detail: String,
    },
}

/// Everything that a peer did, and when, counted from the upgrade.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Transcript {
    pub(super) heard: Vec<(Duration, Heard)>,
    /// When listening ended.
    pub(super) until: Duration,
}

impl Transcript {
    /// Text messages of one type.
    pub(super) fn texts(&self, kind: &str) -> impl Iterator<Item = (Duration, &Value)> {
        self.heard.iter().filter_map(move |(at, heard)| match heard {
            Heard::Text(message) if message["type"] == kind => Some((*at, message)),
            _ => None,
        })
    }

    /// How it ended, if the peer ended it.
    pub(super) fn end(&self) -> Option<(Duration, &Heard)> {
        let is_end = |heard: &Heard| matches!(heard, Heard::Closed { .. } | Heard::Failed { .. });
        self.heard.last().filter(|(_, heard)| is_end(heard)).map(|(at, heard)| (*at, heard))
    }

    /// How it ended, in words.
    pub(super) fn ending(&self) -> String {
        match self.end() {
            Some((at, Heard::Closed { detail, .. } | Heard::Failed { detail, .. })) => {
                let detail = detail.trim_end();
                format!("after {:.1} s {detail}", at.as_secs_f64())
            }
            _ => format!("still open after {:.1} s", self.until.as_secs_f64()),
        }
    }
}

/// Plays `lines`, in order, and listens until `until`, the peer's end, or `enough`.
pub(super) async fn hold(
    Opened { mut link }: Opened,
    lines: &[Line],
    until: Duration,
    enough: impl Fn(&Heard) -> bool,
) -> Transcript {
    let opened = clock::now();
    let mut transcript = Transcript { heard: Vec::new(), until };
    let mut lines = lines.iter();
    let mut line = lines.next();
    while transcript.heard.len() < HEARD_MAX && link.bytes().1 < HEARD_BYTES_MAX {
        while let Some(Line { at, outgoing }) = line
            && opened + *at <= clock::now()
        {
            link.send(outgoing.clone());
            line = lines.next();
        }
        let due = line.map_or(until, |line| line.at.min(until));
        match timeout_at((opened + due).into(), next(&mut link)).await {
            Ok(heard) => {
                transcript.heard.push((since(opened), heard));
                let last = &transcript.heard[transcript.heard.len() - 1].1;
                if transcript.end().is_some() || enough(last) {
                    break;
                }
            }
            Err(_) if due == until => break,
            Err(_) => {}
        }
    }
    transcript.until = since(opened);
    link.hang_up();
    transcript
}

/// What the peer does next; waits for ever after its end.
async fn next(link: &mut Link<Recorded<Transport>>) -> Heard {
    loop {
        match poll_fn(|cx| link.poll_input(cx, true)).await {
            UpstreamInput::Message { text, .. } | UpstreamInput::ErrorMessage { text, .. } => {
                return Heard::Text(serde_json::from_slice(&text).unwrap_or(Value::Null));
            }
            UpstreamInput::Binary { .. } => return Heard::Binary,
            UpstreamInput::Ping => return Heard::Ping,
            UpstreamInput::Pong => return Heard::Pong,
            UpstreamInput::Closed { frame, reason, detail, .. } => {
                return Heard::Closed { code: frame.code, reason, detail };
            }
            UpstreamInput::Failed { reason, detail, .. } => {
                return Heard::Failed { reason, detail };
            }
            // How far our own writes have come shows in what the peer does.
            _ => {}
        }
    }
}

fn since(opened: Instant) -> Duration {
    clock::now().duration_since(opened)
}
