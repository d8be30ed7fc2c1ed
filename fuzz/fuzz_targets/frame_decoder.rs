//! Any bytes, cut anywhere: the decoder neither panics, nor reads past the end, nor takes memory
//! for a length that was refused; and what it finds does not depend on the cuts.

#![no_main]

use bytes::BytesMut;
use protocol::frame::{Decoder, Frame, Header, encode};
use libfuzzer_sys::fuzz_target;

const PAYLOAD_BYTES_MAX: u32 = 1024;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, wire) = input;
    let whole = decode(wire.chunks(wire.len().max(1)));
    assert_eq!(decode(wire.chunks(usize::from(cut).max(1))), whole);
    let mut again = BytesMut::new();
    for frame in &whole.frames {
        encode(frame.kind, &frame.payload, &mut again);
    }
    assert!(wire.starts_with(&again));
});

#[derive(Debug, PartialEq)]
struct Decoded {
    frames: Vec<Frame>,
    refused: Option<Header>,
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer, judge) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(header) => return Decoded { frames, refused: Some(header) },
            }
        }
        assert!(decoder.bytes_missing(&buffer) <= PAYLOAD_BYTES_MAX as usize);
    }
    Decoded { frames, refused: None }
}

fn judge(header: Header) -> Result<(), Header> {
    if header.length > PAYLOAD_BYTES_MAX { Err(header) } else { Ok(()) }
}
