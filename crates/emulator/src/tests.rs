//! The rows that need a socket, over streams in memory and on a paused clock; TCP itself at the end.

#![expect(clippy::single_range_in_vec_init, reason = "lists of one range are what is compared")]

mod agent;
mod changes;
mod flux;
mod speak;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

type Socket = WebSocketStream<DuplexStream>;
type Answer = Response<Option<Vec<u8>>>;

const QUERY: &str = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true";

fn emulator(script: &str, adjust: impl FnOnce(&mut Settings)) -> Emulator {
    let mut settings = Settings::default();
    adjust(&mut settings);
    let script = if script.is_empty() {
        Script::default()
    } else {
        Script::from_yaml(&format!("connections: [{script}]")).unwrap()
    };
    Emulator::offline(settings, script).unwrap()
}

async fn request(
    emulator: &Emulator,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, Answer), Error> {
    request_at(emulator, &format!("/v1/listen?{query}"), headers).await
}

async fn request_at(
    emulator: &Emulator,
    target: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, Answer), Error> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    emulator.serve_stream(far);
    let mut request = format!("ws://emulator{target}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    client_async(request, near).await
}

async fn open(emulator: &Emulator) -> Socket {
    request(emulator, QUERY, &[("authorization", "Token k")]).await.unwrap().0
}

async fn refusal(emulator: &Emulator, query: &str, headers: &[(&'static str, &str)]) -> Answer {
    match request(emulator, query, headers).await {
        Err(Error::Http(answer)) => *answer,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body().as_deref().unwrap()).unwrap()
}

async fn speak(socket: &mut Socket, ms: u64) {
    for _ in 0..ms / 100 {
        socket.send(audio()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn audio() -> Message {
    Message::Binary(9_000_i16.to_le_bytes().repeat(1_600).into())
}

async fn next_json(socket: &mut Socket) -> Value {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
        other => panic!("no text but {other:?}"),
    }
}

/// The rest of what the server says, and how it ends.
async fn rest(socket: &mut Socket) -> (Vec<Message>, Option<Error>) {
    let mut messages = Vec::new();
    loop {
        match socket.next().await {
            Some(Ok(message)) => messages.push(message),
            Some(Err(error)) => return (messages, Some(error)),
            None => return (messages, None),
        }
    }
}

async fn is_quiet_for(socket: &mut Socket, seconds: u64) -> bool {
    timeout(Duration::from_secs(seconds), socket.next()).await.is_err()
}

/// The end of the last connection, once the emulator has noted it.
async fn end(emulator: &Emulator) -> End {
    for _ in 0..1_000 {
        if let Some(end) = emulator.observed().connections.last().and_then(|record| record.end) {
            return end;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no end was noted")
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_names_the_request_and_neither_extension_nor_subprotocol() {
    let emulator = emulator("", |s| s.upgrade_latency = Duration::from_millis(200));
    let began = Instant::from_std(clock::now());
    let headers = [("authorization", "token k"), ("user-agent", "test")];
    let (_socket, answer) = request(&emulator, QUERY, &headers).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(200));
    let records = emulator.observed().connections;
    assert_eq!(answer.headers()["dg-request-id"], records[0].request_id.as_str());
    assert!(!answer.headers().contains_key("sec-websocket-extensions"));
    assert!(!answer.headers().contains_key("sec-websocket-protocol"));
    assert_eq!(records[0].auth_scheme.as_deref(), Some("token"));
    assert_eq!(records[0].query, QUERY);
}

#[tokio::test(start_paused = true)]
async fn a_subprotocol_credential_is_accepted_and_its_scheme_echoed() {
    let emulator = emulator("", |s| s.api_keys = Some(Credentials::new(["k"])));
    let headers = [("sec-websocket-protocol", "token, k")];
    let (_socket, answer) = request(&emulator, QUERY, &headers).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "token");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_or_missing_key_is_refused_with_401() {
    let emulator = emulator("", |s| s.api_keys = Some(Credentials::new(["k"])));
    for headers in [&[][..], &[("authorization", "Token wrong")], &[("authorization", "k")]] {
        let answer = refusal(&emulator, QUERY, headers).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["dg-error"], "Invalid credentials.");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body = json_of(&answer);
        assert_eq!(body["err_code"], "INVALID_AUTH");
        assert_eq!(body["request_id"], answer.headers()["dg-request-id"].to_str().unwrap());
    }
    let observed = serde_json::to_string(&emulator.observed()).unwrap();
    assert!(!observed.contains("wrong"), "a credential is never recorded");
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_is_refused_with_400() {
    let emulator = emulator("", |s| s.require_auth = false);
    let answer = refusal(&emulator, "endpointing=soon", &[]).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(json_of(&answer)["err_code"], "INVALID_QUERY_PARAMETER");
    assert!(answer.headers().contains_key("dg-error"));
    assert_eq!(end(&emulator).await, End::Refused);
}

#[tokio::test(start_paused = true)]
async fn scripted_refusals_have_deepgrams_bodies_or_their_own() {
    let emulator = emulator(
        "{refuse: {status: 402}}, {refuse: {status: 403}}, {refuse: {status: 503, retry_after: 7s}}, \
         {refuse: {status: 500, body: oops}}, {redirect: {location: /elsewhere}}",
        |_| {},
    );
    assert_eq!(json_of(&refusal(&emulator, QUERY, &[]).await)["err_code"], "ASR_PAYMENT_REQUIRED");
    let answer = refusal(&emulator, QUERY, &[]).await;
    assert_eq!(json_of(&answer)["err_code"], "INSUFFICIENT_PERMISSIONS");
    assert_eq!(refusal(&emulator, QUERY, &[]).await.headers()["retry-after"], "7");
    assert_eq!(refusal(&emulator, QUERY, &[]).await.body().as_deref(), Some(&b"oops"[..]));
    let answer = refusal(&emulator, QUERY, &[]).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (302, &"/elsewhere".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn one_stream_too_many_is_refused_with_429_until_one_ends() {
    let emulator = emulator("", |s| {
        s.concurrency = 1;
        s.retry_after = Duration::from_secs(2);
    });
    let mut first = open(&emulator).await;
    let answer = refusal(&emulator, QUERY, &[("authorization", "Token k")]).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    first.close(None).await.unwrap();
    rest(&mut first).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    open(&emulator).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_lost_may_keep_its_place_for_a_while() {
    let emulator = emulator("", |s| {
        s.concurrency = 1;
        s.ghost_slot = Duration::from_secs(30);
    });
    drop(open(&emulator).await);
    assert_eq!(end(&emulator).await, End::ClientGone);
    let headers = [("authorization", "Token k")];
    assert_eq!(refusal(&emulator, QUERY, &headers).await.status(), 429);
    tokio::time::sleep(Duration::from_secs(31)).await;
    open(&emulator).await;
}

#[tokio::test(start_paused = true)]
async fn handshakes_can_hang_be_reset_or_be_garbled() {
    let emulator =
        emulator("{hang_handshake: true}, {refuse_tcp: true}, {garbage_handshake: true}", |_| {});
    let hung = timeout(Duration::from_secs(3600), request(&emulator, QUERY, &[])).await;
    assert!(hung.is_err(), "an hour is no answer");
    assert!(matches!(request(&emulator, QUERY, &[]).await, Err(Error::Io(_) | Error::Protocol(_))));
    assert!(request(&emulator, QUERY, &[]).await.is_err());
    let ends: Vec<_> = emulator.observed().connections.iter().map(|record| record.end).collect();
    assert_eq!(ends, [Some(End::Hung), Some(End::ScriptReset), Some(End::ScriptGarbage)]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_dies_of_net0001_although_it_pings() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    let began = Instant::from_std(clock::now());
    tokio::time::sleep(Duration::from_secs(9)).await;
    socket.send(Message::Ping(Bytes::from_static(b"alive"))).await.unwrap();
    let (messages, _) = rest(&mut socket).await;
    assert_eq!(messages[0], Message::Pong(Bytes::from_static(b"alive")));
    assert!(messages[1].to_text().unwrap().contains("Metadata"));
    let Message::Close(Some(frame)) = &messages[2] else { panic!("no close: {messages:?}") };
    assert!(u16::from(frame.code) == 1011 && frame.reason.contains("net0001"));
    assert_eq!(began.elapsed(), Duration::from_millis(10_025));
    assert_eq!(end(&emulator).await, End::IdleTimeout);
}

#[tokio::test(start_paused = true)]
async fn results_flow_and_close_stream_ends_the_stream() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 1_000).await;
    let interim = next_json(&mut socket).await;
    assert_eq!(interim["metadata"]["request_id"], emulator.observed().connections[0].request_id);
    assert_eq!(interim["start"], Value::from(0.0), "time begins with the connection");
    socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
    let (messages, _) = rest(&mut socket).await;
    let [last, metadata, Message::Close(Some(frame))] = &messages[..] else {
        panic!("not result, metadata, close: {messages:?}")
    };
    assert!(last.to_text().unwrap().contains(r#""is_final":true"#));
    assert!(metadata.to_text().unwrap().contains(r#""type":"Metadata""#));
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, ""));
    let record = emulator.observed().connections.remove(0);
    assert_eq!((record.audio_frames, record.audio_bytes, record.close_stream), (10, 32_000, true));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_of_the_client_is_echoed_and_nothing_is_flushed() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 500).await;
    socket.close(None).await.unwrap();
    let (messages, _) = rest(&mut socket).await;
    assert!(matches!(messages[..], [Message::Close(_)]), "{messages:?}");
    assert_eq!(end(&emulator).await, End::ClientClose);
}

#[tokio::test(start_paused = true)]
async fn the_record_counts_what_came() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    for text in [r#"{"type":"KeepAlive"}"#, r#"{"type":"Finalize"}"#, r#"{"type":"Other"}"#] {
        tokio::time::sleep(Duration::from_secs(2)).await;
        socket.send(Message::text(text)).await.unwrap();
    }
    next_json(&mut socket).await;
    let record = emulator.observed().connections.remove(0);
    assert_eq!((record.keepalives, record.finalizes, record.other_text_count), (1, 1, 1));
    assert_eq!(record.keepalive_ms, [2_000]);
    assert_eq!(record.other_texts, [r#"{"type":"Other"}"#]);
    assert_eq!(emulator.observed().open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mute_stream_still_answers_pings_and_can_be_resumed() {
    let emulator = emulator("{then: [{at: 0s, do: mute}, {at: 5s, do: resume}]}", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 3_000).await;
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::new()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    speak(&mut socket, 2_000).await;
    assert_eq!(next_json(&mut socket).await["type"], "Results");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_neither_speaks_nor_ends() {
    let emulator = emulator("{then: [{after_audio: 500ms, do: half_open}]}", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 2_000).await;
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    assert!(is_quiet_for(&mut socket, 3_600).await);
    assert_eq!(emulator.observed().open(), 1);
}

#[tokio::test(start_paused = true)]
async fn pongs_can_be_withheld_while_results_flow() {
    let emulator = emulator("{then: [{at: 0s, do: no_pong}]}", |_| {});
    let mut socket = open(&emulator).await;
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    speak(&mut socket, 1_000).await;
    assert_eq!(next_json(&mut socket).await["type"], "Results");
    assert_eq!(emulator.observed().connections[0].pings, 1);
}

/// How much the server takes within a minute of a client that writes all it can.
async fn taken(script: &str) -> u64 {
    let emulator = emulator(script, |_| {});
    let mut socket = open(&emulator).await;
    let flood = async { while socket.send(audio()).await.is_ok() {} };
    assert!(timeout(Duration::from_secs(60), flood).await.is_err(), "it does not end");
    emulator.observed().connections[0].audio_bytes
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_reading_fills_the_clients_send_buffer() {
    assert_eq!(taken("{then: [{at: 0s, do: stop_reading}]}").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_reads_at_its_rate() {
    let bytes = taken("{then: [{at: 0s, do: {slow_read: 3200}}]}").await;
    assert!((188_800..=198_400).contains(&bytes), "60 s of 3,200 bytes, not {bytes}");
}

#[tokio::test(start_paused = true)]
async fn a_server_can_close_with_any_code_in_mid_stream() {
    for (code, reason) in [(1001, "going away"), (1011, "oops"), (1012, "restart")] {
        let script =
            format!("{{then: [{{at: 5s, do: {{close: {{code: {code}, reason: {reason}}}}}}}]}}");
        let emulator = emulator(&script, |_| {});
        let mut socket = open(&emulator).await;
        let (messages, _) = rest(&mut socket).await;
        let [Message::Close(Some(frame))] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (code, reason));
        assert_eq!(end(&emulator).await, End::ScriptClose);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_can_end_without_a_close_frame() {
    let ends = [
        ("reset", End::ScriptReset),
        ("fin", End::ScriptFin),
        ("cut_mid_frame", End::ScriptCut),
        ("bad_frame", End::ScriptGarbage),
    ];
    for (action, expected) in ends {
        let emulator = emulator(&format!("{{then: [{{at: 1s, do: {action}}}]}}"), |_| {});
        let mut socket = open(&emulator).await;
        let (messages, error) = rest(&mut socket).await;
        assert!(messages.is_empty() && error.is_some(), "{action}: {messages:?} {error:?}");
        drop(socket);
        assert_eq!(end(&emulator).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_can_put_words_into_the_servers_mouth() {
    let steps = "{at: 1s, do: {send: hello}}, {at: 2s, do: {send_binary: raw}}, {at: 3s, do: ping}, \
                 {at: 4s, do: {oversized: 70000}}";
    let emulator = emulator(&format!("{{then: [{steps}]}}"), |_| {});
    let mut socket = open(&emulator).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary("raw"));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
    assert_eq!(socket.next().await.unwrap().unwrap().len(), 70_000);
}

#[tokio::test(start_paused = true)]
async fn a_close_stream_can_be_overheard_and_answered_otherwise() {
    let steps = "{at: 0s, do: ignore_close_stream}, {after_close_stream: 3s, do: fin}";
    let emulator = emulator(&format!("{{then: [{steps}]}}"), |_| {});
    let mut socket = open(&emulator).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
    let began = Instant::from_std(clock::now());
    assert!(rest(&mut socket).await.0.is_empty());
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_server_pings_when_told_so() {
    let emulator = emulator("", |s| s.unknowns.ping_every = Duration::from_secs(4));
    let mut socket = open(&emulator).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_bound_is_refused_with_1009() {
    let emulator = emulator("", |s| s.unknowns.message_bytes_max = 1_000);
    let mut socket = open(&emulator).await;
    socket.send(audio()).await.unwrap();
    let (messages, _) = rest(&mut socket).await;
    let [Message::Close(Some(frame))] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(u16::from(frame.code), 1009);
    assert_eq!(end(&emulator).await, End::ClientBreach);
}

#[tokio::test(start_paused = true)]
async fn positions_are_told_across_connections() {
    let emulator = emulator("", |s| s.position_code = true);
    for (start, samples) in [(0, 16_000), (8_000, 16_000), (32_000, 3_200)] {
        let mut socket = open(&emulator).await;
        let audio = position::encode(start, samples);
        socket.send(Message::Binary(audio.into())).await.unwrap();
        socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
        rest(&mut socket).await;
    }
    let summary = emulator.observed().positions().summary();
    assert_eq!(summary.once, [0..8_000, 16_000..24_000, 32_000..35_200]);
    assert_eq!(summary.repeated, [8_000..16_000]);
    assert_eq!(summary.never, [24_000..32_000]);
}

#[tokio::test(start_paused = true)]
async fn final_results_tell_the_positions_that_they_cover() {
    let emulator = emulator("", |s| s.position_code = true);
    let mut socket = open(&emulator).await;
    let audio = [position::encode(32_000, 3_200), position::encode(64_000, 1_600)].concat();
    socket.send(Message::Binary(audio.into())).await.unwrap();
    socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
    let (messages, _) = rest(&mut socket).await;
    let text = messages[0].to_text().unwrap();
    let result: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(result["is_final"], true);
    assert_eq!(result["positions"], serde_json::json!([[32_000, 35_200], [64_000, 65_600]]));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_delays_no_timer() {
    let emulator =
        emulator("{then: [{at: 1s, do: {oversized: 200000}}, {at: 5s, do: reset}]}", |_| {});
    let _socket = open(&emulator).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(end(&emulator).await, End::ScriptReset);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_emulator_ends_its_connections() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    emulator.shutdown().await;
    assert!(rest(&mut socket).await.1.is_some());
}

/// Speaks plain HTTP to the emulator.
async fn fetch(emulator: &Emulator, request: &str) -> String {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    emulator.serve_stream(far);
    let request = format!("{request} HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n");
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn the_record_is_a_page_that_can_be_forgotten() {
    let emulator = emulator("", |_| {});
    let _socket = open(&emulator).await;
    assert!(fetch(&emulator, "GET /emulator/health").await.contains("200 OK"));
    let page = fetch(&emulator, "GET /emulator/connections").await;
    let body = page.split_once("\r\n\r\n").unwrap().1;
    let observed: Value = serde_json::from_str(body).unwrap();
    assert_eq!(observed["connections"][0]["path"], "/v1/listen");
    fetch(&emulator, "DELETE /emulator/connections").await;
    assert!(emulator.observed().connections.is_empty());
    assert!(fetch(&emulator, "GET /v3/listen").await.contains("404"));
}

#[tokio::test]
async fn over_tcp_a_reset_is_a_reset_and_a_fin_is_an_end() {
    let script = "connections: [{then: [{at: 0s, do: reset}]}, {then: [{at: 0s, do: fin}]}]";
    let script = Script::from_yaml(script).unwrap();
    let emulator = Emulator::bind("127.0.0.1:0", Settings::default(), script).await.unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(emulator.addr()).await.unwrap();
        let request = "GET /v1/listen HTTP/1.1\r\nhost: e\r\nconnection: upgrade\r\n\
            upgrade: websocket\r\nsec-websocket-version: 13\r\nauthorization: Token k\r\n\
            sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        kinds.push(stream.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind()).err());
    }
    assert_eq!(kinds, [Some(std::io::ErrorKind::ConnectionReset), None]);
}

#[tokio::test]
async fn a_stream_over_tls_is_served() {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    let files = tempfile::tempdir().unwrap();
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_pem_files(&cert, &key).unwrap();
    let settings = Settings::default();
    let emulator =
        Emulator::bind_tls("127.0.0.1:0", settings, Script::default(), tls).await.unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = tokio::net::TcpStream::connect(emulator.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    let mut request = "wss://localhost/v1/listen".into_client_request().unwrap();
    request.headers_mut().insert("authorization", HeaderValue::from_static("Token k"));
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    socket.send(Message::text(r#"{"type":"CloseStream"}"#)).await.unwrap();
    let metadata = socket.next().await.unwrap().unwrap();
    assert!(metadata.to_text().unwrap().contains("Metadata"));
}
