//! Frames to the client: whole, and not masked.

use bytes::{BufMut, BytesMut};

use super::header::{Control, FINAL, LENGTH_IN_EIGHT, LENGTH_IN_TWO, Opcode};
use super::{CONTROL_BYTES_MAX, Kind};

const HEADER_BYTES_MAX: usize = 10;

/// What a close frame's code leaves for its reason.
const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - size_of::<u16>();

/// Appends a text message. The text must be UTF-8, which is not checked again.
pub fn encode_text(text: &[u8], buffer: &mut BytesMut) {
    encode(Opcode::Data(Kind::Text), text, buffer);
}

/// Appends a binary message.
pub fn encode_binary(payload: &[u8], buffer: &mut BytesMut) {
    encode(Opcode::Data(Kind::Binary), payload, buffer);
}

/// Appends a Ping.
///
/// # Panics
/// If the payload is over [`CONTROL_BYTES_MAX`].
pub fn encode_ping(payload: &[u8], buffer: &mut BytesMut) {
    assert!(payload.len() <= CONTROL_BYTES_MAX, "we choose it");
    encode(Opcode::Control(Control::Ping), payload, buffer);
}

/// Appends a Pong.
///
/// # Panics
/// If the payload is over [`CONTROL_BYTES_MAX`].
pub fn encode_pong(payload: &[u8], buffer: &mut BytesMut) {
    assert!(payload.len() <= CONTROL_BYTES_MAX, "it is a Ping's, which has been decoded");
    encode(Opcode::Control(Control::Pong), payload, buffer);
}

/// Appends a Close. The code is not judged, because one that is relayed must stay what it was. The
/// reason is cut at 123 bytes, between two characters; without a code there is none.
pub fn encode_close(code: Option<u16>, reason: &str, buffer: &mut BytesMut) {
    let Some(code) = code else { return encode(Opcode::Control(Control::Close), &[], buffer) };
    let reason = &reason.as_bytes()[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let mut payload = [0; CONTROL_BYTES_MAX];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason.len()].copy_from_slice(reason);
    encode(Opcode::Control(Control::Close), &payload[..2 + reason.len()], buffer);
}

fn encode(opcode: Opcode, payload: &[u8], buffer: &mut BytesMut) {
    buffer.reserve(HEADER_BYTES_MAX + payload.len());
    buffer.put_u8(FINAL | opcode.byte());
    let length = payload.len();
    if length <= CONTROL_BYTES_MAX {
        buffer.put_u8(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        buffer.put_u8(LENGTH_IN_TWO);
        buffer.put_u16(length);
    } else {
        buffer.put_u8(LENGTH_IN_EIGHT);
        buffer.put_u64(length as u64);
    }
    buffer.put_slice(payload);
}
