//! The pages and their responses.

mod accept;
mod answer;
mod deaths;
mod html;
mod index;
mod log_level;
mod query;
mod sessions;
mod view;

use std::net::IpAddr;
use std::time::SystemTime;

use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::Sources;
use crate::telemetry::{Format, REVISION, ReadinessSample, VERSION};
use answer::{Answer, HTML, JSON, TEXT, YAML, method_not_allowed, ok, refused, with_status};
use deaths::Deaths;
use index::Page;
use query::Query;
use session::dial::Blocker;
use session::{SessionId, millis};
use sessions::List;
use view::Detail;

/// Where Deepgram's own paths begin.
const DEEPGRAMS: [&str; 2] = ["/v1/", "/v2/"];

/// What an SDK is told that has been pointed here.
const NOT_FOR_SDKS: &str = "this is the admin port; Deepgram's SDKs go to ipc.tcp_listen or the Unix \
                            socket";

/// The data behind the pages.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) sources: Sources,
    pub(super) started_at: SystemTime,
}

impl Pages {
    /// The response to a peer's request. For a HEAD request hyper sends only the head.
    pub(super) async fn answer(&self, peer: IpAddr, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let Some(page) = Page::of_path(path) else {
            if DEEPGRAMS.iter().any(|prefix| path.starts_with(prefix)) {
                return refused(StatusCode::NOT_FOUND, NOT_FOR_SDKS);
            }
            let body = format!("no such page\n{}", index::list());
            return with_status(StatusCode::NOT_FOUND, TEXT, body);
        };
        if page == Page::LogLevel && request.method() == Method::PUT {
            let Sources { log, telemetry, .. } = &self.sources;
            return log_level::change(log.as_ref(), telemetry, peer, request).await;
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return method_not_allowed(page.methods());
        }
        match page {
            Page::Index if wants_html(&request) => ok(HTML, html::index()),
            Page::Index => ok(TEXT, format!("deepgram-sidecar {VERSION}\n{}", index::list())),
            Page::Metrics => self.metrics(format_for(&request)).await,
            Page::SessionMetrics => self.session_metrics(format_for(&request)).await,
            Page::Livez => ok(TEXT, "ok\n"),
            Page::Readyz => self.readyz(),
            Page::Sessions => self.sessions(&request).await,
            Page::Session => self.session(&request).await,
            Page::Deaths => self.deaths(&request).await,
            Page::Config => ok(YAML, self.sources.config.clone()),
            Page::LogLevel => log_level::show(self.sources.log.as_ref()),
            Page::BuildInfo => self.buildinfo(),
        }
    }

    async fn metrics(&self, format: Format) -> Answer {
        let Sources { telemetry, readiness, .. } = &self.sources;
        let telemetry = telemetry.clone();
        let sample = ReadinessSample {
            ready: self.blockers().is_empty(),
            draining: readiness.is_draining(),
        };
        made_aside(format.content_type(), move || telemetry.scrape(format, sample)).await
    }

    async fn session_metrics(&self, format: Format) -> Answer {
        let telemetry = self.sources.telemetry.clone();
        made_aside(format.content_type(), move || telemetry.scrape_sessions(format)).await
    }

    async fn sessions(&self, request: &Request<Incoming>) -> Answer {
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => query,
            Err(sentence) => return refused(StatusCode::BAD_REQUEST, &sentence),
        };
        let Sources { registry, telemetry, .. } = &self.sources;
        let (registry, deaths) = (registry.clone(), telemetry.deaths_total());
        let list = move |show: fn(&List<'_>, &Query) -> String| {
            let sessions = registry.sessions();
            show(&List::of(&sessions, deaths, &query, clock::now()), &query)
        };
        if wants_html(request) {
            made_aside(HTML, move || list(html::sessions)).await
        } else {
            made_aside(JSON, move || list(|list, _| list.to_json())).await
        }
    }

    async fn session(&self, request: &Request<Incoming>) -> Answer {
        let id = request.uri().path().strip_prefix(Page::SESSION_PREFIX).unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8().ok();
        let id = id.and_then(|id| SessionId::parse(&id));
        let Some(session) = id.and_then(|id| self.sources.registry.session(&id)) else {
            let sentence = "no live session has this id; /sessions lists those that are, /deaths \
                            what connections died of";
            return refused(StatusCode::NOT_FOUND, sentence);
        };
        let detail = Detail::of(&session).await;
        if wants_html(request) {
            ok(HTML, html::session(&detail))
        } else {
            ok(JSON, detail.to_json())
        }
    }

    async fn deaths(&self, request: &Request<Incoming>) -> Answer {
        let telemetry = self.sources.telemetry.clone();
        let list = move |show: fn(&Deaths<'_>) -> String| {
            show(&Deaths::of(&telemetry.deaths(), &telemetry))
        };
        if wants_html(request) {
            made_aside(HTML, move || list(html::deaths)).await
        } else {
            made_aside(JSON, move || list(|list| list.to_json())).await
        }
    }

    fn readyz(&self) -> Answer {
        let blockers = self.blockers();
        let is_ready = blockers.is_empty();
        let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let dials = self.sources.dials.held().map(|held| {
            serde_json::json!({
                "blocker": held.blocker.as_str(),
                "detail": held.detail,
                "held_ms": millis(clock::now().duration_since(held.since)),
            })
        });
        let body =
            serde_json::json!({ "ready": is_ready, "blockers": blockers, "dials_held": dials });
        with_status(status, JSON, format!("{body}\n"))
    }

    /// What blocks readiness. A refused credential does: no new session could be served. A busy or
    /// broken Deepgram does not: it is so for every pod, and sessions wait for it here as well as
    /// anywhere else.
    fn blockers(&self) -> Vec<&'static str> {
        let Sources { readiness, dials, .. } = &self.sources;
        let held_by = dials.held().map(|held| held.blocker);
        let refused = held_by.filter(|blocker| *blocker == Blocker::CredentialRefused);
        readiness.blockers().into_iter().chain(refused.map(Blocker::as_str)).collect()
    }

    fn buildinfo(&self) -> Answer {
        let body = serde_json::json!({
            "version": VERSION,
            "revision": REVISION,
            "started_at": humantime::format_rfc3339_millis(self.started_at).to_string(),
        });
        ok(JSON, format!("{body}\n"))
    }
}

fn accept(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get(ACCEPT).and_then(|value| value.to_str().ok())
}

fn wants_html(request: &Request<Incoming>) -> bool {
    accept::prefers_html(accept(request))
}

/// The format that the scraper asks for.
fn format_for(request: &Request<Incoming>) -> Format {
    Format::accepted(accept(request))
}

/// A page that takes milliseconds of CPU to render, so not on a session's thread.
async fn made_aside(
    content_type: &'static str,
    make: impl FnOnce() -> String + Send + 'static,
) -> Answer {
    match tokio::task::spawn_blocking(make).await {
        Ok(body) => ok(content_type, body),
        Err(_) => {
            let sentence = "this page could not be rendered; see the log";
            refused(StatusCode::INTERNAL_SERVER_ERROR, sentence)
        }
    }
}
