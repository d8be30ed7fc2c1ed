//! The end: of the daemon by a signal, and of an application by its own death.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use client::Incoming;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{
    App, Config, Emulator, Process, Sidecar, frame_bytes, listen, sidecar_command, speech,
};

/// A Deepgram that overhears CloseStream, so that a drain takes until somebody cuts it.
async fn deaf_deepgram() -> Emulator {
    Emulator::scripted(&["{then: [{at: 0s, do: ignore_close_stream}]}"; 4]).await
}

/// A Deepgram that takes two seconds to finish: long enough to be met at it.
async fn thoughtful_deepgram() -> Emulator {
    Emulator::with(json!({"result_latency": "2s"}), &[]).await
}

async fn assert_exits(sidecar: &mut Sidecar, code: i32) {
    assert_eq!(sidecar.process.exit().await.code(), Some(code));
    assert!(!sidecar.socket().exists(), "the socket file is left behind");
}

#[tokio::test]
async fn a_signal_finishes_every_session_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let emulator = Emulator::with(json!({"result_latency": "200ms"}), &[]).await;
        let mut sidecar = Sidecar::start(&emulator).await;
        let mut apps = Vec::new();
        for number in 0..5 {
            let mut app = App::open(&sidecar, &listen(&format!("drained-{number}"))).await;
            app.speak(10).await;
            apps.push(app);
        }
        // What was sent is on its way to Deepgram, and so is part of what is flushed.
        let sent = |session: &Value| session["audio"]["bytes_sent"] == 32_000;
        for number in 0..5 {
            sidecar.session_where(&format!("drained-{number}"), sent).await;
        }
        sidecar.process.signal(signal);
        for app in &mut apps {
            assert_drained_with_last_words(app).await;
        }
        assert_exits(&mut sidecar, 0).await;
        for connection in emulator.connections().await {
            assert_eq!(connection["end"], "close_stream");
        }
        let ended = sidecar.process.log().event("drain_end").await;
        assert_eq!(ended["cut"], 0);
    }
}

/// `draining` comes first, then what Deepgram flushes, then FINISHED `drained`.
async fn assert_drained_with_last_words(app: &mut App) {
    let draining = app.event("draining").await;
    assert!(draining.number("deadline_ms") > Some(20_000), "{draining:?}");
    let frames = app.rest().await;
    let is_words = |frame: &Incoming| match frame {
        Incoming::Message(text) => String::from_utf8_lossy(text).contains("\"is_final\":true"),
        _ => false,
    };
    assert!(frames.iter().any(is_words), "{frames:?}");
    let Some(Incoming::Finished(summary)) = frames.last() else { panic!("{frames:?}") };
    assert_eq!((&*summary.outcome, summary.cut), ("drained", false));
    assert_eq!(summary.audio.bytes_sent, 32_000);
}

#[tokio::test]
async fn the_deadline_cuts_what_deepgram_does_not_finish_and_it_still_exits_with_0() {
    let emulator = deaf_deepgram().await;
    let mut sidecar = Config::dialing(&emulator).set("drain.timeout", "500ms").start().await;
    let mut app = App::open(&sidecar, &listen("cut")).await;
    app.speak(1).await;
    sidecar.process.signal(Signal::TERM);
    let summary = app.finished().await;
    assert_eq!((summary.outcome.as_str(), summary.cut), ("drained", true));
    assert_exits(&mut sidecar, 0).await;
    assert_eq!(sidecar.session_end("cut").await["cut"], true);
}

#[tokio::test]
async fn a_hangup_is_logged_and_changes_nothing() {
    let emulator = Emulator::start().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("unmoved")).await;
    sidecar.process.signal(Signal::HUP);
    let ignored = sidecar.process.log().event("signal_ignored").await;
    assert_eq!(ignored["signal"], "SIGHUP");
    app.speak(1).await;
    assert_eq!(app.finish().await.outcome, "finished");
    sidecar.process.signal(Signal::TERM);
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn a_live_application_may_go_on_and_finish_by_itself() {
    let emulator = Emulator::start().await;
    let mut sidecar = Config::dialing(&emulator).set("drain.linger", "20s").start().await;
    let mut app = App::open(&sidecar, &listen("lingering")).await;
    sidecar.process.signal(Signal::TERM);
    app.event("draining").await;
    app.speak(5).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.audio.bytes_sent), ("finished", frame_bytes(5)));
    drop(app);
    assert_exits(&mut sidecar, 0).await;
    let ended = sidecar.process.log().event("drain_end").await;
    assert_eq!((&ended["sessions"], &ended["read"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_1() {
    let emulator = deaf_deepgram().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("forced")).await;
    sidecar.process.signal(Signal::TERM);
    app.event("draining").await;
    sidecar.process.signal(Signal::TERM);
    assert_exits(&mut sidecar, 1).await;
    assert_eq!(sidecar.process.log().event("shutdown_complete").await["forced"], true);
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_newcomers_are_told() {
    let emulator = deaf_deepgram().await;
    let mut sidecar = Config::dialing(&emulator)
        .set("ipc.max_sessions", 1)
        .set("session.finish_timeout", "60s")
        .start()
        .await;
    let mut silent = App::connect(&sidecar).await;
    let mut app = App::open(&sidecar, &listen("last")).await;
    sidecar.process.signal(Signal::TERM);
    app.event("draining").await;
    // Who had connected and not yet opened hears it as well.
    assert_eq!(silent.refusal().await.code, "draining");
    // It is full too, and `draining` goes before `too_many_sessions`.
    let mut newcomer = App::dial(&sidecar, &listen("late")).await;
    assert_eq!(newcomer.refusal().await.code, "draining");
    let (status, page) = sidecar.page("/readyz").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, &page["blockers"]), (503, &json!(["draining"])));
    assert_eq!(sidecar.page("/livez").await.0, 200);
    assert_eq!(sidecar.metrics().await.sum("draining", &[]), 1.0);
    sidecar.process.signal(Signal::TERM);
    sidecar.process.exit().await;
}

#[tokio::test]
async fn a_session_that_still_dials_is_drained_too() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &listen("dialing")).await;
    sidecar.session_where("dialing", |session| session["state"] == "connecting").await;
    sidecar.process.signal(Signal::TERM);
    app.event("draining").await;
    assert_eq!(app.refusal().await.code, "draining");
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn audio_that_the_deadline_gives_up_is_told() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let mut sidecar = Config::dialing(&emulator).set("drain.timeout", "500ms").start().await;
    let mut app = App::dial(&sidecar, &listen("given-up")).await;
    app.speak(3).await;
    let kept = |session: &Value| session["audio"]["frames"] == 3;
    sidecar.session_where("given-up", kept).await;
    sidecar.process.signal(Signal::TERM);
    let dropped = app.event("audio_dropped").await;
    assert_eq!((dropped.number("frames"), dropped.number("bytes")), (Some(3), Some(9_600)));
    assert_eq!(dropped.text("cause"), Some("drain_deadline"));
    assert_eq!(app.refusal().await.code, "draining");
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn what_an_application_said_before_it_died_is_flushed_during_the_drain_too() {
    let emulator = thoughtful_deepgram().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("died")).await;
    app.speak(5).await;
    drop(app);
    sidecar.session_where("died", |session| session["state"] == "closing").await;
    sidecar.process.signal(Signal::TERM);
    assert_exits(&mut sidecar, 0).await;
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["audio_frames"], &heard["end"]), (&json!(5), &json!("close_stream")));
}

#[tokio::test]
async fn a_finish_that_was_read_before_the_signal_stays_finished() {
    let emulator = thoughtful_deepgram().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("finishing")).await;
    app.speak(1).await;
    app.sender.finish().await.unwrap();
    sidecar.session_where("finishing", |session| session["state"] == "closing").await;
    sidecar.process.signal(Signal::TERM);
    assert_eq!(app.finished().await.outcome, "finished");
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn a_latched_session_ends_with_the_daemon_and_stays_dead() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: reset}]}"]).await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("latched")).await;
    app.event("dead").await;
    sidecar.process.signal(Signal::TERM);
    assert_eq!(app.finished().await.outcome, "dead");
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn without_sessions_it_exits_at_once() {
    let emulator = Emulator::start().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    sidecar.process.signal(Signal::TERM);
    assert_exits(&mut sidecar, 0).await;
}

#[tokio::test]
async fn killing_the_application_in_mid_stream_sends_close_stream() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut command = sidecar_command();
    command.args(["stream", "-", "--encoding", "linear16", "--session-id", "killed", "--socket"]);
    let mut app = Process::spawn(command.arg(sidecar.socket()).stdin(Stdio::piped()));
    let mut stdin = app.take_stdin();
    for frame in 0..20 {
        stdin.write_all(&speech(frame)).await.unwrap();
    }
    emulator.connection_where(|connection| connection["audio_frames"].as_u64() > Some(0)).await;
    app.signal(Signal::KILL);
    assert_eq!(app.exit().await.signal(), Some(9));
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["close_stream"], &heard["end"]), (&json!(true), &json!("close_stream")));
    let ended = sidecar.session_end("killed").await;
    assert_eq!((&ended["outcome"], &ended["cause"]), (&json!("aborted"), &json!("app_left")));
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("sessions_aborted_total", &[("cause", "app_left")]), 1.0);
    assert!(sidecar.sessions().await.is_empty());
}
