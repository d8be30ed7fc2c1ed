//! What operators see while it happens, and the one line that is left of a session.

use std::io::ErrorKind;

use tokio::net::TcpStream;

use client::OpenRequest;
use serde_json::json;

use crate::support::{App, Emulator, Sidecar, frame_bytes, listen};

#[tokio::test]
async fn probes_say_alive_and_ready() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    assert_eq!(sidecar.page("/livez").await.0, 200);
    let (status, page) = sidecar.page("/readyz").await;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, page), (200, json!({"ready": true, "blockers": [], "dials_held": null})));
    assert_eq!(sidecar.page("/nonsense").await.0, 404);
    assert_eq!(sidecar.metrics().await.sum("ready", &[]), 1.0);
}

#[tokio::test]
async fn a_live_session_is_shown_with_what_it_has_done_so_far() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let request =
        listen("shown").param("interim_results", true).tag("tenant", "acme").tag("room", "7");
    let mut app = App::open(&sidecar, &request).await;
    app.speak(20).await;
    let shown = sidecar
        .session_where("shown", |session| {
            session["audio"]["bytes_sent"] == frame_bytes(20)
                && session["messages"]["received"] != 0
        })
        .await;
    assert_eq!((&shown["state"], &shown["endpoint"]), (&json!("open"), &json!("/v1/listen")));
    assert_eq!((&shown["connections"], &shown["keepalives"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&shown["audio"]["frames"], &shown["audio"]["bytes_dropped"]),
        (&json!(20), &json!(0))
    );
    assert_eq!(shown["tags"], json!({"tenant": "acme", "room": "7"}));
    for age in ["age_ms", "send_age_ms", "receive_age_ms"] {
        assert!(shown[age].as_u64() < Some(30_000), "{age}: {shown}");
    }
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("sessions_active", &[("state", "open")]), 1.0);
    assert_eq!(metrics.sum("upstream_connections_active", &[]), 1.0);
    app.finish().await;
    assert!(sidecar.sessions().await.is_empty());
}

#[tokio::test]
async fn the_closing_line_of_a_session_has_every_member_that_is_promised() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: {close: {code: 1011}}}]}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let request = OpenRequest::new().session_id("books").tag("tenant", "acme");
    let mut app = App::open(&sidecar, &request).await;
    app.event("dead").await;
    app.finish().await;
    let line = sidecar.session_end("books").await;
    // FINISHED's members under their names, and what operators need beside them.
    let members = [
        "ts",
        "level",
        "event",
        "session_id",
        "outcome",
        "cut",
        "death",
        "duration_ms",
        "connections",
        "audio",
        "keepalives",
        "finalizes",
        "messages",
        "recoveries",
        "lost_ms",
        "vad",
        "reason",
        "trigger",
        "class",
        "stage",
        "send_age_ms",
        "receive_age_ms",
        "send_gap_max_ms",
        "finalizes_requested",
        "request_id",
    ];
    for member in members {
        assert!(line.get(member).is_some(), "{member} is missing: {line}");
    }
    assert_eq!((&line["outcome"], &line["reason"]), (&json!("dead"), &json!("provider_error")));
    assert_eq!(line["request_id"], emulator.connections().await[0]["request_id"]);
    assert_eq!(sidecar.process.log().events("session_end").len(), 1);
}

#[tokio::test]
async fn what_alerts_count_is_there_before_the_first_time_that_it_happens() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let metrics = sidecar.metrics().await;
    let death = [("reason", "net_0001_idle"), ("trigger", "read"), ("class", "provider")];
    assert_eq!(metrics.sum("connection_deaths_total", &death), 0.0);
    assert_eq!(metrics.sum("sessions_ended_total", &[("outcome", "dead")]), 0.0);
    assert_eq!(metrics.sum("finalize_errors_total", &[("reason", "timeout")]), 0.0);
    assert_eq!(metrics.sum("finalizes_skipped_total", &[("cause", "dead")]), 0.0);
    assert_eq!(metrics.sum("keepalives_sent_total", &[("kind", "text")]), 0.0);
    assert_eq!(metrics.sum("upstream_connect_attempts_total", &[("reason", "http_429")]), 0.0);
    assert_eq!(metrics.sum("session_keepalives_count", &[]), 0.0);
    assert_eq!(metrics.sum("session_duration_seconds_count", &[("outcome", "finished")]), 0.0);
}

#[tokio::test]
async fn names_of_sessions_and_words_of_speakers_stay_out_of_metrics_and_log() {
    let emulator = Emulator::with(json!({"words": "xylophone"}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let request = listen("quiet-name").param("interim_results", true).tag("tenant", "quiet-tag");
    let mut app = App::open(&sidecar, &request).await;
    app.speak(30).await;
    let mut heard = String::new();
    while !heard.contains("xylophone") {
        heard = String::from_utf8(app.message().await.to_vec()).unwrap().to_lowercase();
    }
    app.finish().await;
    let metrics = sidecar.metrics().await;
    for secret in ["quiet-name", "quiet-tag", "xylophone"] {
        assert!(!metrics.page().contains(secret), "{secret} is a label");
    }
    let line = sidecar.session_end("quiet-name").await;
    assert!(!line.to_string().to_lowercase().contains("xylophone"));
}

/// Those that ask for nothing give up their places as soon as somebody asks for something, and not
/// only when their time is over, which closes all of them.
#[tokio::test]
async fn silent_connections_keep_nobody_from_the_probes() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(sidecar.admin()).await.unwrap());
    }
    assert_eq!(sidecar.page("/livez").await.0, 200);
    let is_open = |it: &&TcpStream| matches!(it.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    let open = silent.iter().filter(is_open).count();
    assert!(open >= 50, "{open} of 100 were left");
}
