//! What a session sends to its application.

use bytes::Bytes;
use serde::Serialize;

use super::death::Death;
use super::summary::Summary;
use super::{Refusal, TimeMap};

/// A frame to the application.
#[derive(Clone, Debug, PartialEq)]
pub enum AppFrame {
    Opened {
        /// Deepgram's `dg-request-id`.
        request_id: Option<String>,
    },
    /// MESSAGE.
    Message {
        /// Deepgram's own bytes.
        text: Bytes,
        /// How to convert its times to session time.
        times: TimeMap,
    },
    Event {
        /// Milliseconds since the last byte of OPEN was read.
        at_ms: u64,
        event: Event,
    },
    /// ERROR: always fatal.
    Error(Box<Refusal>),
    /// FINISHED: the last frame of an opened session.
    Finished(Box<Summary>),
}

/// The payload of an EVENT frame, without `at_ms`. Members and names are the contract's, section 5.
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
    /// Audio was lost.
    AudioDropped {
        /// AUDIO frames.
        frames: u64,
        bytes: u64,
        cause: LossCause,
    },
    /// The keepalive budget was used up and the connection was closed.
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
        /// The time left until it cuts.
        deadline_ms: u64,
    },
}

/// Why the application's audio never became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossCause {
    /// The connection was dead, or died before the audio was final.
    Dead,
    /// No connection could be made.
    ConnectFailed,
    /// The shutdown deadline cut the session.
    DrainDeadline,
    /// It came after FINISH or after shutdown had closed the stream.
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
