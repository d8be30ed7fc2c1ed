//! The reading half of a client.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::OwnedReadHalf;

use super::{Error, Incoming, Opened, Summary};
use protocol::frame::{Decoder, Frame, Header};

/// The first frame type that an application must ignore if unknown.
const SIDECAR_TYPES_FROM: u8 = 0x80;

/// Deepgram's messages are passed on whole up to 4 MiB; nothing else is nearly as large.
const PAYLOAD_BYTES_MAX: u32 = 8 << 20;

/// Fits a typical result, so that most frames cost one read.
const READ_BYTES_MIN: usize = 2048;

/// Receives frames.
#[derive(Debug)]
pub struct Receiver<R = OwnedReadHalf> {
    reader: R,
    decoder: Decoder,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Receiver<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, decoder: Decoder::default(), buffer: BytesMut::new() }
    }

    /// The next frame; `None` once the daemon has shut down its side between frames. Cancel safe.
    ///
    /// # Errors
    /// [`Error::ClosedEarly`] inside a frame, [`Error::Breach`] if the daemon breaks the
    /// contract, [`Error::Io`].
    pub async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.buffer, judge)? {
                return read_frame(frame).map(Some);
            }
            self.buffer.reserve(self.decoder.bytes_missing(&self.buffer).max(READ_BYTES_MIN));
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                let is_cut = self.decoder.is_inside_frame(&self.buffer);
                return if is_cut { Err(Error::ClosedEarly) } else { Ok(None) };
            }
        }
    }

    /// Waits for OPENED; skips `draining`, which may come first.
    ///
    /// # Errors
    /// [`Error::Refused`] with the daemon's ERROR, otherwise as [`Receiver::next`].
    pub async fn opened(&mut self) -> Result<Opened, Error> {
        loop {
            match self.next().await?.ok_or(Error::ClosedEarly)? {
                Incoming::Opened(opened) => return Ok(opened),
                Incoming::Error(refusal) => return Err(Error::Refused(Box::new(refusal))),
                Incoming::Finished(_) => {
                    return Err(Error::Breach("FINISHED came before OPENED".into()));
                }
                Incoming::Message(_) | Incoming::Event(_) | Incoming::Unknown { .. } => {}
            }
        }
    }

    /// Reads until FINISHED and skips everything before it, including ERROR: on an opened session
    /// it is followed by FINISHED. Only call it after [`Receiver::opened`].
    ///
    /// # Errors
    /// As [`Receiver::next`].
    pub async fn finished(&mut self) -> Result<Summary, Error> {
        loop {
            if let Incoming::Finished(summary) = self.next().await?.ok_or(Error::ClosedEarly)? {
                return Ok(*summary);
            }
        }
    }
}

fn judge(header: Header) -> Result<(), Error> {
    let Header { kind, length } = header;
    if kind < SIDECAR_TYPES_FROM {
        return Err(Error::Breach(format!("frame type {kind:#04x} is only for applications")));
    }
    if length > PAYLOAD_BYTES_MAX {
        return Err(Error::Breach(format!("a frame announced {length} bytes")));
    }
    Ok(())
}

fn read_frame(frame: Frame) -> Result<Incoming, Error> {
    let kind = frame.kind;
    Incoming::read(frame)
        .map_err(|error| Error::Breach(format!("frame type {kind:#04x} does not parse: {error}")))
}
