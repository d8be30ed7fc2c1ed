//! The transport under a connection, and what can be done to it below HTTP and WebSocket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const PONG: u8 = 0xa;

/// Neither HTTP nor TLS nor a WebSocket frame.
const RUBBISH: &[u8] = b"\x00\xffthis is not the protocol that you are looking for\r\n\x00\xff";

/// A byte stream that an emulator can serve.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the end that comes with dropping it a reset, where the transport knows one.
    fn reset_on_drop(&self) {}
}

/// In memory a reset is a mere end.
impl Transport for DuplexStream {}

impl Transport for TcpStream {
    fn reset_on_drop(&self) {
        // A socket that cannot linger is gone already, which is what was wanted.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

/// Faults of a transport that are set from elsewhere, while HTTP still owns it.
#[derive(Debug, Default)]
pub(super) struct TransportFaults {
    reset: AtomicBool,
    garble: AtomicBool,
}

impl TransportFaults {
    /// The transport ends in a reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// What is written from now on is replaced by rubbish.
    pub(super) fn garble(&self) {
        self.garble.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct FaultyTransport<S: Transport> {
    transport: S,
    faults: Arc<TransportFaults>,
    /// Set while pongs are swallowed.
    pong_filter: Option<PongFilter>,
}

impl<S: Transport> FaultyTransport<S> {
    pub(super) fn new(transport: S) -> Self {
        Self { transport, faults: Arc::default(), pong_filter: None }
    }

    pub(super) fn faults(&self) -> Arc<TransportFaults> {
        Arc::clone(&self.faults)
    }

    /// Swallows pongs from now on, or no longer. Call it between frames only.
    pub(super) fn swallow_pongs(&mut self, swallow: bool) {
        self.pong_filter = swallow.then(PongFilter::default);
    }
}

impl<S: Transport> Drop for FaultyTransport<S> {
    fn drop(&mut self) {
        if self.faults.reset.load(Ordering::Relaxed) {
            self.transport.reset_on_drop();
        }
    }
}

impl<S: Transport> AsyncRead for FaultyTransport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(cx, buffer)
    }
}

impl<S: Transport> AsyncWrite for FaultyTransport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.faults.garble.load(Ordering::Relaxed) {
            let length = bytes.len().min(RUBBISH.len());
            return Pin::new(&mut this.transport).poll_write(cx, &RUBBISH[..length]);
        }
        let Some(filter) = &mut this.pong_filter else {
            return Pin::new(&mut this.transport).poll_write(cx, bytes);
        };
        let (length, swallowed) = filter.next_stretch(bytes);
        let written = if swallowed {
            Poll::Ready(Ok(length))
        } else {
            Pin::new(&mut this.transport).poll_write(cx, &bytes[..length])
        };
        if let Poll::Ready(Ok(taken)) = written {
            filter.advance(taken);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.faults.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// Tells pongs from other frames in what a server writes; each frame begins with its whole header.
#[derive(Debug, Default)]
struct PongFilter {
    /// Bytes left of the frame at hand.
    left: usize,
    /// Whether that frame is a pong.
    is_pong: bool,
}

impl PongFilter {
    /// How far the frame at hand, or the next one, reaches into `bytes`, and whether it is a pong.
    fn next_stretch(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.left == 0 && !bytes.is_empty() {
            self.left = frame_length(bytes);
            self.is_pong = bytes[0] & 0x0f == PONG;
        }
        (self.left.min(bytes.len()), self.is_pong)
    }

    fn advance(&mut self, taken: usize) {
        self.left -= taken;
    }
}

/// The length of an unmasked frame, header included.
fn frame_length(header: &[u8]) -> usize {
    match header {
        [_, 126, a, b, ..] => 4 + usize::from(u16::from_be_bytes([*a, *b])),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            10 + u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize
        }
        [_, length, ..] => 2 + usize::from(*length),
        _ => header.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn pongs_are_swallowed_and_their_neighbours_are_not() {
        let (near, mut far) = tokio::io::duplex(7);
        let mut transport = FaultyTransport::new(near);
        transport.swallow_pongs(true);
        let text = [&[0x81, 126, 0, 130][..], &[b'a'; 130]].concat();
        let frames = [&text[..], &[0x8a, 3, 1, 2, 3], &[0x81, 1, b'b']].concat();
        let write = async {
            transport.write_all(&frames).await.unwrap();
            drop(transport);
        };
        let mut read = Vec::new();
        let (_, result) = tokio::join!(write, far.read_to_end(&mut read));
        result.unwrap();
        assert_eq!(read, [&text[..], &[0x81, 1, b'b']].concat());
    }

    #[tokio::test]
    async fn a_garbled_line_says_nothing_of_what_was_written() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut transport = FaultyTransport::new(near);
        transport.faults().garble();
        transport.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        drop(transport);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        assert!(!read.starts_with(b"HTTP") && read.len() == 19);
    }
}
