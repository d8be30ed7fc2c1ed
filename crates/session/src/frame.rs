//! What a session sends to its application.

use super::close::CloseFrame;
use super::death::{Death, Reason};
use super::dial::DialReason;
use super::summary::Summary;
use super::{Refusal, TimeMap};
use crate::Vocabulary;
use crate::members::{Members, Visitor};
use bytes::Bytes;

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
    /// A binary message of Deepgram's.
    Binary { payload: Bytes },
    /// Asks whether the application is still there.
    Ping,
    /// FINISHED: the last frame of an opened session.
    Finished {
        summary: Box<Summary>,
        /// How Deepgram closed the last connection; `None` if it did not.
        close: Option<Box<CloseFrame>>,
    },
}

/// The payload of an EVENT frame, without `at_ms`. Members and names are the contract's, section 5.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connection to Deepgram died.
    Dead {
        death: Death,
        /// Whether the session goes on: with another connection, now or with the next audio.
        recovering: bool,
    },
    /// Another connection is tried.
    Reconnecting {
        /// Which dial since the death, from 1.
        attempt: u32,
        /// How long it waits before that.
        delay_ms: u64,
        reason: ReconnectReason,
    },
    /// Another connection has answered.
    Recovered {
        /// Which, from 1.
        connection: u32,
        /// How long no connection was up.
        gap_ms: u64,
        /// Audio that was sent again.
        replayed_ms: u64,
        /// Audio that was lost since the death.
        lost_ms: u64,
        /// Whether the numbers of speakers mean others than before.
        speakers_restarted: bool,
    },
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
    /// Live audio has moved to the connection that knows the prelude.
    PreludeDone {
        /// How long the prelude was, without padding.
        prelude_ms: u64,
    },
    /// The sidecar is shutting down.
    Draining {
        /// The time left until it cuts.
        deadline_ms: u64,
    },
}

impl Members for Event {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        match self {
            Self::Dead { death, recovering } => {
                visitor.member("event", "dead").flatten(death).member("recovering", *recovering)
            }
            Self::Reconnecting { attempt, delay_ms, reason } => visitor
                .member("event", "reconnecting")
                .member("attempt", *attempt)
                .member("delay_ms", *delay_ms)
                .member(ReconnectReason::KEY, reason.as_str()),
            Self::Recovered { connection, gap_ms, replayed_ms, lost_ms, speakers_restarted } => {
                visitor
                    .member("event", "recovered")
                    .member("connection", *connection)
                    .member("gap_ms", *gap_ms)
                    .member("replayed_ms", *replayed_ms)
                    .member("lost_ms", *lost_ms)
                    .member("speakers_restarted", *speakers_restarted)
            }
            Self::Stalled { silent_ms } => {
                visitor.member("event", "stalled").member("silent_ms", *silent_ms)
            }
            Self::AudioDropped { frames, bytes, cause } => visitor
                .member("event", "audio_dropped")
                .member("frames", *frames)
                .member("bytes", *bytes)
                .word(*cause),
            Self::Parked { idle_ms } => {
                visitor.member("event", "parked").member("idle_ms", *idle_ms)
            }
            Self::Resumed { idle_ms } => {
                visitor.member("event", "resumed").member("idle_ms", *idle_ms)
            }
            Self::PreludeDone { prelude_ms } => {
                visitor.member("event", "prelude_done").member("prelude_ms", *prelude_ms)
            }
            Self::Draining { deadline_ms } => {
                visitor.member("event", "draining").member("deadline_ms", *deadline_ms)
            }
        };
    }
}

/// Why another connection is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectReason {
    /// The one before died of this.
    Death(Reason),
    /// The last dial failed because of this.
    Dial(DialReason),
}

impl ReconnectReason {
    /// The name of its member, log field and attribute.
    pub const KEY: &'static str = Reason::KEY;

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Death(reason) => reason.as_str(),
            Self::Dial(reason) => reason.as_str(),
        }
    }
}

crate::vocabulary! {
    /// Why the application's audio never became text.
    pub enum LossCause: "cause" {
        /// The connection was dead, or died before the audio was final.
        Dead = "dead",
        /// No connection could be made.
        ConnectFailed = "connect_failed",
        /// The shutdown deadline cut the session.
        DrainDeadline = "drain_deadline",
        /// It came after FINISH or after shutdown had closed the stream.
        AfterFinish = "after_finish",
        /// The application left or broke the contract before it could be sent.
        AppGone = "app_gone",
        /// Deepgram did not finish within `session.finish_timeout` or `session.finish_max`.
        FinishTimeout = "finish_timeout",
        /// Recovery had no room for it until another connection was up.
        RingOverflow = "ring_overflow",
        /// Deepgram ended cleanly and said that it had processed less.
        Unprocessed = "unprocessed",
        /// Deepgram ended cleanly without saying how much it had processed, and no result covers it.
        Unconfirmed = "unconfirmed",
    }
}
