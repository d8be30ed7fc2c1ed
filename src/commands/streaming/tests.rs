//! A scripted daemon on the other end of a pipe, and a screen that is kept.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::super::source::{Encoding, Piece};
use super::*;
use protocol::frame;

const OPENED: (u8, &str) = (0x81, r#"{"session_id":"a","protocol":1}"#);
const FINAL: (u8, &str) = (
    0x82,
    r#"{"type":"Results","channel_index":[0,1],"duration":2.5,"start":0.5,"is_final":true,"channel":{"alternatives":[{"transcript":"he was not"}]}}"#,
);
const DEAD: (u8, &str) = (0x83, r#"{"event":"dead","at_ms":9,"reason":"ping_timeout"}"#);
const FINISHED: (u8, &str) = (0x84, r#"{"session_id":"a","outcome":"finished","keepalives":2}"#);
const REFUSED: (u8, &str) = (0x8F, r#"{"code":"draining","message":"try another pod"}"#);

/// Runs a session of one hour of silence against these frames, to its end.
async fn run(
    frames: &[(u8, &str)],
    view: View,
) -> (anyhow::Result<StreamEnd>, String, DuplexStream) {
    let (ours, mut daemon) = duplex(1 << 20);
    let mut wire = BytesMut::new();
    for (kind, payload) in frames {
        frame::encode(*kind, payload.as_bytes(), &mut wire);
    }
    daemon.write_all(&wire).await.unwrap();
    daemon.shutdown().await.unwrap();
    let pieces = vec![
        Piece::Audio(Bytes::from_static(&[0; 320])),
        Piece::Silence(Duration::from_secs(3_600)),
    ];
    let source = Source::of_pieces(Encoding::new("linear16", 16_000, 1).unwrap(), pieces);
    let mut output = Vec::new();
    let session = Session::new(Screen::into(&mut output), view);
    let end = session.run(Client::over(ours), source, 1.0).await;
    (end, String::from_utf8(output).unwrap(), daemon)
}

#[tokio::test(start_paused = true)]
async fn text_and_summary_are_shown() {
    let (end, output, _) = run(&[OPENED, FINAL, FINISHED], View::Text).await;
    assert!(matches!(end.unwrap(), StreamEnd::Finished(_)));
    assert!(output.contains("he was not\n"));
    assert!(output.contains("keepalives  2\n"));
}

#[tokio::test(start_paused = true)]
async fn every_frame_is_a_line_of_json_where_asked() {
    let (_, output, _) = run(&[OPENED, FINAL, (0x82, "no json"), DEAD, FINISHED], View::Json).await;
    let lines: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let frames: Vec<_> = lines.iter().map(|line| line["frame"].as_str().unwrap()).collect();
    assert_eq!(frames, ["opened", "message", "message", "event", "finished"]);
    assert!(output.contains(FINAL.1), "Deepgram's own bytes");
    assert_eq!(lines[2]["payload"], "no json");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_opened_ends_it() {
    let (end, ..) = run(&[REFUSED], View::Text).await;
    assert!(matches!(end.unwrap(), StreamEnd::Refused(refusal) if refusal.code == "draining"));
}

#[tokio::test(start_paused = true)]
async fn an_error_after_opened_is_shown_and_the_summary_follows() {
    let (end, output, _) = run(&[OPENED, REFUSED, FINISHED], View::Text).await;
    assert!(matches!(end.unwrap(), StreamEnd::Finished(_)));
    assert!(output.contains("try another pod (draining)"));
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_last_frame_is_an_error() {
    let (end, ..) = run(&[OPENED, FINAL], View::Text).await;
    let error = end.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(client::Error::ClosedEarly)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_death_ends_the_recording_with_finish() {
    let (ours, mut daemon) = duplex(1 << 20);
    let scripted = async {
        let mut wire = BytesMut::new();
        frame::encode(OPENED.0, OPENED.1.as_bytes(), &mut wire);
        frame::encode(DEAD.0, DEAD.1.as_bytes(), &mut wire);
        daemon.write_all(&wire).await.unwrap();
        let mut finish = [0; 5];
        daemon.read_exact(&mut finish).await.unwrap();
        let mut wire = BytesMut::new();
        frame::encode(FINISHED.0, FINISHED.1.as_bytes(), &mut wire);
        daemon.write_all(&wire).await.unwrap();
        finish
    };
    let hour = vec![Piece::Silence(Duration::from_secs(3_600))];
    let source = Source::of_pieces(Encoding::new("linear16", 16_000, 1).unwrap(), hour);
    let mut output = Vec::new();
    let session = Session::new(Screen::into(&mut output), View::Text);
    let (end, finish) = tokio::join!(session.run(Client::over(ours), source, 1.0), scripted);
    assert!(matches!(end.unwrap(), StreamEnd::Finished(_)));
    assert_eq!(finish, [0x04, 0, 0, 0, 0]);
    assert!(output.starts_with(b"dead: "));
}
