//! What holds a connection on which the application is silent, with Deepgram's timers cut short.

use client::OpenRequest;
use serde_json::json;

use crate::support::{App, Config, Emulator, Sidecar, listen, speech};

/// Timer A of two seconds, ten times what keepalives take turns in, and no timer B.
async fn impatient_deepgram() -> Emulator {
    Emulator::with(json!({"idle_timeout": "2s", "response_timeout": "0s"}), &[]).await
}

async fn sidecar_with_interval(emulator: &Emulator, interval: &str) -> Sidecar {
    Config::dialing(emulator).set("keepalive.interval", interval).start().await
}

#[tokio::test]
async fn keepalives_hold_a_silent_connection_and_are_counted_alike_by_everybody() {
    let emulator = impatient_deepgram().await;
    let sidecar = sidecar_with_interval(&emulator, "200ms").await;
    let mut app = App::open(&sidecar, &listen("silent")).await;
    // Three seconds, which is more than Deepgram bears.
    let enough = |connection: &serde_json::Value| connection["keepalives"].as_u64() >= Some(15);
    emulator.connection_where(enough).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.death), ("finished", None));
    let heard = emulator.ended_connection().await;
    assert_eq!(heard["keepalives"], summary.keepalives);
    let metrics = sidecar.metrics().await;
    assert_eq!(
        metrics.sum("keepalives_sent_total", &[("kind", "text")]),
        summary.keepalives as f64
    );
    assert_eq!(metrics.sum("session_keepalives_sum", &[]), summary.keepalives as f64);
}

#[tokio::test]
async fn keepalives_come_an_interval_apart_from_the_moment_the_connection_opens() {
    let emulator = impatient_deepgram().await;
    let sidecar = sidecar_with_interval(&emulator, "200ms").await;
    let mut app = App::open(&sidecar, &listen("interval")).await;
    let heard = emulator.connection_where(|it| it["keepalives"].as_u64() >= Some(6)).await;
    app.finish().await;
    let opened = heard["opened_ms"].as_u64().unwrap();
    let last = heard["keepalive_ms"][5].as_u64().unwrap();
    // Each may be late on a busy machine; none is early, and no tick is added on top.
    assert!(last - opened >= 6 * 200 - 20, "the sixth came after {} ms", last - opened);
}

#[tokio::test]
async fn without_keepalives_in_time_the_connection_dies_as_idle() {
    let emulator = impatient_deepgram().await;
    let sidecar = sidecar_with_interval(&emulator, "9900ms").await;
    let mut app = App::open(&sidecar, &listen("idle")).await;
    let dead = app.event("dead").await;
    assert_eq!(dead.text("reason"), Some("net_0001_idle"));
    assert_eq!((dead.text("trigger"), dead.text("class")), (Some("read"), Some("provider")));
    assert!(dead.number("send_age_ms") >= Some(1_900), "{dead:?}");
    assert_eq!(dead.number("connection"), Some(1));
    assert_eq!(app.finish().await.outcome, "dead");
    assert_eq!(emulator.ended_connection().await["end"], "idle_timeout");
}

#[tokio::test]
async fn the_applications_own_interval_goes_before_the_configured_one() {
    let emulator = impatient_deepgram().await;
    let sidecar = sidecar_with_interval(&emulator, "9900ms").await;
    let request = OpenRequest::new().session_id("own").keepalive_interval_ms(200);
    let mut app = App::open(&sidecar, &request).await;
    emulator.connection_where(|it| it["keepalives"].as_u64() >= Some(15)).await;
    assert_eq!(app.finish().await.outcome, "finished");
}

#[tokio::test]
async fn keepalives_alone_do_not_hold_a_connection_that_never_had_a_result() {
    let emulator = Emulator::with(json!({"response_timeout": "1s"}), &[]).await;
    let sidecar = sidecar_with_interval(&emulator, "200ms").await;
    let mut app = App::open(&sidecar, &listen("no-result")).await;
    let dead = app.event("dead").await;
    assert_eq!(dead.text("reason"), Some("net_0000_no_result"));
    assert_eq!((dead.text("trigger"), dead.text("class")), (Some("read"), Some("provider")));
    let summary = app.finish().await;
    assert!(summary.keepalives >= 2, "{summary:?}");
}

#[tokio::test]
async fn priming_silence_holds_it_and_is_none_of_the_applications_audio() {
    let emulator =
        Emulator::with(json!({"response_timeout": "2s", "interim_every": "200ms"}), &[]).await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "200ms")
        .set("keepalive.prime_silence", "900ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("primed")).await;
    // 3 s at least, and timer B runs out after two.
    emulator.connection_where(|it| it["keepalives"].as_u64() >= Some(15)).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.death), ("finished", None));
    assert_eq!((summary.audio.bytes_received, summary.audio.bytes_sent), (0, 0));
    assert_ne!(emulator.ended_connection().await["audio_bytes"], 0);
}

#[tokio::test]
async fn a_spent_budget_parks_the_session_and_audio_resumes_it() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "100ms")
        .set("keepalive.max_idle", "1500ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("parked")).await;
    app.speak(1).await;
    let parked = app.event("parked").await;
    assert!(parked.number("idle_ms") >= Some(1_500), "{parked:?}");
    sidecar.session_where("parked", |session| session["state"] == "parked").await;
    app.sender.send_audio(&speech(1)).await.unwrap();
    let resumed = app.event("resumed").await;
    assert!(resumed.number("idle_ms") >= parked.number("idle_ms"), "{resumed:?}");
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.connections), ("finished", 2));
    assert_eq!(summary.audio.bytes_sent, summary.audio.bytes_received);
    let connections = emulator.connections().await;
    let frames: Vec<_> = connections.iter().map(|it| it["audio_frames"].clone()).collect();
    assert_eq!(frames, [1, 1]);
}

#[tokio::test]
async fn no_keepalive_follows_close_stream() {
    let plan =
        "{then: [{at: 0s, do: ignore_close_stream}, {after_close_stream: 0s, do: {send: heard}}]}";
    let emulator = Emulator::scripted(&[plan]).await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "100ms")
        .set("session.finish_timeout", "600ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &listen("closing")).await;
    app.sender.finish().await.unwrap();
    assert_eq!(app.message().await, "heard");
    let before = emulator.connections().await[0]["keepalives"].clone();
    let summary = app.finished().await;
    let after = emulator.ended_connection().await["keepalives"].clone();
    assert_eq!((&after, summary.keepalives), (&before, before.as_u64().unwrap()));
}
