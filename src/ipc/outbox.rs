//! What waits to be written to an application, and how its writing fares.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use session::AppInput;

/// A written buffer that has grown beyond this is given back.
const BYTES_KEPT: usize = 16 << 10;

/// Bytes for an application.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: BytesMut,
    /// How much has been written in all.
    written: u64,
    writer: Writer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    /// All that was handed in is with the kernel, and that has been told.
    #[default]
    Drained,
    /// Something waits that has not been tried yet.
    Pending,
    /// The kernel refused some of it, and that has been told.
    Blocked,
    /// Nothing can be written any more.
    Gone,
}

impl Outbox {
    /// Lets something be appended, unless nothing can be written any more.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.writer == Writer::Gone {
            return;
        }
        write(&mut self.bytes);
        if self.writer == Writer::Drained {
            self.writer = Writer::Pending;
        }
    }

    /// Writes what waits; tells when that is refused, goes on, is done or fails.
    pub(super) fn poll_write<S>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<AppInput>
    where
        S: AsyncWrite + Unpin,
    {
        if !matches!(self.writer, Writer::Pending | Writer::Blocked) {
            return Poll::Pending;
        }
        let before = self.bytes.len();
        while !self.bytes.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes) {
                Poll::Ready(Ok(written @ 1..)) => {
                    self.bytes.advance(written);
                    self.written += written as u64;
                }
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.abandon();
                    return Poll::Ready(AppInput::WriteFailed);
                }
                Poll::Pending => return self.write_pending(before),
            }
        }
        if self.bytes.capacity() > BYTES_KEPT {
            self.bytes = BytesMut::new();
        }
        self.writer = Writer::Drained;
        Poll::Ready(AppInput::WriteDrained)
    }

    fn write_pending(&mut self, before: usize) -> Poll<AppInput> {
        match self.writer {
            Writer::Blocked if self.bytes.len() < before => Poll::Ready(AppInput::WriteProgress),
            Writer::Blocked => Poll::Pending,
            _ => {
                self.writer = Writer::Blocked;
                Poll::Ready(AppInput::WriteBlocked)
            }
        }
    }

    /// Throws away what waits, and whatever comes.
    pub(super) fn abandon(&mut self) {
        self.bytes = BytesMut::new();
        self.writer = Writer::Gone;
    }

    /// Gives its buffer back, if it is empty.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        self.writer == Writer::Drained
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.writer == Writer::Blocked
    }

    pub(super) fn is_gone(&self) -> bool {
        self.writer == Writer::Gone
    }

    /// How many bytes have been written in all.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many that will be, with those that wait.
    pub(super) fn end(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
