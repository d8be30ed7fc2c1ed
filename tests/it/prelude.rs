//! A prelude between real processes: two connections, and what the application hears of them.

use client::{Incoming, Prelude};
use serde_json::{Value, json};

use crate::support::{App, Emulator, Sidecar, listen, speech};

/// A second of prelude, half a second to settle.
fn short() -> Prelude {
    Prelude { pad_to_ms: Some(1_000), stabilize_ms: Some(500) }
}

/// One that takes audio as fast as it comes, and counts which samples became text.
async fn counting(plans: &[&str]) -> Emulator {
    Emulator::with(json!({"pacing": null, "position_code": true}), plans).await
}

/// Half a second of something loud that is no position code.
fn enrolment() -> Vec<u8> {
    [0x2000_i16, -0x2000].map(i16::to_le_bytes).concat().repeat(4_000)
}

async fn enrolling(sidecar: &Sidecar, session: &str) -> App {
    let request = listen(session).prelude(short()).param("interim_results", true);
    let mut app = App::dial(sidecar, &request).await;
    app.reader.has_prelude();
    app.opened().await;
    app.sender.prelude(&enrolment()).await.unwrap();
    app.sender.prelude(b"").await.unwrap();
    app
}

/// Where words of final results begin, in seconds.
fn starts(frames: &[Incoming]) -> Vec<f64> {
    let mut starts = Vec::new();
    for frame in frames {
        let Incoming::Message(text) = frame else { continue };
        let message: Value = serde_json::from_slice(text).unwrap();
        if message["is_final"] == true {
            let words = message["channel"]["alternatives"][0]["words"].as_array().unwrap();
            starts.extend(words.iter().map(|word| word["start"].as_f64().unwrap()));
        }
    }
    starts
}

#[tokio::test]
async fn live_audio_moves_and_every_sample_becomes_text_once() {
    let emulator = counting(&[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = enrolling(&sidecar, "moves").await;
    let mut place = 0;
    for _ in 0..10 {
        app.sender.send_audio(&speech(place)).await.unwrap();
        place += 1;
    }
    let done = app.event("prelude_done").await;
    assert_eq!(done.number("prelude_ms"), Some(500));
    for _ in 0..10 {
        app.sender.send_audio(&speech(place)).await.unwrap();
        place += 1;
    }
    app.sender.finish().await.unwrap();
    let frames = app.rest().await;
    let Some(Incoming::Finished(summary)) = frames.last() else { panic!("{frames:?}") };
    assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
    assert_eq!((summary.connections, &summary.death), (2, &None));
    assert!(summary.audio.balances());
    let starts = starts(&frames);
    assert!(starts.iter().all(|start| (0.0..2.0).contains(start)), "{starts:?}");
    let connections = emulator.connections().await;
    let (mut main, second): (Vec<_>, Vec<_>) = connections
        .iter()
        .map(|it| it["audio_bytes"].as_u64().unwrap())
        .partition(|it| *it != 32_000);
    assert_eq!(
        (second, main.pop()),
        (vec![32_000], Some(2 * 32_000)),
        "a second each, and the prelude"
    );
    assert!(connections.iter().all(|it| it["close_stream"] == true), "both ended cleanly");
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("preludes_total", &[("end", "moved")]), 1.0);
    assert_eq!(metrics.sum("prelude_audio_seconds_total", &[]), 0.5);
}

/// Whichever of the two it is that Deepgram kills: the session goes on with the other.
#[tokio::test]
async fn one_connection_that_dies_is_survived() {
    let emulator =
        counting(&["{then: [{at: 300ms, do: {close: {code: 1011, reason: 'restart'}}}]}", "{}"])
            .await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = enrolling(&sidecar, "survives").await;
    let dead = app.event("dead").await;
    assert!(!dead.is_final_death(), "the session goes on");
    app.speak(10).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
    assert_eq!(summary.death.unwrap().reason, "provider_error");
    assert_eq!(summary.connections, 2);
}

#[tokio::test]
async fn finish_meanwhile_delivers_the_live_audio_alone() {
    let emulator = counting(&[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = enrolling(&sidecar, "finishes").await;
    app.speak(10).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("preludes_total", &[("end", "session_ended")]), 1.0);
}

#[tokio::test]
async fn a_prelude_that_nobody_announced_or_that_is_too_long_is_refused() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("unannounced")).await;
    app.sender.prelude(&enrolment()).await.unwrap();
    let frames = app.rest().await;
    let [Incoming::Error(refusal), Incoming::Finished(_)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(refusal.code, "unexpected_frame");

    let mut app = App::open(&sidecar, &listen("long").prelude(short())).await;
    app.sender.prelude(&vec![1; 320_002]).await.unwrap();
    let frames = app.rest().await;
    let [Incoming::Error(refusal), Incoming::Finished(_)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(refusal.code, "frame_too_large");
}
