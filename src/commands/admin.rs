//! The client of a running daemon's admin server, for the commands that query it.

mod address;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use address::Address;

/// Timeout for connecting, sending the request and reading the response, in total.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum response size: enough for ten thousand sessions.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Which daemon to query.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Address of the daemon's admin server (admin.listen).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9464")]
    #[arg(env = "DEEPGRAM_SIDECAR_ADMIN_LISTEN")]
    pub admin: Address,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nothing is listening there.
    #[error("no daemon is listening on {address}: start it, or pass --admin ({error})")]
    Unreachable { address: Address, error: io::Error },
    /// Something is listening, but does not respond.
    #[error("{address} did not answer within {ANSWER_TIMEOUT:?}: is it the daemon's admin server?")]
    Silent { address: Address },
    /// The response is too large.
    #[error("the response from {address} is over {} MiB: use --limit", ANSWER_BYTES_MAX >> 20)]
    TooMuch { address: Address },
    /// The daemon's own explanation.
    #[error("{sentence}")]
    Refused { status: StatusCode, sentence: String },
    /// The response is not a daemon's.
    #[error("{address} does not respond like a deepgram-sidecar of this version: {detail}")]
    Strange { address: Address, detail: String },
}

/// Fetches a page as text.
pub(super) async fn get(address: &Address, path: &str) -> Result<String, AskError> {
    ask(address, Method::GET, path, Bytes::new()).await
}

/// Sends a body; returns the response's text.
pub(super) async fn put(address: &Address, path: &str, body: &str) -> Result<String, AskError> {
    ask(address, Method::PUT, path, Bytes::copy_from_slice(body.as_bytes())).await
}

/// Parses a JSON page.
pub(super) fn parse<T: DeserializeOwned>(address: &Address, page: &str) -> Result<T, AskError> {
    serde_json::from_str(page).map_err(|error| strange(address, error))
}

async fn ask(
    address: &Address,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<String, AskError> {
    let asking = async {
        let stream = TcpStream::connect(address.as_str()).await;
        let stream =
            stream.map_err(|error| AskError::Unreachable { address: address.clone(), error })?;
        let (status, text) = exchange(address, stream, method, path, body).await?;
        if status.is_success() {
            return Ok(text);
        }
        let sentence = super::plain::line(text.trim_end());
        let unsaid = format!("{address} responded with {status}");
        let sentence = if sentence.is_empty() { unsaid } else { sentence };
        Err(AskError::Refused { status, sentence })
    };
    let silent = |_| Err(AskError::Silent { address: address.clone() });
    timeout(ANSWER_TIMEOUT, asking).await.unwrap_or_else(silent)
}

/// One request and its whole response.
async fn exchange(
    address: &Address,
    stream: TcpStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, String), AskError> {
    let strange_http = |error: hyper::Error| strange(address, error);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.as_str())
        .body(Full::new(body))
        .map_err(|error| strange(address, error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(strange_http)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(strange_http)?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => AskError::TooMuch { address: address.clone() },
            None => strange(address, error),
        })?;
        let body = body.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::select! {
        answer = answer => answer,
        // It ends normally when the server closes; the response can then be read.
        Err(error) = connection => Err(strange_http(error)),
    }
}

fn strange(address: &Address, error: impl ToString) -> AskError {
    AskError::Strange { address: address.clone(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// How a client handles a server that responds with these bytes, and then closes.
    async fn answered(bytes: &'static [u8]) -> Result<String, AskError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /sessions HTTP/1.1\r\n"));
            // The client may stop before it has read everything.
            let _ = stream.write_all(bytes).await;
        };
        tokio::join!(get(&address, "/sessions"), server).0
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end() {
        let answer = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!(answer.unwrap(), "{}");
        let answer = answered(b"HTTP/1.0 200 OK\r\n\r\nto the end").await;
        assert_eq!(answer.unwrap(), "to the end");
    }

    #[tokio::test]
    async fn a_refusal_says_the_daemons_sentence_without_its_control_characters() {
        let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 14\r\n\r\nno \x1b[31mkey\ny\n";
        let error = answered(refusal).await.unwrap_err();
        assert!(matches!(error, AskError::Refused { status: StatusCode::BAD_REQUEST, .. }));
        assert_eq!(error.to_string(), "no \\u{1b}[31mkey\\ny");
        let error = answered(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n").await.unwrap_err();
        assert!(error.to_string().ends_with(" responded with 503 Service Unavailable"), "{error}");
    }

    #[tokio::test]
    async fn another_server_is_told_apart() {
        for answer in
            [&b"SSH-2.0-OpenSSH\r\n"[..], b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"]
        {
            let error = answered(answer).await.unwrap_err();
            assert!(matches!(error, AskError::Strange { .. }), "{error}");
        }
        let address: Address = "127.0.0.1:9464".parse().unwrap();
        let error = parse::<serde_json::Value>(&address, "<html>").unwrap_err().to_string();
        assert!(error.starts_with("127.0.0.1:9464 does not respond like"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let head = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        let answer = (head + &"x".repeat(ANSWER_BYTES_MAX + 1)).leak();
        let error = answered(answer.as_bytes()).await.unwrap_err().to_string();
        assert!(error.ends_with("is over 16 MiB: use --limit"), "{error}");
    }

    #[tokio::test]
    async fn where_nobody_listens_the_error_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let error = get(&address, "/sessions").await.unwrap_err().to_string();
        let expected = format!("no daemon is listening on {address}: start it, or pass --admin (");
        assert!(error.starts_with(&expected), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_not_waited_for_long() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let error = get(&address, "/sessions").await.unwrap_err();
        assert!(matches!(error, AskError::Silent { .. }), "{error}");
    }
}
