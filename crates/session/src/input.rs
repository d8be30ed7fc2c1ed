//! The inputs of a session, from either side.

use std::time::Duration;

use bytes::Bytes;

use super::close::{CloseFrame, DeepgramError, DgCode};
use super::death::{Reason, Trigger};
use super::dial::{DialFailure, DialPhases};
use super::gate::VadMode;
use super::summary::EndCause;
use super::{Refusal, Written};

/// Input from the application's socket.
#[derive(Clone, Debug)]
pub enum AppInput {
    /// Audio, verbatim; may be empty.
    Audio(Bytes),
    /// A JSON text message for Deepgram, verbatim; already checked.
    Text(Bytes),
    /// Flush Deepgram's buffer, of one channel or of all.
    Finalize {
        /// The channel, from 0.
        channel: Option<u64>,
    },
    /// No more audio; deliver the rest and end.
    Finish,
    /// UPDATE: what of the session is to change.
    Update {
        /// The VAD gate's mode.
        vad: Option<VadMode>,
    },
    /// Speech that goes ahead of the live stream; an empty one ends it.
    Prelude(Bytes),
    /// The application broke the contract: this ends the session.
    Breach(Box<Refusal>),
    /// A KeepAlive of the application's own: the sidecar keeps its connections alive itself.
    KeepAlive,
    /// The application has answered a Ping.
    Pong,
    /// The application has ended the conversation, and will hear nothing more.
    Closed(EndCause),
    /// The application shut down its writing side.
    Eof,
    /// Nothing more can be delivered. What the application has sent may still be in flight, so only
    /// its end of stream ends the session.
    WriteFailed,
    /// The kernel did not accept data for the application immediately.
    WriteBlocked,
    /// The kernel took some of it.
    WriteProgress,
    /// The kernel has taken all of it.
    WriteDrained,
    /// The application's socket holds nothing to read, and no frame is half read: told only where it
    /// is asked for, by [`Session::wants_emptied`](crate::machine::Session::wants_emptied).
    Emptied,
}

impl AppInput {
    /// Whether it is something that the application has said, and not how its socket fares.
    pub fn is_from_app(&self) -> bool {
        !matches!(
            self,
            Self::WriteFailed
                | Self::WriteBlocked
                | Self::WriteProgress
                | Self::WriteDrained
                | Self::Emptied
        )
    }
}

/// Input from Deepgram's side.
#[derive(Clone, Debug)]
pub enum UpstreamInput {
    /// The dial succeeded.
    Connected {
        /// Deepgram's `dg-request-id`.
        request_id: Option<String>,
        /// How long each phase took.
        phases: DialPhases,
    },
    DialFailed(DialFailure),
    /// A text message, verbatim, with what the session needs to know about it.
    Message {
        /// The message's bytes, UTF-8.
        text: Bytes,
        /// What kind it is.
        kind: MessageKind,
    },
    /// A text message that is Deepgram's `Error`, verbatim, and what it says.
    ErrorMessage {
        /// The message's bytes, UTF-8.
        text: Bytes,
        error: Box<DeepgramError>,
    },
    /// A binary message; Deepgram's listen endpoints send none.
    Binary {
        payload: Bytes,
    },
    /// A ping from Deepgram: a sign of life. The WebSocket library answers it.
    Ping,
    /// A pong, answering our ping.
    Pong,
    /// The kernel has taken everything sent so far.
    Written(Written),
    /// The kernel did not accept sent data immediately.
    WriteBlocked,
    /// The kernel took some of it.
    WriteProgress,
    /// Deepgram sent a close frame.
    Closed {
        frame: CloseFrame,
        /// The cause of death that code and text stand for.
        reason: Reason,
        /// Deepgram's own code in its text.
        dg_code: DgCode,
        /// Code and text, human-readable.
        detail: String,
        /// Whether it says why: it has a text, or a code that says more than that it is over.
        says_why: bool,
    },
    /// The connection failed without a close frame.
    Failed {
        reason: Reason,
        /// The operation that detected it.
        trigger: Trigger,
        /// The error, human-readable; never contains key, header or query.
        detail: String,
    },
}

/// What a message from Deepgram means to the session. Times are of the audio sent on its
/// connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MessageKind {
    /// Nova's `Results`.
    Results {
        /// `start`.
        start: Duration,
        /// `is_final`.
        is_final: bool,
        /// `from_finalize`.
        from_finalize: bool,
        /// `start + duration`.
        end: Duration,
        /// First of `channel_index`.
        channel: u32,
        /// Second of `channel_index`.
        channels: u32,
    },
    /// Nova's `Metadata`: the last text message of a stream.
    Metadata {
        /// `duration`: how much audio was processed; `None` if it is not there.
        processed: Option<Duration>,
    },
    /// Flux's `TurnInfo`.
    TurnInfo {
        /// Whether `event` is `EndOfTurn`.
        end_of_turn: bool,
        /// `audio_window_end`.
        end: Duration,
    },
    /// Nova's `SpeechStarted`.
    SpeechStarted {
        /// `timestamp`.
        at: Duration,
    },
    /// Nova's `UtteranceEnd`.
    UtteranceEnd {
        /// `last_word_end`; zero if it says none.
        end: Duration,
    },
    /// Flux's answer to a `Configure`, whether it takes effect or not.
    Configured,
    /// An `Error` message; what follows decides its meaning.
    Error,
    /// Any other message, including text that is not JSON.
    Other,
}

impl MessageKind {
    /// Whether it shows that Deepgram hears: what may be the first half of an end does not.
    pub fn is_answer(self) -> bool {
        match self {
            Self::Results { .. }
            | Self::TurnInfo { .. }
            | Self::SpeechStarted { .. }
            | Self::UtteranceEnd { .. } => true,
            Self::Metadata { .. } | Self::Configured | Self::Error | Self::Other => false,
        }
    }

    /// Up to where on its connection it is about the audio, if it is.
    pub fn end(self) -> Option<Duration> {
        match self {
            Self::Results { end, .. }
            | Self::TurnInfo { end, .. }
            | Self::SpeechStarted { at: end }
            | Self::UtteranceEnd { end } => Some(end),
            Self::Metadata { .. } | Self::Configured | Self::Error | Self::Other => None,
        }
    }
}
