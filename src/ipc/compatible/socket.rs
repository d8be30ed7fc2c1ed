//! An application's WebSocket: Deepgram's messages in both directions.

mod farewell;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::request::{self, HttpRefusal, Request, Upgrade};
use super::{response, text};
use crate::ipc::app::{App, AppStream};
use crate::ipc::inbox;
use crate::ipc::outbox::Outbox;
use crate::ipc::payload::TimedEvent;
use crate::live::LiveSession;
use farewell::Farewell;
use protocol::websocket::{self, Breach, Close, Decoder, Event as Decoded, Kind};
use session::drain::LastFrame;
use session::summary::{EndCause, Summary};
use session::{AppFrame, AppInput, Endpoint, ErrorCode, Refusal};

/// How much is read of an application that is not to be read, so that its Pings are found: half a
/// minute of audio, or the largest message.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// What an input that was read ahead counts for beside its bytes.
const ENTRY_BYTES: usize = 64;

/// Why a request is not served.
#[derive(Debug)]
pub enum Unserved {
    /// It is to be told so.
    Refused(HttpRefusal),
    /// It left.
    Left,
}

/// One application's connection.
#[derive(Debug)]
pub struct CompatibleSocket<S> {
    stream: S,
    inbound: BytesMut,
    decoder: Decoder,
    endpoint: Endpoint,
    wants_events: bool,
    reader: Reader,
    /// What was read ahead.
    ahead: VecDeque<AppInput>,
    ahead_bytes: usize,
    outbox: Outbox,
    writer: Writer,
    /// The application's close frame, which is answered in kind.
    close: Option<Close>,
    /// The payload of the latest Ping that has no answer yet.
    ping: Option<Bytes>,
    /// An answer to a Ping waits to be written; a later one would only repeat it.
    has_pong: bool,
    farewell: Farewell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Open,
    /// It has ended the conversation, or broken the protocol: what it says is thrown away.
    Deaf,
    Eof,
}

/// What may be written.
#[derive(Debug)]
enum Writer {
    /// The answer to its request.
    Answer(Box<Upgrade>),
    /// Frames.
    Frames,
    /// Nothing any more. If it is the application that has ended the conversation, it waits for the end
    /// of the stream.
    Ended { shuts: bool },
}

impl<S: AsyncRead + AsyncWrite + Unpin> CompatibleSocket<S> {
    /// A connection of which some may have been read.
    pub fn new(stream: S, inbound: BytesMut, message_bytes_max: u32) -> Self {
        Self {
            stream,
            inbound,
            decoder: Decoder::new(message_bytes_max as usize),
            endpoint: Endpoint::V1Listen,
            wants_events: false,
            reader: Reader::Open,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            outbox: Outbox::default(),
            writer: Writer::Ended { shuts: false },
            close: None,
            ping: None,
            has_pong: false,
            farewell: Farewell::default(),
        }
    }

    /// The request for a WebSocket.
    pub async fn read_request(&mut self) -> Result<Request, Unserved> {
        loop {
            if let Some(request) = request::read(&mut self.inbound).map_err(Unserved::Refused)? {
                return Ok(request);
            }
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) | Err(_) => return Err(Unserved::Left),
                Ok(_) => {}
            }
        }
    }

    /// The request was accepted: from now on messages are the session's.
    pub fn opened(&mut self, request: Request) -> crate::ipc::open::Open {
        self.endpoint = request.open.endpoint;
        self.wants_events = request.wants_events;
        self.writer = Writer::Answer(Box::new(request.upgrade));
        request.open
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let missing = self.decoder.bytes_missing(&self.inbound);
        inbox::poll_read(cx, &mut self.stream, &mut self.inbound, missing)
    }

    /// The next thing that the application has said, out of what has been read.
    fn decode(&mut self) -> Option<AppInput> {
        if self.reader != Reader::Open {
            self.inbound.clear();
            return None;
        }
        match self.decoder.decode(&mut self.inbound) {
            Ok(event) => event.map(|event| self.input_of(event)),
            Err(breach) => Some(self.breach(breach)),
        }
    }

    fn input_of(&mut self, event: Decoded) -> AppInput {
        match event {
            // Deepgram's clients end a stream so.
            Decoded::Message { kind: Kind::Binary, payload }
                if payload.is_empty() && self.endpoint.traits().transcribes =>
            {
                AppInput::Finish
            }
            Decoded::Message { kind: Kind::Binary, payload } => AppInput::Audio(payload),
            Decoded::Message { kind: Kind::Text, payload } => self.text(payload),
            Decoded::Ping(payload) => {
                self.ping = Some(payload);
                AppInput::Pong
            }
            Decoded::Pong(_) => AppInput::Pong,
            Decoded::Close(close) => {
                let cause = cause_of(&close);
                self.reader = Reader::Deaf;
                self.close = Some(close);
                AppInput::Closed(cause)
            }
        }
    }

    fn text(&mut self, text: Bytes) -> AppInput {
        text::read(text, self.endpoint).unwrap_or_else(|refusal| {
            self.farewell.refuse(&refusal);
            self.reader = Reader::Deaf;
            AppInput::Breach(Box::new(refusal))
        })
    }

    fn breach(&mut self, breach: Breach) -> AppInput {
        self.reader = Reader::Deaf;
        self.farewell.close(breach.close_code(), &breach.to_string());
        let code = match breach.close_code() {
            1009 => ErrorCode::FrameTooLarge,
            _ => ErrorCode::BadFrame,
        };
        AppInput::Breach(Box::new(Refusal::new(code, breach.to_string())))
    }

    /// Looks for Pings behind what the session cannot take yet.
    fn read_ahead(&mut self) {
        while self.ahead_bytes < AHEAD_BYTES_MAX
            && let Some(input) = self.decode()
        {
            self.keep(input);
        }
    }

    fn keep(&mut self, input: AppInput) {
        self.ahead_bytes += weight(&input);
        self.ahead.push_back(input);
    }

    fn end_of_input(&mut self) {
        self.reader = Reader::Eof;
        self.inbound = BytesMut::new();
        self.keep(AppInput::Eof);
    }

    /// An answer to a Ping goes behind what waits.
    fn append_pong(&mut self) {
        if matches!(self.writer, Writer::Frames)
            && !self.has_pong
            && let Some(payload) = self.ping.take()
        {
            self.has_pong = true;
            self.outbox.append(|buffer| websocket::encode_pong(&payload, buffer));
        }
    }

    /// Ends the stream behind what has been written.
    fn shut(&mut self, cx: &mut Context<'_>) {
        if let Writer::Ended { shuts } = &mut self.writer
            && self.outbox.is_drained()
        {
            *shuts = *shuts && Pin::new(&mut self.stream).poll_shutdown(cx).is_pending();
        }
    }

    fn write(&mut self, frame: &AppFrame, session: &LiveSession) {
        match frame {
            AppFrame::Opened { request_id } => self.answer(session, request_id.as_deref()),
            AppFrame::Message { text, .. } => {
                self.outbox.append(|buffer| websocket::encode_text(text, buffer));
            }
            AppFrame::Event { at_ms, event } => {
                self.farewell.hear(event);
                self.tell(TimedEvent { event, at_ms: *at_ms });
            }
            AppFrame::Binary { payload } => {
                self.outbox.append(|buffer| websocket::encode_binary(payload, buffer));
            }
            AppFrame::Ping => self.outbox.append(|buffer| websocket::encode_ping(b"", buffer)),
            AppFrame::Error(refusal) => self.refuse(refusal, session),
            AppFrame::Finished { summary, close } => {
                self.tell(Finished { event: "finished", summary });
                let (code, reason) = self.farewell.of(summary, close.as_deref());
                self.writer = Writer::Ended { shuts: false };
                self.outbox.append(|buffer| websocket::encode_close(code, &reason, buffer));
            }
        }
    }

    fn answer(&mut self, session: &LiveSession, request_id: Option<&str>) {
        let Writer::Answer(upgrade) = std::mem::replace(&mut self.writer, Writer::Frames) else {
            unreachable!("a session is opened once")
        };
        self.outbox.append(|buffer| response::upgraded(&upgrade, &session.id, request_id, buffer));
    }

    /// An ERROR: instead of the upgrade, or the reason of the close frame that follows.
    fn refuse(&mut self, refusal: &Refusal, session: &LiveSession) {
        if matches!(self.writer, Writer::Answer(_)) {
            self.writer = Writer::Ended { shuts: false };
            let response = response::refused(refusal, &session.id);
            self.outbox.append(|buffer| buffer.extend_from_slice(&response));
        } else {
            self.farewell.refuse(refusal);
        }
    }

    /// What Deepgram would not say is told to those who ask for it.
    fn tell(&mut self, told: impl Serialize) {
        if self.wants_events {
            let text = serde_json::to_vec(&Told { kind: "SidecarEvent", told })
                .expect("a session's words are JSON");
            self.outbox.append(|buffer| websocket::encode_text(&text, buffer));
        }
    }
}

impl<S: AppStream> App for CompatibleSocket<S> {
    type Stream = S;

    fn poll_input(&mut self, cx: &mut Context<'_>, wants_input: bool) -> Poll<AppInput> {
        loop {
            if let Poll::Ready(input) = self.poll_write(cx) {
                return Poll::Ready(input);
            }
            if wants_input && let Some(input) = self.next_buffered() {
                return Poll::Ready(input);
            }
            if !wants_input {
                self.read_ahead();
            }
            let is_full = self.ahead_bytes >= AHEAD_BYTES_MAX;
            if self.reader == Reader::Eof || is_full {
                return self.poll_write(cx);
            }
            match ready!(self.poll_read(cx)) {
                Ok(1..) => {}
                // A reset affects both directions; the next read reports the other one.
                Err(_) if !self.outbox.is_gone() => {
                    self.abandon();
                    return Poll::Ready(AppInput::WriteFailed);
                }
                Ok(0) | Err(_) => self.end_of_input(),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<AppInput> {
        self.append_pong();
        let input = self.outbox.poll_write(cx, &mut self.stream);
        if self.outbox.is_drained() {
            self.has_pong = false;
            self.shut(cx);
        }
        input
    }

    fn next_buffered(&mut self) -> Option<AppInput> {
        let input = self.ahead.pop_front();
        match &input {
            Some(input) => self.ahead_bytes -= weight(input),
            None => return self.decode(),
        }
        input
    }

    fn is_emptied(&self) -> bool {
        let is_whole = !self.decoder.is_inside_message(&self.inbound);
        self.ahead.is_empty() && is_whole && !self.stream.has_unread()
    }

    fn send(&mut self, frame: &AppFrame, session: &LiveSession) {
        if !matches!(self.writer, Writer::Ended { .. }) {
            self.write(frame, session);
        }
    }

    fn abandon(&mut self) {
        self.outbox.abandon();
    }

    fn let_go(&mut self) {
        let Some(close) = self.close.take() else { return };
        if matches!(self.writer, Writer::Frames) {
            self.outbox.append(|buffer| websocket::encode_close(close.code, "", buffer));
        }
        self.writer = Writer::Ended { shuts: true };
        // The session may be over with it, and nobody polls this again.
        let _ = self.poll_write(&mut Context::from_waker(Waker::noop()));
    }

    fn rest(&mut self) {
        if self.inbound.is_empty() {
            self.inbound = BytesMut::new();
        }
        if self.ahead.is_empty() {
            self.ahead = VecDeque::new();
        }
        self.outbox.rest();
    }

    fn is_write_blocked(&self) -> bool {
        self.outbox.is_blocked()
    }

    fn unwritten_bytes(&self) -> usize {
        self.outbox.len()
    }

    fn last_frame(&self) -> Option<LastFrame> {
        match self.reader {
            _ if self.outbox.is_gone() => Some(LastFrame::Unsent),
            // Its end of stream came before.
            Reader::Eof => Some(LastFrame::Unknown),
            Reader::Open | Reader::Deaf => None,
        }
    }

    fn into_stream(self) -> S {
        self.stream
    }
}

/// What the application means by its close frame.
fn cause_of(close: &Close) -> EndCause {
    match close.code {
        // Its own Ping found no answer, or none that it has read.
        Some(1011) if close.reason.contains("ping timeout") => EndCause::AppStalled,
        Some(1009) => EndCause::AppLimit,
        _ => EndCause::AppLeft,
    }
}

/// What an input that is kept counts for.
fn weight(input: &AppInput) -> usize {
    let payload = match input {
        AppInput::Audio(payload) | AppInput::Text(payload) => payload.len(),
        _ => 0,
    };
    ENTRY_BYTES + payload
}

#[derive(Serialize)]
struct Told<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    told: T,
}

#[derive(Serialize)]
struct Finished<'a> {
    event: &'static str,
    #[serde(flatten, serialize_with = "crate::json::members")]
    summary: &'a Summary,
}

#[cfg(test)]
mod tests;
