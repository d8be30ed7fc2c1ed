//! The I/O of one connection to Deepgram.
//!
//! There is no writer task: reading and writing are polled by the session's driver in its own
//! task, and a write that blocks is a state of the link, not an await. That keeps timers running
//! as a writer task would, without its memory and without waking another core for each frame.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as LastWord, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::close_frame::CloseWatch;
use super::failure::{close_code_of, detail_of_error, reason_of_error};
use super::message::{error_of, kind_of};
use super::meter::Meter;
use super::secret::Secret;
use session::bound::MESSAGE_BYTES_MAX;
use session::close::{CloseFrame, dg_code_of, may_be_sent, reason_of_close};
use session::death::Trigger;
use session::{
    EndKind, Endpoint, KeepaliveKind, MessageKind, Outgoing, UpstreamInput, Written, bounded,
};

/// Read buffer size; most results need half of it. The library's default of 128 KiB is zero-filled
/// at every read.
const READ_BYTES: usize = 2 << 10;

/// Messages are batched up to this size, so that data read together becomes one TLS record.
const WRITE_BYTES: usize = 16 << 10;

/// One live connection.
#[derive(Debug)]
pub struct Link<S> {
    socket: WebSocketStream<CloseWatch<S>>,
    endpoint: Endpoint,
    secret: Secret,
    meter: Meter,
    pending: Option<Pending>,
    failure: Option<UpstreamInput>,
    ended: bool,
}

/// Sent, but not known to be taken by the kernel.
#[derive(Debug)]
struct Pending {
    written: Written,
    /// The oldest of it, to which a failing write is attributed.
    trigger: Trigger,
    /// The meter's count when the kernel last refused; `None` before that.
    blocked_at: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// A link over an upgraded stream; `early` is the data that came after the response.
    pub async fn new(stream: S, early: Bytes, meter: Meter, endpoint: Endpoint) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        // A copy: the underlying buffer is the upgrade's, and four times as large as needed.
        let early = early.to_vec();
        let stream = CloseWatch::new(stream, &early);
        let socket =
            WebSocketStream::from_partially_read(stream, early, Role::Client, Some(config)).await;
        let secret = Secret::default();
        Self { socket, endpoint, secret, meter, pending: None, failure: None, ended: false }
    }

    /// The same, with a credential that is hidden where Deepgram repeats it.
    #[must_use]
    pub fn hiding(self, secret: Secret) -> Self {
        Self { secret, ..self }
    }

    /// Queues a message for writing. A failure shows at the next poll.
    pub fn send(&mut self, outgoing: Outgoing) {
        if self.ended || self.failure.is_some() {
            return;
        }
        let trigger = trigger_of(&outgoing);
        let pending = self.pending.get_or_insert_with(|| Pending {
            written: Written::default(),
            trigger,
            blocked_at: None,
        });
        pending.written.add(&outgoing);
        let sent = message_of(outgoing, self.endpoint)
            .and_then(|message| Pin::new(&mut self.socket).start_send(message));
        if let Err(error) = sent {
            self.fail(&error, trigger);
        }
    }

    /// Bytes taken and delivered by the kernel on this connection so far: sent, received.
    pub fn bytes(&self) -> (u64, u64) {
        (self.meter.bytes_written(), self.meter.bytes_read())
    }

    /// What happens next on this connection. Reads only while `wants_messages`.
    pub fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        wants_messages: bool,
    ) -> Poll<UpstreamInput> {
        if self.ended {
            return Poll::Pending;
        }
        if self.failure.is_none()
            && let Poll::Ready(input) = self.poll_write(cx)
        {
            return Poll::Ready(input);
        }
        // What Deepgram sent before a write failed comes first: it may name the true cause.
        if wants_messages && let Poll::Ready(input) = self.poll_read(cx) {
            return Poll::Ready(input);
        }
        // Besides our own writes there are the library's pongs.
        if let Some(error) = self.meter.take_failure() {
            self.fail(&error.into(), Trigger::Read);
        }
        match self.failure.take() {
            Some(failure) => {
                self.ended = true;
                Poll::Ready(failure)
            }
            None => Poll::Pending,
        }
    }

    /// Drops the link, after one attempt to write what is still pending, such as a close reply.
    pub fn hang_up(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_flush(&mut cx);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<UpstreamInput> {
        let Some(pending) = &mut self.pending else { return Poll::Pending };
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Ok(())) => match self.meter.take_failure() {
                Some(error) => {
                    let trigger = pending.trigger;
                    self.fail(&error.into(), trigger);
                    Poll::Pending
                }
                None => {
                    let written = pending.written;
                    self.pending = None;
                    Poll::Ready(UpstreamInput::Written(written))
                }
            },
            Poll::Ready(Err(error)) => {
                let trigger = pending.trigger;
                self.fail(&error, trigger);
                Poll::Pending
            }
            Poll::Pending => {
                let taken = self.meter.bytes_written();
                match pending.blocked_at.replace(taken) {
                    None => Poll::Ready(UpstreamInput::WriteBlocked),
                    Some(before) if taken > before => Poll::Ready(UpstreamInput::WriteProgress),
                    Some(_) => Poll::Pending,
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<UpstreamInput> {
        loop {
            let input = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => {
                    message_input(Bytes::from(text), self.endpoint, &self.secret)
                }
                Some(Ok(Message::Binary(bytes))) => UpstreamInput::Binary { payload: bytes },
                Some(Ok(Message::Ping(_))) => UpstreamInput::Ping,
                Some(Ok(Message::Pong(_))) => UpstreamInput::Pong,
                Some(Ok(Message::Close(_))) => self.closed(),
                // The library returns whole frames only to writers.
                Some(Ok(Message::Frame(_))) => continue,
                // The write failed first, and nothing received names another cause.
                Some(Err(_)) | None if self.failure.is_some() => return Poll::Pending,
                Some(Err(error)) => self.failed(&error, Trigger::Read),
                None => self.failed(&Error::ConnectionClosed, Trigger::Read),
            };
            return Poll::Ready(input);
        }
    }

    /// The peer's close frame has been read; the library's own form of it tells less.
    fn closed(&mut self) -> UpstreamInput {
        self.ended = true;
        let frame = self.socket.get_ref().close_frame().cloned().unwrap_or_default();
        let frame = CloseFrame { code: frame.code, text: self.secret.hide(frame.text) };
        let (code, text) = (frame.code, frame.text.as_str());
        let detail = match code {
            None => "close without a code".to_owned(),
            Some(code) if !may_be_sent(code) => {
                format!("close {code}, which no peer may send: {text}")
            }
            Some(code) => format!("close {code}: {text}"),
        };
        let detail = bounded(detail.trim_end_matches([':', ' ']).to_owned());
        let (reason, dg_code) = (reason_of_close(code, text), dg_code_of(text));
        let says_why = !text.is_empty() || !matches!(code, None | Some(1000 | 1011));
        UpstreamInput::Closed { frame, reason, dg_code, detail, says_why }
    }

    fn failed(&mut self, error: &Error, trigger: Trigger) -> UpstreamInput {
        self.ended = true;
        if let Some(code) = close_code_of(error) {
            // The library says nothing to who breaks the protocol. It goes out when we hang up.
            let word = LastWord { code: code.into(), reason: Utf8Bytes::default() };
            let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(word)));
        }
        failure(error, trigger)
    }

    fn fail(&mut self, error: &Error, trigger: Trigger) {
        self.pending = None;
        self.failure = Some(failure(error, trigger));
    }
}

fn message_input(text: Bytes, endpoint: Endpoint, secret: &Secret) -> UpstreamInput {
    match kind_of(&text) {
        MessageKind::Error => {
            let error = Box::new(error_of(&text, secret));
            UpstreamInput::ErrorMessage { text, error }
        }
        kind if endpoint.traits().transcribes => UpstreamInput::Message { text, kind },
        _ => UpstreamInput::Message { text, kind: MessageKind::Other },
    }
}

fn failure(error: &Error, trigger: Trigger) -> UpstreamInput {
    let reason = reason_of_error(error);
    // A cause that no wire operation can have is our bug.
    let trigger = if reason.triggers().contains(&trigger) { trigger } else { reason.triggers()[0] };
    UpstreamInput::Failed { reason, trigger, detail: bounded(detail_of_error(error)) }
}

fn trigger_of(outgoing: &Outgoing) -> Trigger {
    match outgoing {
        Outgoing::Audio(_) | Outgoing::Replay { .. } | Outgoing::Lead(_) => Trigger::AudioWrite,
        Outgoing::Text(_) => Trigger::TextWrite,
        Outgoing::KeepAlive => Trigger::KeepaliveWrite,
        Outgoing::Finalize { .. } => Trigger::FinalizeWrite,
        Outgoing::CloseStream => Trigger::CloseWrite,
        Outgoing::Ping => Trigger::Ping,
    }
}

/// The message on the wire. Type names are exactly Deepgram's.
fn message_of(outgoing: Outgoing, endpoint: Endpoint) -> Result<Message, Error> {
    Ok(match outgoing {
        Outgoing::Audio(bytes) | Outgoing::Replay { audio: bytes, .. } | Outgoing::Lead(bytes) => {
            Message::Binary(bytes)
        }
        Outgoing::Text(text) => Message::Text(Utf8Bytes::try_from(text)?),
        Outgoing::KeepAlive => match endpoint.traits().keepalive {
            Some(KeepaliveKind::Text) => fixed(r#"{"type":"KeepAlive"}"#),
            Some(KeepaliveKind::Ping) | None => Message::Ping(Bytes::new()),
        },
        Outgoing::Finalize { channel: None, .. } => fixed(r#"{"type":"Finalize"}"#),
        Outgoing::Finalize { channel: Some(channel), .. } => {
            Message::Text(format!(r#"{{"type":"Finalize","channel":{channel}}}"#).into())
        }
        Outgoing::CloseStream => match endpoint.traits().end {
            EndKind::CloseStream => fixed(r#"{"type":"CloseStream"}"#),
            EndKind::Close => fixed(r#"{"type":"Close"}"#),
            EndKind::Frame => Message::Close(Some(LastWord {
                code: CloseCode::Normal,
                reason: Utf8Bytes::default(),
            })),
        },
        Outgoing::Ping => Message::Ping(Bytes::new()),
    })
}

fn fixed(text: &'static str) -> Message {
    Message::Text(Utf8Bytes::from_static(text))
}

#[cfg(test)]
mod tests;
