//! Counts what the kernel has taken and delivered, below TLS and WebSocket and their buffers.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the kernel has taken and delivered, and the first write error; shared with the
/// [`Metered`] stream that counts it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
    has_failed: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

impl Meter {
    /// Bytes written so far.
    pub fn bytes_written(&self) -> u64 {
        self.0.bytes_written.load(Relaxed)
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.load(Relaxed)
    }

    /// The first write error, once.
    pub fn take_failure(&self) -> Option<io::Error> {
        if !self.0.has_failed.load(Relaxed) {
            return None;
        }
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A stream whose bytes are counted.
///
/// A write error is kept for the [`Meter`], and this and all later writes appear to succeed:
/// otherwise the layers above would end the stream in both directions, and what the peer sent
/// before, which may name the true cause, could no longer be read.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S> Metered<S> {
    /// Counts the stream's bytes on its own meter.
    pub fn new(stream: S) -> (Self, Meter) {
        let meter = Meter::default();
        (Self { stream, meter: meter.clone() }, meter)
    }

    /// Records a write of `asked` bytes.
    fn enter(&self, asked: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let counts = &self.meter.0;
        match written {
            Poll::Ready(Ok(written)) => {
                counts.bytes_written.fetch_add(written as u64, Relaxed);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => {
                *counts.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                counts.has_failed.store(true, Relaxed);
                Poll::Ready(Ok(asked))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn has_failed(&self) -> bool {
        self.meter.0.has_failed.load(Relaxed)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read_bytes = buffer.filled().len() - before;
        self.meter.0.bytes_read.fetch_add(read_bytes as u64, Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.has_failed() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.enter(bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = slices.iter().map(|slice| slice.len()).sum();
        if self.has_failed() {
            return Poll::Ready(Ok(asked));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.enter(asked, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_failed() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
