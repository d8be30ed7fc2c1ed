//! The writing half of a client.

use bytes::BytesMut;
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;

use super::{Error, VadMode};
use protocol::frame::{self, AppFrameType};

/// Sends frames. A send dropped halfway leaves half a frame on the wire, which makes the connection
/// unusable: send from a task or a future that lives as long as the session.
#[derive(Debug)]
pub struct Sender<W = OwnedWriteHalf> {
    writer: W,
    /// The current frame's buffer; reused, so that steady streaming allocates nothing.
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, buffer: BytesMut::new() }
    }

    /// Sends OPEN.
    pub async fn open(&mut self, request: &impl Serialize) -> Result<(), Error> {
        self.send_json(AppFrameType::Open, request).await
    }

    /// Sends one AUDIO frame.
    pub async fn send_audio(&mut self, audio: &[u8]) -> Result<(), Error> {
        self.send_frame(AppFrameType::Audio as u8, audio).await
    }

    /// Sends FINALIZE for one channel, or for all.
    pub async fn finalize(&mut self, channel: Option<u64>) -> Result<(), Error> {
        match channel {
            Some(channel) => {
                self.send_json(AppFrameType::Finalize, &json!({ "channel": channel })).await
            }
            None => self.send_frame(AppFrameType::Finalize as u8, b"").await,
        }
    }

    /// Sends FINISH.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.send_frame(AppFrameType::Finish as u8, b"").await
    }

    /// Sends TEXT: a JSON object that Deepgram gets byte for byte.
    pub async fn text(&mut self, message: &impl Serialize) -> Result<(), Error> {
        self.send_json(AppFrameType::Text, message).await
    }

    /// Sends one PRELUDE frame, only for a session opened with
    /// [`OpenRequest::prelude`](crate::OpenRequest::prelude): audio that goes ahead of the live stream, at
    /// most 10 s in all. An empty one ends the prelude.
    pub async fn prelude(&mut self, audio: &[u8]) -> Result<(), Error> {
        self.send_frame(AppFrameType::Prelude as u8, audio).await
    }

    /// Sends UPDATE with the VAD gate's new mode.
    pub async fn set_vad(&mut self, mode: VadMode) -> Result<(), Error> {
        self.update(&json!({ "vad": { "mode": mode.as_str() } })).await
    }

    /// Sends UPDATE.
    pub async fn update(&mut self, changes: &impl Serialize) -> Result<(), Error> {
        self.send_json(AppFrameType::Update, changes).await
    }

    /// Sends a frame of any type and payload, valid or not.
    pub async fn send_frame(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.buffer.clear();
        frame::encode(kind, payload, &mut self.buffer);
        Ok(self.writer.write_all(&self.buffer).await?)
    }

    /// Sends bytes as they are: half frames, lying lengths, garbage.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.writer.write_all(bytes).await?)
    }

    /// Shuts down the writing side: after FINISH a half-close, before it a disconnect.
    pub async fn shutdown(&mut self) -> Result<(), Error> {
        Ok(self.writer.shutdown().await?)
    }

    async fn send_json(&mut self, kind: AppFrameType, body: &impl Serialize) -> Result<(), Error> {
        let payload = serde_json::to_vec(body).map_err(std::io::Error::from)?;
        self.send_frame(kind as u8, &payload).await
    }
}
