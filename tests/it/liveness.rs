//! Deaths that nothing tells: silence, and sockets that take nothing. And silences that are none.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::death::{assert_death, assert_told_alike, labels_of, quiet};
use crate::support::{App, Emulator, listen, speech, within};

#[tokio::test]
async fn a_half_open_connection_dies_for_want_of_a_pong() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: half_open}]}"]).await;
    let sidecar = quiet(&emulator)
        .set("liveness.ping_interval", "200ms")
        .set("liveness.ping_timeout", "300ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("mortal")).await;
    let labels = ["ping_timeout", "ping", "network"];
    assert_eq!(labels_of(&app.event("dead").await), labels.map(Some));
    assert_death(&app.finish().await, labels);
    assert_told_alike(&sidecar, labels).await;
}

#[tokio::test]
async fn a_deepgram_that_answers_no_ping_and_says_nothing_else_is_dead() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: no_pong}]}"]).await;
    let sidecar = quiet(&emulator)
        .set("liveness.ping_interval", "100ms")
        .set("liveness.ping_timeout", "300ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("mortal")).await;
    assert_eq!(app.event("dead").await.text("reason"), Some("ping_timeout"));
    // It was reachable all the time, so it heard us go.
    app.finish().await;
    assert_ne!(emulator.ended_connection().await["pings"], 0);
}

#[tokio::test]
async fn a_pause_of_our_own_is_no_evidence_against_deepgram() {
    let emulator = Emulator::start().await;
    let sidecar = quiet(&emulator)
        .set("liveness.ping_interval", "100ms")
        .set("liveness.ping_timeout", "3s")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("paused")).await;
    emulator.connection_where(|connection| connection["pings"].as_u64() >= Some(2)).await;
    // A ping goes out that is not answered before we are stopped ...
    emulator.process().signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(1)).await;
    sidecar.process.signal(Signal::STOP);
    // ... and stay so until its deadline is long gone.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    sidecar.process.signal(Signal::CONT);
    // Nothing has come meanwhile, so its deadline is looked at, and found to be late.
    sidecar.process.log().event("timer_late").await;
    emulator.process().signal(Signal::CONT);
    let pings = emulator.connections().await[0]["pings"].as_u64();
    emulator.connection_where(|it| it["pings"].as_u64() >= pings.map(|pings| pings + 3)).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.death), ("finished", None));
}

#[tokio::test]
async fn while_the_application_does_not_read_a_missing_pong_is_no_evidence() {
    let chatter = "{at: 100ms, do: {oversized: 500000}}";
    let plan = format!("{{then: [{}]}}", [chatter; 40].join(", "));
    let emulator = Emulator::scripted(&[&plan]).await;
    let sidecar = quiet(&emulator)
        .set("liveness.ping_interval", "100ms")
        .set("liveness.ping_timeout", "1s")
        .set("session.app_stall_timeout", "3s")
        .start()
        .await;
    let _app = App::open(&sidecar, &listen("deaf")).await;
    let ended = sidecar.session_end("deaf").await;
    assert_eq!((&ended["outcome"], &ended["cause"]), (&json!("aborted"), &json!("app_stalled")));
    assert_eq!(ended["death"], Value::Null);
    assert_eq!(emulator.ended_connection().await["end"], "close_stream");
}

#[tokio::test]
async fn pongs_hold_a_connection_on_which_nothing_else_comes() {
    let emulator = Emulator::start().await;
    let sidecar = quiet(&emulator)
        .set("liveness.ping_interval", "100ms")
        .set("liveness.ping_timeout", "30s")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("pongs")).await;
    emulator.connection_where(|connection| connection["pings"].as_u64() >= Some(5)).await;
    assert_eq!(app.finish().await.outcome, "finished");
}

#[tokio::test]
async fn a_deepgram_that_stops_reading_dies_of_a_stalled_write_and_its_application_is_held_back() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: stop_reading}]}"]).await;
    let sidecar = quiet(&emulator).set("upstream.write_timeout", "500ms").start().await;
    let App { mut sender, mut reader } = App::open(&sidecar, &listen("mortal")).await;
    let chunk = vec![1; 256 << 10];
    // Far more than the kernel's buffers hold.
    let flood = async {
        for _ in 0..160 {
            sender.send_audio(&chunk).await.unwrap();
        }
        sender.finish().await.unwrap();
    };
    let told = async { (reader.event("dead").await, reader.finished().await) };
    let ((dead, summary), ()) = within("the flood", async { tokio::join!(told, flood) }).await;
    let labels = ["write_stalled", "watchdog", "network"];
    assert_eq!(labels_of(&dead), labels.map(Some));
    assert_death(&summary, labels);
    assert_eq!(summary.audio.bytes_received, 160 * chunk.len() as u64);
    assert!(summary.audio.bytes_dropped > 0, "{summary:?}");
    assert_told_alike(&sidecar, labels).await;
}

#[tokio::test]
async fn a_deepgram_that_reads_slowly_holds_the_application_back_and_lives() {
    // 40 MB at 8 MB a second: longer than the write deadline, with progress all the time.
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: {slow_read: 8000000}}]}"]).await;
    let sidecar = quiet(&emulator).set("upstream.write_timeout", "4s").start().await;
    let App { mut sender, mut reader } = App::open(&sidecar, &listen("slow")).await;
    let chunk = vec![1; 200_000];
    let flood = async {
        for _ in 0..200 {
            sender.send_audio(&chunk).await.unwrap();
        }
        sender.finish().await.unwrap();
    };
    let (summary, ()) = within("the flood", async { tokio::join!(reader.finished(), flood) }).await;
    assert_eq!((summary.outcome.as_str(), &summary.death), ("finished", &None));
    assert_eq!(summary.audio.bytes_sent, 40_000_000);
    assert_eq!(emulator.ended_connection().await["audio_bytes"], 40_000_000);
}

#[tokio::test]
async fn a_mute_deepgram_is_told_as_stalled_and_dies_of_it_where_that_is_wanted() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: mute}]}"]).await;
    let sidecar = quiet(&emulator)
        .set("liveness.stall_after", "500ms")
        .set("liveness.kill_stalled", true)
        .start()
        .await;
    let App { mut sender, mut reader } = App::open(&sidecar, &listen("mortal")).await;
    // A stall is one only while audio flows, so it flows until the death is told.
    let speaking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for frame in 0.. {
            pace.tick().await;
            sender.send_audio(&speech(frame)).await.unwrap();
        }
    };
    let dying = async { (reader.event("stalled").await, reader.event("dead").await) };
    let (stalled, dead) = tokio::select! {
        told = dying => told,
        () = speaking => unreachable!("it speaks for ever"),
    };
    assert!(stalled.number("silent_ms") >= Some(500), "{stalled:?}");
    let labels = ["stalled_transcript", "watchdog", "sidecar"];
    assert_eq!(labels_of(&dead), labels.map(Some));
    sender.finish().await.unwrap();
    assert_death(&reader.finished().await, labels);
    assert_told_alike(&sidecar, labels).await;
}
