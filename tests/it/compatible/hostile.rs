//! Applications that mean no good, or whose library is broken.

use std::time::Duration;

use serde_json::json;

use super::{CLOSE_STREAM, speak, start};
use crate::support::websocket::{
    BINARY, CONTINUATION, Door, FINAL, Request, TEXT, Talk, frame, header,
};
use crate::support::{Config, Emulator, Sidecar, eventually, frame_bytes, memory_kib};

/// The largest message by default.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A session that sends audio, and then these bytes behind which nothing more counts.
async fn breach(door: Door, bytes: &[u8]) -> (Option<u16>, String) {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let request = Request::listen("sidecar_session_id=breach");
    let mut talk = Talk::open(&sidecar, door, &request).await;
    speak(&mut talk, 1).await;
    let behind = frame(FINAL | BINARY, b"behind");
    talk.try_send_bytes(&[bytes, &behind].concat()).await;
    let (_, close) = talk.rest().await;
    let end = sidecar.session_end("breach").await;
    assert_eq!((&end["outcome"], &end["cause"]), (&json!("aborted"), &json!("app_protocol")));
    let heard = emulator.ended_connection().await;
    assert_eq!(
        (&heard["audio_bytes"], &heard["end"]),
        (&json!(frame_bytes(1)), &json!("close_stream"))
    );
    assert_eq!(heard["other_texts"], json!([]));
    close
}

#[tokio::test]
async fn a_message_over_the_bound_is_closed_with_1009_however_it_comes() {
    let reason = "message over ipc.max_frame_bytes (1048576); send smaller ones or raise it";
    let expected = (Some(1009), reason.to_owned());
    let half = vec![7; MESSAGE_BYTES_MAX / 2 + 1];
    let header_alone = header(FINAL | BINARY, MESSAGE_BYTES_MAX as u64 + 1);
    for door in Door::BOTH {
        let whole = [&header_alone[..], &[0; 4]].concat();
        assert_eq!(breach(door, &whole).await, expected);
        let fragments = [frame(BINARY, &half), frame(CONTINUATION, &half)].concat();
        assert_eq!(breach(door, &fragments).await, expected);
    }
}

#[tokio::test]
async fn a_message_of_exactly_the_bound_is_taken() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let mut talk = Talk::open(&sidecar, door, &Request::listen("")).await;
        talk.send(BINARY, &vec![7; MESSAGE_BYTES_MAX]).await;
        talk.send_text(CLOSE_STREAM).await;
        assert_eq!(talk.closed().await.0, Some(1000));
    }
    let heard = emulator.connections().await;
    assert!(heard.iter().all(|it| it["audio_bytes"] == MESSAGE_BYTES_MAX));
}

#[tokio::test]
async fn a_flood_of_fragments_is_closed_with_1009() {
    let mut flood = frame(TEXT, b"");
    for _ in 0..protocol::websocket::FRAGMENTS_MAX {
        flood.extend(frame(CONTINUATION, b""));
    }
    for door in Door::BOTH {
        assert_eq!(breach(door, &flood).await.0, Some(1009));
    }
}

#[tokio::test]
async fn each_breach_has_the_standards_code() {
    for (bytes, code) in [
        (b"GET /v1/listen HTTP/1.1\r\n\r\n".to_vec(), 1002),
        (frame(FINAL | 0x3, b""), 1002),
        (frame(FINAL | 0x40 | BINARY, b"x"), 1002),
        (vec![FINAL | BINARY, 1, 7], 1002),
        (frame(FINAL | CONTINUATION, b"x"), 1002),
        (frame(FINAL | 0x8, b"\x03"), 1002),
        (frame(FINAL | 0x8, &1005_u16.to_be_bytes()), 1002),
        (frame(FINAL | 0x9, &[7; 126]), 1002),
        (frame(FINAL | TEXT, b"{\"type\":\"\xff\"}"), 1007),
        (frame(FINAL | TEXT, br#"{"type":"a","type":"CloseStream"}"#), 1008),
    ] {
        assert_eq!(breach(Door::Port, &bytes).await.0, Some(code), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_request_that_hides_behind_the_upgrade_goes_nowhere() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let hidden = Request::to("/v1/listen?model=hidden").bytes();
    for door in Door::BOTH {
        let mut talk = Talk::connect(&sidecar, door).await;
        talk.send_bytes(&[Request::listen("").bytes(), hidden.clone()].concat()).await;
        // It is known for what it is before Deepgram has answered, and then there is no upgrade.
        let response = talk.response().await;
        if response.status == 101 {
            assert_eq!(talk.closed().await.0, Some(1002));
        } else {
            assert_eq!(
                (response.status, &response.json()["err_code"]),
                (400, &json!("BAD_REQUEST"))
            );
            talk.ended().await;
        }
    }
    let heard = emulator.connections().await;
    assert!(heard.iter().all(|it| it["audio_bytes"] == 0 && it["other_texts"] == json!([])));
    assert!(heard.iter().all(|it| it["query"] != "model=hidden"));
}

#[tokio::test]
async fn a_trickled_request_is_closed_at_the_deadline_all_the_same() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator).with_port().set("ipc.open_timeout", "400ms");
    let sidecar = config.start().await;
    for door in Door::BOTH {
        let mut talk = Talk::connect(&sidecar, door).await;
        // At this pace the head would take over 20 s.
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let head = Request::listen(&"x".repeat(1_000)).bytes();
        let mut written = 0;
        for byte in &head {
            pace.tick().await;
            if !talk.is_silent() || !talk.try_send_bytes(&[*byte]).await {
                break;
            }
            written += 1;
        }
        assert!(written < head.len(), "the whole head was awaited");
        talk.ended().await;
    }
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("app_connections_unopened_total", &[("cause", "timeout")]), 2.0);
}

async fn assert_serves(sidecar: &Sidecar) {
    for door in Door::BOTH {
        let mut talk = Talk::open(sidecar, door, &Request::listen("")).await;
        speak(&mut talk, 1).await;
        talk.send_text(CLOSE_STREAM).await;
        assert_eq!(talk.closed().await.0, Some(1000));
    }
}

/// Waits until nothing is left of what connected.
async fn assert_left_nothing(sidecar: &Sidecar, descriptors: usize) {
    eventually("the end of every connection", async || {
        let metrics = sidecar.metrics().await;
        let is_idle = metrics.sum("app_connections_active", &[]) == 0.0
            && metrics.sum("sessions_active", &[]) == 0.0;
        (is_idle && sidecar.descriptors() <= descriptors).then_some(())
    })
    .await;
    assert_eq!(sidecar.metrics().await.sum("panics_total", &[]), 0.0);
}

#[tokio::test]
async fn ten_thousand_half_open_handshakes_lock_nobody_out_and_leave_nothing_behind() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator).with_port();
    let sidecar = config.set("ipc.max_sessions", 4).set("ipc.open_timeout", "1h").start().await;
    assert_serves(&sidecar).await;
    let mut neighbour = Talk::open(&sidecar, Door::Port, &Request::listen("")).await;
    let (descriptors, memory) = (sidecar.descriptors(), memory_kib(sidecar.process.pid()));
    let mut half_open = Vec::new();
    for _ in 0..25 {
        for number in 0..400 {
            let mut talk = Talk::connect(&sidecar, Door::BOTH[number % 2]).await;
            // It may have lost its place by now.
            talk.try_send_bytes(b"GET /v1/listen?model=nova-3 HTTP/1.1\r\nHost: x\r\n").await;
            half_open.push(talk);
        }
        eventually("the contract's bound: the sessions' and 128 more", async || {
            half_open.retain(Talk::is_silent);
            (half_open.len() <= 4 + 128).then_some(())
        })
        .await;
    }
    assert_serves(&sidecar).await;
    speak(&mut neighbour, 5).await;
    neighbour.send_text(CLOSE_STREAM).await;
    assert_eq!(neighbour.closed().await, (Some(1000), String::new()));
    drop((half_open, neighbour));
    assert_left_nothing(&sidecar, descriptors).await;
    let grown = memory_kib(sidecar.process.pid()).saturating_sub(memory);
    assert!(grown < 16 << 10, "{grown} KiB are left behind");
}

#[tokio::test]
async fn every_cut_of_a_sound_conversation_is_survived() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    assert_serves(&sidecar).await;
    let descriptors = sidecar.descriptors();
    let conversation = [
        Request::listen("").bytes(),
        frame(FINAL | BINARY, b"pcm"),
        frame(TEXT, br#"{"type":"#),
        frame(FINAL | 0x9, b"p"),
        frame(FINAL | CONTINUATION, br#""KeepAlive"}"#),
        frame(FINAL | 0x8, &1000_u16.to_be_bytes()),
    ]
    .concat();
    for cut in 0..=conversation.len() {
        let mut talk = Talk::connect(&sidecar, Door::BOTH[cut % 2]).await;
        talk.send_bytes(&conversation[..cut]).await;
        talk.shutdown().await;
    }
    assert_left_nothing(&sidecar, descriptors).await;
    assert_serves(&sidecar).await;
}
