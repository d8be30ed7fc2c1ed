//! Sessions whose application breaks the contract: ERROR, then the books, then the end.

use client::{Incoming, OpenRequest};
use serde_json::json;

use crate::refusal::{FINALIZE, OPEN, framed, header};
use crate::support::{App, Emulator, Sidecar, frame_bytes, listen, speech};

const AUDIO: u8 = 0x02;
const FINISH: u8 = 0x04;
const TEXT: u8 = 0x05;
const UPDATE: u8 = 0x06;
const PRELUDE: u8 = 0x07;

/// A session that breaks the contract: ERROR with this code, then FINISHED `aborted`, then the end;
/// and Deepgram is asked to close as if the application had left.
async fn breach(bytes: &[u8], code: &str, field: Option<&str>) {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("breach")).await;
    let mut wire = framed(AUDIO, &speech(0));
    wire.extend_from_slice(bytes);
    // Nothing of what follows a breach is looked at.
    wire.extend_from_slice(&framed(AUDIO, &speech(1)));
    app.sender.send_bytes(&wire).await.unwrap();
    let frames = app.rest().await;
    let [Incoming::Error(refusal), Incoming::Finished(summary)] = frames.as_slice() else {
        panic!("{frames:?} came and not ERROR and FINISHED")
    };
    assert_eq!((&*refusal.code, refusal.field.as_deref()), (code, field), "{refusal:?}");
    assert_eq!((&*summary.outcome, &summary.death), ("aborted", &None));
    assert_eq!(summary.audio.bytes_sent, frame_bytes(1));
    let heard = emulator.ended_connection().await;
    assert_eq!(
        (&heard["audio_bytes"], &heard["end"]),
        (&json!(frame_bytes(1)), &json!("close_stream"))
    );
    assert_eq!(sidecar.session_end("breach").await["cause"], "app_protocol");
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("app_protocol_errors_total", &[("code", code)]), 1.0);
}

#[tokio::test]
async fn a_second_open_is_unexpected() {
    breach(&framed(OPEN, br#"{"protocol":1}"#), "unexpected_frame", None).await;
}

#[tokio::test]
async fn types_that_applications_do_not_send_are_unknown_whatever_their_length() {
    for kind in [0x00, 0x08, 0x42, 0x81, 0x84, 0x8f, 0xff] {
        breach(&header(kind, u32::MAX), "unknown_frame_type", None).await;
    }
}

#[tokio::test]
async fn a_large_frame_is_refused_from_its_header_whatever_its_type() {
    for kind in [OPEN, AUDIO, FINALIZE, FINISH, TEXT, UPDATE, PRELUDE] {
        breach(&header(kind, u32::MAX), "frame_too_large", None).await;
    }
}

#[tokio::test]
async fn a_prelude_that_open_did_not_announce_is_unexpected() {
    breach(&framed(PRELUDE, &speech(1)), "unexpected_frame", None).await;
    breach(&framed(PRELUDE, b""), "unexpected_frame", None).await;
}

#[tokio::test]
async fn payloads_that_are_not_the_frames_own_are_bad_frames() {
    breach(&framed(FINISH, b"x"), "bad_frame", None).await;
    breach(&framed(FINALIZE, b"{}"), "bad_frame", Some("channel")).await;
    breach(&framed(FINALIZE, br#"{"channel":-1}"#), "bad_frame", Some("channel")).await;
    breach(&framed(TEXT, b"hello"), "bad_frame", None).await;
    breach(&framed(TEXT, br#"{"type":"a","type":"b"}"#), "bad_frame", None).await;
}

#[tokio::test]
async fn the_sidecars_own_messages_cannot_be_sent() {
    for text in [r#"{"type":"KeepAlive"}"#, r#"{"x":0,"\u0074ype":"Close\u0053tream"}"#] {
        breach(&framed(TEXT, text.as_bytes()), "reserved_message", Some("type")).await;
    }
}

#[tokio::test]
async fn an_update_that_asks_for_what_there_is_not_is_invalid() {
    breach(&framed(UPDATE, br#"{"vad":{"mode":"loud"}}"#), "invalid_update", Some("vad.mode"))
        .await;
    let threshold = framed(UPDATE, br#"{"vad":{"mode":"off","threshold":0.5}}"#);
    breach(&threshold, "invalid_update", Some("vad.threshold")).await;
    breach(&framed(UPDATE, br#"{"keepalive":{}}"#), "invalid_update", Some("keepalive")).await;
    breach(&framed(UPDATE, b"nonsense"), "invalid_update", None).await;
}

#[tokio::test]
async fn half_a_frame_is_neither_forwarded_nor_counted() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("half")).await;
    app.speak(2).await;
    let frame = framed(AUDIO, &speech(2));
    app.sender.send_bytes(&frame[..frame.len() - 1]).await.unwrap();
    app.sender.shutdown().await.unwrap();
    let summary = app.finished().await;
    assert_eq!((&*summary.outcome, summary.audio.frames), ("aborted", 2));
    assert_eq!(emulator.ended_connection().await["audio_bytes"], frame_bytes(2));
}

#[tokio::test]
async fn an_application_in_the_middle_of_a_write_can_still_read_why() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &OpenRequest::new().session_id("why")).await;
    let mut wire = framed(0x42, b"");
    // More than the socket's buffers hold, so that this write is under way when the ERROR comes.
    wire.resize(900 << 10, 0);
    app.sender.send_bytes(&wire).await.unwrap();
    let frames = app.rest().await;
    assert!(matches!(frames.as_slice(), [Incoming::Error(_), Incoming::Finished(_)]), "{frames:?}");
}
