//! Another library as the client: what it writes is read, and what is written it reads.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::*;

/// A client's connection: what has been written to it, and what it has written.
#[derive(Debug, Default)]
struct Wire {
    to_client: VecDeque<u8>,
    from_client: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.to_client.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.to_client.read(space)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.from_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client() -> WebSocket<Wire> {
    WebSocket::from_raw_socket(Wire::default(), Role::Client, Some(WebSocketConfig::default()))
}

/// What is heard when the client sends these.
fn heard(messages: impl IntoIterator<Item = Message>) -> Decoded {
    let mut client = client();
    for message in messages {
        client.write(message).unwrap();
    }
    client.flush().unwrap();
    decode([&client.get_ref().from_client[..]])
}

/// What the client reads.
fn read(wire: &[u8]) -> Vec<Message> {
    let mut client = client();
    client.get_mut().to_client.extend(wire);
    let mut messages = Vec::new();
    loop {
        match client.read() {
            Ok(message) => messages.push(message),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return messages,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn its_handshake_is_computed_alike() {
    let key = tungstenite::handshake::client::generate_key();
    let theirs = tungstenite::handshake::derive_accept_key(key.as_bytes());
    assert_eq!(accept_key(&key), theirs);
}

#[test]
fn its_fragments_and_its_close_are_heard() {
    let fragment = |text: &'static [u8], data, is_final| {
        Message::Frame(Frame::message(text, OpCode::Data(data), is_final))
    };
    let decoded = heard([
        fragment(b"one \xe2", Data::Text, false),
        Message::Ping(Bytes::from_static(b"?")),
        fragment(b"\x82\xac ", Data::Continue, false),
        fragment(b"three", Data::Continue, true),
        Message::Close(Some(CloseFrame { code: 4123.into(), reason: "done".into() })),
    ]);
    let ping = Event::Ping(Bytes::from_static(b"?"));
    assert_eq!(decoded.events, [ping, text("one \u{20ac} three"), close(Some(4123), "done")]);
}

#[test]
fn it_reads_a_close() {
    let mut wire = BytesMut::new();
    encode_close(Some(1011), "no \u{20ac}", &mut wire);
    let close = CloseFrame { code: 1011.into(), reason: "no \u{20ac}".into() };
    assert_eq!(read(&wire), [Message::Close(Some(close))]);
    wire.clear();
    encode_close(None, "", &mut wire);
    assert_eq!(read(&wire), [Message::Close(None)]);
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..300, 65_530_usize..65_540]
}

proptest! {
    #[test]
    fn its_messages_are_heard(length in 0..=LIMIT, ping in prop::collection::vec(any::<u8>(), 0..=125)) {
        let payload: Vec<u8> = (0..length).map(|it| it as u8).collect();
        let words = "\u{20ac}".repeat(length / 3);
        let decoded = heard([
            Message::binary(payload.clone()),
            Message::Ping(ping.clone().into()),
            Message::Pong(ping.clone().into()),
            Message::text(words.clone()),
        ]);
        let ping = Bytes::from(ping);
        let events =
            vec![binary(&payload), Event::Ping(ping.clone()), Event::Pong(ping), text(&words)];
        prop_assert_eq!(decoded, Decoded { events, breach: None });
    }

    #[test]
    fn it_reads_what_is_encoded(length in lengths(), ping in prop::collection::vec(any::<u8>(), 0..=125)) {
        let payload: Vec<u8> = (0..length).map(|it| it as u8).collect();
        let words = "x".repeat(length);
        let mut wire = BytesMut::new();
        encode_binary(&payload, &mut wire);
        encode_ping(&ping, &mut wire);
        encode_pong(&ping, &mut wire);
        encode_text(words.as_bytes(), &mut wire);
        let ping = Bytes::from(ping);
        let expected = vec![
            Message::binary(payload),
            Message::Ping(ping.clone()),
            Message::Pong(ping),
            Message::text(words),
        ];
        prop_assert_eq!(read(&wire), expected);
    }
}
