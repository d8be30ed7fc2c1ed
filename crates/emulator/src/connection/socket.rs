//! What a WebSocket has to tell next.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::fault::{FaultyTransport, Transport};

/// What a socket can tell.
pub(super) enum SocketEvent {
    Flushed,
    Message(Message),
    Failed(Error),
    Ended,
}

/// Whether tungstenite calls the loss of the connection a breach of the protocol.
pub(super) fn is_loss(cause: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(cause, ProtocolError::ResetWithoutClosingHandshake)
}

/// Flushing goes first: what is read may depend on what was written, never the other way round.
pub(super) fn poll_socket<S: Transport>(
    socket: &mut WebSocketStream<FaultyTransport<S>>,
    cx: &mut Context<'_>,
    reading: bool,
    writing: bool,
) -> Poll<SocketEvent> {
    if writing && let Poll::Ready(flushed) = Pin::new(&mut *socket).poll_flush(cx) {
        return Poll::Ready(flushed.map_or_else(SocketEvent::Failed, |()| SocketEvent::Flushed));
    }
    if !reading {
        return Poll::Pending;
    }
    Pin::new(socket).poll_next(cx).map(|next| match next {
        Some(Ok(message)) => SocketEvent::Message(message),
        Some(Err(error)) => SocketEvent::Failed(error),
        None => SocketEvent::Ended,
    })
}
