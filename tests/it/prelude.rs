//! A prelude over real sockets: two connections, one move, and what breaks it.

use client::{Incoming, OpenRequest, Prelude};
use serde_json::json;

use crate::support::{App, Emulator, SAMPLES_PER_FRAME, Sidecar, frame_bytes, listen, speech};

/// A prelude that is over in a good second.
fn enrolling(session_id: &str) -> OpenRequest {
    listen(session_id)
        .param("diarize", true)
        .prelude(Prelude { pad_to_ms: Some(1_500), stabilize_ms: Some(300) })
}

#[tokio::test]
async fn live_audio_moves_to_the_connection_that_got_the_prelude_and_nothing_is_lost() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &enrolling("moves")).await;
    // The whole of it before OPENED, and live audio at once.
    for frame in 0..8 {
        app.sender.prelude(&speech(frame)).await.unwrap();
    }
    app.sender.prelude(b"").await.unwrap();
    app.speak(4).await;
    app.opened().await;
    let done = app.event("prelude_done").await;
    assert_eq!(done.number("prelude_ms"), Some(800));
    for frame in 4..10 {
        app.sender.send_audio(&speech(frame)).await.unwrap();
    }
    let summary = app.finish().await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("finished", Some(0)));
    assert_eq!((summary.connections, summary.audio.bytes_sent), (2, frame_bytes(10)));
    let mut bytes = Vec::new();
    for connection in emulator.connections().await {
        assert_eq!(connection["close_stream"], true, "{connection}");
        bytes.push(connection["audio_bytes"].as_u64().unwrap());
    }
    bytes.sort_unstable();
    // 1.5 s of prelude and padding and 0.6 s of live audio on the one, 0.4 s on the other.
    assert_eq!(bytes, [frame_bytes(4), frame_bytes(21)]);
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("preludes_total", &[("end", "moved")]), 1.0);
    // Deepgram's support is asked about the connection that has the call.
    let connections = emulator.connections().await;
    let main = connections.iter().find(|it| it["audio_bytes"] == frame_bytes(21)).unwrap();
    assert_eq!(sidecar.session_end("moves").await["request_id"], main["request_id"]);
}

#[tokio::test]
async fn too_much_prelude_and_prelude_that_has_ended_break_the_contract() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let second = vec![0; SAMPLES_PER_FRAME * 2 * 10];
    for (session_id, seconds, code) in
        [("long", 11, "frame_too_large"), ("late", 1, "unexpected_frame")]
    {
        let mut app = App::open(&sidecar, &enrolling(session_id)).await;
        for _ in 0..seconds {
            app.sender.prelude(&second).await.unwrap();
        }
        app.sender.prelude(b"").await.unwrap();
        // Another end is none.
        app.sender.prelude(b"").await.unwrap();
        app.sender.prelude(&second).await.unwrap();
        let frames = app.rest().await;
        let [Incoming::Error(refusal), Incoming::Finished(summary)] = frames.as_slice() else {
            panic!("{frames:?} came and not ERROR and FINISHED")
        };
        assert_eq!((&*refusal.code, &*summary.outcome), (code, "aborted"), "{refusal:?}");
    }
}

#[tokio::test]
async fn prelude_after_finish_is_dropped_and_counted() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &enrolling("after")).await;
    app.speak(2).await;
    app.sender.finish().await.unwrap();
    app.sender.prelude(&speech(0)).await.unwrap();
    let summary = app.finished().await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("finished", Some(0)));
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("dropped_total", &[("what", "prelude")]), 1.0);
    assert_eq!(metrics.sum("preludes_total", &[("end", "session_ended")]), 1.0);
}

#[tokio::test]
async fn if_the_preludes_connection_dies_the_session_goes_on_without() {
    // Either may be accepted first. Only the one with the prelude gets so much.
    let script = "{then: [{after_audio: 500ms, do: {close: {code: 1011, reason: oops}}}]}";
    let emulator = Emulator::scripted(&[script, script]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &enrolling("goes-on")).await;
    for frame in 0..8 {
        app.sender.prelude(&speech(frame)).await.unwrap();
    }
    let dead = app.event("dead").await;
    assert_eq!((dead.number("connection"), &dead.members["recovering"]), (Some(1), &json!(true)));
    app.sender.prelude(b"").await.unwrap();
    app.speak(3).await;
    let summary = app.finish().await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("finished", Some(0)));
    assert_eq!(summary.death.unwrap().reason, "provider_error");
}
