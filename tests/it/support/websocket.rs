//! An application that speaks Deepgram's dialect: no library of its own, so that it can say whatever
//! an SDK, or somebody who means no good, has put on the wire.

use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use super::{Sidecar, within};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;

/// The bit of a message's last frame.
pub(crate) const FINAL: u8 = 0x80;

/// Linear16 at 16 kHz, as an SDK asks for it.
pub(crate) const LINEAR16: &str = "model=nova-3&encoding=linear16&sample_rate=16000&channels=1";

/// Where an application comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Socket,
    Port,
}

impl Door {
    pub(crate) const BOTH: [Self; 2] = [Self::Socket, Self::Port];
}

/// A request for a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// For linear16, with these parameters too.
    pub(crate) fn listen(query: &str) -> Self {
        let separator = if query.is_empty() { "" } else { "&" };
        Self::to(&format!("/v1/listen?{LINEAR16}{separator}{query}"))
    }

    /// For whatever is there.
    pub(crate) fn to(target: &str) -> Self {
        let request = Self { target: target.to_owned(), headers: Vec::new() };
        request
            .header("Host", "localhost")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Sets a header, or sets it anew.
    #[must_use]
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name.to_owned(), value.to_owned()));
        changed
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(it, _)| it != name);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// What a request is answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header's value; it must not stand twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(it, _)| it.eq_ignore_ascii_case(name));
        let found = named.next().map(|(_, value)| value);
        assert!(named.next().is_none(), "{name} stands twice in {}", self.head);
        found
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the sidecar says after the upgrade.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Talk {
    stream: Either<UnixStream, TcpStream>,
    inbound: BytesMut,
}

impl Talk {
    /// Connects and says nothing.
    pub(crate) async fn connect(sidecar: &Sidecar, door: Door) -> Self {
        let stream = match door {
            Door::Socket => Either::Left(UnixStream::connect(sidecar.socket()).await.unwrap()),
            Door::Port => {
                let stream = TcpStream::connect(sidecar.port()).await.unwrap();
                stream.set_nodelay(true).unwrap();
                Either::Right(stream)
            }
        };
        Self { stream, inbound: BytesMut::new() }
    }

    /// Connects and asks.
    pub(crate) async fn dial(sidecar: &Sidecar, door: Door, request: &Request) -> Self {
        let mut talk = Self::connect(sidecar, door).await;
        talk.send_bytes(&request.bytes()).await;
        talk
    }

    /// Opens a session.
    pub(crate) async fn open(sidecar: &Sidecar, door: Door, request: &Request) -> Self {
        let mut talk = Self::dial(sidecar, door, request).await;
        let response = talk.response().await;
        assert_eq!(response.status, 101, "{response:?}");
        talk
    }

    /// What a request is refused with, behind which the connection ends.
    pub(crate) async fn refusal(sidecar: &Sidecar, door: Door, request: &Request) -> Response {
        let mut talk = Self::dial(sidecar, door, request).await;
        let response = talk.response().await;
        assert!(response.status >= 400, "{response:?}");
        talk.ended().await;
        response
    }

    /// Reads a response, by its length.
    pub(crate) async fn response(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.inbound.windows(4).position(|it| it == b"\r\n\r\n") {
                break end;
            }
            assert!(self.read().await, "the end came and no response: {:?}", self.inbound);
        };
        let head = String::from_utf8(self.inbound.split_to(end + 4).to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response { status, head, body: Vec::new() };
        if let Some(length) = response.header("content-length") {
            let length = length.parse().unwrap();
            while self.inbound.len() < length {
                assert!(self.read().await, "the end came inside a body");
            }
            response.body = self.inbound.split_to(length).to_vec();
        }
        response
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within("taking bytes", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Whether the bytes could still be written.
    pub(crate) async fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        within("taking bytes", self.stream.write_all(bytes)).await.is_ok()
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.send_bytes(&frame(FINAL | opcode, payload)).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(TEXT, text.as_bytes()).await;
    }

    pub(crate) async fn send_close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat()).await;
    }

    /// The next that is said; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = take_frame(&mut self.inbound) {
                return Some(said);
            }
            if !self.read().await {
                assert!(self.inbound.is_empty(), "the end came inside a frame");
                return None;
            }
        }
    }

    /// The next text that fits.
    pub(crate) async fn text_where(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.next().await {
                Some(Said::Text(text)) => match serde_json::from_str(&text) {
                    Ok(text) if fits(&text) => return text,
                    _ => {}
                },
                Some(Said::Ping | Said::Pong(_)) => {}
                other => panic!("{other:?} came and not the text"),
            }
        }
    }

    /// All that is said to the end, and with what it is closed, which is the last of it.
    pub(crate) async fn rest(&mut self) -> (Vec<String>, (Option<u16>, String)) {
        let (mut texts, mut close) = (Vec::new(), None);
        while let Some(said) = self.next().await {
            assert_eq!(close, None, "{said:?} came behind the close");
            match said {
                Said::Text(text) => texts.push(text),
                Said::Close(code, reason) => close = Some((code, reason)),
                Said::Ping | Said::Pong(_) => {}
            }
        }
        (texts, close.expect("a close frame comes before the end"))
    }

    /// With what it is closed.
    pub(crate) async fn closed(&mut self) -> (Option<u16>, String) {
        self.rest().await.1
    }

    /// Waits for the end, before which nothing may be said.
    pub(crate) async fn ended(&mut self) {
        assert!(!self.read().await, "{:?} was said", self.inbound);
    }

    /// Whether the connection is neither closed nor has anything to be read.
    pub(crate) fn is_silent(&self) -> bool {
        let read = match &self.stream {
            Either::Left(stream) => stream.try_read(&mut [0]),
            Either::Right(stream) => stream.try_read(&mut [0]),
        };
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Says that nothing more comes.
    pub(crate) async fn shutdown(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends a TCP connection at once, with whatever is still on its way.
    pub(crate) fn reset(self) {
        match &self.stream {
            Either::Left(_) => panic!("a Unix socket knows no reset"),
            Either::Right(stream) => {
                SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
    }

    /// Reads something; `false` at the end, which is a reset where something that was sent is unread.
    async fn read(&mut self) -> bool {
        let read = within("an answer", self.stream.read_buf(&mut self.inbound)).await;
        read.is_ok_and(|read| read > 0)
    }
}

/// A client's frame, masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(first, payload.len() as u64);
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// What stands before its key.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
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
    header
}

/// Takes a frame of the sidecar's, which are whole and never binary.
fn take_frame(inbound: &mut BytesMut) -> Option<Said> {
    let mut peek = &inbound[..];
    let (first, length) = (peek.try_get_u8().ok()?, peek.try_get_u8().ok()?);
    let length = match length {
        126 => usize::from(peek.try_get_u16().ok()?),
        127 => usize::try_from(peek.try_get_u64().ok()?).unwrap(),
        length => usize::from(length),
    };
    let payload = peek.get(..length)?.to_vec();
    inbound.advance(inbound.len() - peek.len() + length);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some(match first {
        0x81 => Said::Text(text(&payload)),
        0x89 => Said::Ping,
        0x8a => Said::Pong(payload),
        0x88 => match payload.split_first_chunk() {
            Some((code, reason)) => Said::Close(Some(u16::from_be_bytes(*code)), text(reason)),
            None => Said::Close(None, String::new()),
        },
        first => panic!("no frame of the sidecar's begins with {first:#04x}"),
    })
}
