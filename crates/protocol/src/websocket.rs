//! WebSocket in the server's role (RFC 6455), as bytes: frames to messages and back. Pure; fuzzed.
//!
//! It neither reads nor writes, answers nothing by itself and knows no HTTP: of the handshake, it
//! has the one value that must be computed. Extensions are never negotiated, so there are none.

mod breach;
mod close;
mod decoder;
mod encode;
mod handshake;
mod header;
mod mask;
mod utf8;

pub use breach::Breach;
pub use close::{Close, may_be_sent};
pub use decoder::{Decoder, Event, FRAGMENTS_MAX};
pub use encode::{encode_binary, encode_close, encode_ping, encode_pong, encode_text};
pub use handshake::accept_key;

/// The longest payload of a Ping, a Pong or a Close.
pub const CONTROL_BYTES_MAX: usize = 125;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, checked.
    Text,
    /// Any bytes.
    Binary,
}

#[cfg(test)]
mod tests;
