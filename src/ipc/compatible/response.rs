//! The answer to a request for a WebSocket: Deepgram's own as far as there is one.

use std::fmt::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::request::{self, HttpRefusal, Upgrade};
use session::dial::{Answer, DialReason};
use session::{ConnectRefusal, ErrorCode, Refusal, SessionId};

/// When to ask again where nobody knows better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The upgrade itself. Deepgram's id or none: one SDK takes any that is no UUID for a failure.
pub(super) fn upgraded(
    upgrade: &Upgrade,
    session_id: &SessionId,
    request_id: Option<&str>,
    buffer: &mut BytesMut,
) {
    let mut head = Head::new(101);
    head.add("connection", "Upgrade");
    head.add("upgrade", "websocket");
    head.add("sec-websocket-accept", &upgrade.accept);
    if let Some(subprotocol) = &upgrade.subprotocol {
        head.add("sec-websocket-protocol", subprotocol);
    }
    if let Some(request_id) = request_id.filter(|it| Uuid::parse_str(it).is_ok()) {
        head.add("dg-request-id", request_id);
    }
    head.add("x-session-id", session_id.as_str());
    buffer.extend_from_slice(head.end().as_bytes());
}

/// The refusal of a request that never became a session's.
pub fn refusal(refused: &HttpRefusal) -> Bytes {
    let HttpRefusal { status, refusal, .. } = refused;
    let mut head = Head::new(*status);
    match status {
        405 => head.add("allow", "GET"),
        426 => {
            head.add("upgrade", "websocket");
            head.add("sec-websocket-version", "13");
        }
        503 => head.retry_after(RETRY_AFTER),
        _ => {}
    }
    head.add("dg-error", &refusal.message);
    head.with_body("application/json", &body_of(&err_code(*status, refusal), &refusal.message))
}

/// The session's word for it; where that is about frames, of which there are none yet, the status's.
fn err_code(status: u16, refusal: &Refusal) -> String {
    let name = match refusal.code {
        ErrorCode::BadFrame => name_of(status).replace(' ', "_"),
        code => code.as_str().to_owned(),
    };
    name.to_ascii_uppercase()
}

/// With which status a session is refused.
pub(super) fn status_of(refusal: &Refusal) -> u16 {
    refusal.connect.as_deref().map_or_else(|| request::status_of(refusal.code), status_of_dial)
}

/// The refusal of a session: Deepgram's own answer where it has given one.
pub(super) fn refused(refusal: &Refusal, session_id: &SessionId) -> Bytes {
    let Some(connect) = refusal.connect.as_deref() else {
        return self::refusal(&refusal.clone().into());
    };
    let status = status_of_dial(connect);
    let mut head = Head::new(status);
    if let Some(request_id) = &connect.request_id {
        head.add("dg-request-id", request_id);
    }
    head.add("x-session-id", session_id.as_str());
    match connect.retry_after {
        Some(retry_after) => head.retry_after(retry_after),
        None if status == 503 => head.retry_after(RETRY_AFTER),
        None => {}
    }
    match connect.answer.as_deref().filter(|_| connect.status == Some(status)) {
        Some(answer) => repeated(head, answer),
        None => {
            let code = connect.reason.map_or(refusal.code.as_str(), DialReason::as_str);
            let message = match &connect.detail {
                Some(detail) => format!("{}: {detail}", refusal.message),
                None => refusal.message.clone(),
            };
            head.add("dg-error", &message);
            head.with_body("application/json", &body_of(&code.to_ascii_uppercase(), &message))
        }
    }
}

fn repeated(mut head: Head, answer: &Answer) -> Bytes {
    if let Some(dg_error) = &answer.dg_error {
        head.add("dg-error", dg_error);
    }
    head.with_body(answer.content_type.as_deref().unwrap_or("text/plain"), &answer.body)
}

/// Deepgram's own status, unless it would lead the application elsewhere; a gateway's otherwise.
fn status_of_dial(connect: &ConnectRefusal) -> u16 {
    match (connect.status, connect.reason) {
        (Some(status @ 400..=599), _) => status,
        (_, Some(DialReason::Timeout)) => 504,
        (_, Some(DialReason::Resources)) => 503,
        _ => 502,
    }
}

/// Deepgram's own shape, less its request id.
#[derive(Serialize)]
struct Body<'a> {
    err_code: &'a str,
    err_msg: &'a str,
}

fn body_of(err_code: &str, err_msg: &str) -> Vec<u8> {
    serde_json::to_vec(&Body { err_code, err_msg }).expect("two strings are JSON")
}

fn name_of(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status.and_then(|it| it.canonical_reason()).unwrap_or("Refused")
}

/// The head of a response.
struct Head(String);

impl Head {
    fn new(status: u16) -> Self {
        Self(format!("HTTP/1.1 {status} {}\r\n", name_of(status)))
    }

    /// A header. What would end its line, or is no text to all readers, is replaced.
    fn add(&mut self, name: &str, value: &str) {
        let value =
            value.chars().map(|it| if it == ' ' || it.is_ascii_graphic() { it } else { '?' });
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.extend(value);
        self.0.push_str("\r\n");
    }

    /// In whole seconds, which is all that it can say.
    fn retry_after(&mut self, after: Duration) {
        let seconds = after.as_millis().div_ceil(1000);
        write!(self.0, "retry-after: {seconds}\r\n").expect("a string takes everything");
    }

    fn with_body(mut self, content_type: &str, body: &[u8]) -> Bytes {
        self.add("content-type", content_type);
        self.add("content-length", &body.len().to_string());
        self.add("connection", "close");
        let mut response = self.end().into_bytes();
        response.extend_from_slice(body);
        response.into()
    }

    fn end(mut self) -> String {
        self.0.push_str("\r\n");
        self.0
    }
}

#[cfg(test)]
mod tests;
