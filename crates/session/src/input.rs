//! What can happen to a session, on either side.

use std::time::Duration;

use bytes::Bytes;

use super::death::{Reason, Trigger};
use super::dial::{DialFailure, DialPhases};
use super::fact::DgCode;
use super::{Refusal, Written};

/// What comes from the application's socket.
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
    /// An UPDATE that changes nothing in this build; already checked.
    Update,
    /// The application broke the contract: this ends the session.
    Breach(Box<Refusal>),
    /// The application shut its writing side.
    Eof,
    /// Nothing can be delivered any more. What it has sent may still be on its way, so only its
    /// end of stream ends the session.
    WriteFailed,
    /// What waits for the application was not taken by the kernel at once.
    WriteBlocked,
    /// The kernel took some of it.
    WriteProgress,
    /// The kernel has taken all of it.
    WriteDrained,
}

/// What comes from Deepgram's side.
#[derive(Clone, Debug)]
pub enum UpstreamInput {
    /// The dial succeeded.
    Connected {
        /// Deepgram's `dg-request-id`.
        request_id: Option<String>,
        /// How long each phase took.
        phases: DialPhases,
    },
    /// The dial failed.
    DialFailed(DialFailure),
    /// A text message, verbatim, with what the session needs to know of it.
    Message {
        /// The message's bytes, UTF-8.
        text: Bytes,
        /// What kind it is.
        kind: MessageKind,
    },
    /// A binary message; Deepgram's listen endpoints send none.
    Binary {
        /// Its length in bytes.
        length: usize,
    },
    /// A ping of Deepgram's: a sign of life. The WebSocket library answers it.
    Ping,
    /// A pong: the answer to a ping of ours.
    Pong,
    /// The kernel has taken all that was sent so far.
    Written(Written),
    /// What was sent was not taken by the kernel at once.
    WriteBlocked,
    /// The kernel took some of it.
    WriteProgress,
    /// Deepgram sent a close frame.
    Closed {
        /// Its code; `None` where it had none.
        code: Option<u16>,
        /// What that code and text mean as a cause of death.
        reason: Reason,
        /// Deepgram's own code in its text.
        dg_code: DgCode,
        /// Code and text, for people.
        detail: String,
    },
    /// The connection failed without a close frame.
    Failed {
        /// The cause.
        reason: Reason,
        /// The operation that noticed.
        trigger: Trigger,
        /// The error, for people; never holds key, header or query.
        detail: String,
    },
}

/// What a message from Deepgram means to the session. Times are of the audio that was sent
/// on its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MessageKind {
    /// Nova's `Results`.
    Results {
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
    Metadata,
    /// Flux's `TurnInfo`.
    TurnInfo {
        /// Whether `event` is `EndOfTurn`.
        end_of_turn: bool,
        /// `audio_window_end`.
        end: Duration,
    },
    /// Nova's `SpeechStarted`.
    SpeechStarted,
    /// Nova's `UtteranceEnd`.
    UtteranceEnd,
    /// An `Error` message; what follows decides what it meant.
    Error,
    /// Any other message, text that is not JSON included.
    Other,
}

impl MessageKind {
    /// Whether it is a result of nothing but the `lead` of a connection's audio, which is not the
    /// application's. The answer that a Finalize waits for is the application's all the same.
    pub fn is_of_lead_alone(self, lead: Duration) -> bool {
        match self {
            Self::Results { end, from_finalize, .. } => {
                !lead.is_zero() && end <= lead && !from_finalize
            }
            _ => false,
        }
    }
}
