use std::fmt::Write;

use super::*;
use session::Sdk;
use session::gate::VadMode;

/// Deepgram's SDKs, each by the head that it was seen to send, with the key left out.
const PYTHON: &str = "GET /v1/listen?encoding=linear16&model=nova-3&sample_rate=16000&tag=a+b HTTP/1.1\r\n\
    Host: 127.0.0.1:7070\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12; \
    client_max_window_bits=12\r\nUser-Agent: deepgram-sdk/7.17.0\r\nX-Fern-Language: Python\r\n\
    Authorization: Token KEY\r\nx-deepgram-session-id: 0b62\r\n\r\n";
const PYTHON_LEGACY: &str = "GET /v1/listen?model=nova-3&punctuate=false HTTP/1.1\r\n\
    Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Authorization: Token KEY\r\nUser-Agent: @deepgram/sdk/v4.8.1 python/11.7\r\n\r\n";
const JAVASCRIPT: &str = "GET /v1/listen?tag=a%20b&model=nova-3 HTTP/1.1\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nauthorization: Token KEY\r\n\
    user-agent: @deepgram/sdk/5.13.0\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: token,KEY\r\nHost: localhost\r\n\r\n";
const GO: &str = "GET /v1/listen?model=nova-3&tag=a+b HTTP/1.1\r\nHost: \r\n\
    User-Agent: @deepgram/sdk/v1.4.0 go/1.26.8\r\nAuthorization: token KEY\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n";
const RUST: &str = "GET /v1/listen?model=nova-3&keywords=a+b HTTP/1.1\r\nhost: localhost:7070\r\n\
    authorization: Token KEY\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    user-agent: deepgram/0.14.0 rust\r\n\r\n";

/// The standard's own example.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What is made of a head. It must not depend on how that comes in pieces.
fn read_text(head: &str) -> Result<Request, HttpRefusal> {
    let whole = read(&mut BytesMut::from(head)).map(|request| request.expect("the head is whole"));
    if whole.is_ok() && head.len() < 2_000 {
        for end in (0..head.len()).filter(|it| head.is_char_boundary(*it)) {
            assert!(matches!(read(&mut BytesMut::from(&head[..end])), Ok(None)), "{end}");
        }
    }
    whole
}

/// The same for a target with these headers beside those of an upgrade.
fn ask(target: &str, headers: &str) -> Result<Request, HttpRefusal> {
    read_text(&format!("GET {target} HTTP/1.1\r\n{UPGRADE}{headers}\r\n"))
}

#[track_caller]
fn status_of(refused: Result<Request, HttpRefusal>) -> u16 {
    let refused = refused.unwrap_err();
    assert!(!refused.refusal.message.is_empty());
    refused.status
}

fn query_of(query: &str) -> String {
    ask(&format!("/v1/listen?{query}"), "").unwrap().open.query
}

#[test]
fn each_sdk_is_understood() {
    for (head, sdk, query) in [
        (PYTHON, Sdk::Python, "encoding=linear16&model=nova-3&sample_rate=16000&tag=a+b"),
        (PYTHON_LEGACY, Sdk::PythonLegacy, "model=nova-3&punctuate=false"),
        (JAVASCRIPT, Sdk::Javascript, "tag=a%20b&model=nova-3"),
        (GO, Sdk::Go, "model=nova-3&tag=a+b"),
        (RUST, Sdk::Rust, "model=nova-3&keywords=a+b"),
    ] {
        let request = read_text(head).unwrap();
        assert_eq!((request.speaker.sdk, &*request.open.query), (Some(sdk), query));
        assert_eq!(request.open.model.as_deref(), Some("nova-3"), "{sdk:?}");
        assert_eq!(request.credential.as_deref(), Some("KEY"), "{sdk:?}");
        assert_eq!(request.upgrade.accept, ACCEPT);
        assert_eq!(request.upgrade.subprotocol.is_some(), sdk == Sdk::Javascript);
        assert_eq!((request.open.session_id, request.wants_events), (None, false), "{sdk:?}");
        assert!(!request.is_from_page, "{sdk:?}");
    }
    assert!(read_text(PYTHON).unwrap().open.audio.is_some());
}

#[test]
fn no_host_is_as_good_as_any_and_two_slashes_are_one() {
    for host in ["", "Host: \r\n", "Host: api.deepgram.com\r\n", "Host: a\r\nHost: b\r\n"] {
        assert!(ask("/v1/listen", host).is_ok(), "{host:?}");
    }
    for (path, endpoint) in [
        ("/v1/listen", Endpoint::V1Listen),
        ("//v1/listen", Endpoint::V1Listen),
        ("/v2/listen", Endpoint::V2Listen),
        ("//v2/listen?model=flux", Endpoint::V2Listen),
    ] {
        assert_eq!(ask(path, "").unwrap().open.endpoint, endpoint, "{path}");
    }
}

#[test]
fn other_paths_are_told_which_ones_are_served() {
    for path in [
        "/",
        "/v1",
        "/v1/listen/",
        "/v1//listen",
        "v1/listen",
        "/v1/read",
        "/prefix/v1/listen",
        "*",
    ] {
        let refused = ask(path, "").unwrap_err();
        assert_eq!(refused.status, 404, "{path}");
        let message = refused.refusal.message;
        for endpoint in Endpoint::ALL {
            assert!(message.contains(endpoint.path()), "{message}");
        }
        assert_eq!(message.matches(" and ").count(), 1, "{message}");
        assert!(message.ends_with("check that the address ends after the port"), "{message}");
    }
    assert_eq!(status_of(ask("http://localhost/v1/listen", "")), 404);
    assert_eq!(status_of(ask("/v1/listen#now", "")), 404);
}

#[test]
fn a_query_is_passed_on_as_it_is() {
    let every = "a=1&a=2&b&=c&d=&tag=a+b&k=a%20b&extra%5Bk%5D=v&q=!$'()*,/:;?@[]^_`{|}~-.";
    for query in [every, "", "&", "a&&b", "&a=1&", "%", "%zz", "%00", "%ff", "a=%26", "?"] {
        assert_eq!(query_of(query), query);
    }
}

#[test]
fn the_sidecars_own_parameters_go_no_further() {
    for (query, passed) in [
        ("sidecar_vad=off", ""),
        ("sidecar_vad=off&a=1&sidecar_events=true&b=2&sidecar_recovery=latch", "a=1&b=2"),
        ("a=1&%73idecar%5Fvad=%6fff&b=2", "a=1&b=2"),
        ("a=1&&sidecar_vad=off&", "a=1&&"),
        ("SIDECAR_vad=off&sidecar=1&xsidecar_vad=x", "SIDECAR_vad=off&sidecar=1&xsidecar_vad=x"),
        ("a=sidecar_vad=off", "a=sidecar_vad=off"),
    ] {
        assert_eq!(query_of(query), passed, "{query}");
    }
    let query = "/v1/listen?sidecar_session_id=call%2D7&sidecar_recovery=reconnect&sidecar_events=true\
                 &encoding=linear16&sample_rate=16000&sidecar_vad=shadow";
    let Request { open, wants_events, .. } = ask(query, "x-session-id: other\r\n").unwrap();
    assert_eq!(open.session_id.unwrap().as_str(), "call-7", "it goes before the header");
    assert_eq!((open.recovers, open.vad, wants_events), (Some(true), Some(VadMode::Shadow), true));
    // A plus is a space there, and a space is no character of an id.
    assert_eq!(status_of(ask("/v1/listen?sidecar_session_id=a+b", "")), 400);
}

#[test]
fn parameters_of_ours_that_mean_nothing_are_refused_by_name() {
    for (query, named) in [
        ("sidecar_session_id=", "sidecar_session_id"),
        ("sidecar_session_id=a%2Fb", "sidecar_session_id"),
        ("sidecar_vad=loud", "sidecar_vad"),
        ("sidecar_vad=active", "sidecar_vad"),
        ("sidecar_recovery=again", "sidecar_recovery"),
        ("sidecar_events=1", "sidecar_events"),
        ("sidecar_events", "sidecar_events"),
        ("sidecar_events=true&sidecar_events=true", "sidecar_events"),
        ("sidecar_prelude=1", "sidecar_prelude"),
        ("sidecar_=1", "sidecar_"),
    ] {
        let refused = ask(&format!("/v1/listen?{query}"), "").unwrap_err();
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.refusal.field.as_deref(), Some(named), "{query}");
    }
}

#[test]
fn a_query_that_our_own_request_could_not_carry_is_refused() {
    for byte in ["#", "a#b", "<", ">", "a=<b>", "a=\"b\""] {
        assert_eq!(status_of(ask(&format!("/v1/listen?{byte}"), "")), 400, "{byte}");
    }
    for byte in (0..=u8::MAX).filter(|byte| !matches!(byte, b'\r' | b'\n' | b' ')) {
        let mut head = BytesMut::from("GET /v1/listen?a=");
        head.extend_from_slice(&[byte]);
        head.extend_from_slice(format!(" HTTP/1.1\r\n{UPGRADE}\r\n").as_bytes());
        match read(&mut head) {
            Ok(request) => {
                let query = request.unwrap().open.query;
                let target = format!("/v1/listen?{query}");
                assert!(http::Request::get(target).body(()).is_ok(), "{byte:#04x}");
            }
            Err(refused) => assert_eq!(refused.status, 400, "{byte:#04x}"),
        }
    }
}

#[test]
fn the_first_subprotocol_is_echoed_and_the_second_is_a_credential() {
    for (list, first, second) in [
        ("token,KEY", Some("token"), Some("KEY")),
        ("token, KEY", Some("token"), Some("KEY")),
        ("bearer,KEY, x-session, 7", Some("bearer"), Some("KEY")),
        ("token", Some("token"), None),
        ("", None, None),
        (",,", None, None),
    ] {
        let request = ask("/v1/listen", &format!("Sec-WebSocket-Protocol: {list}\r\n")).unwrap();
        assert_eq!(request.upgrade.subprotocol.as_deref(), first, "{list}");
        assert_eq!(request.credential.as_deref(), second, "{list}");
    }
    let both = "Sec-WebSocket-Protocol: token,ONE\r\nAuthorization: Bearer TWO\r\n";
    assert_eq!(ask("/v1/listen", both).unwrap().credential.as_deref(), Some("TWO"));
    let long = format!("Sec-WebSocket-Protocol: {}\r\n", "x".repeat(65));
    assert_eq!(status_of(ask("/v1/listen", &long)), 400);
}

#[test]
fn what_asks_for_no_websocket_is_refused_by_its_kind() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let rest = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n";
    for (head, status) in [
        (format!("GET /v1/listen HTTP/1.1\r\n{rest}\r\n"), 426),
        (format!("GET /v1/listen HTTP/1.1\r\nConnection: Upgrade\r\n{rest}\r\n"), 426),
        (format!("GET /v1/listen HTTP/1.1\r\nUpgrade: websocket\r\n{rest}\r\n"), 426),
        (format!("GET /v1/listen HTTP/1.1\r\n{upgrade}Sec-WebSocket-Key: k\r\n\r\n"), 426),
        (format!("GET /v1/listen HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 8\r\n\r\n"), 426),
        (format!("GET /v1/listen HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"), 400),
        (format!("GET /v1/listen HTTP/1.0\r\n{UPGRADE}\r\n"), 400),
        (format!("GET /v1/listen HTTP/1.1\r\n{UPGRADE}Content-Length: 1\r\n\r\n"), 400),
        (format!("GET /v1/listen HTTP/1.1\r\n{UPGRADE}Transfer-Encoding: chunked\r\n\r\n"), 400),
        (format!("POST /v1/listen HTTP/1.1\r\n{UPGRADE}\r\n"), 405),
        (format!("GETTY /v1/listen HTTP/1.1\r\n{UPGRADE}\r\n"), 405),
        (format!("GET /v1/listen HTTP/2.0\r\n{UPGRADE}\r\n"), 400),
        ("GIBBERISH\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\0\x01\0\x01".to_owned(), 400),
        ("\x01\0\0\0\x0e{\"protocol\":1}".to_owned(), 400),
    ] {
        assert_eq!(status_of(read_text(&head)), status, "{head}");
    }
    assert!(ask("/v1/listen", "Content-Length: 0\r\n").is_ok());
}

#[test]
fn a_header_that_stands_twice_is_not_guessed_at() {
    for header in [
        "Sec-WebSocket-Key: other\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Authorization: Token a\r\nAuthorization: Token b\r\n",
        "Sec-WebSocket-Protocol: token\r\nSec-WebSocket-Protocol: KEY\r\n",
        "x-session-id: a\r\nx-session-id: b\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
    ] {
        assert_eq!(status_of(ask("/v1/listen", header)), 400, "{header}");
    }
    // These are lists, which may be in several lines.
    assert!(ask("/v1/listen", "Connection: x\r\nUpgrade: h2c\r\n").is_ok());
}

#[test]
fn a_head_is_bounded_in_bytes_and_headers() {
    let filled = |bytes: usize| {
        let head = format!("GET /v1/listen HTTP/1.1\r\n{UPGRADE}x: ");
        let fill = bytes - head.len() - 4;
        read_text(&format!("{head}{}\r\n\r\n", "y".repeat(fill)))
    };
    assert!(filled(HEAD_BYTES_MAX).is_ok());
    assert_eq!(status_of(filled(HEAD_BYTES_MAX + 1)), 431);
    // It is not waited for what would be too much.
    let mut endless = BytesMut::from(&*format!("GET /{}", "x".repeat(HEAD_BYTES_MAX - 5)));
    assert_eq!(read(&mut endless).unwrap_err().status, 431);
    let mut headers = String::new();
    for number in 0..HEADERS_MAX - 4 {
        write!(headers, "x-{number}: y\r\n").unwrap();
    }
    assert!(ask("/v1/listen", &headers).is_ok());
    headers.push_str("one-more: y\r\n");
    assert_eq!(status_of(ask("/v1/listen", &headers)), 431);
}

#[test]
fn what_comes_behind_the_head_stays_where_it_is() {
    let mut inbound = BytesMut::from(&*format!("{GO}audio"));
    assert!(read(&mut inbound).unwrap().is_some());
    assert_eq!(&inbound[..], b"audio");
}

#[test]
fn a_session_is_named_by_a_header_and_traced_by_another() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = format!("X-Session-Id: call-7\r\ntraceparent: {parent}\r\n");
    let open = ask("/v1/listen", &headers).unwrap().open;
    assert_eq!(open.session_id.unwrap().as_str(), "call-7");
    assert!(open.traceparent.is_some() && !open.traceparent_malformed);
    assert_eq!(status_of(ask("/v1/listen", "x-session-id: a/b\r\n")), 400);
    for malformed in ["traceparent: 00-x\r\n".into(), format!("{headers}traceparent: {parent}\r\n")]
    {
        let open = ask("/v1/listen", &malformed).unwrap().open;
        assert!(open.traceparent.is_none() && open.traceparent_malformed, "{malformed}");
    }
}

#[test]
fn a_browsers_page_is_told_by_its_origin() {
    assert!(ask("/v1/listen", "Origin: https://example.com\r\n").unwrap().is_from_page);
    assert!(ask("/v1/listen", "Origin: null\r\n").unwrap().is_from_page);
}

#[test]
fn of_a_long_user_agent_the_beginning_is_kept() {
    let header = format!("User-Agent: deepgram-sdk/7 {}\u{e9}x\r\n", "x".repeat(112));
    let speaker = ask("/v1/listen", &header).unwrap().speaker;
    assert_eq!((speaker.sdk, speaker.user_agent.len()), (Some(Sdk::Python), 127));
    let speaker = ask("/v1/listen", "User-Agent: a\r\nUser-Agent: b\r\n").unwrap().speaker;
    assert_eq!((speaker.sdk, &*speaker.user_agent), (Some(Sdk::Other), ""));
}

#[test]
fn nothing_that_authorizes_is_in_the_query_or_the_name_of_the_sdk() {
    for head in [PYTHON, PYTHON_LEGACY, JAVASCRIPT, GO, RUST] {
        let Request { open, speaker, upgrade, .. } = read_text(head).unwrap();
        assert!(!format!("{open:?}{speaker:?}{upgrade:?}").contains("KEY"));
    }
}

#[test]
fn what_is_no_http_is_told_what_it_is() {
    for (bytes, said) in [
        (&b"\x16\x03\x01\x02\0\x01\0\x01"[..], "this is TLS"),
        (b"\x16", "this is TLS"),
        (b"\x01\0\0\0\x0e{\"protocol\":1}", "on the Unix socket only"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is no HTTP request"),
        (b"GET /v1/listen HTTP/2.0\r\n\r\n", "needs HTTP/1.1"),
        (b"GET /v1/listen HTTP/1.1\r\na b: c\r\n\r\n", "a header has a character"),
    ] {
        let refused = read(&mut BytesMut::from(bytes)).unwrap_err();
        assert_eq!(refused.status, 400);
        let message = refused.refusal.message;
        assert!(message.contains(said) && !message.contains("token"), "{message}");
    }
}

#[test]
fn a_refusal_knows_whose_request_it_was_once_a_line_of_it_was_read() {
    let caller = |head: &str| read(&mut BytesMut::from(head)).unwrap_err().caller;
    let of = |path: &str, user_agent: Option<&str>| {
        Some(Box::new(Caller { path: path.into(), user_agent: user_agent.map(Into::into) }))
    };
    let agent = "User-Agent: deepgram-sdk/7\r\n";
    let headers = "x: y\r\n".repeat(HEADERS_MAX);
    for (head, expected) in [
        (
            format!("GET /lisen?key=KEY HTTP/1.1\r\n{agent}\r\n"),
            of("/lisen", Some("deepgram-sdk/7")),
        ),
        (
            format!("POST /v1/listen HTTP/1.1\r\n{agent}\r\n"),
            of("/v1/listen", Some("deepgram-sdk/7")),
        ),
        ("GET /v1/listen HTTP/1.1\r\n\r\n".into(), of("/v1/listen", None)),
        (format!("GET / HTTP/1.1\r\n{agent}{headers}\r\n"), of("/", Some("deepgram-sdk/7"))),
        (format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(HEAD_BYTES_MAX)), of("/", None)),
        ("GET / HTTP/1.1\r\na b: c\r\n\r\n".into(), of("/", None)),
        ("GIBBERISH\r\n\r\n".into(), None),
        ("\x16\x03\x01".into(), None),
    ] {
        assert_eq!(caller(&head), expected, "{head:.60}");
    }
    let request = read_text(PYTHON).unwrap();
    assert_eq!(Some(Box::new(request.caller())), of("/v1/listen", Some("deepgram-sdk/7.17.0")));
}

/// The message for a query.
fn message_for(path: &str, query: &str) -> String {
    let refused = ask(&format!("{path}?{query}"), "").unwrap_err();
    assert_eq!(refused.status, 400, "{path}?{query}");
    refused.refusal.message
}

#[test]
fn a_gate_that_cannot_be_had_is_refused_in_words_that_hold_there() {
    let message = message_for("/v1/listen", "sidecar_vad=active");
    assert!(message.contains("in the query") && !message.contains("params"), "{message}");
    assert!(message_for("/v2/listen", "sidecar_vad=shadow").contains("to end its turns"));
    for endpoint in Endpoint::ALL.into_iter().filter(|it| !it.traits().transcribes) {
        let message = message_for(endpoint.path(), "sidecar_vad=active");
        assert!(!message.contains("/v2/listen") && message.contains("remove it"), "{message}");
        assert!(ask(&format!("{}?sidecar_vad=off", endpoint.path()), "").is_ok());
    }
}

#[test]
fn recovery_is_refused_where_a_death_is_final() {
    for endpoint in Endpoint::ALL {
        let asked = |mode: &str| ask(&format!("{}?sidecar_recovery={mode}", endpoint.path()), "");
        assert!(asked("latch").is_ok());
        match asked("reconnect") {
            Ok(request) => assert_eq!(request.open.recovers, Some(true), "{endpoint:?}"),
            Err(refused) => {
                assert!(!endpoint.traits().transcribes, "{endpoint:?}");
                assert_eq!(refused.status, 400);
                assert_eq!(refused.refusal.field.as_deref(), Some("sidecar_recovery"));
                assert!(refused.refusal.message.contains(endpoint.path()));
            }
        }
    }
}
