//! Measurements too frequent to be facts: they only update histograms, some for every message.

use std::time::Duration;

use super::MessageKind;
use super::audio::AudioFormat;

/// A measurement by the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Deepgram sent a text message.
    Message {
        kind: MessageKind,
        /// For a result: how far it is behind the audio sent on its connection; `None` if the
        /// encoding has no known duration.
        lag: Option<Duration>,
        /// For the session's first result: time since its first audio was sent.
        first_result: Option<Duration>,
    },
    /// Everything from Deepgram has been written to the application.
    Delivered {
        /// Time since the oldest of it was read.
        latency: Duration,
    },
    /// Something was sent to Deepgram after a noticeable pause.
    SendGap {
        /// Since the last send.
        gap: Duration,
    },
    /// A pong was received.
    PingAnswered {
        /// Time since its ping was written.
        round_trip: Duration,
    },
    /// A blocked socket accepts data again, or is gone.
    Unblocked { side: Side, duration: Duration },
    /// A segment of the session's life is over.
    Segment(Box<Segment>),
}

crate::vocabulary! {
    /// One of a session's two sockets.
    pub enum Side: "side" {
        /// The application's.
        App = "app",
        /// Deepgram's.
        Upstream = "upstream",
    }
}

/// One segment of a session's life: differences, not totals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    pub duration: Duration,
    /// Bytes of AUDIO read.
    pub bytes_received: u64,
    /// Bytes of audio written to Deepgram.
    pub bytes_sent: u64,
    /// The audio format, if known.
    pub audio: Option<AudioFormat>,
    /// KeepAlives written.
    pub keepalives: u64,
    /// Text messages from Deepgram.
    pub messages: u64,
    /// Final results among them.
    pub finals: u64,
    /// The longest pause in sending to Deepgram that ended within it.
    pub send_gap_max: Duration,
    /// How far the results were behind the audio at its end; `None` if unknown.
    pub lag: Option<Duration>,
}
