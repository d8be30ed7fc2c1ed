//! A scripted daemon on the other end of a pipe.

use bytes::BytesMut;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use protocol::frame;

type PipeClient = Client<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

fn pipe() -> (PipeClient, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    (Client::over(ours), theirs)
}

fn encoded(frames: &[(u8, &str)]) -> BytesMut {
    let mut wire = BytesMut::new();
    for (kind, payload) in frames {
        frame::encode(*kind, payload.as_bytes(), &mut wire);
    }
    wire
}

async fn hear(frames: &[(u8, &str)]) -> (PipeClient, DuplexStream) {
    let (client, mut daemon) = pipe();
    daemon.write_all(&encoded(frames)).await.unwrap();
    (client, daemon)
}

#[tokio::test]
async fn frames_go_out_as_the_contract_draws_them() {
    let (mut client, mut daemon) = pipe();
    client.open(&OpenRequest::new()).await.unwrap();
    client.send_audio(&[1, 2, 3]).await.unwrap();
    client.finalize(None).await.unwrap();
    client.finalize(Some(1)).await.unwrap();
    client.text(&json!({"type": "Configure"})).await.unwrap();
    client.update(&json!({})).await.unwrap();
    client.set_vad(VadMode::Shadow).await.unwrap();
    client.prelude(&[4, 5]).await.unwrap();
    client.prelude(&[]).await.unwrap();
    client.finish().await.unwrap();
    drop(client);
    let mut wire = Vec::new();
    daemon.read_to_end(&mut wire).await.unwrap();
    let expected = encoded(&[
        (0x01, r#"{"protocol":1,"params":{}}"#),
        (0x02, "\u{1}\u{2}\u{3}"),
        (0x03, ""),
        (0x03, r#"{"channel":1}"#),
        (0x05, r#"{"type":"Configure"}"#),
        (0x06, "{}"),
        (0x06, r#"{"vad":{"mode":"shadow"}}"#),
        (0x07, "\u{4}\u{5}"),
        (0x07, ""),
        (0x04, ""),
    ]);
    assert_eq!(wire, expected);
}

#[test]
fn an_open_request_keeps_the_order_of_its_members_and_lists_repeated_names() {
    let request = OpenRequest::new()
        .session_id("call-1")
        .path("/v1/listen")
        .audio("linear16", 16_000, 1)
        .param("keyterm", "alpha")
        .param("keyterm", "beta")
        .param("keyterm", "gamma")
        .keepalive_interval_ms(500)
        .vad(VadMode::Active)
        .prelude(Prelude { pad_to_ms: Some(12_000), stabilize_ms: None })
        .recovery(Recovery::Reconnect)
        .tag("tenant", "acme");
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"protocol":1,"session_id":"call-1","path":"/v1/listen","params":{"encoding":"linear16","sample_rate":16000,"channels":1,"keyterm":["alpha","beta","gamma"]},"keepalive":{"interval_ms":500},"vad":{"mode":"active"},"prelude":{"pad_to_ms":12000},"recovery":{"mode":"reconnect"},"tags":{"tenant":"acme"}}"#
    );
}

#[tokio::test]
async fn frames_come_in_order_however_they_are_cut() {
    let (mut client, mut daemon) = pipe();
    let wire = encoded(&[
        (0x81, r#"{"session_id":"a","protocol":1,"request_id":"r","traceparent":null}"#),
        (0x82, "not json"),
        (0x83, r#"{"event":"stalled","at_ms":7,"silent_ms":20000}"#),
        (0x84, r#"{"session_id":"a","outcome":"finished","keepalives":3}"#),
    ]);
    let writing = async {
        for byte in wire {
            daemon.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(daemon);
    };
    let reading = async {
        assert_eq!(client.opened().await.unwrap().request_id.as_deref(), Some("r"));
        assert_eq!(client.next().await.unwrap(), Some(Incoming::Message("not json".into())));
        let Some(Incoming::Event(event)) = client.next().await.unwrap() else { panic!("no event") };
        assert_eq!((event.name(), event.at_ms()), ("stalled", 7));
        assert_eq!(event.number("silent_ms"), Some(20_000));
        assert_eq!(client.finished().await.unwrap().keepalives, 3);
        assert_eq!(client.next().await.unwrap(), None);
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn what_a_later_version_adds_is_no_error() {
    let (mut client, _daemon) = hear(&[
        (0xC7, "new"),
        (0x81, r#"{"session_id":"a","protocol":1,"color":{"deep":[1.5]}}"#),
        (0x83, r#"{"event":"enlightened","at_ms":1}"#),
        (
            0x84,
            r#"{"outcome":"transcended","vad":{"mode":"dreaming","dreams":4},"audio":{"echo":1}}"#,
        ),
    ])
    .await;
    let unknown = Incoming::Unknown { kind: 0xC7, payload: "new".into() };
    assert_eq!(client.next().await.unwrap(), Some(unknown));
    assert_eq!(client.opened().await.unwrap().session_id, "a");
    let summary = client.finished().await.unwrap();
    assert_eq!(summary.outcome, "transcended");
    assert_eq!(summary.vad, Some(VadSummary { mode: "dreaming".into(), ..VadSummary::default() }));
}

#[tokio::test]
async fn a_summary_reads_every_member_of_the_contract() {
    let wire = r#"{"session_id":"call-7f3a","outcome":"dead","cut":true,"death":{"reason":"ping_timeout","trigger":"ping","class":"network","detail":"no pong"},"duration_ms":310000,"connections":1,"audio":{"frames":3000,"bytes_received":9,"bytes_sent":4,"frames_dropped":2,"bytes_dropped":3,"bytes_gated":2},"keepalives":11,"finalizes":{"sent":78,"errors":1,"timeouts":2,"skipped_dead":3},"messages":{"received":164,"finals":82},"recoveries":4,"lost_ms":5,"unknown_ms":6,"vad":{"mode":"active","opens":7,"finalizes":6,"speech_ms":9000,"held_ms":8000,"would_hold_ms":10,"failed":true}}"#;
    let (mut client, _daemon) = hear(&[(0x84, wire)]).await;
    let summary = client.finished().await.unwrap();
    assert_eq!(serde_json::to_string(&summary).unwrap(), wire);
    assert!(summary.audio.balances());
}

#[tokio::test]
async fn a_refusal_says_what_the_daemon_said() {
    let (mut client, _daemon) = hear(&[(
        0x8F,
        r#"{"code":"connect_failed","message":"check the key","field":null,"reason":"http_401","status":401,"detail":"Invalid credentials.","request_id":null}"#,
    )])
    .await;
    let error = client.opened().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the sidecar refused the session: check the key (connect_failed, http_401): Invalid credentials."
    );
}

#[test]
fn a_refusal_says_when_to_try_again() {
    let refusal = r#"{"code":"connect_failed","message":"busy","retry_after_ms":11200}"#;
    let refusal: Refusal = serde_json::from_str(refusal).unwrap();
    assert_eq!(refusal.to_string(), "busy (connect_failed); try again in 12 s");
}

#[tokio::test]
async fn a_frame_that_only_applications_send_is_a_breach() {
    let (mut client, _daemon) = hear(&[(0x02, "")]).await;
    assert!(matches!(client.next().await, Err(Error::Breach(_))));
}

#[tokio::test]
async fn an_absurd_length_is_a_breach_before_memory_is_taken() {
    let (mut client, mut daemon) = pipe();
    daemon.write_all(&[0x82, 0xff, 0xff, 0xff, 0xff]).await.unwrap();
    assert!(matches!(client.next().await, Err(Error::Breach(_))));
}

#[tokio::test]
async fn an_end_inside_a_frame_is_not_an_end() {
    let (mut client, mut daemon) = pipe();
    daemon.write_all(&[0x82, 0, 0, 0, 9, b'h']).await.unwrap();
    drop(daemon);
    assert!(matches!(client.next().await, Err(Error::ClosedEarly)));
}

#[tokio::test]
async fn without_a_daemon_the_error_says_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let error = Client::connect(directory.path().join("none.sock")).await.unwrap_err();
    assert!(error.to_string().contains("deepgram-sidecar run"), "{error}");
}

#[tokio::test]
async fn a_socket_file_that_nobody_serves_reads_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(matches!(Client::connect(&socket).await, Err(Error::NoDaemon(_))));
}

#[test]
fn a_nonsense_time_reads_as_zero() {
    let event: Event = serde_json::from_value(json!({"event": "dead", "at_ms": -1})).unwrap();
    assert_eq!(event.at_ms(), 0);
}
