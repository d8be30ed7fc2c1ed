use std::sync::Arc;

use serde_json::Value;

use super::*;

/// Status line, headers and body of a response.
fn parts(response: &[u8]) -> (String, Vec<(String, String)>, Vec<u8>) {
    let end = response.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&response[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (status, headers, response[end + 4..].to_vec())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = headers.iter().filter(|(it, _)| it == name);
    let found = named.next().map(|(_, value)| value.as_str());
    assert!(named.next().is_none(), "{name} stands twice");
    found
}

/// Whole, with its length, and the last on its connection.
#[track_caller]
fn whole(response: &[u8]) -> (String, Vec<(String, String)>, Value) {
    let (status, headers, body) = parts(response);
    assert_eq!(header(&headers, "content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(header(&headers, "connection"), Some("close"));
    (status, headers, serde_json::from_slice(&body).unwrap())
}

fn id() -> SessionId {
    SessionId::parse("call-7").unwrap()
}

#[test]
fn a_request_is_refused_by_its_statuss_own_name() {
    for (status, line, code, header_of_it) in [
        (400, "HTTP/1.1 400 Bad Request", "BAD_REQUEST", None),
        (404, "HTTP/1.1 404 Not Found", "NOT_FOUND", None),
        (405, "HTTP/1.1 405 Method Not Allowed", "METHOD_NOT_ALLOWED", Some(("allow", "GET"))),
        (
            426,
            "HTTP/1.1 426 Upgrade Required",
            "UPGRADE_REQUIRED",
            Some(("sec-websocket-version", "13")),
        ),
        (
            431,
            "HTTP/1.1 431 Request Header Fields Too Large",
            "REQUEST_HEADER_FIELDS_TOO_LARGE",
            None,
        ),
    ] {
        let (found, headers, body) = whole(&refusal(&HttpRefusal::new(status, "say \"so\"\n")));
        assert_eq!(found, line);
        assert_eq!(header(&headers, "dg-error"), Some("say \"so\"?"));
        assert_eq!(body, serde_json::json!({"err_code": code, "err_msg": "say \"so\"\n"}));
        if let Some((name, value)) = header_of_it {
            assert_eq!(header(&headers, name), Some(value));
        }
    }
}

#[test]
fn a_session_is_refused_by_the_contracts_code() {
    for (code, line, err_code, retry_after) in [
        (ErrorCode::PeerNotAllowed, "HTTP/1.1 403 Forbidden", "PEER_NOT_ALLOWED", None),
        (ErrorCode::SessionIdInUse, "HTTP/1.1 409 Conflict", "SESSION_ID_IN_USE", None),
        (ErrorCode::InvalidOpen, "HTTP/1.1 400 Bad Request", "INVALID_OPEN", None),
        (
            ErrorCode::TooManySessions,
            "HTTP/1.1 503 Service Unavailable",
            "TOO_MANY_SESSIONS",
            Some("1"),
        ),
        (ErrorCode::Draining, "HTTP/1.1 503 Service Unavailable", "DRAINING", Some("1")),
    ] {
        let (found, headers, body) = whole(&refused(&Refusal::new(code, "why"), &id()));
        assert_eq!((&*found, &body["err_code"]), (line, &err_code.into()));
        assert_eq!(header(&headers, "retry-after"), retry_after, "{err_code}");
        assert_eq!(header(&headers, "dg-error"), Some("why"));
        assert_eq!(header(&headers, "dg-request-id"), None);
    }
}

/// A dial that came to this.
fn connect(status: Option<u16>, reason: DialReason, answer: Option<Answer>) -> Refusal {
    let connect = ConnectRefusal {
        reason: Some(reason),
        status,
        answer: answer.map(Arc::new),
        detail: Some("the detail".to_owned()),
        request_id: Some("3f0e".to_owned()),
        ..ConnectRefusal::default()
    };
    let refusal = Refusal::new(ErrorCode::ConnectFailed, "no connection");
    Refusal { connect: Some(Box::new(connect)), ..refusal }
}

#[test]
fn deepgrams_refusal_is_repeated_to_the_byte() {
    let body = b"{ \"err_code\":\"INVALID_AUTH\",\r\n\"err_msg\": \"\xff\" }";
    let answer = Answer {
        content_type: Some("application/json".to_owned()),
        dg_error: Some("Invalid credentials.".to_owned()),
        body: Bytes::from_static(body),
    };
    let refusal = connect(Some(401), DialReason::Http401, Some(answer));
    let (status, headers, found) = parts(&refused(&refusal, &id()));
    assert_eq!((&*status, &found[..]), ("HTTP/1.1 401 Unauthorized", &body[..]));
    assert_eq!(header(&headers, "content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(header(&headers, "content-type"), Some("application/json"));
    assert_eq!(header(&headers, "dg-error"), Some("Invalid credentials."));
    assert_eq!(header(&headers, "dg-request-id"), Some("3f0e"));
    assert_eq!(header(&headers, "x-session-id"), Some("call-7"));
    assert_eq!(header(&headers, "retry-after"), None);
}

#[test]
fn without_an_answer_of_deepgrams_it_is_a_gateways() {
    for (status, reason, expected) in [
        (None, DialReason::Timeout, 504),
        (None, DialReason::Resources, 503),
        (None, DialReason::Dns, 502),
        (None, DialReason::Tls, 502),
        // To follow it would take the application elsewhere.
        (Some(302), DialReason::Http3xx, 502),
        (Some(200), DialReason::Protocol, 502),
        (Some(418), DialReason::Http4xx, 418),
        (Some(503), DialReason::Http5xx, 503),
    ] {
        let (line, headers, body) = whole(&refused(&connect(status, reason, None), &id()));
        assert!(line.starts_with(&format!("HTTP/1.1 {expected} ")), "{line}");
        assert_eq!(body["err_code"], reason.as_str().to_ascii_uppercase());
        assert_eq!(body["err_msg"], "no connection: the detail");
        let retry_after = (expected == 503).then_some("1");
        assert_eq!(header(&headers, "retry-after"), retry_after, "{expected}");
    }
}

#[test]
fn a_wait_is_told_in_whole_seconds_that_are_never_too_short() {
    for (millis, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2"), (60_000, "60")] {
        let mut refusal = connect(Some(429), DialReason::Http429, None);
        let connect = refusal.connect.as_mut().unwrap();
        connect.retry_after = Some(Duration::from_millis(millis));
        let (_, headers, _) = whole(&refused(&refusal, &id()));
        assert_eq!(header(&headers, "retry-after"), Some(seconds), "{millis} ms");
    }
}

#[test]
fn no_word_of_deepgrams_can_add_a_header() {
    let answer = Answer {
        content_type: Some("text/html\r\nx-evil: 1".to_owned()),
        dg_error: Some("a\nb\u{e9}".to_owned()),
        body: Bytes::new(),
    };
    let response = refused(&connect(Some(400), DialReason::Http400, Some(answer)), &id());
    let (_, headers, _) = parts(&response);
    assert_eq!(header(&headers, "x-evil"), None);
    assert_eq!(header(&headers, "content-type"), Some("text/html??x-evil: 1"));
    assert_eq!(header(&headers, "dg-error"), Some("a?b?"));
}

#[test]
fn the_upgrade_repeats_what_it_must_and_makes_nothing_up() {
    const ID: &str = "01a03ac3-92a1-79f0-8000-000000000000";
    for (subprotocol, given, request_id) in
        [(None, None, None), (Some("token"), Some(ID), Some(ID)), (None, Some("no \"uuid\""), None)]
    {
        let upgrade =
            Upgrade { accept: "accept=".to_owned(), subprotocol: subprotocol.map(Into::into) };
        let mut buffer = BytesMut::new();
        upgraded(&upgrade, &id(), given, &mut buffer);
        let (status, headers, rest) = parts(&buffer);
        assert_eq!((&*status, &*rest), ("HTTP/1.1 101 Switching Protocols", &b""[..]));
        assert_eq!(header(&headers, "sec-websocket-accept"), Some("accept="));
        assert_eq!(header(&headers, "sec-websocket-protocol"), subprotocol);
        assert_eq!(header(&headers, "dg-request-id"), request_id);
        assert_eq!(header(&headers, "x-session-id"), Some("call-7"));
        assert_eq!(header(&headers, "sec-websocket-extensions"), None);
        assert_eq!(header(&headers, "content-length"), None);
    }
}
