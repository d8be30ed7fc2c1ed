//! Pauses of the whole process, as a CPU limit or a frozen node causes them: no verdict on anybody
//! comes of them, and what Deepgram does about one is put down to the sidecar.

use std::time::Duration;

use client::{Incoming, OpenRequest, Sender, Summary};
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::support::{App, Config, Emulator, Sidecar, listen, speech};

/// Sessions that go on while the process stands still now and then.
const SESSIONS: usize = 10;

/// Stops the daemon for so long.
async fn pause(sidecar: &Sidecar, length: Duration) {
    sidecar.process.signal(Signal::STOP);
    sleep(length).await;
    sidecar.process.signal(Signal::CONT);
}

/// Speaks at the pace of real time until it is told to stop.
async fn speak_on(mut sender: Sender) -> Sender {
    let mut clock = interval(Duration::from_millis(100));
    for frame in 0..90 {
        clock.tick().await;
        sender.send_audio(&speech(frame)).await.unwrap();
    }
    sender
}

/// Deadlines are short, so that every pause passes all of them.
fn hasty(emulator: &Emulator) -> Config {
    Config::dialing(emulator)
        .set("keepalive.interval", "300ms")
        .set("liveness.ping_interval", "200ms")
        .set("liveness.ping_timeout", "300ms")
        .set("upstream.write_timeout", "400ms")
        .set("session.finalize_timeout", "400ms")
        .set("session.finish_timeout", "400ms")
        .set("session.app_stall_timeout", "400ms")
}

#[tokio::test]
async fn no_pause_is_held_against_anybody() {
    let emulator = Emulator::start().await;
    let sidecar = hasty(&emulator).start().await;
    let mut talking = JoinSet::new();
    let mut silent = Vec::new();
    for number in 0..SESSIONS {
        let App { sender, mut reader } = App::open(&sidecar, &named("talks", number)).await;
        talking.spawn(async move {
            let mut sender = speak_on(sender).await;
            sender.finish().await.unwrap();
            reader.rest().await
        });
        silent.push(App::open(&sidecar, &named("listens", number)).await);
    }
    for length in [1_100, 1_500, 2_000] {
        sleep(Duration::from_millis(600)).await;
        pause(&sidecar, Duration::from_millis(length)).await;
    }
    while let Some(rest) = talking.join_next().await {
        let Some(Incoming::Finished(summary)) = rest.unwrap().pop() else { panic!() };
        assert_eq!((&*summary.outcome, &summary.death), ("finished", &None), "{summary:?}");
        assert_eq!(summary.lost_ms, Some(0), "{summary:?}");
    }
    for mut app in silent {
        let summary = app.finish().await;
        assert_eq!((&*summary.outcome, &summary.death), ("finished", &None), "{summary:?}");
    }
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("connection_deaths_total", &[]), 0.0);
    assert_eq!(metrics.sum("sessions_aborted_total", &[]), 0.0);
    assert_eq!(metrics.sum("app_stalls_total", &[]), 0.0);
    assert!(metrics.sum("runtime_lag_seconds_sum", &[]) > 1.0, "it is recorded all the same");
}

fn named(word: &str, number: usize) -> OpenRequest {
    listen(&format!("{word}-{number}"))
}

/// Deepgram gives up on each of them, and its close waits to be read when we go on.
#[tokio::test]
async fn a_pause_beyond_deepgrams_patience_is_the_sidecars_in_every_session() {
    let emulator = Emulator::with(json!({"idle_timeout": "9500ms"}), &[]).await;
    let sidecar = Config::dialing(&emulator).start().await;
    let mut apps = Vec::new();
    for number in 0..SESSIONS {
        let mut app = App::open(&sidecar, &named("frozen", number)).await;
        app.speak(5).await;
        apps.push(app);
    }
    pause(&sidecar, Duration::from_secs(12)).await;
    for mut app in apps {
        let dead = app.event("dead").await;
        let labels = ["reason", "trigger", "class"].map(|member| dead.text(member));
        assert_eq!(labels, ["keepalive_late", "read", "sidecar"].map(Some), "{dead:?}");
        let detail = dead.text("detail").unwrap();
        let gap = detail.split_once("sent nothing for ").unwrap().1.trim_end_matches(" ms");
        assert!(gap.parse::<u64>().unwrap() >= 12_000, "{detail}");
        assert_eq!(app.finish().await.outcome, "dead");
    }
    let metrics = sidecar.metrics().await;
    let late = [("reason", "keepalive_late"), ("class", "sidecar")];
    assert_eq!(metrics.sum("connection_deaths_total", &late), SESSIONS as f64);
    assert_eq!(metrics.sum("connection_deaths_total", &[]), SESSIONS as f64);
}

/// The deadline of a shutdown, and the time to write last frames after it, both passed in a pause.
#[tokio::test]
async fn a_pause_in_a_shutdown_takes_no_last_frame() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: ignore_close_stream}]}"]).await;
    let mut sidecar = Config::dialing(&emulator).set("drain.timeout", "1s").start().await;
    let mut app = App::open(&sidecar, &listen("cut")).await;
    app.speak(10).await;
    sidecar.process.signal(Signal::TERM);
    app.event("draining").await;
    pause(&sidecar, Duration::from_secs(4)).await;
    let summary = app.finished().await;
    assert_eq!((&*summary.outcome, summary.cut), ("drained", true), "{summary:?}");
    assert!(sidecar.process.exit().await.success());
    assert_eq!(sidecar.session_end("cut").await["outcome"], "drained");
}

/// Milliseconds. Deepgram waits for 10 s; a keepalive may have been 5 s ago when a pause begins.
const PAUSES: [u64; 10] = [500, 800, 1_200, 2_000, 3_000, 4_500, 6_000, 8_000, 11_000, 15_000];

/// A hundred pauses: ten daemons, ten each.
#[tokio::test]
#[ignore = "real time: two minutes"]
async fn of_a_hundred_pauses_only_those_beyond_deepgrams_patience_end_sessions_and_as_ours() {
    let mut daemons = JoinSet::new();
    for place in 0..10 {
        daemons.spawn(async move {
            let emulator = Emulator::start().await;
            let sidecar = Config::dialing(&emulator).start().await;
            for turn in 0..PAUSES.len() {
                endure(&sidecar, turn, PAUSES[(place + turn) % PAUSES.len()]).await;
            }
            let metrics = sidecar.metrics().await;
            assert_eq!(metrics.sum("sessions_aborted_total", &[]), 0.0);
            let late = [("reason", "keepalive_late")];
            let deaths = metrics.sum("connection_deaths_total", &[]);
            assert_eq!(metrics.sum("connection_deaths_total", &late), deaths);
        });
    }
    daemons.join_all().await;
}

/// Sessions that speak, and sessions that are silent, in one pause.
async fn endure(sidecar: &Sidecar, turn: usize, length: u64) {
    let mut talking = JoinSet::new();
    let mut silent = Vec::new();
    for number in 0..2 {
        let name = |word: &str| listen(&format!("{word}-{turn}-{number}"));
        let App { mut sender, mut reader } = App::open(sidecar, &name("talks")).await;
        talking.spawn(async move {
            let mut clock = interval(Duration::from_millis(100));
            for frame in 0..length / 100 + 10 {
                clock.tick().await;
                sender.send_audio(&speech(frame)).await.unwrap();
            }
            sender.finish().await.unwrap();
            reader.finished().await
        });
        let mut app = App::open(sidecar, &name("listens")).await;
        app.speak(5).await;
        silent.push(app);
    }
    sleep(Duration::from_millis(300)).await;
    pause(sidecar, Duration::from_millis(length)).await;
    for summary in talking.join_all().await {
        assert_endured(&summary, length);
    }
    for mut app in silent {
        assert_endured(&app.finish().await, length);
    }
}

fn assert_endured(summary: &Summary, length: u64) {
    let reason = summary.death.as_ref().map(|death| &*death.reason);
    match (&*summary.outcome, reason) {
        ("finished", None) => assert!(length < 10_500, "{length}: {summary:?}"),
        ("dead", Some("keepalive_late")) => assert!(length > 4_500, "{length}: {summary:?}"),
        _ => panic!("{length}: {summary:?}"),
    }
}
