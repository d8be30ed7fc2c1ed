//! What is measured too often to be a fact: figures that move histograms and nothing else, some of
//! them for every message.

use std::time::Duration;

use super::MessageKind;
use super::audio::AudioFormat;

/// A figure that the machine measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Deepgram sent a text message.
    Message {
        /// Which.
        kind: MessageKind,
        /// For a result: how far it is behind the audio that was sent on its connection; `None`
        /// where the encoding tells no time.
        lag: Option<Duration>,
        /// For the session's first result: since its first audio was sent.
        first_result: Option<Duration>,
    },
    /// The application has everything that Deepgram said.
    Delivered {
        /// Since the oldest of it was read.
        latency: Duration,
    },
    /// Something was sent to Deepgram after a noticeable pause.
    SendGap {
        /// Since the last send.
        gap: Duration,
    },
    /// A pong came.
    PingAnswered {
        /// Since its ping was written.
        round_trip: Duration,
    },
    /// A socket that had refused a write takes everything again, or is gone.
    Unblocked {
        /// Whose.
        side: Side,
        /// For how long.
        duration: Duration,
    },
    /// A stretch of the session's life is over.
    Segment(Box<Segment>),
}

/// One of a session's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The application's.
    App,
    /// Deepgram's.
    Upstream,
}

impl Side {
    /// Every side, in declaration order.
    pub const ALL: [Self; 2] = [Self::App, Self::Upstream];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Upstream => "upstream",
        }
    }
}

/// What happened in one stretch of a session's life: differences, not totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// How long it was.
    pub duration: Duration,
    /// Bytes of AUDIO read.
    pub bytes_received: u64,
    /// Bytes of audio written to Deepgram.
    pub bytes_sent: u64,
    /// The encoding, where it tells time.
    pub audio: Option<AudioFormat>,
    /// KeepAlives written.
    pub keepalives: u64,
    /// Text messages from Deepgram.
    pub messages: u64,
    /// Final results among them.
    pub finals: u64,
    /// The longest silence towards Deepgram that ended within it.
    pub send_gap_max: Duration,
    /// How far the results were behind the audio at its end; `None` while nothing tells.
    pub lag: Option<Duration>,
}
