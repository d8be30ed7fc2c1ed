//! An application that speaks Deepgram's own dialect, with a WebSocket library as the SDKs do.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Sidecar, speech, within};

/// Code and reason of a close frame.
pub(crate) type Close = (Option<u16>, String);

/// One connection to the daemon.
#[derive(Debug)]
pub(crate) struct DialectApp(WebSocketStream<UnixStream>);

impl DialectApp {
    /// Opens a session by a request for this path and query.
    pub(crate) async fn open(sidecar: &Sidecar, target: &str) -> Self {
        Self::dial(sidecar, target).await.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// The status and the body of a refusal.
    pub(crate) async fn refusal(sidecar: &Sidecar, target: &str) -> (u16, String) {
        match Self::dial(sidecar, target).await {
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                (response.status().as_u16(), String::from_utf8(body).unwrap())
            }
            other => panic!("{target} was not refused: {other:?}"),
        }
    }

    async fn dial(sidecar: &Sidecar, target: &str) -> Result<Self, Error> {
        let stream = UnixStream::connect(sidecar.socket()).await.unwrap();
        let url = format!("ws://localhost{target}");
        let (socket, _) = within("the upgrade", client_async(url, stream)).await?;
        Ok(Self(socket))
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends so many frames of position-coded speech, from frame `from` on.
    pub(crate) async fn speak(&mut self, from: u64, frames: u64) {
        for frame in from..from + frames {
            self.send(Message::Binary(speech(frame).into())).await;
        }
    }

    /// Sends so many frames of 100 ms in which nobody speaks.
    pub(crate) async fn be_silent(&mut self, frames: usize) {
        for _ in 0..frames {
            self.send(Message::Binary(Bytes::from_static(&[0; 3_200]))).await;
        }
    }

    async fn send(&mut self, message: Message) {
        within("taking a message", self.0.send(message)).await.unwrap();
    }

    /// The next message that is no ping or pong.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            match within("a message", self.0.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("{other:?} came and no message"),
            }
        }
    }

    /// Reads on to a text of this type.
    pub(crate) async fn text(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            assert!(!message.is_close(), "{message:?} came and no {kind}");
            if let Some(text) = json(&message).filter(|text| text["type"] == kind) {
                return text;
            }
        }
    }

    /// All that is still to come, and how it is closed.
    pub(crate) async fn rest(&mut self) -> (Vec<Message>, Close) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Message::Close(frame) => {
                    let close = frame.map(|it| (Some(it.code.into()), it.reason.to_string()));
                    return (messages, close.unwrap_or_default());
                }
                message => messages.push(message),
            }
        }
    }

    /// Says goodbye with a close frame, and waits for the answer to it.
    pub(crate) async fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.send(Message::Close(Some(frame))).await;
        self.rest().await;
    }
}

/// A text's JSON.
pub(crate) fn json(message: &Message) -> Option<Value> {
    serde_json::from_str(message.to_text().ok().filter(|_| message.is_text())?).ok()
}
