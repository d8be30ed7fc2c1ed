//! ERROR: why an application cannot be served.

use std::sync::Arc;
use std::time::Duration;

use super::bounded;
use super::dial::{Answer, DialReason};
use crate::members::{Members, Visitor};

/// Maximum length of a member's name, in bytes: an application may send one of a megabyte.
const FIELD_BYTES_MAX: usize = 256;

/// The payload of an ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The closed vocabulary of section 7.
    pub code: ErrorCode,
    /// A sentence saying what to do, up to 1 KiB.
    pub message: String,
    /// The offending member's dotted path, up to 256 bytes, if there is one.
    pub field: Option<String>,
    /// Details, only for `connect_failed`.
    pub connect: Option<Box<ConnectRefusal>>,
}

impl Members for Refusal {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.code);
        visitor.member("message", &self.message);
        visitor.member("field", self.field.as_deref());
        if let Some(connect) = &self.connect {
            visitor.flatten(&**connect);
        }
    }
}

impl Refusal {
    /// A refusal that concerns no single member.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: bounded(message.into()), field: None, connect: None }
    }

    /// A refusal because of one member, given by its dotted path.
    pub fn of_field(code: ErrorCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, message) }
    }

    /// The same for a member whose name came from the application.
    pub fn of_member(code: ErrorCode, field: &str, complaint: &str) -> Self {
        let field = &field[..field.floor_char_boundary(FIELD_BYTES_MAX)];
        Self::of_field(code, field, format!("{field}: {complaint}"))
    }
}

/// The additional members of `connect_failed`; `None` if unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectRefusal {
    /// Why the last attempt failed.
    pub reason: Option<DialReason>,
    /// The HTTP status of the upgrade's response.
    pub status: Option<u16>,
    /// That response.
    pub answer: Option<Arc<Answer>>,
    /// Deepgram's own message, up to 1 KiB.
    pub detail: Option<String>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// How long Deepgram asked to wait, or how long no other session is dialled either.
    pub retry_after: Option<Duration>,
}

impl Members for ConnectRefusal {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word_if_any(self.reason);
        visitor.member("status", self.status);
        visitor.member("detail", self.detail.as_deref());
        visitor.member("request_id", self.request_id.as_deref());
        visitor.member("retry_after_ms", self.retry_after);
    }
}

crate::vocabulary! {
    /// Codes of ERROR frames, section 7 of the contract.
    pub enum ErrorCode: "code" {
        BadFrame = "bad_frame",
        FrameTooLarge = "frame_too_large",
        UnknownFrameType = "unknown_frame_type",
        UnexpectedFrame = "unexpected_frame",
        InvalidOpen = "invalid_open",
        InvalidUpdate = "invalid_update",
        ReservedMessage = "reserved_message",
        UnsupportedProtocol = "unsupported_protocol",
        SessionIdInUse = "session_id_in_use",
        TooManySessions = "too_many_sessions",
        PeerNotAllowed = "peer_not_allowed",
        Draining = "draining",
        ConnectFailed = "connect_failed",
    }
}
