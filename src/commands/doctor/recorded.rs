//! Remembers what a peer answers to an upgrade: the daemon has no use for most of its headers, a
//! diagnosis has.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes remembered: the largest head and the largest body that an upgrade reads.
const BYTES_MAX: usize = 80 << 10;

/// Headers of an answer; more make it unreadable.
const HEADERS_MAX: usize = 100;

/// A stream whose first bytes are remembered.
#[derive(Debug)]
pub(super) struct Recorded<S> {
    stream: S,
    recording: Recording,
}

/// What was received so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording(Arc<Mutex<Vec<u8>>>);

impl<S> Recorded<S> {
    pub(super) fn new(stream: S) -> (Self, Recording) {
        let recording = Recording::default();
        (Self { stream, recording: recording.clone() }, recording)
    }
}

impl Recording {
    /// The answer, if it was HTTP.
    pub(super) fn answer(&self) -> Option<HttpAnswer> {
        HttpAnswer::parse(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// An HTTP answer, as far as it was received.
#[derive(Clone, Debug, Default)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpAnswer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes).ok()? else { return None };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers =
            response.headers.iter().map(|it| (it.name.to_ascii_lowercase(), text(it.value)));
        let headers = headers.collect();
        Some(Self { status: response.code?, headers, body: bytes[length..].to_vec() })
    }

    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The peer's clock, to the second.
    pub(super) fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.header("date")?).ok()
    }

    /// The JSON object in the body, whatever frames it.
    pub(super) fn json(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let begin = self.body.iter().position(|byte| *byte == b'{')?;
        serde_json::Deserializer::from_slice(&self.body[begin..]).into_iter().next()?.ok()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.recording.keep(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_read_with_its_clock_and_its_body() {
        let answer = HttpAnswer::parse(
            b"HTTP/1.1 400 Bad Request\r\nDate: Thu, 01 Jan 1970 00:00:07 GMT\r\n\
              transfer-encoding: chunked\r\n\r\n1d\r\n{\"err_code\":\"x\",\"err_msg\":\"\"}\r\n0\r\n\r\n",
        );
        let answer = answer.unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(answer.date(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7)));
        assert_eq!(answer.json().unwrap().keys().collect::<Vec<_>>(), ["err_code", "err_msg"]);
    }

    #[test]
    fn what_is_no_http_is_no_answer() {
        for bytes in [&b"SSH-2.0-OpenSSH\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nda", b""] {
            assert!(HttpAnswer::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
