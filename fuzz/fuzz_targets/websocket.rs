//! Any bytes as a WebSocket client's, cut anywhere: the decoder neither panics, nor waits for or hands out more than its
//! limit; and what it finds does not depend on the cuts.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use protocol::websocket::{Breach, CONTROL_BYTES_MAX, Decoder, Event, Kind, may_be_sent};

const MESSAGE_BYTES_MAX: usize = 1024;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, wire) = input;
    let whole = decode(wire.chunks(wire.len().max(1)));
    assert_eq!(decode(wire.chunks(usize::from(cut).max(1))), whole);
    whole.events.iter().for_each(check);
});

#[derive(Debug, PartialEq)]
struct Decoded {
    events: Vec<Event>,
    breach: Option<Breach>,
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut buffer = BytesMut::new();
    let mut decoded = Decoded { events: Vec::new(), breach: None };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(event)) => decoded.events.push(event),
                Ok(None) => break,
                Err(breach) => {
                    assert!(matches!(breach.close_code(), 1002 | 1007 | 1009));
                    assert_eq!(decoded.breach.replace(breach), None);
                }
            }
        }
        assert!(decoder.bytes_missing(&buffer) <= MESSAGE_BYTES_MAX);
    }
    decoded
}

fn check(event: &Event) {
    match event {
        Event::Message { kind, payload } => {
            assert!(payload.len() <= MESSAGE_BYTES_MAX);
            assert!(*kind == Kind::Binary || std::str::from_utf8(payload).is_ok());
        }
        Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= CONTROL_BYTES_MAX),
        Event::Close(close) => {
            assert!(close.code.is_none_or(may_be_sent));
            assert!(close.reason.len() <= CONTROL_BYTES_MAX - 2);
        }
    }
}
