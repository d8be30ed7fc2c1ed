//! The vocabulary that the application's side, Deepgram's side and the session machine share.
//!
//! It does no I/O and knows neither sockets nor metrics. The words:
//! a **session** is one application stream, from OPEN to FINISHED; a **connection** is one
//! WebSocket to Deepgram, of which a session has one at a time; a **death** is a connection that
//! ended although nobody asked it to.

pub mod audio;
pub mod clock;
pub mod death;
pub mod dial;
pub mod driver;
pub mod fact;
pub mod live;
pub mod machine;
pub mod registry;
pub mod summary;
pub mod timestamps;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use audio::AudioFormat;
use death::{Death, Reason, Trigger};
use dial::{DialFailure, DialPhases, DialReason};
use summary::Summary;

/// The name of a session: 1 to 64 of `A-Z a-z 0-9 . _ : -`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Longest id, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// Takes a name that the application chose; `None` where it breaks the rule above.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(is_name_byte)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a byte may stand in a session id or in the key of a tag.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of Deepgram's streaming endpoints a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Endpoint {
    /// `/v1/listen`: Nova. KeepAlive is a JSON text message, Finalize exists.
    #[serde(rename = "/v1/listen")]
    V1Listen,
    /// `/v2/listen`: Flux. JSON KeepAlive and Finalize are fatal there; a Ping keeps it alive.
    #[serde(rename = "/v2/listen")]
    V2Listen,
}

impl Endpoint {
    /// The request path.
    pub fn path(self) -> &'static str {
        match self {
            Self::V1Listen => "/v1/listen",
            Self::V2Listen => "/v2/listen",
        }
    }
}

/// Longest text that Deepgram or the network can put into an event, in bytes.
const DETAIL_BYTES_MAX: usize = 1 << 10;

/// Cuts a text for people to its bound.
pub fn bounded(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    detail
}

/// All that the session machine needs to know to run one session; validated, never changed.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Deepgram's endpoint.
    pub endpoint: Endpoint,
    /// What the audio bytes mean; `None` for encodings that do not tell time per byte.
    pub audio: Option<AudioFormat>,
    /// Send a KeepAlive after this long without a successful send; over 0, under 10 s.
    pub keepalive_interval: Duration,
    /// Close the connection and park after this long of nothing but keepalives; `None` for never.
    pub keepalive_max_idle: Option<Duration>,
    /// Silence to send on a fresh connection while the application sends nothing; zero for none.
    pub prime_silence: Duration,
    /// How often to ping Deepgram.
    pub ping_interval: Duration,
    /// How long after a ping something must have been received.
    pub ping_timeout: Duration,
    /// Audio unanswered for this long makes a `stalled` event.
    pub stall_after: Duration,
    /// Whether a stall is a death.
    pub kill_stalled: bool,
    /// Dial attempts in all, at least 1.
    pub connect_attempts: u32,
    /// The kernel must take some of what waits to be written within this.
    pub write_timeout: Duration,
    /// How much audio is kept while dialling, where [`SessionConfig::audio`] tells time.
    pub connect_buffer: Duration,
    /// How long a Finalize may stay unanswered.
    pub finalize_timeout: Duration,
    /// How long Deepgram has to close after CloseStream.
    pub finish_timeout: Duration,
    /// How long an application may leave its socket unread while something waits for it.
    pub app_stall_timeout: Duration,
}

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
    /// The application's socket is gone: nothing can be delivered any more.
    Gone,
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
    /// A ping or pong frame: a sign of life.
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

/// What a message from Deepgram means to the session. Times are seconds of the audio that was
/// sent on its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MessageKind {
    /// Nova's `Results`.
    Results {
        /// `is_final`.
        is_final: bool,
        /// `from_finalize`.
        from_finalize: bool,
        /// `start + duration`.
        end: f64,
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
        end: f64,
    },
    /// An `Error` message; what follows decides what it meant.
    Error,
    /// Any other message, text that is not JSON included.
    Other,
}

/// A message to Deepgram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The application's audio; never empty.
    Audio(Bytes),
    /// Silence of our own, to prime a connection; not part of the session's audio.
    Silence(Bytes),
    /// A JSON text message of the application's.
    Text(Bytes),
    /// The keepalive of the session's endpoint.
    KeepAlive,
    /// `Finalize`.
    Finalize {
        /// The channel, from 0; `None` for all.
        channel: Option<u64>,
    },
    /// `CloseStream`.
    CloseStream,
    /// A ping that asks for a sign of life.
    Ping,
}

/// What the kernel has taken since the last such report, counted by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages of the application's audio.
    pub audio_frames: u64,
    /// Their bytes.
    pub audio_bytes: u64,
    /// Bytes of our own silence.
    pub silence_bytes: u64,
    /// KeepAlives.
    pub keepalives: u64,
    /// Finalizes.
    pub finalizes: u64,
    /// The application's text messages.
    pub texts: u64,
    /// CloseStreams: 0 or 1.
    pub close_streams: u64,
    /// Pings.
    pub pings: u64,
}

/// A frame to the application.
#[derive(Clone, Debug, PartialEq)]
pub enum AppFrame {
    /// OPENED.
    Opened {
        /// Deepgram's `dg-request-id`.
        request_id: Option<String>,
    },
    /// MESSAGE: Deepgram's own bytes.
    Message(Bytes),
    /// EVENT.
    Event {
        /// Milliseconds since the last byte of OPEN was read.
        at_ms: u64,
        /// What happened.
        event: Event,
    },
    /// ERROR: always fatal.
    Error(Box<Refusal>),
    /// FINISHED: the last frame of an opened session.
    Finished(Box<Summary>),
}

/// The payload of an EVENT frame, less `at_ms`. Members and names are the contract's, section 5.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A connection to Deepgram died.
    Dead(Death),
    /// Audio went in, nothing came out.
    Stalled {
        /// For how long nothing came out.
        silent_ms: u64,
    },
    /// Audio was given up.
    AudioDropped {
        /// AUDIO frames.
        frames: u64,
        /// Their bytes.
        bytes: u64,
        /// Why.
        cause: LossCause,
    },
    /// The keepalive budget is spent and the connection was closed.
    Parked {
        /// How long nothing but keepalives was sent.
        idle_ms: u64,
    },
    /// Audio has reopened a parked session.
    Resumed {
        /// How long nothing but keepalives was sent, parked time included.
        idle_ms: u64,
    },
    /// The sidecar is shutting down.
    Draining {
        /// What is left until it cuts.
        deadline_ms: u64,
    },
}

/// Why audio of the application never became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The connection was dead, or died before Deepgram had made it final.
    Dead,
    /// No connection could be had.
    ConnectFailed,
    /// The shutdown deadline cut the session.
    DrainDeadline,
    /// It came after FINISH or after the shutdown had closed the stream.
    AfterFinish,
    /// The application left or broke the contract before it could be sent.
    AppGone,
    /// Deepgram did not finish within `session.finish_timeout`.
    FinishTimeout,
}

impl LossCause {
    /// Every cause, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::Dead,
        Self::ConnectFailed,
        Self::DrainDeadline,
        Self::AfterFinish,
        Self::AppGone,
        Self::FinishTimeout,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::ConnectFailed => "connect_failed",
            Self::DrainDeadline => "drain_deadline",
            Self::AfterFinish => "after_finish",
            Self::AppGone => "app_gone",
            Self::FinishTimeout => "finish_timeout",
        }
    }
}

/// The payload of an ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The closed vocabulary of section 7.
    pub code: ErrorCode,
    /// A sentence that says what to do.
    pub message: String,
    /// The offending member by dotted path, where there is one.
    pub field: Option<String>,
    /// More, for `connect_failed` alone.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Box<ConnectRefusal>>,
}

impl Refusal {
    /// A refusal that no single member is to blame for.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, connect: None }
    }

    /// A refusal that one member is to blame for, named by its dotted path.
    pub fn of_field(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, message) }
    }
}

/// What `connect_failed` says beyond the other refusals; `None` where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectRefusal {
    /// Why the last attempt failed.
    pub reason: Option<DialReason>,
    /// The HTTP status of the answer to the upgrade.
    pub status: Option<u16>,
    /// Deepgram's own message, up to 1 KiB.
    pub detail: Option<String>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
}

/// Codes of ERROR frames, section 7 of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's table defines each code under this very name")]
pub enum ErrorCode {
    BadFrame,
    FrameTooLarge,
    UnknownFrameType,
    UnexpectedFrame,
    InvalidOpen,
    InvalidUpdate,
    ReservedMessage,
    UnsupportedProtocol,
    SessionIdInUse,
    TooManySessions,
    PeerNotAllowed,
    Draining,
    ConnectFailed,
}

impl ErrorCode {
    /// Every code, in declaration order.
    pub const ALL: [Self; 13] = [
        Self::BadFrame,
        Self::FrameTooLarge,
        Self::UnknownFrameType,
        Self::UnexpectedFrame,
        Self::InvalidOpen,
        Self::InvalidUpdate,
        Self::ReservedMessage,
        Self::UnsupportedProtocol,
        Self::SessionIdInUse,
        Self::TooManySessions,
        Self::PeerNotAllowed,
        Self::Draining,
        Self::ConnectFailed,
    ];

    /// The code as it stands on the wire and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::FrameTooLarge => "frame_too_large",
            Self::UnknownFrameType => "unknown_frame_type",
            Self::UnexpectedFrame => "unexpected_frame",
            Self::InvalidOpen => "invalid_open",
            Self::InvalidUpdate => "invalid_update",
            Self::ReservedMessage => "reserved_message",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::SessionIdInUse => "session_id_in_use",
            Self::TooManySessions => "too_many_sessions",
            Self::PeerNotAllowed => "peer_not_allowed",
            Self::Draining => "draining",
            Self::ConnectFailed => "connect_failed",
        }
    }
}
