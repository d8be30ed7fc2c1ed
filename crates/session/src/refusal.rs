//! ERROR: why an application cannot be served.

use serde::Serialize;

use super::bounded;
use super::dial::DialReason;

/// Maximum length of a member's name, in bytes: an application may send one of a megabyte.
const FIELD_BYTES_MAX: usize = 256;

/// The payload of an ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The closed vocabulary of section 7.
    pub code: ErrorCode,
    /// A sentence saying what to do, up to 1 KiB.
    pub message: String,
    /// The offending member's dotted path, up to 256 bytes, if there is one.
    pub field: Option<String>,
    /// Details, only for `connect_failed`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Box<ConnectRefusal>>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConnectRefusal {
    /// Why the last attempt failed.
    pub reason: Option<DialReason>,
    /// The HTTP status of the upgrade's response.
    pub status: Option<u16>,
    /// Deepgram's own message, up to 1 KiB.
    pub detail: Option<String>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
}

/// Codes of ERROR frames, section 7 of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
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

    /// The code, as on the wire and in labels.
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
