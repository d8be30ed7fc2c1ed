//! Reading an application's socket without keeping a buffer for it.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Room for a read between frames. It is on the stack, so that a session which waits for its
/// application holds no buffer; what has come is copied out, which costs less than a page fault.
const READ_BYTES: usize = 16 << 10;

/// Most room made at once for the rest of a frame, so that memory follows what has really come.
const READ_BYTES_MAX: usize = 64 << 10;

/// Reads once; `missing` is what the frame at hand still needs. Gives how many bytes have come, 0 at
/// the end of the stream.
pub(super) fn poll_read<S: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    stream: &mut S,
    inbound: &mut BytesMut,
    missing: usize,
) -> Poll<std::io::Result<usize>> {
    if inbound.is_empty() && inbound.capacity() > READ_BYTES_MAX {
        // A large frame has been here; its buffer is not kept for the small ones.
        *inbound = BytesMut::new();
    }
    if missing > READ_BYTES {
        inbound.reserve(missing.min(READ_BYTES_MAX));
        return poll_read_buf(Pin::new(stream), cx, inbound);
    }
    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
    let mut read = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    inbound.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}
