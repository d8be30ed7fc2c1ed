//! One WebSocket: the shell that moves messages between a socket and a [`Stream`] and plays the
//! script's faults.
//!
//! No arm of its loop waits for a write, so that a client that does not read delays no timer.

mod socket;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::cues::Cues;
use super::fault::{FaultyTransport, Transport};
use super::playbook::Orders;
use super::position::Positions;
use super::record::{End, Entry};
use super::script::{Action, Close};
use super::stream::{Faults, Output, Stream, TextKind};
use socket::{SocketEvent, is_loss, poll_socket};

/// The beginning of a text frame of 100 bytes.
const CUT_FRAME: [u8; 12] = *b"\x81\x64{\"type\":\"R";

/// A frame with reserved bits and a reserved opcode.
const BAD_FRAME: [u8; 4] = [0xf3, 0x02, 0x00, 0x00];

/// How long a client may take over the end of a connection.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// A connection that was upgraded.
pub(super) struct Connection<S: Transport> {
    socket: WebSocketStream<FaultyTransport<S>>,
    stream: Box<dyn Stream>,
    directions: Directions,
    entry: Entry,
    gates: Gates,
    /// Something waits to be flushed.
    unflushed: bool,
    ping_every: Duration,
    next_ping: Option<Instant>,
}

/// What the connection is told to do.
pub(super) struct Directions {
    /// By the script it was opened with.
    pub(super) cues: Cues,
    /// By a change of the script.
    pub(super) orders: Orders,
}

/// What a fault keeps shut.
#[derive(Debug, Default)]
struct Gates {
    half_open: bool,
    unread: bool,
    /// Bytes a second that are read.
    slow: Option<u64>,
    /// When reading may go on.
    read_at: Option<Instant>,
}

impl<S: Transport> Connection<S> {
    pub(super) fn new(
        socket: WebSocketStream<FaultyTransport<S>>,
        stream: Box<dyn Stream>,
        directions: Directions,
        entry: Entry,
        ping_every: Duration,
    ) -> Self {
        let next_ping = (!ping_every.is_zero()).then(|| clock::now() + ping_every);
        let gates = Gates::default();
        let unflushed = false;
        Self { socket, stream, directions, entry, gates, unflushed, ping_every, next_ping }
    }

    /// Serves the client until the connection ends; returns why.
    pub(super) async fn run(mut self) -> End {
        loop {
            if let Some(end) = self.perform_due().await {
                return end;
            }
            let now = clock::now();
            let reading = self.is_reading(now);
            let writing = self.unflushed && !self.gates.half_open;
            let deadline = self.next_deadline(now);
            tokio::select! {
                biased;
                event = poll_fn(|cx| poll_socket(&mut self.socket, cx, reading, writing)) => {
                    if let Some(end) = self.handle_event(event).await {
                        return end;
                    }
                }
                actions = self.directions.orders.next() => {
                    for action in actions.iter().cloned() {
                        if let Some(end) = self.perform(action).await {
                            return end;
                        }
                    }
                }
                () = sleep_until(deadline.unwrap_or(now).into()), if deadline.is_some() => {}
            }
        }
    }

    fn is_reading(&self, now: Instant) -> bool {
        let open = !self.gates.half_open && !self.gates.unread && self.stream.wants_input();
        open && self.gates.read_at.is_none_or(|at| at <= now)
    }

    /// A server that does not read cannot know that its client is idle: its timers are paused.
    fn is_stuck(&self) -> bool {
        self.gates.half_open || self.gates.unread
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let cue = self.directions.cues.deadline();
        if self.is_stuck() {
            return cue;
        }
        let read = self.gates.read_at.filter(|at| *at > now);
        // What is due but blocked by a full socket waits for the flush, not for the clock.
        let stream = self.stream.next_deadline().filter(|due| !self.unflushed || *due > now);
        [cue, read, stream, self.next_ping].into_iter().flatten().min()
    }

    /// Does what is due; some of it ends the connection.
    async fn perform_due(&mut self) -> Option<End> {
        let now = clock::now();
        while let Some(action) = self.take_action(now) {
            if let Some(end) = self.perform(action).await {
                return Some(end);
            }
        }
        if self.is_stuck() {
            return None;
        }
        self.stream.handle_timeout(now);
        if self.next_ping.is_some_and(|due| due <= now) {
            self.next_ping = Some(now + self.ping_every);
            self.send(Message::Ping(Bytes::new()));
        }
        while self.is_writable().await {
            match self.stream.poll_output(now)? {
                Output::Transcript { text, settles } => {
                    let text = self.settle(text, settles);
                    self.send_text(text);
                }
                Output::Text(text) => self.send_text(text),
                Output::Audio(audio) => {
                    self.entry.write().audio_bytes_sent += audio.len() as u64;
                    self.send(Message::Binary(audio));
                }
                Output::Close { code, reason, end } => {
                    return Some(self.close(code, reason, end).await);
                }
            }
        }
        None
    }

    /// Records what a result makes final, and has the result say so itself: only the client knows
    /// whether it arrived.
    fn settle(&mut self, text: String, settles: Option<u64>) -> String {
        let Some(end) = settles else { return text };
        let mut record = self.entry.write();
        let mut runs = Positions::default();
        let Some(reader) = self.stream.reader() else { return text };
        reader.settle(end, |block| {
            record.transcribed.record(block);
            runs.record(block);
        });
        runs.told_in(&text)
    }

    fn take_action(&mut self, now: Instant) -> Option<Action> {
        let heard = || self.stream.format().duration(self.entry.write().audio_bytes);
        self.directions.cues.take(now, heard)
    }

    async fn handle_event(&mut self, event: SocketEvent) -> Option<End> {
        match event {
            SocketEvent::Flushed => self.unflushed = false,
            SocketEvent::Message(Message::Close(frame)) => {
                self.entry.write().client_close = frame.map(|frame| frame.code.into());
                // The socket answers by itself; all it needs is to be polled to its end.
                self.drain().await;
                return Some(End::ClientClose);
            }
            SocketEvent::Message(message) => self.handle_message(message),
            SocketEvent::Failed(error) => return Some(self.fail(error).await),
            SocketEvent::Ended => return Some(End::ClientGone),
        }
        None
    }

    fn handle_message(&mut self, message: Message) {
        let now = clock::now();
        if let Some(rate) = self.gates.slow {
            let pause = Duration::from_secs_f64(message.len() as f64 / rate as f64);
            self.gates.read_at = Some(self.gates.read_at.map_or(now, |at| at.max(now)) + pause);
        }
        match message {
            Message::Binary(audio) => self.handle_binary(now, audio),
            Message::Text(text) => self.handle_text(now, &text),
            Message::Ping(_) => {
                self.unflushed = true;
                self.entry.write().pings += 1;
                self.stream.handle_ping(now);
            }
            Message::Pong(_) => {
                self.entry.write().pongs += 1;
                self.stream.handle_pong(now);
            }
            Message::Close(_) | Message::Frame(_) => {}
        }
    }

    fn handle_binary(&mut self, now: Instant, audio: Bytes) {
        let mut record = self.entry.write();
        if audio.is_empty() {
            record.empty_binaries += 1;
        } else {
            record.audio_frames += 1;
            record.audio_bytes += audio.len() as u64;
        }
        drop(record);
        if self.stream.handle_binary(now, audio) {
            self.directions.cues.close_stream(now);
        }
    }

    fn handle_text(&mut self, now: Instant, text: &str) {
        let kind = self.stream.handle_text(now, text);
        let at_ms = self.entry.millis_at(now);
        let mut record = self.entry.write();
        match kind {
            TextKind::KeepAlive => record.record_keepalive(at_ms),
            TextKind::Finalize => record.finalizes += 1,
            TextKind::CloseStream => {
                record.close_stream = true;
                self.directions.cues.close_stream(now);
            }
            TextKind::Other => record.record_other_text(text),
        }
    }

    /// Does what the script asks for.
    async fn perform(&mut self, action: Action) -> Option<End> {
        match action {
            Action::Mute => self.stream.faults().muted = true,
            Action::IgnoreCloseStream => self.stream.faults().ignores_close_stream = true,
            Action::HalfOpen => self.gates.half_open = true,
            Action::StopReading => self.gates.unread = true,
            Action::SlowRead(rate) => self.gates.slow = Some(rate),
            Action::NoPong => self.swallow_pongs(true).await,
            Action::Resume => self.resume().await,
            Action::Send(text) => self.send_text(text),
            Action::Oversized(length) => self.send_text("x".repeat(length)),
            Action::SendBinary(bytes) => self.send(Message::Binary(bytes.into())),
            Action::Ping => self.send(Message::Ping(Bytes::new())),
            Action::Close(Close { code, reason }) => {
                return Some(self.close(code, reason, End::ScriptClose).await);
            }
            Action::Reset => return Some(self.reset().await),
            Action::Fin => return Some(self.fin(&[], End::ScriptFin).await),
            Action::CutMidFrame => return Some(self.fin(&CUT_FRAME, End::ScriptCut).await),
            Action::BadFrame => return Some(self.fin(&BAD_FRAME, End::ScriptGarbage).await),
        }
        None
    }

    async fn resume(&mut self) {
        *self.stream.faults() = Faults::default();
        self.swallow_pongs(false).await;
        self.gates = Gates::default();
    }

    async fn swallow_pongs(&mut self, swallow: bool) {
        self.flush().await;
        self.socket.get_mut().swallow_pongs(swallow);
    }

    async fn is_writable(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut self.socket).poll_ready(cx))).await.is_ready()
    }

    fn send_text(&mut self, text: String) {
        self.entry.write().texts_sent += 1;
        self.send(Message::text(text));
    }

    /// Queues a message. A socket that refuses it has ended, which its next event tells.
    fn send(&mut self, message: Message) {
        let _ = Pin::new(&mut self.socket).start_send(message);
        self.unflushed = true;
    }

    /// Sends a close frame and waits for the client's.
    async fn close(&mut self, code: Option<u16>, reason: String, end: End) -> End {
        let frame = code.map(|code| CloseFrame { code: code.into(), reason: reason.into() });
        // A client that takes no close frame is left behind like one that does not answer it.
        let _ = timeout(GOODBYE_MAX, self.socket.close(frame)).await;
        self.drain().await;
        end
    }

    /// A client that broke the protocol is told so.
    async fn fail(&mut self, error: Error) -> End {
        match error {
            Error::Capacity(_) => self.close(Some(1009), String::new(), End::ClientBreach).await,
            Error::Utf8(_) => self.close(Some(1007), String::new(), End::ClientBreach).await,
            Error::Protocol(cause) if !is_loss(&cause) => {
                self.close(Some(1002), String::new(), End::ClientBreach).await
            }
            _ => End::ClientGone,
        }
    }

    async fn reset(&mut self) -> End {
        self.flush().await;
        self.socket.get_ref().faults().reset();
        End::ScriptReset
    }

    /// Writes raw bytes and ends our side of the TCP connection, then reads on until the client
    /// ends its own: closing with unread audio would make it a reset.
    async fn fin(&mut self, last: &[u8], end: End) -> End {
        self.flush().await;
        let transport = self.socket.get_mut();
        let write = async {
            transport.write_all(last).await?;
            transport.shutdown().await?;
            tokio::io::copy(transport, &mut tokio::io::sink()).await
        };
        // However the client takes it, this connection is over.
        let _ = timeout(GOODBYE_MAX, write).await;
        end
    }

    async fn flush(&mut self) {
        // A client that has not read for this long will not miss the rest.
        let _ = timeout(GOODBYE_MAX, self.socket.flush()).await;
    }

    /// Reads until the client has ended too, which also flushes the close frame.
    async fn drain(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.socket.next().await {} };
        let _ = timeout(GOODBYE_MAX, rest).await;
    }
}
