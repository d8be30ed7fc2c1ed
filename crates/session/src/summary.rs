//! The summary of a session, reported once at its end: FINISHED and the `session_end` log line.

use serde::Serialize;

use super::SessionId;
use super::death::{Class, Reason, Trigger};

/// How a session ended. The first terminal event decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// FINISH, and Deepgram closed cleanly.
    Finished,
    /// The connection died and was not recovered.
    Dead,
    /// The application left without FINISH, stalled or broke the contract.
    Aborted,
    /// Shutdown ended it.
    Drained,
    /// FINISH, and Deepgram had not closed within `session.finish_timeout`.
    TimedOut,
    /// No connection ever came up. Such a session ends with ERROR, not FINISHED.
    ConnectFailed,
}

impl Outcome {
    /// Every outcome, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::Finished,
        Self::Dead,
        Self::Aborted,
        Self::Drained,
        Self::TimedOut,
        Self::ConnectFailed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Dead => "dead",
            Self::Aborted => "aborted",
            Self::Drained => "drained",
            Self::TimedOut => "timed_out",
            Self::ConnectFailed => "connect_failed",
        }
    }
}

/// The session's summary. Member names and meanings are the contract's, section 6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub session_id: SessionId,
    pub outcome: Outcome,
    /// Whether the shutdown deadline ended it.
    pub cut: bool,
    /// The first death of a connection.
    pub death: Option<DeathSummary>,
    /// From the last byte of OPEN to now.
    pub duration_ms: u64,
    /// How many connections there were.
    pub connections: u32,
    /// The audio accounting: `bytes_received = bytes_sent + bytes_dropped + bytes_gated`.
    pub audio: AudioSummary,
    /// KeepAlives written, over all connections.
    pub keepalives: u64,
    /// The outcome of the Finalizes.
    pub finalizes: FinalizeSummary,
    /// What Deepgram sent.
    pub messages: MessageSummary,
    /// Deaths that were recovered from.
    pub recoveries: u32,
    /// Audio that never became text, in milliseconds.
    pub lost_ms: u64,
    /// The VAD gate's counts; `None` without a gate.
    pub vad: Option<()>,
}

/// A death, without the details of its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeathSummary {
    /// The first cause.
    pub reason: Reason,
    /// The operation that detected it.
    pub trigger: Trigger,
    /// Who must act.
    pub class: Class,
    /// Close code and text, or the error.
    pub detail: String,
}

/// The audio accounting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AudioSummary {
    /// AUDIO frames read, including empty ones.
    pub frames: u64,
    pub bytes_received: u64,
    /// Bytes written to Deepgram; replays are not counted twice.
    pub bytes_sent: u64,
    /// AUDIO frames never sent.
    pub frames_dropped: u64,
    pub bytes_dropped: u64,
    /// Bytes that the VAD gate held back.
    pub bytes_gated: u64,
}

/// The outcome of the Finalizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FinalizeSummary {
    /// Written.
    pub sent: u64,
    /// Could not be written on a live connection.
    pub errors: u64,
    /// No answer within `session.finalize_timeout`.
    pub timeouts: u64,
    /// Queued or requested after a death.
    pub skipped_dead: u64,
}

/// What Deepgram sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageSummary {
    /// Text messages.
    pub received: u64,
    /// Final results: `is_final` of each channel, Flux's `EndOfTurn`.
    pub finals: u64,
}
