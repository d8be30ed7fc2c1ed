//! `/log-level`: the only page that changes anything.

use std::net::IpAddr;

use http::header::ORIGIN;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::answer::{Answer, TEXT, ok, refused};
use crate::telemetry::Telemetry;
use crate::telemetry::log::LogHandle;

/// Maximum body size; the longest level has five letters.
const BODY_BYTES_MAX: usize = 64;

pub(super) fn show(log: Option<&LogHandle>) -> Answer {
    match log {
        Some(log) => ok(TEXT, format!("{}\n", log.level().as_str())),
        None => without_log(),
    }
}

/// Changes it to the level in the body. Only allowed from this machine or pod: more lines are
/// costly, and fewer hide things.
pub(super) async fn change(
    log: Option<&LogHandle>,
    telemetry: &Telemetry,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Answer {
    // A browser sends the origin of the page that makes it send a PUT; none of our pages do.
    if !is_local(peer) || request.headers().contains_key(ORIGIN) {
        let sentence = "the log level can only be changed from this machine or pod, and not from \
                        a browser";
        return refused(StatusCode::FORBIDDEN, sentence);
    }
    let Some(log) = log else { return without_log() };
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body must be a single word: a level");
    };
    if log.change(telemetry, body.to_bytes().trim_ascii()).is_err() {
        let known: Vec<_> = LogHandle::levels().collect();
        let sentence = format!("the body must be a level: {}", known.join(", "));
        return refused(StatusCode::BAD_REQUEST, &sentence);
    }
    show(Some(log))
}

/// Whether it is on this machine or in this pod.
fn is_local(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn without_log() -> Answer {
    refused(StatusCode::NOT_FOUND, "this process has no log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(is_local(peer.parse().unwrap()), "{peer}");
        }
        for peer in ["10.0.0.7", "0.0.0.0", "::", "fe80::1", "::ffff:10.0.0.7"] {
            assert!(!is_local(peer.parse().unwrap()), "{peer}");
        }
    }
}
