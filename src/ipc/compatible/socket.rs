//! An application's WebSocket: Deepgram's messages in both directions.

mod ahead;
mod farewell;
mod hearing;
mod told;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::request::{self, HttpRefusal, Request, Upgrade};
use super::response;
use crate::ipc::app::{App, AppStream};
use crate::ipc::inbox;
use crate::ipc::outbox::Outbox;
use crate::ipc::payload::TimedEvent;
use crate::live::LiveSession;
use ahead::Ahead;
use farewell::Farewell;
use protocol::websocket::{self, Close, Decoder};
use session::drain::LastFrame;
use session::{AppFrame, AppInput, Endpoint, Refusal};
use told::Finished;

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
    ahead: Ahead,
    outbox: Outbox,
    writer: Writer,
    /// The application's close frame, which is answered in kind.
    close: Option<Close>,
    /// The payload of the latest Ping that has no answer yet.
    ping: Option<Bytes>,
    /// Where in all that is written the latest answer to a Ping ends. Until that is out, another one
    /// would only repeat it.
    pong_end: u64,
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
    Answer(Box<Unanswered>),
    /// Frames.
    Frames,
    /// Nothing any more. If it is the application that has ended the conversation, it waits for the end
    /// of the stream.
    Ended { shuts: bool },
}

/// A request that has no answer yet.
#[derive(Debug)]
struct Unanswered {
    upgrade: Upgrade,
    /// What the session has told meanwhile, which is that it drains: a message stands behind the
    /// upgrade.
    told: BytesMut,
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
            ahead: Ahead::default(),
            outbox: Outbox::default(),
            writer: Writer::Ended { shuts: false },
            close: None,
            ping: None,
            pong_end: 0,
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
        let unanswered = Unanswered { upgrade: request.upgrade, told: BytesMut::new() };
        self.writer = Writer::Answer(Box::new(unanswered));
        request.open
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let missing = self.decoder.bytes_missing(&self.inbound);
        inbox::poll_read(cx, &mut self.stream, &mut self.inbound, missing)
    }

    /// An answer to a Ping goes behind what waits.
    fn append_pong(&mut self) {
        if matches!(self.writer, Writer::Frames)
            && self.outbox.written() >= self.pong_end
            && let Some(payload) = self.ping.take()
        {
            self.outbox.append(|buffer| websocket::encode_pong(&payload, buffer));
            self.pong_end = self.outbox.end();
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
                self.tell(Finished::of(summary));
                let (code, reason) = self.farewell.of(summary, close.as_deref());
                self.writer = Writer::Ended { shuts: false };
                self.outbox.append(|buffer| websocket::encode_close(code, &reason, buffer));
            }
        }
    }

    fn answer(&mut self, session: &LiveSession, request_id: Option<&str>) {
        let Writer::Answer(unanswered) = std::mem::replace(&mut self.writer, Writer::Frames) else {
            unreachable!("a session is opened once")
        };
        let Unanswered { upgrade, told } = *unanswered;
        self.outbox.append(|buffer| {
            response::upgraded(&upgrade, &session.id, request_id, buffer);
            buffer.extend_from_slice(&told);
        });
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
        if !self.wants_events {
            return;
        }
        let text = told::text_of(told);
        match &mut self.writer {
            Writer::Answer(unanswered) => websocket::encode_text(&text, &mut unanswered.told),
            _ => self.outbox.append(|buffer| websocket::encode_text(&text, buffer)),
        }
    }
}

impl<S: AppStream> App for CompatibleSocket<S> {
    type Stream = S;

    fn poll_input(&mut self, cx: &mut Context<'_>, wants_input: bool) -> Poll<AppInput> {
        loop {
            if !wants_input {
                // It may find a Ping, whose answer is written next.
                self.read_ahead();
            }
            if let Poll::Ready(input) = self.poll_write(cx) {
                return Poll::Ready(input);
            }
            if wants_input && let Some(input) = self.next_buffered() {
                return Poll::Ready(input);
            }
            if self.reader == Reader::Eof || self.ahead.is_full() {
                return Poll::Pending;
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
        self.shut(cx);
        input
    }

    fn next_buffered(&mut self) -> Option<AppInput> {
        self.ahead.pop().or_else(|| self.decode())
    }

    fn is_emptied(&self) -> bool {
        let is_whole = !self.decoder.is_inside_message(&self.inbound);
        self.ahead.is_empty() && is_whole && !self.stream.has_unread()
    }

    fn send(&mut self, frame: &AppFrame, session: &LiveSession) {
        if !matches!(self.writer, Writer::Ended { .. }) {
            self.write(frame, session);
        }
        // What is not told to this application is as good as written: the session waits for that.
        self.outbox.append(|_| {});
    }

    fn refusal_status(&self, refusal: &Refusal) -> Option<u16> {
        matches!(self.writer, Writer::Answer(_)).then(|| response::status_of(refusal))
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
        self.decoder.rest();
        self.ahead.rest();
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

#[cfg(test)]
mod tests;
