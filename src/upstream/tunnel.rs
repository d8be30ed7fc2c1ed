//! A tunnel through an HTTP proxy: CONNECT.

use std::fmt;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::upgrade::{HEAD_BYTES_MAX, USER_AGENT_TEXT, alongside};
use session::dial::{DialFailure, DialReason, ProxyFault};

/// A proxy to go through.
#[derive(Clone)]
pub struct Proxy {
    /// Host name or address, without brackets.
    pub host: String,
    pub port: u16,
    /// The environment variable that names it, for whoever must correct it.
    pub variable: String,
    /// `Proxy-Authorization`, marked sensitive.
    pub authorization: Option<HeaderValue>,
}

/// Shows where it is, and no credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where it is, and which variable says so.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.host, self.port, self.variable)
    }
}

impl Proxy {
    /// Asks for a tunnel to `authority`, which is `host:port`, over a connection to this proxy.
    ///
    /// # Errors
    /// `tcp`: without the tunnel there is no connection. The detail has the proxy's answer.
    pub async fn connect<S>(&self, stream: S, authority: &str) -> Result<S, DialFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |text: &dyn fmt::Display| self.failure(ProxyFault::Failed, authority, text);
        let request = self.request(authority).map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            if !response.status().is_success() {
                return Err(self.refusal(authority, response.status()));
            }
            let upgraded = hyper::upgrade::on(response).await.map_err(|error| failed(&error))?;
            let parts =
                upgraded.downcast::<TokioIo<S>>().expect("the stream passed in is returned");
            match parts.read_buf.is_empty() {
                true => Ok(parts.io.into_inner()),
                // Whoever is behind the tunnel waits for us to begin.
                false => Err(failed(&"it sent something of its own behind its answer")),
            }
        };
        alongside(exchange, connection.with_upgrades()).await
    }

    /// What it answers to everybody who asks the same is final, as from Deepgram.
    fn refusal(&self, authority: &str, status: StatusCode) -> DialFailure {
        let may_change = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        let is_final = status.is_client_error() && !may_change.contains(&status);
        let fault = if is_final { ProxyFault::Refused } else { ProxyFault::Failed };
        self.failure(fault, authority, &status)
    }

    fn failure(&self, fault: ProxyFault, authority: &str, text: &dyn fmt::Display) -> DialFailure {
        let detail = format!("the proxy {self} did not connect to {authority}: {text}");
        let failure = DialFailure::before_answer(DialReason::Tcp, detail);
        DialFailure { proxy: Some(fault), ..failure }
    }

    /// A failure on the way to it.
    pub fn unreachable(&self, failure: DialFailure) -> DialFailure {
        let detail = format!("the proxy {self}: {}", failure.detail);
        let unreached = DialFailure::before_answer(failure.reason, detail);
        DialFailure { proxy: Some(ProxyFault::Unreachable), ..unreached }
    }

    fn request(&self, authority: &str) -> http::Result<Request<Empty<Bytes>>> {
        let mut builder = Request::builder()
            .method(Method::CONNECT)
            .uri(authority)
            .header(HOST, authority)
            .header(USER_AGENT, USER_AGENT_TEXT);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(PROXY_AUTHORIZATION, authorization);
        }
        builder.body(Empty::new())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn proxy() -> Proxy {
        let mut authorization = HeaderValue::from_static("Basic secret");
        authorization.set_sensitive(true);
        let (host, variable) = ("p".to_owned(), "HTTPS_PROXY".to_owned());
        Proxy { host, port: 3128, variable, authorization: Some(authorization) }
    }

    /// What comes of a tunnel whose proxy answers like this; also what it was asked.
    async fn tunnelled(answer: &str) -> (Result<String, DialFailure>, String) {
        let (ours, mut theirs) = duplex(64 << 10);
        let served = async {
            let mut request = vec![0; 4096];
            let length = theirs.read(&mut request).await.unwrap();
            theirs.write_all(answer.as_bytes()).await.unwrap();
            let _ = theirs.write_all(b"").await;
            request.truncate(length);
            (String::from_utf8(request).unwrap(), theirs)
        };
        let proxy = proxy();
        let (tunnel, (request, mut theirs)) =
            tokio::join!(proxy.connect(ours, "api.deepgram.com:443"), served);
        let result = match tunnel {
            Ok(mut stream) => {
                theirs.write_all(b"through").await.unwrap();
                drop(theirs);
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                Ok(text)
            }
            Err(failure) => Err(failure),
        };
        (result, request)
    }

    #[tokio::test]
    async fn the_tunnel_carries_what_is_behind_the_proxy() {
        let (result, request) = tunnelled("HTTP/1.1 200 Connection established\r\n\r\n").await;
        assert_eq!(result.unwrap(), "through");
        assert!(request.starts_with("CONNECT api.deepgram.com:443 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("proxy-authorization: Basic secret\r\n"), "{request}");
        assert!(request.contains("host: api.deepgram.com:443\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_is_the_proxys_and_says_so_without_the_password() {
        for (status, is_final) in [
            ("407 Proxy Authentication Required", true),
            ("403 Forbidden", true),
            ("405 Method Not Allowed", true),
            ("408 Request Timeout", false),
            ("429 Too Many Requests", false),
            ("502 Bad Gateway", false),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let failure = tunnelled(&answer).await.0.unwrap_err();
            assert_eq!((failure.reason, failure.status), (DialReason::Tcp, None));
            assert_eq!(failure.is_retryable(), !is_final, "{status}");
            assert_eq!(failure.advice().contains("user and password"), is_final, "{status}");
            assert!(failure.detail.contains("the proxy p:3128 (HTTPS_PROXY)"), "{failure:?}");
            assert!(failure.detail.contains(status), "{failure:?}");
            assert!(!failure.detail.contains("secret"), "{failure:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_proxy_is_a_failure() {
        for answer in ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\n\r\nunasked"] {
            assert_eq!(tunnelled(answer).await.0.unwrap_err().reason, DialReason::Tcp, "{answer}");
        }
    }
}
