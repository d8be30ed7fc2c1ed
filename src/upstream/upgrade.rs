//! The WebSocket upgrade over any byte stream; refusals are read to the end.
//!
//! hyper does the HTTP: a refusal's body often arrives after its head, and the WebSocket library's
//! own client keeps only what happened to arrive with the head.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::secret::Secret;
use session::dial::{Answer, DialFailure, DialReason};

/// Maximum bytes read of a refusal's body.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Maximum length of `dg-request-id`; Deepgram's are UUIDs.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// How long a refusal's body may take after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum size of a response head; hyper's smallest limit is 8 KiB.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;

pub(super) const USER_AGENT_TEXT: &str = concat!("deepgram-sidecar/", env!("CARGO_PKG_VERSION"));

/// An upgraded stream.
#[derive(Debug)]
pub struct Upgraded<S> {
    /// The stream, now a WebSocket.
    pub stream: S,
    /// Data after the response head.
    pub early: Bytes,
    /// Deepgram's `dg-request-id`; proxies in between may drop it.
    pub request_id: Option<String>,
    /// What it was authorized with.
    pub secret: Secret,
}

/// The request for an upgrade.
#[derive(Debug)]
pub struct Ask<'a> {
    /// `host[:port]`.
    pub authority: &'a str,
    pub path_and_query: &'a str,
    /// `Authorization`, marked sensitive; `None` for a self-hosted Deepgram that needs none.
    pub authorization: Option<HeaderValue>,
}

/// A longer `Retry-After` is as good as for ever, and could not be added to the present.
const RETRY_AFTER_SECONDS_MAX: u64 = 1 << 30;

/// Upgrades a connected byte stream.
pub async fn upgrade<S>(stream: S, ask: Ask<'_>) -> Result<Upgraded<S>, DialFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let key = generate_key();
    let secret = Secret::of(ask.authorization.as_ref());
    let request = request(ask, &key)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(response, &secret).await);
        }
        let request_id = check(response.headers(), &key)?;
        let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
        let parts = upgraded.downcast::<TokioIo<S>>().expect("the stream passed in is returned");
        let request_id = request_id.map(|id| secret.hide(id));
        let stream = parts.io.into_inner();
        Ok(Upgraded { stream, early: parts.read_buf, request_id, secret: secret.clone() })
    };
    alongside(exchange, connection.with_upgrades()).await
}

/// Runs `exchange` to its end while `connection` moves its bytes.
pub(super) async fn alongside<T>(
    exchange: impl Future<Output = T>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> T {
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut moving = true;
    loop {
        tokio::select! {
            biased;
            result = &mut exchange => return result,
            // Its error is also the exchange's, which describes it better.
            _ = &mut connection, if moving => moving = false,
        }
    }
}

fn request(ask: Ask<'_>, key: &str) -> Result<Request<Empty<Bytes>>, DialFailure> {
    let mut builder = Request::get(ask.path_and_query)
        .header(header::HOST, ask.authority)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, key)
        .header(header::USER_AGENT, USER_AGENT_TEXT);
    if let Some(authorization) = ask.authorization {
        builder = builder.header(header::AUTHORIZATION, authorization);
    }
    builder.body(Empty::new()).map_err(|error| protocol(error.to_string()))
}

/// Checks that a 101 is for this request, and takes Deepgram's request id from it.
fn check(headers: &HeaderMap, key: &str) -> Result<Option<String>, DialFailure> {
    let names = |name: header::HeaderName, wanted: &str| {
        let value = headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        value.split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    if !names(header::UPGRADE, "websocket") || !names(header::CONNECTION, "upgrade") {
        return Err(protocol("the 101 response has no Upgrade or Connection header"));
    }
    let accept = derive_accept_key(key.as_bytes());
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|it| it != accept.as_str()) {
        return Err(protocol("the 101 response has a wrong Sec-WebSocket-Accept"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(protocol("the 101 response has an extension that was not requested"));
    }
    Ok(request_id(headers))
}

async fn refusal(response: http::Response<Incoming>, secret: &Secret) -> DialFailure {
    let status = response.status().as_u16();
    let request_id = request_id(response.headers());
    let dg_error = text_of(response.headers(), "dg-error").map(|it| secret.hide(it));
    let content_type = text_of(response.headers(), "content-type").map(|it| secret.hide(it));
    let is_told_when = matches!(status, 429 | 503);
    let retry_after = is_told_when.then(|| retry_after(response.headers())).flatten();
    // Status and id are reported in any case: an endless body must not turn them into a timeout.
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
    let whole = match timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Some(body.to_bytes()),
        Ok(Err(_)) | Err(_) => None,
    };
    let body = whole.clone().unwrap_or_default();
    let detail = detail_of(&body).or(dg_error.clone()).unwrap_or_else(|| format!("HTTP {status}"));
    let request_id = request_id.or_else(|| request_id_of(&body));
    DialFailure {
        status: Some(status),
        request_id: request_id.map(|id| secret.hide(id)),
        retry_after,
        // Half a body would be none to whoever parses it.
        answer: whole
            .map(|body| Arc::new(Answer { content_type, dg_error, body: secret.hide_in(body) })),
        ..DialFailure::before_answer(DialReason::of_status(status), secret.hide(detail))
    }
}

/// `Retry-After`, in seconds or as a date. A date is compared with the server's own, since a pod's
/// clock may be wrong; one that has passed is zero, and anything else is none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)));
    }
    let date_of = |text: &str| httpdate::parse_http_date(text).ok();
    let date = headers.get(header::DATE).and_then(|it| it.to_str().ok()).and_then(date_of);
    let now = date.unwrap_or_else(SystemTime::now);
    Some(date_of(text)?.duration_since(now).unwrap_or_default())
}

/// Both shapes of Deepgram's error bodies; its documentation has two names for the code.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    #[serde(alias = "error_code", alias = "category")]
    err_code: Option<String>,
    #[serde(alias = "message")]
    err_msg: Option<String>,
    details: Option<String>,
    request_id: Option<String>,
}

/// Deepgram's own message; a body that is not JSON is used as is.
fn detail_of(body: &[u8]) -> Option<String> {
    let parsed: Body = serde_json::from_slice(body).unwrap_or_default();
    let words: Vec<String> =
        [parsed.err_code, parsed.err_msg, parsed.details].into_iter().flatten().collect();
    let text = match words.is_empty() {
        false => words.join(": "),
        true => String::from_utf8_lossy(body).trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    text_of(headers, "dg-request-id").filter(|id| is_request_id(id))
}

fn request_id_of(body: &[u8]) -> Option<String> {
    let body: Body = serde_json::from_slice(body).ok()?;
    body.request_id.filter(|id| is_request_id(id))
}

/// Longer ones are not Deepgram's.
fn is_request_id(id: &str) -> bool {
    id.len() <= REQUEST_ID_BYTES_MAX
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
}

fn broken(error: hyper::Error) -> DialFailure {
    let cause = std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
    protocol(format!("{error}{cause}"))
}

fn protocol(detail: impl Into<String>) -> DialFailure {
    DialFailure::before_answer(DialReason::Protocol, detail)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const ASK: Ask<'static> =
        Ask { authority: "x", path_and_query: "/v1/listen", authorization: None };

    /// What an upgrade makes of an answer after which the server says nothing more.
    async fn answered(answer: &str) -> DialFailure {
        let (ours, mut theirs) = duplex(64 << 10);
        let server = async move {
            let _ = theirs.read(&mut [0; 4096]).await;
            theirs.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = upgrade(ours, ASK) => result.err().unwrap(),
            () = server => unreachable!("it waits forever"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_whose_body_never_ends_is_still_that_refusal() {
        let failure = answered(
            "HTTP/1.1 401 Unauthorized\r\ndg-request-id: abc\r\ndg-error: Invalid credentials.\r\n\
             content-length: 100\r\n\r\n{\"err",
        )
        .await;
        assert_eq!((failure.reason, failure.status), (DialReason::Http401, Some(401)));
        assert_eq!(failure.request_id.as_deref(), Some("abc"));
        assert_eq!(failure.detail, "Invalid credentials.");
        assert!(!failure.is_retryable());
    }

    #[tokio::test(start_paused = true)]
    async fn both_shapes_of_deepgrams_errors_are_read() {
        for body in [
            r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}"#,
            r#"{"category":"INVALID_AUTH","message":"Invalid credentials.","request_id":"r"}"#,
        ] {
            let head =
                format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
            let failure = answered(&(head + body)).await;
            assert_eq!(failure.detail, "INVALID_AUTH: Invalid credentials.");
            assert_eq!(failure.request_id.as_deref(), Some("r"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_request_id_is_none() {
        let body = format!(r#"{{"request_id":"{}"}}"#, "r".repeat(129));
        let head = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
        assert_eq!(answered(&(head + &body)).await.request_id, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_sound_upgrade_is_a_protocol_failure() {
        for answer in [
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: wrong\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: wrong\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(answered(answer).await.reason, DialReason::Protocol, "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_read_as_seconds_and_as_a_date_by_the_servers_clock() {
        let date = "date: Sat, 28 Nov 2020 10:00:00 GMT\r\n";
        for (status, header, expected) in [
            (429, "retry-after: 7", Some(7)),
            (503, "retry-after: 120", Some(120)),
            (429, "retry-after: Sat, 28 Nov 2020 10:00:30 GMT", Some(30)),
            (429, "retry-after: Sat, 28 Nov 2020 09:00:00 GMT", Some(0)),
            (429, "retry-after: soon", None),
            (429, "retry-after: -1", None),
            (500, "retry-after: 7", None),
            (429, "x: y", None),
        ] {
            let head =
                format!("HTTP/1.1 {status} No\r\n{date}{header}\r\ncontent-length: 0\r\n\r\n");
            let failure = answered(&head).await;
            assert_eq!(failure.retry_after, expected.map(Duration::from_secs), "{header}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_redirect_is_not_followed() {
        let answer = "HTTP/1.1 302 Found\r\nlocation: wss://else\r\ncontent-length: 0\r\n\r\n";
        let failure = answered(answer).await;
        assert_eq!((failure.reason, failure.status), (DialReason::Http3xx, Some(302)));
        assert!(!failure.is_retryable());
    }
}
