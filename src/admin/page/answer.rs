//! Responses, with the headers that each needs.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const YAML: &str = "application/yaml";
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Pages load nothing, run nothing, and cannot be framed, because they show untrusted text.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                      form-action 'none'; base-uri 'none'";

/// A complete response.
pub(super) type Answer = Response<Full<Bytes>>;

pub(super) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_status(StatusCode::OK, content_type, body)
}

/// A refusal, with a sentence that says why.
pub(super) fn refused(status: StatusCode, sentence: &str) -> Answer {
    with_status(status, TEXT, format!("{sentence}\n"))
}

/// A refusal that lists the allowed methods, as in `GET, HEAD`.
pub(super) fn method_not_allowed(allowed: &'static str) -> Answer {
    let (others, last) = allowed.rsplit_once(", ").unwrap_or(("", allowed));
    let sentence = format!("method not allowed; use {others} or {last}");
    let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, &sentence);
    set(&mut answer, ALLOW, allowed);
    answer
}

pub(super) fn with_status(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, "no-store");
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut answer, CONTENT_SECURITY_POLICY, POLICY);
    set(&mut answer, VARY, "accept");
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}
