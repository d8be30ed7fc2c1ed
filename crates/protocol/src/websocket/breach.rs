//! What a client can do against the protocol, and the close code that tells it so.

use std::fmt;

/// A breach of the protocol. It is final: the decoder hears nothing after it.
///
/// Its text is a reason for the close frame, short enough for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A reserved bit is set, which only an extension could have allowed.
    ReservedBit,
    /// An opcode that has no meaning.
    Opcode(u8),
    /// A client must mask all that it sends.
    Unmasked,
    /// A Close, Ping or Pong must be whole.
    FragmentedControl,
    /// A Close, Ping or Pong of over 125 bytes.
    LongControl,
    /// A length with its highest bit set.
    Length,
    /// A fragment that continues nothing.
    NothingToContinue,
    /// A new message before the last fragment of the one before.
    MessageInMessage,
    /// A Close's payload of one byte: half of a code.
    HalfCloseCode,
    /// A code that may not stand in a Close.
    CloseCode(u16),
    /// Text that is not UTF-8.
    Text,
    /// A Close's reason that is not UTF-8.
    CloseReason,
    /// A message, counted over all of its fragments, above the limit.
    LongMessage,
    /// More than [`FRAGMENTS_MAX`](super::FRAGMENTS_MAX) fragments.
    ManyFragments,
}

impl Breach {
    /// The close code that the client is to be told: 1002, 1007 or 1009.
    pub fn close_code(self) -> u16 {
        match self {
            Self::ReservedBit
            | Self::Opcode(_)
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Length
            | Self::NothingToContinue
            | Self::MessageInMessage
            | Self::HalfCloseCode
            | Self::CloseCode(_) => 1002,
            Self::Text | Self::CloseReason => 1007,
            Self::LongMessage | Self::ManyFragments => 1009,
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBit => f.write_str("a reserved bit is set, but no extension was agreed"),
            Self::Opcode(opcode) => write!(f, "unknown opcode {opcode}"),
            Self::Unmasked => f.write_str("a client's frames must be masked"),
            Self::FragmentedControl => f.write_str("control frames must not be fragmented"),
            Self::LongControl => f.write_str("control frames carry at most 125 bytes"),
            Self::Length => f.write_str("a frame's length must be below 2^63"),
            Self::NothingToContinue => f.write_str("a continuation without a first fragment"),
            Self::MessageInMessage => f.write_str("a new message inside a fragmented one"),
            Self::HalfCloseCode => f.write_str("a close frame's code has two bytes"),
            Self::CloseCode(code) => write!(f, "code {code} must not be sent in a close frame"),
            Self::Text => f.write_str("a text message is not UTF-8"),
            Self::CloseReason => f.write_str("a close frame's reason is not UTF-8"),
            Self::LongMessage => f.write_str("message too long"),
            Self::ManyFragments => f.write_str("a message in too many fragments"),
        }
    }
}

impl std::error::Error for Breach {}
