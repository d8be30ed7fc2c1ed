//! The application's side of a session, whatever dialect it speaks.

use std::task::{Context, Poll};

use crate::live::LiveSession;
use session::{AppFrame, AppInput};

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

    /// Hands a frame in for writing.
    fn send(&mut self, frame: &AppFrame, session: &LiveSession);

    /// Throws away what waits to be written: the application does not read.
    fn abandon(&mut self);

    /// Gives back what steady streaming keeps: the application has been silent for a while.
    fn rest(&mut self);

    /// Whether the kernel has refused some of what waits to be written.
    fn is_write_blocked(&self) -> bool;

    /// Bytes that wait to be written.
    fn unwritten_bytes(&self) -> usize;

    /// Ends the session's use of the stream.
    fn into_stream(self) -> Self::Stream;
}
