//! An application's socket: frames in, frames out, and the state of both buffers.
//!
//! It never waits: reading and writing are polled by the session's driver, in its own task, so a
//! write that blocks stops nothing else.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::app::{App, AppStream};
use super::inbox;
use super::outbox::Outbox;
use super::payload::{self, bad_frame};
use crate::live::LiveSession;
use protocol::frame::{AppFrameType, Decoder, Frame, Header};
use session::drain::LastFrame;
use session::{AppFrame, AppInput, Dialect, Endpoint, ErrorCode, Refusal};

/// Why an application's connection ended before its OPEN was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreOpen {
    /// It broke the contract; it is to be told so.
    Refused(Refusal),
    /// It left.
    Left,
}

/// One application's connection.
#[derive(Debug)]
pub struct AppSocket<S> {
    stream: S,
    frame_bytes_max: u32,
    inbound: BytesMut,
    decoder: Decoder,
    stage: Stage,
    reader: Reader,
    outbox: Outbox,
}

/// How far the application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its OPEN has not come.
    BeforeOpen,
    /// It may say anything that its session knows.
    Open(Knows),
    /// After FINISH: what it says is dropped, so it is not judged beyond type and length.
    Finished,
}

/// What some sessions know of and others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Knows {
    finalize: bool,
    prelude: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Open,
    /// It broke the contract: what it says is thrown away, and only its leaving is noticed.
    Deaf,
    Eof,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AppSocket<S> {
    /// A connection that has just been accepted.
    pub fn new(stream: S, frame_bytes_max: u32) -> Self {
        Self {
            stream,
            frame_bytes_max,
            inbound: BytesMut::new(),
            decoder: Decoder::default(),
            stage: Stage::BeforeOpen,
            reader: Reader::Open,
            outbox: Outbox::default(),
        }
    }

    /// What it speaks: its first byte tells.
    pub async fn read_dialect(&mut self) -> Result<Dialect, PreOpen> {
        loop {
            if let Some(first) = self.inbound.first() {
                return dialect_of(*first).map_err(PreOpen::Refused);
            }
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) | Err(_) => return Err(PreOpen::Left),
                Ok(_) => {}
            }
        }
    }

    /// The payload of the first frame, which must be OPEN.
    pub async fn read_open(&mut self) -> Result<Bytes, PreOpen> {
        loop {
            if let Some(frame) = self.decode().map_err(PreOpen::Refused)? {
                return Ok(frame.payload);
            }
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) | Err(_) => return Err(PreOpen::Left),
                Ok(_) => {}
            }
        }
    }

    /// The stream, and what has been read of it, for another dialect.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.inbound)
    }

    /// OPEN was accepted: from now on frames are the session's.
    pub fn opened(&mut self, endpoint: Endpoint, has_prelude: bool) {
        let finalize = endpoint.traits().finalizes;
        self.stage = Stage::Open(Knows { finalize, prelude: has_prelude });
    }

    fn end_of_input(&mut self, input: AppInput) -> AppInput {
        self.reader = Reader::Eof;
        self.inbound = BytesMut::new();
        input
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let missing = self.decoder.bytes_missing(&self.inbound);
        inbox::poll_read(cx, &mut self.stream, &mut self.inbound, missing)
    }

    fn decode(&mut self) -> Result<Option<Frame>, Refusal> {
        let (stage, frame_bytes_max) = (self.stage, self.frame_bytes_max);
        self.decoder.decode(&mut self.inbound, |header| judge(header, stage, frame_bytes_max))
    }

    fn decode_input(&mut self) -> Result<Option<AppInput>, Refusal> {
        let Some(frame) = self.decode()? else { return Ok(None) };
        let kind = AppFrameType::from_byte(frame.kind).expect("judged when its header came");
        let input = match (self.stage, kind) {
            (Stage::Finished, AppFrameType::Finalize) => AppInput::Finalize { channel: None },
            (Stage::Finished, AppFrameType::Text) => AppInput::Text(frame.payload),
            (Stage::Finished, AppFrameType::Update) => AppInput::Update { vad: None },
            _ => payload::read(kind, frame.payload)?,
        };
        if let AppInput::Finish = input {
            self.stage = Stage::Finished;
        }
        Ok(Some(input))
    }
}

impl<S: AppStream> App for AppSocket<S> {
    type Stream = S;

    fn poll_input(&mut self, cx: &mut Context<'_>, wants_input: bool) -> Poll<AppInput> {
        if let Poll::Ready(input) = self.poll_write(cx) {
            return Poll::Ready(input);
        }
        loop {
            if !wants_input {
                return Poll::Pending;
            }
            if let Some(input) = self.next_buffered() {
                return Poll::Ready(input);
            }
            if self.reader == Reader::Eof {
                return Poll::Pending;
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) => return Poll::Ready(self.end_of_input(AppInput::Eof)),
                Ok(_) => {}
                // A reset affects both directions; the next read reports the other one.
                Err(_) if !self.outbox.is_gone() => {
                    self.abandon();
                    return Poll::Ready(AppInput::WriteFailed);
                }
                Err(_) => return Poll::Ready(self.end_of_input(AppInput::Eof)),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<AppInput> {
        self.outbox.poll_write(cx, &mut self.stream)
    }

    fn next_buffered(&mut self) -> Option<AppInput> {
        match self.reader {
            Reader::Open => match self.decode_input() {
                Ok(input) => input,
                Err(refusal) => {
                    self.reader = Reader::Deaf;
                    Some(AppInput::Breach(Box::new(refusal)))
                }
            },
            Reader::Deaf | Reader::Eof => {
                self.inbound.clear();
                None
            }
        }
    }

    fn is_emptied(&self) -> bool {
        !self.decoder.is_inside_frame(&self.inbound) && !self.stream.has_unread()
    }

    fn send(&mut self, frame: &AppFrame, session: &LiveSession) {
        self.outbox.append(|buffer| payload::write(frame, session, buffer));
    }

    fn abandon(&mut self) {
        self.outbox.abandon();
    }

    fn rest(&mut self) {
        if self.inbound.is_empty() {
            self.inbound = BytesMut::new();
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

/// The first byte of a connection decides its dialect, before the rest of a header has come.
fn dialect_of(first: u8) -> Result<Dialect, Refusal> {
    match AppFrameType::from_byte(first) {
        Some(AppFrameType::Open) => Ok(Dialect::Native),
        Some(_) => Err(open_first()),
        None if first == b'G' => Ok(Dialect::Compatible),
        None => Err(bad_frame(format!(
            "byte 0x{first:02x} begins no frame of this protocol; the first frame is OPEN (0x01)"
        ))),
    }
}

/// Judges a header in the contract's order: type, length, state.
fn judge(header: Header, stage: Stage, frame_bytes_max: u32) -> Result<(), Refusal> {
    let Some(kind) = AppFrameType::from_byte(header.kind) else {
        return Err(unknown_type(header.kind));
    };
    if header.length > frame_bytes_max {
        return Err(Refusal::new(
            ErrorCode::FrameTooLarge,
            format!(
                "a payload of {} bytes is over the bound of {frame_bytes_max}; send smaller frames \
                 or raise ipc.max_frame_bytes",
                header.length
            ),
        ));
    }
    match (stage, kind) {
        (Stage::BeforeOpen, AppFrameType::Open) => Ok(()),
        (Stage::BeforeOpen, _) => Err(open_first()),
        (_, AppFrameType::Open) => Err(unexpected(
            "OPEN stands once, at the start; use another connection for another session",
        )),
        (Stage::Open(Knows { finalize: false, .. }), AppFrameType::Finalize) => {
            Err(unexpected("/v2/listen has no Finalize; it would end the stream there"))
        }
        (Stage::Open(Knows { prelude: false, .. }), AppFrameType::Prelude) => Err(unexpected(
            "the session's OPEN has no prelude; send \"prelude\": {} in OPEN, or no PRELUDE",
        )),
        _ => Ok(()),
    }
}

fn open_first() -> Refusal {
    unexpected("the first frame must be OPEN")
}

fn unexpected(message: &str) -> Refusal {
    Refusal::new(ErrorCode::UnexpectedFrame, message)
}

fn unknown_type(kind: u8) -> Refusal {
    let message = format!("0x{kind:02x} is no type of a frame to the sidecar");
    Refusal::new(ErrorCode::UnknownFrameType, message)
}

#[cfg(test)]
mod tests;
