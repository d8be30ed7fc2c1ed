//! What an endpoint does: messages and time come in, messages come out.
//!
//! Each endpoint is a module of its own, pure, and unknown to the rest of the emulator, which has
//! only [`Endpoint`] and [`Stream`]. A stream owns its timers, the order of its work and the order
//! of its messages. It knows neither sockets nor faults, other than [`Faults`].

mod agent;
mod flux;
mod nova;
mod outbox;
mod speak;
mod speech;
mod turn;
mod voice;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::audio::Format;
use super::position::Reader;
use super::query::BadQuery;
use super::record::End;
use super::settings::Settings;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `/v1/listen`.
    Nova,
    /// `/v2/listen`.
    Flux,
    /// `/v1/speak`.
    Aura,
    /// `/v2/speak`.
    FluxTts,
    /// `/v1/agent/converse`.
    Agent,
}

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/v1/listen" => Some(Self::Nova),
            "/v2/listen" => Some(Self::Flux),
            "/v1/speak" => Some(Self::Aura),
            "/v2/speak" => Some(Self::FluxTts),
            "/v1/agent/converse" => Some(Self::Agent),
            _ => None,
        }
    }

    /// Begins a stream as its query asks for.
    pub(super) fn open(self, query: &str, terms: Terms) -> Result<Box<dyn Stream>, BadQuery> {
        match self {
            Self::Nova => nova::open(query, terms),
            Self::Flux => flux::open(query, terms),
            Self::Aura => speak::aura::open(query, terms),
            Self::FluxTts => speak::flux::open(query, terms),
            Self::Agent => agent::open(query, terms),
        }
    }

    /// Whether its streams turn text into audio.
    pub(super) fn speaks(self) -> bool {
        matches!(self, Self::Aura | Self::FluxTts)
    }

    /// Whose streams count together, and how many there may be.
    pub(super) fn pool(self, settings: &Settings) -> (Pool, usize) {
        match self {
            Self::Nova | Self::Flux => (Pool::Listen, settings.concurrency),
            Self::Aura => (Pool::Aura, settings.speak.concurrency),
            Self::FluxTts => (Pool::FluxTts, settings.speak.concurrency),
            Self::Agent => (Pool::Agent, settings.agent.concurrency),
        }
    }
}

/// Streams that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    Listen,
    Aura,
    FluxTts,
    Agent,
}

impl Pool {
    /// How many there are.
    pub(super) const COUNT: usize = 4;
}

/// What a stream begins with, besides its query.
pub(super) struct Terms {
    pub(super) settings: Arc<Settings>,
    pub(super) request_id: String,
    pub(super) now: Instant,
}

/// One stream of an endpoint.
pub(super) trait Stream: fmt::Debug + Send {
    /// What the client's binary messages mean.
    fn format(&self) -> Format;

    /// A binary message; tells whether it asks for the end of the stream.
    fn handle_binary(&mut self, now: Instant, audio: Bytes) -> bool;

    /// A text message; tells what it was.
    fn handle_text(&mut self, now: Instant, text: &str) -> TextKind;

    /// A Ping; the answer is the socket's business.
    fn handle_ping(&mut self, now: Instant);

    /// The answer to a Ping of the server, or one that nobody asked for.
    fn handle_pong(&mut self, _now: Instant) {}

    /// Does what has come due; harmless when nothing has.
    fn handle_timeout(&mut self, now: Instant);

    /// The next message that is due.
    fn poll_output(&mut self, now: Instant) -> Option<Output>;

    /// When to call [`Stream::handle_timeout`] and to poll next.
    fn next_deadline(&self) -> Option<Instant>;

    /// Whether the socket is to be read.
    fn wants_input(&self) -> bool;

    /// What reads the position code, where the audio has it.
    fn reader(&mut self) -> Option<&mut Reader>;

    /// The faults that a script turns on and off.
    fn faults(&mut self) -> &mut Faults;
}

/// Faults that are internal to a server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Transcripts are kept back.
    pub(super) muted: bool,
    /// CloseStream is ignored.
    pub(super) ignores_close_stream: bool,
}

/// A message to the client.
#[derive(Debug)]
pub(super) enum Output {
    /// What was heard; a mute server keeps it back.
    Transcript {
        text: String,
        /// Where in the audio a final result ends, in samples.
        settles: Option<u64>,
    },
    /// Metadata, Error, and the like.
    Text(String),
    /// What is spoken.
    Audio(Bytes),
    /// The end, and why; without a code, a close frame without one.
    Close { code: Option<u16>, reason: String, end: End },
}

/// Client texts by what the record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    KeepAlive,
    Finalize,
    CloseStream,
    Other,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// CloseStream came; what was sent before it is still being worked through.
    Draining,
    /// The last message is on its way; nothing more is heard.
    Ended,
}

#[cfg(test)]
mod bench;
