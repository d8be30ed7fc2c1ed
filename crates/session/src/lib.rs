//! The vocabulary that the application's side, Deepgram's side and the session machine share.
//!
//! It does no I/O and knows neither sockets nor metrics. Terms:
//! a **session** is one application stream, from OPEN to FINISHED; a **connection** is one
//! WebSocket to Deepgram, of which a session has one at a time; a **death** is a connection that
//! ended without being asked to.

pub mod audio;
mod backoff;
pub mod bound;
pub mod close;
mod config;
pub mod counts;
pub mod death;
pub mod dial;
pub mod dial_queue;
mod dialect;
pub mod drain;
mod endpoint;
pub mod fact;
mod frame;
pub mod gate;
mod input;
pub mod machine;
pub mod members;
mod observation;
mod outgoing;
mod refusal;
mod ring;
mod state;
pub mod summary;
mod time_map;
pub mod trace;
mod vocabulary;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use config::{PreludeConfig, RecoveryConfig, SessionConfig};
pub use dialect::{Dialect, Sdk};
pub use endpoint::{EndKind, Endpoint, KeepaliveKind, Traits};
pub use frame::{AppFrame, Event, LossCause, ReconnectReason};
pub use input::{AppInput, MessageKind, UpstreamInput};
pub use observation::{Observation, Segment, Side};
pub use outgoing::{Outgoing, Written};
pub use refusal::{ConnectRefusal, ErrorCode, Refusal};
pub use state::State;
pub use time_map::{Joints, TimeMap};
pub use vocabulary::Vocabulary;

/// Maximum text from Deepgram or the network in an event, in bytes.
const DETAIL_BYTES_MAX: usize = 1 << 10;

/// A session id: 1 to 64 of `A-Z a-z 0-9 . _ : -`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Maximum length, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// Parses an id chosen by the application; `None` if it is invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(is_name_byte)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a byte is allowed in a session id or a tag's key.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Truncates a human-readable text to its limit.
pub fn bounded(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    detail
}

/// Whole milliseconds: the unit of every reported duration.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Which of a session's connections to Deepgram, from 1, in the order in which they were dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(u32);

impl ConnectionId {
    /// The connection that a session dials when it is opened.
    pub const FIRST: Self = Self(1);

    /// The connection of this number.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, as applications and operators are told it.
    pub fn number(self) -> u32 {
        self.0
    }
}
