//! How applications leave, which each SDK does in its own way, and what becomes of the session.

use serde_json::{Value, json};

use super::{CLOSE_STREAM, speak, start};
use crate::support::websocket::{BINARY, Door, Request, Said, Talk};
use crate::support::{Emulator, Sidecar, frame_bytes, speech};

/// A Deepgram that takes a moment to finish: long enough to leave meanwhile.
async fn thoughtful_deepgram() -> Emulator {
    Emulator::with(json!({"result_latency": "300ms"}), &[]).await
}

fn named(id: &str) -> Request {
    Request::listen(&format!("sidecar_session_id={id}"))
}

/// Opens a session, speaks, says that this was all, and waits until Deepgram knows.
async fn about_to_leave(sidecar: &Sidecar, emulator: &Emulator, door: Door, id: &str) -> Talk {
    let mut talk = Talk::open(sidecar, door, &named(id)).await;
    speak(&mut talk, 10).await;
    talk.send_text(CLOSE_STREAM).await;
    emulator.connection_where(|heard| heard["close_stream"] == true).await;
    talk
}

/// The application's end was an orderly one, and all that Deepgram had to say was waited for.
async fn assert_finished(sidecar: &Sidecar, emulator: &Emulator, id: &str) -> Value {
    let end = sidecar.session_end(id).await;
    assert_eq!((&end["outcome"], &end["death"]), (&json!("finished"), &Value::Null));
    assert_eq!(end["audio"]["bytes_sent"], frame_bytes(10));
    let heard = emulator.ended_connection().await;
    assert_eq!(
        (&heard["end"], &heard["texts_sent"]),
        (&json!("close_stream"), &end["messages"]["received"])
    );
    end
}

#[tokio::test]
async fn go_cuts_the_connection_soon_after_its_close_stream() {
    let emulator = thoughtful_deepgram().await;
    let sidecar = start(&emulator).await;
    about_to_leave(&sidecar, &emulator, Door::Port, "go").await.reset();
    assert_eq!(assert_finished(&sidecar, &emulator, "go").await["lost_ms"], 0);
}

#[tokio::test]
async fn old_pythons_close_soon_after_their_close_stream() {
    for door in Door::BOTH {
        let emulator = thoughtful_deepgram().await;
        let sidecar = start(&emulator).await;
        let mut talk = about_to_leave(&sidecar, &emulator, door, "python").await;
        talk.send_close(1000, "").await;
        let (_, close) = talk.rest().await;
        assert_eq!(close, (Some(1000), String::new()), "a close is answered in kind");
        assert_finished(&sidecar, &emulator, "python").await;
    }
}

#[tokio::test]
async fn an_end_of_stream_after_a_close_stream_is_an_orderly_one() {
    for door in Door::BOTH {
        let emulator = thoughtful_deepgram().await;
        let sidecar = start(&emulator).await;
        drop(about_to_leave(&sidecar, &emulator, door, "gone").await);
        assert_finished(&sidecar, &emulator, "gone").await;

        let emulator = thoughtful_deepgram().await;
        let sidecar = start(&emulator).await;
        let mut talk = about_to_leave(&sidecar, &emulator, door, "half").await;
        talk.shutdown().await;
        // It still reads, and is told all.
        let (texts, close) = talk.rest().await;
        assert!(texts.iter().any(|text| text.contains(r#""is_final":true"#)), "{texts:?}");
        assert_eq!(close, (Some(1000), String::new()));
        assert_finished(&sidecar, &emulator, "half").await;
    }
}

#[tokio::test]
async fn audio_after_a_close_stream_is_dropped_and_counted() {
    let emulator = thoughtful_deepgram().await;
    let sidecar = start(&emulator).await;
    let mut talk = about_to_leave(&sidecar, &emulator, Door::Port, "late").await;
    for frame in 10..15 {
        talk.send(BINARY, &speech(frame)).await;
    }
    talk.send_text(CLOSE_STREAM).await;
    assert_eq!(talk.closed().await, (Some(1000), String::new()));
    let end = assert_finished(&sidecar, &emulator, "late").await;
    assert_eq!(
        (&end["audio"]["frames_dropped"], &end["audio"]["bytes_dropped"]),
        (&json!(5), &json!(frame_bytes(5)))
    );
}

/// Leaves without a CloseStream.
async fn leave(emulator: &Emulator, door: Door, code: u16, reason: &str) -> (Value, Value) {
    let sidecar = start(emulator).await;
    let mut talk = Talk::open(&sidecar, door, &named("left")).await;
    speak(&mut talk, 10).await;
    talk.send_close(code, reason).await;
    let said = loop {
        match talk.next().await {
            Some(Said::Text(_)) => {}
            said => break said,
        }
    };
    assert_eq!(said, Some(Said::Close(Some(code), String::new())));
    talk.ended().await;
    let end = sidecar.session_end("left").await;
    (end["outcome"].clone(), end["cause"].clone())
}

#[tokio::test]
async fn a_close_without_a_close_stream_is_the_applications_leaving() {
    for door in Door::BOTH {
        for (code, reason, cause) in [
            (1000, "", "app_left"),
            (1001, "bye", "app_left"),
            (1011, "keepalive ping timeout", "app_stalled"),
            (1009, "", "app_limit"),
        ] {
            let emulator = Emulator::start().await;
            let (outcome, found) = leave(&emulator, door, code, reason).await;
            assert_eq!((outcome, found), (json!("aborted"), json!(cause)), "{code} {reason}");
            // Neither is a death: Deepgram is told that this was all, and asked for the rest.
            assert_eq!(emulator.ended_connection().await["end"], "close_stream");
        }
    }
}

#[tokio::test]
async fn a_reset_without_a_close_stream_is_the_applications_leaving() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let mut talk = Talk::open(&sidecar, Door::Port, &named("reset")).await;
    speak(&mut talk, 10).await;
    sidecar.session_where("reset", |it| it["audio"]["frames"] == 10).await;
    talk.reset();
    let end = sidecar.session_end("reset").await;
    assert_eq!((&end["outcome"], &end["cause"]), (&json!("aborted"), &json!("app_left")));
    assert_eq!(emulator.ended_connection().await["end"], "close_stream");
}

#[tokio::test]
async fn a_name_is_free_before_the_application_sees_its_close() {
    // Every flush outlasts the next sessions, so that a name would be in use.
    let emulator = Emulator::with(json!({"result_latency": "2s"}), &[]).await;
    let sidecar = start(&emulator).await;
    for number in 0..50 {
        let door = Door::BOTH[number % 2];
        // A 409 here would end JavaScript's SDK for good.
        let mut talk = Talk::open(&sidecar, door, &named("again")).await;
        speak(&mut talk, 1).await;
        talk.send_close(1000, "").await;
        assert_eq!(talk.closed().await, (Some(1000), String::new()));
    }
    // The sessions are still there: it is the name alone that is free.
    assert!(sidecar.sessions().await.len() > 1);
}

#[tokio::test]
async fn a_name_is_free_before_the_application_sees_deepgrams_close() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for number in 0..50 {
        let door = Door::BOTH[number % 2];
        let mut talk = Talk::open(&sidecar, door, &named("again")).await;
        speak(&mut talk, 1).await;
        talk.send_text(CLOSE_STREAM).await;
        loop {
            match talk.next().await {
                Some(Said::Close(..)) => break,
                Some(_) => {}
                None => panic!("no close came"),
            }
        }
    }
}
