//! The codec by itself; in `peer`, against another library.

mod breaches;
mod cuts;
mod peer;

use bytes::{BufMut, Bytes, BytesMut};

use super::*;

const LIMIT: usize = 1000;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut wire = header(first, payload.len() as u64);
    wire.extend_from_slice(&key);
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    wire
}

/// What stands before the key.
fn header(first: u8, length: u64) -> Vec<u8> {
    let mut wire = vec![first];
    if length <= 125 {
        wire.push(0x80 | length as u8);
    } else if length <= 0xffff {
        wire.push(0x80 | 126);
        wire.put_u16(length as u16);
    } else {
        wire.push(0x80 | 127);
        wire.put_u64(length);
    }
    wire
}

/// What a decoder made of some bytes.
#[derive(Debug, Default, PartialEq)]
struct Decoded {
    events: Vec<Event>,
    breach: Option<Breach>,
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(LIMIT);
    let mut buffer = BytesMut::new();
    let mut decoded = Decoded::default();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(event)) => decoded.events.push(event),
                Ok(None) => break,
                Err(breach) => {
                    assert_eq!(decoded.breach.replace(breach), None, "a breach is final");
                }
            }
        }
    }
    decoded
}

/// The same at once and byte by byte.
#[track_caller]
fn decode_both(wire: &[u8]) -> Decoded {
    let decoded = decode([wire]);
    assert_eq!(decode(wire.chunks(1)), decoded);
    decoded
}

fn text(text: &str) -> Event {
    Event::Message { kind: Kind::Text, payload: Bytes::copy_from_slice(text.as_bytes()) }
}

fn binary(payload: &[u8]) -> Event {
    Event::Message { kind: Kind::Binary, payload: Bytes::copy_from_slice(payload) }
}

fn close(code: Option<u16>, reason: &str) -> Event {
    Event::Close(Close { code, reason: reason.to_owned() })
}

#[test]
fn the_standards_own_handshake_is_answered_as_it_says() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn control_frames_between_fragments_come_first() {
    let wire = [
        frame(TEXT, "Gr\u{fc}".as_bytes().split_at(3).0),
        frame(FINAL | PING, b"still there?"),
        frame(CONTINUATION, b""),
        frame(FINAL | PONG, b""),
        frame(FINAL | CONTINUATION, "\u{fc}\u{df}e".as_bytes().split_at(1).1),
        frame(FINAL | BINARY, b""),
        frame(FINAL | CLOSE, b"\x03\xf6bad gateway"),
    ];
    let events = vec![
        Event::Ping(Bytes::from_static(b"still there?")),
        Event::Pong(Bytes::new()),
        text("Gr\u{fc}\u{df}e"),
        binary(b""),
        close(Some(1014), "bad gateway"),
    ];
    assert_eq!(decode_both(&wire.concat()), Decoded { events, breach: None });
}

#[test]
fn an_empty_close_has_no_code() {
    let decoded = decode_both(&frame(FINAL | CLOSE, b""));
    assert_eq!(decoded.events, [close(None, "")]);
}

#[test]
fn a_length_may_be_longer_than_it_needs_to_be() {
    let short = [&[0x82, 0xfe, 0, 1, 0, 0, 0, 0, 7][..], &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]];
    let wire = [short[0], short[1], &[0, 0, 0, 0, 8]].concat();
    assert_eq!(decode_both(&wire).events, [binary(&[7]), binary(&[8])]);
}

#[test]
fn nothing_is_heard_after_a_close() {
    let mut decoder = Decoder::new(LIMIT);
    let mut wire = BytesMut::from(&frame(FINAL | CLOSE, b"\x03\xe8")[..]);
    wire.extend_from_slice(&frame(FINAL | TEXT, b"late"));
    assert_eq!(decoder.decode(&mut wire), Ok(Some(close(Some(1000), ""))));
    wire.extend_from_slice(&[0xff; 100]);
    assert_eq!(decoder.decode(&mut wire), Ok(None));
    assert!(wire.is_empty() && !decoder.is_inside_message(&wire));
}

#[test]
fn a_whole_message_is_handed_out_from_where_it_was_read() {
    let mut wire = BytesMut::from(&frame(FINAL | BINARY, &[7; 640])[..]);
    let read_at = wire[8..].as_ptr();
    let event = Decoder::new(LIMIT).decode(&mut wire).unwrap().unwrap();
    let Event::Message { payload, .. } = event else { panic!("{event:?}") };
    assert_eq!(payload.as_ptr(), read_at);
    assert_eq!(payload, [7; 640][..]);
}

#[test]
fn it_knows_when_the_client_leaves_in_the_middle() {
    let mut decoder = Decoder::new(LIMIT);
    let mut buffer = BytesMut::new();
    assert!(!decoder.is_inside_message(&buffer));
    for byte in [frame(BINARY, b"12"), frame(FINAL | CONTINUATION, b"3")].concat() {
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        buffer.put_u8(byte);
        assert!(decoder.is_inside_message(&buffer));
    }
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(binary(b"123"))));
    assert!(!decoder.is_inside_message(&buffer));
}

#[test]
fn what_is_missing_shrinks_as_it_comes() {
    for first in [FINAL | BINARY, BINARY] {
        let wire = frame(first, &[7; 640]);
        let mut decoder = Decoder::new(LIMIT);
        let mut buffer = BytesMut::from(&wire[..8]);
        for come in 0..640 {
            decoder.decode(&mut buffer).unwrap();
            assert_eq!(decoder.bytes_missing(&buffer), 640 - come);
            buffer.put_u8(wire[8 + come]);
            assert_eq!(decoder.bytes_missing(&buffer), 639 - come);
        }
    }
}

#[test]
fn a_close_code_is_encoded_as_it_is_and_its_reason_cut_between_characters() {
    let mut wire = BytesMut::new();
    encode_close(None, "never said", &mut wire);
    encode_close(Some(1005), "", &mut wire);
    encode_close(Some(1014), &"\u{20ac}".repeat(50), &mut wire);
    assert_eq!(wire[..6], [0x88, 0, 0x88, 2, 0x03, 0xed]);
    let cut = &wire[6..];
    assert_eq!(cut[..4], [0x88, 125, 0x03, 0xf6]);
    assert_eq!(&cut[4..], "\u{20ac}".repeat(41).as_bytes());
    wire.clear();
    encode_close(Some(1011), &format!("{}\u{fc}", "x".repeat(122)), &mut wire);
    assert_eq!(wire[1], 124);
}
