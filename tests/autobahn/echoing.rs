//! An echo on a session's own socket: the one that applications have, with its handshake, its answers
//! to Pings and its closes. It can send back texts alone, since a session sends nothing else.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::BytesMut;
use deepgram_sidecar::ipc::app::{App, AppStream};
use deepgram_sidecar::ipc::compatible::CompatibleSocket;
use deepgram_sidecar::live::LiveSession;
use session::summary::{AudioSummary, FinalizeSummary, MessageSummary, Outcome, Summary};
use session::{AppFrame, AppInput, Endpoint, SessionId, TimeMap};

use crate::doors::{MESSAGE_BYTES_MAX, Server};
use crate::echo::read_out;

pub(crate) struct EchoingSession;

impl Server for EchoingSession {
    async fn serve<S: AppStream + Send + 'static>(stream: S) {
        let mut socket = CompatibleSocket::new(stream, BytesMut::new(), MESSAGE_BYTES_MAX);
        let Ok(request) = socket.read_request().await else { return };
        socket.opened(request);
        let session = live();
        socket.send(&AppFrame::Opened { request_id: None }, &session);
        echo(&mut socket, &session).await;
        let _ = read_out(socket.into_stream()).await;
    }
}

/// Echoes until the application or its breach has ended the conversation, and all is written.
async fn echo<S: AppStream>(socket: &mut CompatibleSocket<S>, session: &LiveSession) {
    let mut is_over = false;
    while !is_over || socket.unwritten_bytes() > 0 {
        // As a session does, it takes nothing while the application does not read.
        let wants_input = !socket.is_write_blocked();
        match poll_fn(|cx| socket.poll_input(cx, wants_input)).await {
            AppInput::Text(text) => {
                socket.send(&AppFrame::Message { text, times: TimeMap::default() }, session);
            }
            AppInput::Breach(refusal) => {
                socket.send(&AppFrame::Error(refusal), session);
                socket.send(&finished(), session);
                is_over = true;
            }
            AppInput::Closed(_) => {
                socket.let_go();
                is_over = true;
            }
            AppInput::Eof | AppInput::WriteFailed => return,
            _ => {}
        }
    }
}

fn live() -> Arc<LiveSession> {
    LiveSession::new(id(), Endpoint::V1Listen, None, clock::now(), Vec::new())
}

fn id() -> SessionId {
    SessionId::parse("autobahn").unwrap()
}

fn finished() -> AppFrame {
    let summary = Summary {
        session_id: id(),
        outcome: Outcome::Aborted,
        cut: false,
        death: None,
        duration_ms: 0,
        connections: 1,
        audio: AudioSummary::default(),
        keepalives: 0,
        finalizes: FinalizeSummary::default(),
        messages: MessageSummary::default(),
        recoveries: 0,
        lost_ms: None,
        unknown_ms: None,
        vad: None,
    };
    AppFrame::Finished { summary: Box::new(summary), close: None }
}
