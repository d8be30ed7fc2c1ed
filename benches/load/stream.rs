//! An application's own end of a session: the native protocol, or a WebSocket.

use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use client::{Client, Incoming, OpenRequest, Receiver, Sender};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::stage::HOST;

/// Samples a second; mono, two bytes each.
pub(crate) const SAMPLE_RATE: u32 = 16_000;

/// Both directions of a session that is open.
pub(crate) type Stream = (StreamSender, StreamReceiver);

/// Any byte stream to Deepgram.
trait Bytestream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Bytestream for S {}

type WebSocket = WebSocketStream<Box<dyn Bytestream>>;

/// What goes to Deepgram.
#[expect(private_interfaces, reason = "nobody looks into it")]
pub(crate) enum StreamSender {
    Native(Sender),
    WebSocket(SplitSink<WebSocket, Message>),
}

/// What comes from Deepgram.
#[expect(private_interfaces, reason = "nobody looks into it")]
pub(crate) enum StreamReceiver {
    Native(Receiver),
    WebSocket(SplitStream<WebSocket>),
}

/// What came.
pub(crate) enum Heard {
    Message(Bytes),
    /// Nothing that matters here.
    Other,
    /// The session is over.
    End {
        /// It ended as it was asked to, and lost nothing.
        is_finished: bool,
    },
}

/// Opens a session of the sidecar's and waits for OPENED.
pub(crate) async fn open_native(socket: &Path, number: u32) -> anyhow::Result<Stream> {
    let mut client = Client::connect(socket).await?;
    let request = OpenRequest::new()
        .session_id(format!("load-{number}"))
        .audio("linear16", SAMPLE_RATE, 1)
        .param("interim_results", true);
    client.open(&request).await?;
    client.opened().await?;
    let (sender, receiver) = client.split();
    Ok((StreamSender::Native(sender), StreamReceiver::Native(receiver)))
}

/// Opens a WebSocket over a stream to Deepgram.
pub(crate) async fn open_websocket<S>(stream: S) -> anyhow::Result<Stream>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let query = format!("encoding=linear16&sample_rate={SAMPLE_RATE}&channels=1");
    let mut request =
        format!("ws://{HOST}/v1/listen?{query}&interim_results=true").into_client_request()?;
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Token load"));
    // The library's defaults would make the harness, not the hop, the bottleneck.
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
    let stream: Box<dyn Bytestream> = Box::new(stream);
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    let (sink, stream) = socket.split();
    Ok((StreamSender::WebSocket(sink), StreamReceiver::WebSocket(stream)))
}

impl StreamSender {
    pub(crate) async fn send_audio(&mut self, audio: &Bytes) -> anyhow::Result<()> {
        match self {
            Self::Native(sender) => Ok(sender.send_audio(audio).await?),
            Self::WebSocket(sink) => Ok(sink.send(Message::Binary(audio.clone())).await?),
        }
    }

    pub(crate) async fn finish(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Native(sender) => Ok(sender.finish().await?),
            Self::WebSocket(sink) => {
                Ok(sink.send(Message::text(r#"{"type":"CloseStream"}"#)).await?)
            }
        }
    }
}

impl StreamReceiver {
    pub(crate) async fn next(&mut self) -> anyhow::Result<Heard> {
        match self {
            Self::Native(receiver) => heard_native(receiver).await,
            Self::WebSocket(stream) => {
                match stream.next().await.context("the socket ended without a close frame")?? {
                    Message::Text(text) => Ok(Heard::Message(text.into())),
                    Message::Close(close) => {
                        let is_finished = close.is_some_and(|it| u16::from(it.code) == 1000);
                        Ok(Heard::End { is_finished })
                    }
                    _ => Ok(Heard::Other),
                }
            }
        }
    }
}

async fn heard_native(receiver: &mut Receiver) -> anyhow::Result<Heard> {
    match receiver.next().await?.context("the sidecar closed before FINISHED")? {
        Incoming::Message(message) => Ok(Heard::Message(message)),
        Incoming::Finished(summary) => {
            let is_whole = summary.audio.bytes_sent == summary.audio.bytes_received;
            Ok(Heard::End { is_finished: summary.outcome == "finished" && is_whole })
        }
        Incoming::Error(refusal) => bail!("{refusal}"),
        Incoming::Opened(_) | Incoming::Event(_) | Incoming::Unknown { .. } => Ok(Heard::Other),
    }
}
