//! The peer's close frame as it stood on the wire: the WebSocket library replaces every code that it
//! holds to be wrong.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use session::close::CloseFrame;

/// Most bytes of a frame's header: two, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// The opcode of a close frame.
const CLOSE: u8 = 0x8;

fn parse(payload: &[u8]) -> CloseFrame {
    match payload.split_at_checked(2) {
        Some((code, text)) => CloseFrame {
            code: Some(u16::from_be_bytes([code[0], code[1]])),
            text: String::from_utf8_lossy(text).into_owned(),
        },
        None => CloseFrame::default(),
    }
}

/// Follows the frames of a stream of bytes, by their headers, to the first close frame.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// Bytes of the current frame's payload that are still to come.
    payload_left: u64,
    /// What has come of a close frame's payload.
    closing: Option<Vec<u8>>,
    close: Option<Box<CloseFrame>>,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) {
        while self.close.is_none() && !bytes.is_empty() {
            bytes = if self.payload_left > 0 { self.payload(bytes) } else { self.header(bytes) };
        }
    }

    /// Takes what belongs to the payload.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let length = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
        let (payload, rest) = bytes.split_at(length);
        self.payload_left -= length as u64;
        if let Some(closing) = &mut self.closing {
            closing.extend_from_slice(payload);
            self.finish();
        }
        rest
    }

    /// Takes the next byte of a header.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.header[usize::from(self.header_len)] = bytes[0];
        self.header_len += 1;
        if let Some(length) = self.payload_length() {
            self.header_len = 0;
            self.payload_left = length;
            // A longer one is none: the library ends the connection at it.
            if self.header[0] & 0xf == CLOSE && length <= 125 {
                self.closing = Some(Vec::new());
                self.finish();
            }
        }
        &bytes[1..]
    }

    /// The length of the payload, once the header is whole.
    fn payload_length(&self) -> Option<u64> {
        let have = usize::from(self.header_len);
        let second = *self.header[..have].get(1)?;
        let (length_bytes, mask_bytes) = match second & 0x7f {
            126 => (2, usize::from(second >> 7) * 4),
            127 => (8, usize::from(second >> 7) * 4),
            _ => (0, usize::from(second >> 7) * 4),
        };
        if have < 2 + length_bytes + mask_bytes {
            return None;
        }
        let length = match length_bytes {
            0 => u64::from(second & 0x7f),
            _ => self.header[2..2 + length_bytes]
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        Some(length)
    }

    fn finish(&mut self) {
        if self.payload_left == 0
            && let Some(payload) = self.closing.take()
        {
            self.close = Some(Box::new(parse(&payload)));
        }
    }
}

/// A stream whose close frame is remembered as it is read.
#[derive(Debug)]
pub(super) struct CloseWatch<S> {
    stream: S,
    frames: Frames,
}

impl<S> CloseWatch<S> {
    /// `early` is what was read of the frames before.
    pub(super) fn new(stream: S, early: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.read(early);
        Self { stream, frames }
    }

    /// The close frame, once it has been read.
    pub(super) fn close_frame(&self) -> Option<&CloseFrame> {
        self.frames.close.as_deref()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CloseWatch<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.frames.read(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CloseWatch<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(length as u8),
            length @ 126..65_536 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// The close frame of a stream that is read in pieces of this size.
    fn read_in_pieces(bytes: &[u8], size: usize) -> Option<CloseFrame> {
        let mut frames = Frames::default();
        bytes.chunks(size).for_each(|piece| frames.read(piece));
        frames.close.map(|close| *close)
    }

    #[test]
    fn a_close_frame_is_found_behind_frames_of_every_length_however_it_is_read() {
        let mut bytes = Vec::new();
        for length in [0, 1, 125, 126, 1_000, 70_000] {
            bytes.extend(frame(0x1, &vec![0x88; length]));
        }
        bytes.extend(frame(0x9, b""));
        bytes.extend(frame(CLOSE, b"\x03\xeeno such code"));
        bytes.extend(frame(CLOSE, b"\x03\xe8"));
        for size in [1, 2, 3, 7, 1_000, 100_000] {
            let expected = CloseFrame { code: Some(1006), text: "no such code".into() };
            assert_eq!(read_in_pieces(&bytes, size), Some(expected), "{size}");
        }
    }

    #[test]
    fn a_close_frame_may_have_no_code_and_half_a_one_is_none() {
        assert_eq!(read_in_pieces(&frame(CLOSE, b""), 1), Some(CloseFrame::default()));
        assert_eq!(read_in_pieces(&frame(CLOSE, b"\x03"), 9), Some(CloseFrame::default()));
        assert_eq!(read_in_pieces(&frame(CLOSE, b"\x03\xe8bye")[..4], 9), None);
    }

    #[test]
    fn masked_frames_are_followed_too() {
        let mut bytes = vec![0x81, 0x83, 1, 2, 3, 4, 9, 9, 9];
        bytes.extend(frame(CLOSE, b"\x07\xd0"));
        assert_eq!(read_in_pieces(&bytes, 2).unwrap().code, Some(2000));
    }
}
