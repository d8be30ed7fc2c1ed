//! Remembers what a peer answers to an upgrade: the daemon has no use for most of its headers, a
//! diagnosis has.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::io::AsyncRead;
use tokio_util::io::InspectReader;

/// Bytes remembered: the largest head and the largest body that an upgrade reads.
const BYTES_MAX: usize = 80 << 10;

/// Headers of an answer; more make it unreadable.
const HEADERS_MAX: usize = 100;

/// A stream whose first bytes are remembered.
pub(super) type Recorded<S> = InspectReader<S, Box<dyn FnMut(&[u8]) + Send>>;

/// What was received so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording(Arc<Mutex<Vec<u8>>>);

impl Recording {
    /// The same stream, remembered here.
    pub(super) fn of<S: AsyncRead>(&self, stream: S) -> Recorded<S> {
        let recording = self.clone();
        InspectReader::new(stream, Box::new(move |bytes| recording.keep(bytes)))
    }

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_is_read_is_remembered_up_to_a_bound() {
        let sent = vec![b'x'; BYTES_MAX + 1];
        let recording = Recording::default();
        let mut received = Vec::new();
        recording.of(&sent[..]).read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), sent.len());
        assert_eq!(recording.0.lock().unwrap().len(), BYTES_MAX);
    }

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
