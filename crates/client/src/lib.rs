//! The Rust client of deepgram-sidecar: streams audio to Deepgram through the sidecar's Unix socket.
//!
//! ```no_run
//! use client::{Client, Incoming, OpenRequest};
//!
//! # async fn transcribe(audio: &[u8]) -> Result<(), client::Error> {
//! let mut session = Client::connect("/run/deepgram-sidecar/sidecar.sock").await?;
//! session.open(&OpenRequest::new().audio("linear16", 16_000, 1)).await?;
//! session.opened().await?;
//! session.send_audio(audio).await?;
//! session.finish().await?;
//! while let Some(incoming) = session.next().await? {
//!     match incoming {
//!         Incoming::Message(json) => println!("{}", String::from_utf8_lossy(&json)),
//!         Incoming::Finished(summary) => println!("{}", summary.outcome),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An application that streams for longer [splits](Client::split) it and reads while it writes.
//!
//! It shares only [`protocol::frame`] with the server, so that it tests the contract and
//! not the server's interpretation of it. It is as tolerant as the contract requires: unknown
//! members, events, words and frame types are not errors. It spawns no tasks, retries nothing and
//! does not validate what it sends.

#![warn(missing_docs)]

mod incoming;
mod receiver;
mod request;
mod sender;

pub use incoming::{
    AudioSummary, Death, Event, FinalizeSummary, Incoming, MessageSummary, Opened, Refusal,
    Summary, VadSummary,
};
pub use receiver::Receiver;
pub use request::{OpenRequest, Prelude, Recovery, VadMode};
pub use sender::Sender;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// One connection to the daemon, which is one session.
///
/// Use it whole for dialogues, [`Client::split`] it to stream: while the daemon holds back audio,
/// its results must still be read.
#[derive(Debug)]
pub struct Client<R = OwnedReadHalf, W = OwnedWriteHalf> {
    sender: Sender<W>,
    receiver: Receiver<R>,
}

impl Client {
    /// Connects to the daemon's socket.
    ///
    /// # Errors
    /// [`Error::NoDaemon`], [`Error::NotPermitted`] or [`Error::Io`].
    pub async fn connect(socket: impl AsRef<Path>) -> Result<Self, Error> {
        let socket = socket.as_ref();
        let stream =
            UnixStream::connect(socket).await.map_err(|error| Error::of_connect(socket, error))?;
        let (reader, writer) = stream.into_split();
        Ok(Self { sender: Sender::new(writer), receiver: Receiver::new(reader) })
    }
}

impl<S: AsyncRead + AsyncWrite> Client<ReadHalf<S>, WriteHalf<S>> {
    /// Uses a stream that is already connected, such as one end of a duplex pipe.
    pub fn over(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { sender: Sender::new(writer), receiver: Receiver::new(reader) }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Client<R, W> {
    /// Sends OPEN: an [`OpenRequest`], or any other JSON that a test needs.
    pub async fn open(&mut self, request: &impl Serialize) -> Result<(), Error> {
        self.sender.open(request).await
    }

    /// Sends one AUDIO frame.
    pub async fn send_audio(&mut self, audio: &[u8]) -> Result<(), Error> {
        self.sender.send_audio(audio).await
    }

    /// Asks Deepgram to flush one channel, or all.
    pub async fn finalize(&mut self, channel: Option<u64>) -> Result<(), Error> {
        self.sender.finalize(channel).await
    }

    /// Sends FINISH: no more audio.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.sender.finish().await
    }

    /// Sends a JSON message for Deepgram.
    pub async fn text(&mut self, message: &impl Serialize) -> Result<(), Error> {
        self.sender.text(message).await
    }

    /// Sends one PRELUDE frame; an empty one ends the prelude. See [`Sender::prelude`].
    pub async fn prelude(&mut self, audio: &[u8]) -> Result<(), Error> {
        self.sender.prelude(audio).await
    }

    /// Changes the VAD gate's mode.
    pub async fn set_vad(&mut self, mode: VadMode) -> Result<(), Error> {
        self.sender.set_vad(mode).await
    }

    /// Sends an UPDATE.
    pub async fn update(&mut self, changes: &impl Serialize) -> Result<(), Error> {
        self.sender.update(changes).await
    }

    /// The next frame; `None` once the daemon has shut down its side between frames. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        self.receiver.next().await
    }

    /// Waits for OPENED. See [`Receiver::opened`].
    pub async fn opened(&mut self) -> Result<Opened, Error> {
        self.receiver.opened().await
    }

    /// Reads on to FINISHED. See [`Receiver::finished`].
    pub async fn finished(&mut self) -> Result<Summary, Error> {
        self.receiver.finished().await
    }

    /// The writing half, for raw frames and half-closes.
    pub fn sender(&mut self) -> &mut Sender<W> {
        &mut self.sender
    }

    /// Splits it, so that each half can have its own task.
    pub fn split(self) -> (Sender<W>, Receiver<R>) {
        (self.sender, self.receiver)
    }
}

/// Why the client could not continue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is listening on the socket.
    #[error(
        "no daemon is listening on {}; start one with `deepgram-sidecar run`, or pass its socket with --socket",
        .0.display()
    )]
    NoDaemon(PathBuf),
    /// The socket's file mode does not allow this user.
    #[error(
        "permission denied on {}; run as a user or group that its file mode allows",
        .0.display()
    )]
    NotPermitted(PathBuf),
    /// The daemon refused the session.
    #[error("the sidecar refused the session: {0}")]
    Refused(Box<Refusal>),
    /// The daemon broke the contract.
    #[error("the sidecar broke the protocol: {0}; is it another version?")]
    Breach(String),
    /// The connection ended before its last frame.
    #[error("the sidecar closed the connection before the session's last frame; its log says why")]
    ClosedEarly,
    /// Reading or writing failed.
    #[error("the connection to the sidecar failed: {0}")]
    Io(io::Error),
}

// Not `#[from]`, which would make it the source as well: a chain of causes would print it twice.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Error {
    fn of_connect(socket: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Self::NoDaemon(socket.to_owned())
            }
            io::ErrorKind::PermissionDenied => Self::NotPermitted(socket.to_owned()),
            _ => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests;
