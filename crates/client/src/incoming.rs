//! Frames from the daemon as an application reads them.
//!
//! Words of closed vocabularies stay text here: an application must treat an unknown word as
//! "other", not as an error. Missing members read as nothing or zero.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use protocol::frame::{Frame, SidecarFrameType};

/// A frame from the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// OPENED: Deepgram is connected.
    Opened(Opened),
    /// MESSAGE: Deepgram's own bytes, text that need not be JSON.
    Message(Bytes),
    /// EVENT.
    Event(Event),
    /// ERROR: fatal; on an opened session FINISHED follows.
    Error(Refusal),
    /// FINISHED: the last frame of an opened session.
    Finished(Box<Summary>),
    /// A frame type of a later version; to be ignored.
    Unknown {
        /// The type byte, from 0x80 up.
        kind: u8,
        /// The payload.
        payload: Bytes,
    },
}

impl Incoming {
    pub(super) fn read(frame: Frame) -> serde_json::Result<Self> {
        let Frame { kind, payload } = frame;
        Ok(match SidecarFrameType::from_byte(kind) {
            Some(SidecarFrameType::Opened) => Self::Opened(serde_json::from_slice(&payload)?),
            Some(SidecarFrameType::Message) => Self::Message(payload),
            Some(SidecarFrameType::Event) => Self::Event(serde_json::from_slice(&payload)?),
            Some(SidecarFrameType::Error) => Self::Error(serde_json::from_slice(&payload)?),
            Some(SidecarFrameType::Finished) => Self::Finished(serde_json::from_slice(&payload)?),
            None => Self::Unknown { kind, payload },
        })
    }
}

/// The payload of OPENED.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Opened {
    /// The session's id.
    pub session_id: String,
    /// The daemon's version of the contract.
    pub protocol: u64,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// The session's trace context.
    pub traceparent: Option<String>,
}

/// The payload of EVENT.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Event {
    /// Every member, `event` and `at_ms` too, in the daemon's order.
    pub members: Map<String, Value>,
}

impl Event {
    /// What happened; empty if the daemon did not say.
    pub fn name(&self) -> &str {
        self.text("event").unwrap_or_default()
    }

    /// Whether it tells of a death that the session does not outlive.
    pub fn is_final_death(&self) -> bool {
        let recovering = self.members.get("recovering").and_then(Value::as_bool);
        self.name() == "dead" && recovering != Some(true)
    }

    /// Milliseconds since the last byte of OPEN was read.
    pub fn at_ms(&self) -> u64 {
        self.number("at_ms").unwrap_or_default()
    }

    /// A member that is text.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.members.get(member)?.as_str()
    }

    /// A member that is an unsigned integer.
    pub fn number(&self, member: &str) -> Option<u64> {
        self.members.get(member)?.as_u64()
    }
}

/// The payload of ERROR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Refusal {
    /// The contract's code.
    pub code: String,
    /// A sentence that says what to do.
    pub message: String,
    /// The offending member of OPEN or UPDATE, by dotted path.
    pub field: Option<String>,
    /// Why the last dial failed.
    pub reason: Option<String>,
    /// The HTTP status of Deepgram's refusal.
    pub status: Option<u16>,
    /// Deepgram's own message.
    pub detail: Option<String>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// How long to wait before another OPEN can succeed, as far as that is known.
    pub retry_after_ms: Option<u64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.message, self.code)?;
        if let Some(field) = &self.field {
            write!(f, ", {field}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", {reason}")?;
        }
        f.write_str(")")?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        // Rounded up: a moment too early would be refused again.
        let retry_after = self.retry_after_ms.map(|ms| ms.div_ceil(1_000));
        retry_after.map_or(Ok(()), |seconds| write!(f, "; try again in {seconds} s"))
    }
}

/// The payload of FINISHED: the contract's section 6.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct Summary {
    pub session_id: String,
    pub outcome: String,
    pub cut: bool,
    pub death: Option<Death>,
    pub duration_ms: u64,
    pub connections: u64,
    pub audio: AudioSummary,
    pub keepalives: u64,
    pub finalizes: FinalizeSummary,
    pub messages: MessageSummary,
    pub recoveries: u64,
    /// `None` where the encoding tells no time.
    pub lost_ms: Option<u64>,
    /// Likewise.
    pub unknown_ms: Option<u64>,
    /// `None` without a VAD gate.
    pub vad: Option<VadSummary>,
}

/// The first death of a session's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct Death {
    pub reason: String,
    pub trigger: String,
    pub class: String,
    pub detail: String,
}

/// The audio accounting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct AudioSummary {
    pub frames: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub frames_dropped: u64,
    pub bytes_dropped: u64,
    pub bytes_gated: u64,
}

impl AudioSummary {
    /// Whether every byte is accounted for, as the contract promises at FINISHED.
    pub fn balances(&self) -> bool {
        self.bytes_received == self.bytes_sent + self.bytes_dropped + self.bytes_gated
    }
}

/// The outcome of the Finalizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct FinalizeSummary {
    pub sent: u64,
    pub errors: u64,
    pub timeouts: u64,
    pub skipped_dead: u64,
}

/// What Deepgram sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct MessageSummary {
    pub received: u64,
    pub finals: u64,
}

/// What the VAD gate did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each member is the contract's of the same name")]
pub struct VadSummary {
    pub mode: String,
    pub opens: u64,
    pub finalizes: u64,
    pub speech_ms: u64,
    pub held_ms: u64,
    pub would_hold_ms: u64,
    pub failed: bool,
}
