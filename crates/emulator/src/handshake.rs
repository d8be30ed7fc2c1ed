//! The handshake of a stream request: credentials, and responses other than 101.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::json::to_json;
use super::script::Refuse;
use super::settings::{Credentials, Settings};

pub(super) const DG_REQUEST_ID: http::HeaderName = http::HeaderName::from_static("dg-request-id");
const DG_ERROR: http::HeaderName = http::HeaderName::from_static("dg-error");

/// A body that is whole from the start.
pub(super) type Body = Full<Bytes>;

/// The credential that a request presents.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) scheme: Scheme,
    secret: &'a str,
    /// Whether it came as a subprotocol, which the answer must then name.
    pub(super) as_subprotocol: bool,
}

/// The two schemes that Deepgram knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Token,
    Bearer,
}

impl Scheme {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Bearer => "bearer",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Token, Self::Bearer].into_iter().find(|s| name.eq_ignore_ascii_case(s.as_str()))
    }
}

impl<'a> Presented<'a> {
    /// Reads `Authorization`, or else the pair in `Sec-WebSocket-Protocol`.
    pub(super) fn read(headers: &'a HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let (text, separator, as_subprotocol) = match text(AUTHORIZATION) {
            Some(text) => (text, ' ', false),
            None => (text(SEC_WEBSOCKET_PROTOCOL)?, ',', true),
        };
        let (scheme, rest) = text.split_once(separator)?;
        let secret = if as_subprotocol { rest.split(',').next()? } else { rest };
        let scheme = Scheme::from_name(scheme.trim())?;
        Some(Self { scheme, secret: secret.trim(), as_subprotocol })
    }

    /// Whether this credential opens a stream. A key is no bearer token, not even a known key.
    pub(super) fn is_accepted(self, settings: &Settings) -> bool {
        let known = |known: &Option<Credentials>| {
            known.as_ref().is_none_or(|known| known.contain(self.secret))
        };
        let is_key = settings.api_keys.as_ref().is_some_and(|keys| keys.contain(self.secret));
        let accepted = match self.scheme {
            Scheme::Token => known(&settings.api_keys),
            Scheme::Bearer => known(&settings.bearer_tokens) && !is_key,
        };
        !self.secret.is_empty() && accepted
    }
}

/// An error as Deepgram answers it, before the upgrade.
pub(super) fn refusal(
    status: StatusCode,
    code: &str,
    message: &str,
    request_id: &str,
) -> Response<Body> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        err_code: &'a str,
        err_msg: &'a str,
        request_id: &'a str,
    }
    let body = to_json(&Refusal { err_code: code, err_msg: message, request_id });
    let mut response = answer(status, body, request_id);
    let error = HeaderValue::from_str(message).ok();
    response.headers_mut().extend(error.map(|error| (DG_ERROR, error)));
    response
}

/// The answer that a script asks for; without a body Deepgram's own for that status.
pub(super) fn scripted(refuse: &Refuse, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(refuse.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match &refuse.body {
        Some(body) => answer(status, body.clone(), request_id),
        None => {
            let (code, message) = usual_error(status);
            refusal(status, code, message, request_id)
        }
    };
    if let Some(wait) = refuse.retry_after {
        let value = if refuse.retry_after_date { date_in(wait) } else { wait.as_secs().into() };
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

fn date_in(wait: Duration) -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now() + wait);
    HeaderValue::from_str(&date).expect("a date is printable ASCII")
}

/// A 429 for one stream too many. The endpoints that speak have other words for it.
pub(super) fn too_many(speaks: bool, request_id: &str) -> Response<Body> {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let (code, message) = match speaks {
        false => usual_error(status),
        true => ("Too Many Requests", "Please try again later."),
    };
    refusal(status, code, message, request_id)
}

/// An answer that points elsewhere.
pub(super) fn redirect(status: u16, location: &str, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    let mut response = answer(status, String::new(), request_id);
    let location = HeaderValue::from_str(location).ok();
    response.headers_mut().extend(location.map(|location| (LOCATION, location)));
    response
}

/// An answer with a JSON body.
pub(super) fn answer(status: StatusCode, body: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend(HeaderValue::from_str(request_id).ok().map(|id| (DG_REQUEST_ID, id)));
    response
}

/// `err_code` and `err_msg` of each status.
fn usual_error(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("Bad Request", "Bad Request: No such model/language/tier combination found."),
        401 => ("INVALID_AUTH", "Invalid credentials."),
        402 => (
            "ASR_PAYMENT_REQUIRED",
            "Project does not have enough credits for an ASR request and does not have an overage \
             agreement.",
        ),
        403 => ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
        404 => ("PROJECT_NOT_FOUND", "Project not found."),
        429 => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
        503 => ("Service Unavailable", "Please try again later"),
        _ => ("Internal Server Error", "Something went wrong."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(name: http::HeaderName, value: &str, settings: &Settings) -> bool {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        Presented::read(&headers).is_some_and(|presented| presented.is_accepted(settings))
    }

    #[test]
    fn schemes_are_matched_in_any_case_and_need_a_secret() {
        let any = Settings::default();
        for value in ["Token k", "token k", "TOKEN k", "Bearer j", "bearer j"] {
            assert!(accepted(AUTHORIZATION, value, &any), "{value}");
        }
        for value in ["k", "Token ", "Basic k", ""] {
            assert!(!accepted(AUTHORIZATION, value, &any), "{value}");
        }
    }

    #[test]
    fn only_the_keys_that_are_known_open_a_stream_and_none_of_them_as_bearer() {
        let settings =
            Settings { api_keys: Some(Credentials::new(["key"])), ..Settings::default() };
        assert!(accepted(AUTHORIZATION, "Token key", &settings));
        assert!(!accepted(AUTHORIZATION, "Token other", &settings));
        assert!(!accepted(AUTHORIZATION, "Bearer key", &settings));
        assert!(accepted(AUTHORIZATION, "Bearer jwt", &settings));
    }

    #[test]
    fn a_subprotocol_pair_is_a_credential() {
        let settings =
            Settings { api_keys: Some(Credentials::new(["key"])), ..Settings::default() };
        assert!(accepted(SEC_WEBSOCKET_PROTOCOL, "token, key", &settings));
        assert!(accepted(SEC_WEBSOCKET_PROTOCOL, "token, key, x-session, 7", &settings));
        assert!(!accepted(SEC_WEBSOCKET_PROTOCOL, "token", &settings));
    }
}
