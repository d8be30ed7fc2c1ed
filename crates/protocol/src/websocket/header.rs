//! A frame's header: what it says, and what is wrong with it whatever came before.

use super::breach::Breach;
use super::{CONTROL_BYTES_MAX, Kind};

pub(super) const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// Lengths that say how many bytes of the length follow: two, or eight.
pub(super) const LENGTH_IN_TWO: u8 = 126;
pub(super) const LENGTH_IN_EIGHT: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Data(Kind),
    Control(Control),
}

/// Frames that stand for themselves, also between the fragments of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x0 => Self::Continuation,
            0x1 => Self::Data(Kind::Text),
            0x2 => Self::Data(Kind::Binary),
            0x8 => Self::Control(Control::Close),
            0x9 => Self::Control(Control::Ping),
            0xa => Self::Control(Control::Pong),
            _ => return None,
        })
    }

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Data(Kind::Text) => 0x1,
            Self::Data(Kind::Binary) => 0x2,
            Self::Control(Control::Close) => 0x8,
            Self::Control(Control::Ping) => 0x9,
            Self::Control(Control::Pong) => 0xa,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) payload_bytes: u64,
    pub(super) key: [u8; 4],
    /// The header's own length.
    pub(super) bytes: usize,
}

/// Reads the header that `wire` begins with; `None` means more bytes are needed.
///
/// A longer form of a length than it needs is accepted: RFC 6455 forbids it, but nothing depends on it.
pub(super) fn parse(wire: &[u8]) -> Result<Option<Header>, Breach> {
    let [first, second, rest @ ..] = wire else { return Ok(None) };
    let (opcode, is_final) = judge(*first, *second)?;
    let length = second & LENGTH;
    let Some((payload_bytes, rest)) = payload_bytes(length, rest) else { return Ok(None) };
    if payload_bytes > i64::MAX as u64 {
        return Err(Breach::Length);
    }
    let Some((&key, rest)) = rest.split_first_chunk() else { return Ok(None) };
    Ok(Some(Header { opcode, is_final, payload_bytes, key, bytes: wire.len() - rest.len() }))
}

fn judge(first: u8, second: u8) -> Result<(Opcode, bool), Breach> {
    if first & RESERVED != 0 {
        return Err(Breach::ReservedBit);
    }
    let byte = first & OPCODE;
    let opcode = Opcode::from_byte(byte).ok_or(Breach::Opcode(byte))?;
    let is_final = first & FINAL != 0;
    if second & MASKED == 0 {
        return Err(Breach::Unmasked);
    }
    let is_control = matches!(opcode, Opcode::Control(_));
    if is_control && !is_final {
        return Err(Breach::FragmentedControl);
    }
    if is_control && usize::from(second & LENGTH) > CONTROL_BYTES_MAX {
        return Err(Breach::LongControl);
    }
    Ok((opcode, is_final))
}

/// The payload's length, and what follows it.
fn payload_bytes(length: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match length {
        LENGTH_IN_TWO => {
            let (bytes, rest) = rest.split_first_chunk()?;
            Some((u16::from_be_bytes(*bytes).into(), rest))
        }
        LENGTH_IN_EIGHT => {
            let (bytes, rest) = rest.split_first_chunk()?;
            Some((u64::from_be_bytes(*bytes), rest))
        }
        length => Some((length.into(), rest)),
    }
}
