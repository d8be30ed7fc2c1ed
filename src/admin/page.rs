//! The pages and their answers.

mod sessions;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::readiness::Readiness;
use crate::session::clock;
use crate::session::registry::Registry;
use crate::telemetry::{Format, ReadinessSample, Telemetry, VERSION};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What the pages are made from.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) registry: Arc<Registry>,
    pub(super) telemetry: Telemetry,
    pub(super) readiness: Readiness,
}

/// A page, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Index,
    Metrics,
    SessionMetrics,
    Livez,
    Readyz,
    Sessions,
}

impl Page {
    const ALL: [Self; 6] = [
        Self::Index,
        Self::Metrics,
        Self::SessionMetrics,
        Self::Livez,
        Self::Readyz,
        Self::Sessions,
    ];

    fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.path() == path)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Metrics => "/metrics",
            Self::SessionMetrics => "/metrics/sessions",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Sessions => "/sessions",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Index => "this list",
            Self::Metrics => "metrics for Prometheus",
            Self::SessionMetrics => "metrics of single sessions, bounded, for Prometheus",
            Self::Livez => "200 while the process serves",
            Self::Readyz => "200 while it takes sessions, else 503 and what blocks it",
            Self::Sessions => "the live sessions as JSON, oldest first",
        }
    }
}

impl Pages {
    /// The answer to a request. Of a HEAD request hyper sends only the head.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let Some(page) = Page::of_path(request.uri().path()) else {
            let body = format!("no such page\n{}", list_of_pages());
            return response(StatusCode::NOT_FOUND, TEXT, body);
        };
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let body = "only GET and HEAD: this server changes nothing\n";
            let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, body);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match page {
            Page::Index => response(StatusCode::OK, TEXT, index()),
            Page::Metrics => self.metrics(format_for(request)).await,
            Page::SessionMetrics => self.session_metrics(format_for(request)).await,
            Page::Livez => response(StatusCode::OK, TEXT, "ok\n"),
            Page::Readyz => self.readyz(),
            Page::Sessions => self.sessions().await,
        }
    }

    async fn metrics(&self, format: Format) -> Response<Full<Bytes>> {
        let telemetry = self.telemetry.clone();
        let sample = ReadinessSample {
            ready: self.readiness.is_ready(),
            draining: self.readiness.is_draining(),
        };
        made_aside(format.content_type(), move || telemetry.scrape(format, sample)).await
    }

    async fn session_metrics(&self, format: Format) -> Response<Full<Bytes>> {
        let telemetry = self.telemetry.clone();
        made_aside(format.content_type(), move || telemetry.scrape_sessions(format)).await
    }

    async fn sessions(&self) -> Response<Full<Bytes>> {
        let registry = self.registry.clone();
        made_aside(JSON, move || sessions::list(&registry.sessions(), clock::now())).await
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let blockers = self.readiness.blockers();
        let is_ready = blockers.is_empty();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = serde_json::json!({ "ready": is_ready, "blockers": blockers });
        response(status, JSON, format!("{body}\n"))
    }
}

/// The format that the scraper asks for.
fn format_for<B>(request: &Request<B>) -> Format {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    Format::accepted(accept)
}

/// A page that takes milliseconds of CPU to make, which no session's thread shall give.
async fn made_aside(
    content_type: &'static str,
    make: impl FnOnce() -> String + Send + 'static,
) -> Response<Full<Bytes>> {
    match tokio::task::spawn_blocking(make).await {
        Ok(body) => response(StatusCode::OK, content_type, body),
        Err(_) => {
            let body = "this page could not be made; see the log\n";
            response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, body)
        }
    }
}

fn index() -> String {
    format!("deepgram-sidecar {VERSION}\n{}", list_of_pages())
}

fn list_of_pages() -> String {
    Page::ALL.iter().fold(String::new(), |mut list, page| {
        writeln!(list, "{:<18} {}", page.path(), page.title()).expect("a string takes all");
        list
    })
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
