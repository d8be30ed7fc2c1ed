//! A client's side of the wire.

use bytes::BufMut;
use serde_json::Value;
use tokio::io::{AsyncReadExt, DuplexStream};

use session::SessionId;
use session::summary::{AudioSummary, FinalizeSummary, MessageSummary, Outcome, Summary};

pub(super) const TEXT: u8 = 0x1;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

const FINAL: u8 = 0x80;

/// Masked with zeros, which changes nothing.
const MASK: [u8; 4] = [0; 4];

/// A whole frame.
pub(super) fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [header_alone(FINAL | opcode, payload.len() as u64), payload.to_vec()].concat()
}

/// What stands before a payload.
pub(super) fn header_alone(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.put_u16(length as u16);
        }
        _ => {
            header.push(0x80 | 127);
            header.put_u64(length);
        }
    }
    header.extend(MASK);
    header
}

/// A frame of ours.
#[derive(Debug, PartialEq)]
pub(super) struct Frame {
    opcode: u8,
    payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(opcode: u8, payload: &[u8]) -> Self {
        Self { opcode, payload: payload.to_vec() }
    }

    pub(super) fn close(code: Option<u16>, reason: &str) -> Self {
        let code = code.map(u16::to_be_bytes);
        let payload = [code.as_ref().map_or(&[][..], |it| it), reason.as_bytes()].concat();
        Self { opcode: CLOSE, payload }
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.opcode, TEXT);
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// Cuts whole frames out of what has come.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        assert_eq!(first & 0x70, 0);
        assert_eq!(length & 0x80, 0, "a server masks nothing");
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("no message of these tests is so long"),
            length => (usize::from(*length), rest),
        };
        frames.push(Frame::new(first & 0xf, &rest[..length]));
        bytes = &rest[length..];
    }
    frames
}

pub(super) async fn read_some(app: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = vec![0; 64 << 10];
    let read = app.read(&mut bytes).await.unwrap();
    bytes.truncate(read);
    bytes
}

/// Reads the head of a response, and nothing behind it.
pub(super) async fn read_head(app: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(app.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

pub(in crate::ipc::compatible::socket) fn summary() -> Summary {
    Summary {
        session_id: SessionId::parse("call-7").unwrap(),
        outcome: Outcome::Finished,
        cut: false,
        death: None,
        duration_ms: 310_000,
        connections: 1,
        audio: AudioSummary::default(),
        keepalives: 11,
        finalizes: FinalizeSummary::default(),
        messages: MessageSummary::default(),
        recoveries: 0,
        lost_ms: Some(0),
        unknown_ms: Some(0),
        vad: None,
    }
}
