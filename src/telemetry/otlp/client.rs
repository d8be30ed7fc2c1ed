//! The HTTP client for the collector: one connection, kept open.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioTimer;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::time::timeout;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Collector, Proxy};

/// Maximum response size; a valid one has a few bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Maximum wait that a collector may request before the next attempt.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

const USER_AGENT_TEXT: &str = concat!("deepgram-sidecar/", env!("CARGO_PKG_VERSION"));

/// Posts batches to one collector.
#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    connections: Connections,
}

/// The pooled client, with a proxy on the way or without.
#[derive(Debug)]
enum Http {
    Direct(HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>),
    Proxied(HttpClient<HttpsConnector<Tunnel<HttpConnector>>, Full<Bytes>>),
}

impl Http {
    fn new(proxy: Option<&Proxy>, tls: Option<ClientConfig>, connections: &Connections) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.unwrap_or_else(trusting_nobody))
            .https_or_http()
            .enable_http1();
        let mut client = HttpClient::builder(connections.clone());
        client.pool_timer(TokioTimer::new()).pool_max_idle_per_host(1);
        let Some(Proxy { uri, authorization, .. }) = proxy else {
            return Self::Direct(client.build(connector.build()));
        };
        let tunnel = Tunnel::new(uri.clone(), HttpConnector::new());
        let tunnel = match authorization {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        };
        Self::Proxied(client.build(connector.wrap_connector(tunnel)))
    }
}

/// The collector's response to an accepted batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Spans rejected.
    pub(super) rejected: u64,
}

/// Why a batch was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The request failed, or the response was invalid.
    #[error("{0}")]
    Transport(String),
    /// No response in time.
    #[error("no response within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// An error response.
    #[error("the collector responded with {status}")]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// How long the collector asks to wait.
        retry_after: Option<Duration>,
    },
}

impl SendError {
    /// Whether the same batch may be accepted later; for responses, as the OTLP specification
    /// says.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Timeout(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }

    /// How long the collector asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::Timeout(_) => None,
        }
    }
}

impl Client {
    /// A client that has not connected yet; `tls` is only for `https`.
    pub(super) fn new(collector: &Collector, tls: Option<ClientConfig>) -> Self {
        let connections = Connections::default();
        let http = Http::new(collector.proxy.as_ref(), tls, &connections);
        let uri = Uri::try_from(collector.url.as_str()).expect("the URL of a host is a URI");
        let mut headers = collector.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
        Self { http, uri, headers, timeout: collector.timeout, connections }
    }

    /// Sends a batch once.
    pub(super) async fn send(&self, body: Bytes) -> Result<Answer, SendError> {
        let exchange = timeout(self.timeout, self.exchange(body)).await;
        exchange.unwrap_or(Err(SendError::Timeout(self.timeout)))
    }

    /// Closes the connection and waits for its task.
    pub(super) async fn close(self) {
        self.connections.stop.cancel();
        self.connections.tracker.close();
        self.connections.tracker.wait().await;
    }

    async fn exchange(&self, body: Bytes) -> Result<Answer, SendError> {
        let mut request = Request::post(self.uri.clone())
            .body(Full::new(body))
            .expect("a method and a URI make a request");
        request.headers_mut().clone_from(&self.headers);
        let response = match &self.http {
            Http::Direct(client) => client.request(request).await,
            Http::Proxied(client) => client.request(request).await,
        };
        let response = response.map_err(|error| SendError::Transport(with_causes(&error)))?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after(response.headers());
            return Err(SendError::Status { status, retry_after });
        }
        Ok(read_answer(response).await)
    }
}

/// The body of a success. An unreadable one is ignored: the status alone means that the batch was
/// accepted, and resending would duplicate it.
async fn read_answer(response: Response<Incoming>) -> Answer {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let answer =
        body.ok().and_then(|body| ExportTraceServiceResponse::decode(body.to_bytes()).ok());
    let partial = answer.and_then(|answer| answer.partial_success);
    let rejected = partial.map_or(0, |partial| partial.rejected_spans);
    Answer { rejected: rejected.try_into().unwrap_or(0) }
}

/// Dates are not supported: our own backoff is good enough.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The library's error only says "client error"; its causes say what happened.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Without TLS the client still needs a configuration, but never uses it.
fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder_with_provider(crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring serves both TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// Owns the tasks that the HTTP library spawns for its connections.
#[derive(Clone, Debug, Default)]
struct Connections {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Connections
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, connection: F) {
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_that_may_change_are_those_of_the_specification() {
        let passing = (100..600).filter(|status| {
            let status = StatusCode::from_u16(*status).unwrap();
            SendError::Status { status, retry_after: None }.is_passing()
        });
        assert_eq!(passing.collect::<Vec<_>>(), [429, 502, 503, 504]);
        assert!(SendError::Timeout(Duration::from_secs(1)).is_passing());
    }

    #[test]
    fn a_collector_may_ask_for_a_minute_and_no_more() {
        let asked = |text: &'static str| {
            retry_after(&[(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect())
        };
        assert_eq!(asked(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(asked("86400"), Some(Duration::from_secs(60)));
        for text in ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "99999999999999999999999"] {
            assert_eq!(asked(text), None, "{text}");
        }
    }
}
