//! The application's side of a session, whatever dialect it speaks.

use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpStream, UnixStream};

use crate::live::LiveSession;
use session::drain::LastFrame;
use session::{AppFrame, AppInput, Refusal};

/// An application's byte stream.
pub trait AppStream: AsyncRead + AsyncWrite + Unpin {
    /// Whether the kernel holds something that has not been read. The runtime may not have heard of
    /// it yet, so a read that has nothing proves nothing.
    fn has_unread(&self) -> bool;
}

impl AppStream for UnixStream {
    fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|bytes| bytes > 0)
    }
}

impl AppStream for TcpStream {
    fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|bytes| bytes > 0)
    }
}

/// For tests and benchmarks: in memory, a read that has nothing is proof.
impl AppStream for DuplexStream {
    fn has_unread(&self) -> bool {
        false
    }
}

/// What a session's driver needs of its application. Everything is polled, nothing waits: a write
/// that blocks is an input like any other.
pub trait App {
    /// What is left once the session is over: the byte stream, to be closed with care.
    type Stream;

    /// What happens next: writes what waits, and reads only while `wants_input`.
    fn poll_input(&mut self, cx: &mut Context<'_>, wants_input: bool) -> Poll<AppInput>;

    /// The same, for writing alone.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<AppInput>;

    /// What has been read along with the last input, so that all of it leaves in one write.
    fn next_buffered(&mut self) -> Option<AppInput>;

    /// Whether its socket holds nothing to read, and no frame is half read. It is asked after
    /// [`App::poll_input`] had nothing, and tells what the kernel says.
    fn is_emptied(&self) -> bool;

    /// Hands a frame in for writing.
    fn send(&mut self, frame: &AppFrame, session: &LiveSession);

    /// With which HTTP status it would be refused this now; `None` if no upgrade waits for its answer.
    fn refusal_status(&self, _refusal: &Refusal) -> Option<u16> {
        None
    }

    /// Throws away what waits to be written: the application does not read.
    fn abandon(&mut self);

    /// The application has left, and its name is free again: it may know.
    fn let_go(&mut self) {}

    /// Gives back what steady streaming keeps: the application has been silent for a while.
    fn rest(&mut self);

    /// Whether the kernel has refused some of what waits to be written.
    fn is_write_blocked(&self) -> bool;

    /// Bytes that wait to be written.
    fn unwritten_bytes(&self) -> usize;

    /// What is known of its last frame, once that has been handed in and nothing is left to write;
    /// `None` if only its end of stream can tell.
    fn last_frame(&self) -> Option<LastFrame>;

    /// Ends the session's use of the stream.
    fn into_stream(self) -> Self::Stream;
}
