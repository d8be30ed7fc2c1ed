//! Connections that become no session: what they are told, and in which order that is judged.

use bytes::BytesMut;
use client::Refusal;
use protocol::frame;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{App, Config, Emulator, Sidecar, listen};

pub(crate) const OPEN: u8 = 0x01;
pub(crate) const FINALIZE: u8 = 0x03;

/// What a fresh connection is answered that sends these bytes, and no more.
async fn refusal_of(sidecar: &Sidecar, bytes: &[u8]) -> Refusal {
    let mut app = App::connect(sidecar).await;
    app.sender.send_bytes(bytes).await.unwrap();
    app.refusal().await
}

/// What an OPEN with this payload is answered.
async fn open_refusal(sidecar: &Sidecar, payload: &[u8]) -> Refusal {
    refusal_of(sidecar, &framed(OPEN, payload)).await
}

pub(crate) fn framed(kind: u8, payload: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame::encode(kind, payload, &mut bytes);
    bytes
}

/// A header alone, which announces a payload that never comes.
pub(crate) fn header(kind: u8, length: u32) -> Vec<u8> {
    let [a, b, c, d] = length.to_be_bytes();
    vec![kind, a, b, c, d]
}

#[tokio::test]
async fn the_first_byte_alone_decides_who_is_spoken_with() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    for byte in 0x02..=0x07 {
        assert_eq!(refusal_of(&sidecar, &[byte]).await.code, "unexpected_frame", "{byte:#04x}");
    }
    for byte in [0x00, 0x08, b'P', 0x7f, 0x80, 0x81, 0x8f, 0xff] {
        assert_eq!(refusal_of(&sidecar, &[byte]).await.code, "bad_frame", "{byte:#04x}");
    }
}

#[tokio::test]
async fn an_open_that_comes_in_pieces_is_one_open() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let open = framed(OPEN, br#"{"protocol":1}"#);
    for cut in 1..open.len() {
        let mut app = App::connect(&sidecar).await;
        app.sender.send_bytes(&open[..cut]).await.unwrap();
        // Once an answer to another connection is there, the first piece has been read.
        assert_eq!(refusal_of(&sidecar, b"\0").await.code, "bad_frame");
        app.sender.send_bytes(&open[cut..]).await.unwrap();
        app.opened().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_length_is_refused_from_its_header_before_anything_of_the_payload_comes() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    for length in [(1 << 20) + 1, u32::MAX] {
        assert_eq!(refusal_of(&sidecar, &header(OPEN, length)).await.code, "frame_too_large");
    }
    // The bound itself is taken: the daemon waits for the payload, here for ever.
    let mut app = App::connect(&sidecar).await;
    app.sender.send_bytes(&header(OPEN, 1 << 20)).await.unwrap();
    app.sender.shutdown().await.unwrap();
    app.closed_without_a_word().await;
}

#[tokio::test]
async fn json_that_rfc_8259_or_the_contract_forbids_is_an_invalid_open() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let deep = format!(r#"{{"protocol":1,"params":{}1{}}}"#, "[".repeat(31), "]".repeat(31));
    let payloads: [&[u8]; 10] = [
        b"",
        b"{",
        b"[]",
        b"\"x\"",
        b"\xef\xbb\xbf{\"protocol\":1}",
        b"{\"protocol\":1} {}",
        b"{\"protocol\":1,\"protocol\":1}",
        b"{\"protocol\":1,\"params\":{\"n\":NaN}}",
        b"{\"protocol\":1,\"tags\":{\"k\":\"\xff\"}}",
        deep.as_bytes(),
    ];
    for payload in payloads {
        let refusal = open_refusal(&sidecar, payload).await;
        assert_eq!(refusal.code, "invalid_open", "{}", String::from_utf8_lossy(payload));
        assert!(!refusal.message.is_empty());
    }
}

#[tokio::test]
async fn a_refused_open_names_the_member_by_its_dotted_path() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let members = [
        ("protocol", json!({"protocol": "1"})),
        ("protocol", json!({})),
        ("unknown", json!({"unknown": 1})),
        ("session_id", json!({"session_id": ""})),
        ("session_id", json!({"session_id": "a/b"})),
        ("session_id", json!({"session_id": "x".repeat(65)})),
        ("path", json!({"path": "/v1/speak"})),
        ("path", json!({"path": "/v1/listen?model=x"})),
        ("params", json!({"params": []})),
        ("params.model", json!({"params": {"model": {"a": 1}}})),
        ("params.model", json!({"params": {"model": null}})),
        ("params.model", json!({"params": {"model": [["x"]]}})),
        ("params.sidecar_vad", json!({"params": {"sidecar_vad": "off"}})),
        ("params", json!({"params": {"x": "y".repeat(16 << 10)}})),
        ("keepalive", json!({"keepalive": 5000})),
        ("keepalive.interval_ms", json!({"keepalive": {"interval_ms": 99}})),
        ("keepalive.interval_ms", json!({"keepalive": {"interval_ms": 10000}})),
        ("keepalive.interval_ms", json!({"keepalive": {"interval_ms": 500.5}})),
        ("keepalive.interval", json!({"keepalive": {"interval": 500}})),
        ("vad.mode", json!({"vad": {"mode": "loud"}})),
        ("vad.mode", json!({"vad": {"mode": "active"}})),
        ("vad.threshold", json!({"vad": {"mode": "off", "threshold": 0.5}})),
        ("recovery.mode", json!({"recovery": {"mode": "again"}})),
        ("prelude", json!({"prelude": {"pad_to_ms": 15000}})),
        ("prelude.pad_to_ms", json!({"prelude": {"pad_to_ms": 60001}})),
        ("prelude.words", json!({"prelude": {"words": []}})),
        ("traceparent", json!({"traceparent": 7})),
        (
            "tags",
            json!({"tags": (0..17).map(|i| (i.to_string(), "v")).collect::<std::collections::BTreeMap<_, _>>()}),
        ),
        ("tags.k", json!({"tags": {"k": 1}})),
        ("tags.k", json!({"tags": {"k": "v".repeat(257)}})),
    ];
    for (field, members) in members {
        let mut open = json!({"protocol": 1});
        if field == "protocol" {
            open = json!({});
        }
        open.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let refusal = open_refusal(&sidecar, open.to_string().as_bytes()).await;
        assert_eq!(
            (&*refusal.code, refusal.field.as_deref()),
            ("invalid_open", Some(field)),
            "{open}"
        );
    }
}

#[tokio::test]
async fn a_gate_or_a_prelude_that_a_session_cannot_have_is_refused_in_words() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let opus = json!({"encoding": "opus", "sample_rate": 48_000});
    for (field, members, words) in [
        ("vad.mode", json!({"vad": {"mode": "shadow"}}), "the VAD gate is not available: "),
        ("prelude", json!({"prelude": {}}), "available only with linear16"),
    ] {
        let mut open = json!({"protocol": 1, "params": opus});
        open.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let refusal = open_refusal(&sidecar, open.to_string().as_bytes()).await;
        assert_eq!(
            (&*refusal.code, refusal.field.as_deref()),
            ("invalid_open", Some(field)),
            "{open}"
        );
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
}

#[tokio::test]
async fn null_members_mean_absent_ones_and_a_malformed_traceparent_is_forgiven() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::connect(&sidecar).await;
    let open = json!({"protocol": 1, "session_id": null, "path": null, "params": null, "keepalive": null,
        "vad": {"mode": "off"}, "recovery": {"mode": "latch"}, "traceparent": "00-nonsense", "tags": null});
    app.sender.open(&open).await.unwrap();
    app.opened().await;
    app.finish().await;
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("app_protocol_errors_total", &[("code", "bad_traceparent")]), 1.0);
}

#[tokio::test]
async fn another_protocol_is_judged_before_everything_else_in_open() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let open = br#"{"unknown":1,"session_id":7,"protocol":2}"#;
    let refusal = open_refusal(&sidecar, open).await;
    assert_eq!(refusal.code, "unsupported_protocol");
    assert!(refusal.message.contains('1'), "{refusal:?}");
}

#[tokio::test]
async fn refusals_come_in_the_contracts_order() {
    let emulator = Emulator::start().await;
    let nobody = Config::dialing(&emulator).set("ipc.allow_uids", 4294967294_u32).start().await;
    assert_eq!(open_refusal(&nobody, br#"{"protocol":2}"#).await.code, "peer_not_allowed");

    let full = Config::dialing(&emulator).set("ipc.max_sessions", 1).start().await;
    let mut only = App::open(&full, &listen("only")).await;
    assert_eq!(open_refusal(&full, br#"{"protocol":2}"#).await.code, "too_many_sessions");
    only.finish().await;

    let sidecar = Sidecar::start(&emulator).await;
    let mut first = App::open(&sidecar, &listen("taken")).await;
    let invalid = br#"{"protocol":1,"session_id":"taken","unknown":1}"#;
    assert_eq!(open_refusal(&sidecar, invalid).await.code, "invalid_open");
    let taken = open_refusal(&sidecar, br#"{"protocol":1,"session_id":"taken"}"#).await;
    assert_eq!((&*taken.code, taken.field.as_deref()), ("session_id_in_use", Some("session_id")));
    first.finish().await;
}

#[tokio::test]
async fn a_peer_that_is_not_allowed_hears_so_without_having_spoken() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("ipc.allow_uids", 4294967294_u32).start().await;
    let mut app = App::connect(&sidecar).await;
    assert_eq!(app.refusal().await.code, "peer_not_allowed");
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("app_connections_total", &[("result", "rejected_peer")]), 1.0);
}

#[tokio::test]
async fn name_and_place_are_free_again_once_the_last_frame_is_read() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("ipc.max_sessions", 1).start().await;
    for _ in 0..20 {
        let mut app = App::open(&sidecar, &listen("again")).await;
        assert_eq!(app.finish().await.outcome, "finished");
    }
}

#[tokio::test]
async fn the_name_of_an_application_that_left_is_in_use_until_its_flush_has_ended() {
    let emulator = Emulator::with(json!({"result_latency": "700ms"}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut left = App::open(&sidecar, &listen("left")).await;
    left.speak(1).await;
    drop(left);
    let taken = App::dial(&sidecar, &listen("left")).await.refusal().await;
    assert_eq!(taken.code, "session_id_in_use");
    assert_eq!(sidecar.session_end("left").await["outcome"], "aborted");
    assert_eq!(App::open(&sidecar, &listen("left")).await.finish().await.outcome, "finished");
}

#[tokio::test]
async fn a_peer_on_a_list_is_served() {
    let emulator = Emulator::start().await;
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    for (key, id) in [("ipc.allow_uids", uid.as_raw()), ("ipc.allow_gids", gid.as_raw())] {
        let sidecar = Config::dialing(&emulator).set(key, format!("4294967294,{id}")).start().await;
        let mut app = App::open(&sidecar, &listen("listed")).await;
        assert_eq!(app.finish().await.outcome, "finished");
    }
}

#[tokio::test]
async fn a_session_that_was_not_opened_ends_with_one_error_alone() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &listen("early")).await;
    app.sender.send_frame(OPEN, b"{}").await.unwrap();
    assert_eq!(app.refusal().await.code, "unexpected_frame");
    assert_eq!(sidecar.sessions().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_finalize_on_flux_is_unexpected() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::connect(&sidecar).await;
    let mut wire = framed(OPEN, br#"{"protocol":1,"path":"/v2/listen"}"#);
    wire.extend_from_slice(&framed(FINALIZE, b""));
    app.sender.send_bytes(&wire).await.unwrap();
    assert_eq!(app.refusal().await.code, "unexpected_frame");
}

/// What a request is answered in the compatible dialect.
async fn answer_to(sidecar: &Sidecar, request: &str) -> String {
    let mut app = UnixStream::connect(sidecar.socket()).await.unwrap();
    app.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    app.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_refused_request_is_counted_by_its_status_and_as_what_it_asked_for() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let answer = answer_to(&sidecar, "GET /v1/lisen HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let request = format!("GET /v1/listen?sidecar_vad=loud HTTP/1.1\r\n{upgrade}");
    let answer = answer_to(&sidecar, &request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let metrics = sidecar.metrics().await;
    for status in ["404", "400"] {
        assert_eq!(metrics.sum("app_requests_refused_total", &[("status", status)]), 1.0);
    }
    assert_eq!(metrics.sum("app_connections_total", &[("result", "error")]), 1.0);
    assert_eq!(metrics.sum("sessions_rejected_total", &[("reason", "invalid_request")]), 1.0);
    assert_eq!(metrics.sum("sessions_opened_total", &[]), 0.0);
}
