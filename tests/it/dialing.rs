//! Reaching Deepgram: what is tried again, what is the last word, and what becomes of the audio.

use client::{Incoming, Refusal};
use serde_json::json;

use crate::support::{
    App, Config, Emulator, SAMPLES_PER_FRAME, Sidecar, eventually, frame_bytes, listen, speech,
    within,
};

async fn connect_failure(sidecar: &Sidecar) -> Refusal {
    let mut app = App::dial(sidecar, &listen("refused")).await;
    let refusal = app.refusal().await;
    assert_eq!(refusal.code, "connect_failed", "{refusal:?}");
    assert!(!refusal.message.is_empty());
    refusal
}

/// One attempt at an address that does not lead to an answer.
async fn unanswered(config: &Config, reason: &str) -> Refusal {
    let sidecar = config.clone().set("upstream.connect_attempts", 1).start().await;
    let refusal = connect_failure(&sidecar).await;
    assert_eq!(refusal.reason.as_deref(), Some(reason), "{refusal:?}");
    assert_eq!(refusal.status, None);
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("upstream_connect_attempts_total", &[("reason", reason)]), 1.0);
    refusal
}

#[tokio::test]
async fn deepgrams_last_words_are_not_asked_for_again_and_come_with_all_that_it_said() {
    let terminal = [
        (400, "http_400"),
        (401, "http_401"),
        (402, "http_402"),
        (403, "http_403"),
        (404, "http_4xx"),
    ];
    for (status, reason) in terminal {
        let emulator = Emulator::scripted(&[&format!("{{refuse: {{status: {status}}}}}")]).await;
        let sidecar = Sidecar::start(&emulator).await;
        let refusal = connect_failure(&sidecar).await;
        assert_eq!((refusal.reason.as_deref(), refusal.status), (Some(reason), Some(status)));
        assert!(refusal.detail.is_some(), "{refusal:?}");
        let connections = emulator.connections().await;
        assert_eq!(connections.len(), 1, "{status} was asked for again");
        assert_eq!(connections[0]["request_id"].as_str(), refusal.request_id.as_deref());
        let metrics = sidecar.metrics().await;
        assert_eq!(metrics.sum("upstream_connect_attempts_total", &[("reason", reason)]), 1.0);
        assert_eq!(metrics.sum("sessions_ended_total", &[("outcome", "connect_failed")]), 1.0);
        assert_eq!(sidecar.session_end("refused").await["outcome"], "connect_failed");
    }
}

#[tokio::test]
async fn the_detail_is_deepgrams_own_message() {
    let body = r#"{"err_code":"INSUFFICIENT_PERMISSIONS","err_msg":"Not this model."}"#;
    let plan = format!("{{refuse: {{status: 403, body: '{body}'}}}}");
    let emulator = Emulator::scripted(&[&plan]).await;
    let refusal = connect_failure(&Sidecar::start(&emulator).await).await;
    let detail = refusal.detail.unwrap();
    assert!(detail.contains("INSUFFICIENT_PERMISSIONS") && detail.contains("Not this model."));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Emulator::start().await;
    let location = format!("http://{}/v1/listen", elsewhere.addr());
    let plan = format!("{{redirect: {{status: 302, location: '{location}'}}}}");
    let emulator = Emulator::scripted(&[&plan]).await;
    let refusal = connect_failure(&Sidecar::start(&emulator).await).await;
    assert_eq!((refusal.reason.as_deref(), refusal.status), (Some("http_3xx"), Some(302)));
    assert_eq!(elsewhere.connections().await.len(), 0);
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_the_audio_survives_it() {
    let plans = ["{refuse: {status: 429}}", "{refuse: {status: 503}}"];
    let emulator = Emulator::with(json!({"position_code": true}), &plans).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &listen("patient")).await;
    app.speak(20).await;
    app.sender.finalize(None).await.unwrap();
    app.sender.finish().await.unwrap();
    app.opened().await;
    let summary = app.finished().await;
    assert_eq!((summary.outcome.as_str(), summary.connections), ("finished", 1));
    assert_eq!(summary.audio.bytes_sent, frame_bytes(20));
    assert_eq!(summary.finalizes.sent, 1);
    let connections = emulator.connections().await;
    let statuses: Vec<_> = connections.iter().map(|it| it["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [429, 503, 101]);
    let requested: Vec<_> =
        connections.iter().map(|it| it["requested_ms"].as_u64().unwrap()).collect();
    assert!(
        requested[1] - requested[0] >= 990 && requested[2] - requested[1] >= 1_990,
        "{requested:?}"
    );
    let whole = json!([{"start": 0, "end": 20 * SAMPLES_PER_FRAME}]);
    assert_eq!(connections[2]["positions"]["once"], whole);
}

#[tokio::test]
async fn after_three_attempts_it_is_given_up() {
    let emulator = Emulator::scripted(&["{refuse: {status: 408}}"; 4]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &listen("refused")).await;
    app.speak(1).await;
    let refusal = app.refusal().await;
    assert_eq!((refusal.reason.as_deref(), refusal.status), (Some("http_4xx"), Some(408)));
    assert_eq!(emulator.connections().await.len(), 3);
    let ended = sidecar.session_end("refused").await;
    assert_eq!(ended["audio"]["bytes_dropped"], frame_bytes(1));
}

/// What becomes of sessions that are all opened at once: opened, or the reason of the refusal.
async fn outcomes(sidecar: &Sidecar, sessions: usize) -> Vec<Result<(), Option<String>>> {
    let mut apps = Vec::new();
    for number in 0..sessions {
        apps.push(App::dial(sidecar, &listen(&format!("storm-{number}"))).await);
    }
    let mut outcomes = Vec::new();
    for app in &mut apps {
        outcomes.push(match app.reader.next().await {
            Some(Incoming::Opened(_)) => Ok(()),
            Some(Incoming::Error(refusal)) => Err(refusal.reason),
            other => panic!("{other:?}"),
        });
    }
    outcomes
}

#[tokio::test]
async fn two_hundred_sessions_with_a_refused_key_dial_a_few_times() {
    let emulator = Emulator::with_arguments(json!({}), &[], &["--api-key", "another-key"]).await;
    refused_together(&emulator, 401).await;
}

#[tokio::test]
async fn two_hundred_sessions_without_credit_dial_a_few_times() {
    let emulator = Emulator::scripted(&["{refuse: {status: 402}}"; 16]).await;
    refused_together(&emulator, 402).await;
}

async fn refused_together(emulator: &Emulator, code: u16) {
    let sidecar = Sidecar::start(emulator).await;
    let outcomes = outcomes(&sidecar, 200).await;
    let refused = Err(Some(format!("http_{code}")));
    assert!(outcomes.iter().all(|it| *it == refused), "{outcomes:?}");
    // Those under way at the first refusal; one more if the machine took 8 s for all this.
    let dials = emulator.connections().await.len();
    assert!(dials <= 9, "{dials}");
    let metrics = sidecar.metrics().await;
    let dialled = metrics.sum("upstream_connect_attempts_total", &[("result", "failed")]);
    assert_eq!(dialled, dials as f64);
    let withheld = metrics.sum("upstream_dials_withheld_total", &[]);
    assert_eq!(withheld, 200.0 - dials as f64);
    let held = sidecar.process.log().event("dials_held").await;
    assert_eq!((&held["blocker"], &held["status"]), (&json!("credential_refused"), &json!(code)));
    let (status, page) = sidecar.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(page.contains("credential_refused"), "{page}");
}

#[tokio::test]
async fn two_hundred_sessions_wait_out_a_busy_deepgram_in_line() {
    for refusal in [
        "status: 429, retry_after: 2s",
        "status: 429, retry_after: 2s, retry_after_date: true",
        "status: 503, retry_after: 2s",
    ] {
        // As many as the formula allows before the first probe. A slow machine dials fewer of them
        // at a time: Deepgram has room from then on, or the others would be spent on probes.
        let plan = format!("{{refuse: {{{refusal}}}}}");
        let plans = [plan.as_str(); 12];
        let emulator = Emulator::with(json!({"concurrency": 1000}), &plans).await;
        let sidecar = Sidecar::start(&emulator).await;
        let has_room = async {
            sidecar.process.log().event("dials_held").await;
            emulator.change("connections: []").await;
        };
        let (outcomes, ()) = tokio::join!(outcomes(&sidecar, 200), has_room);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let dials = emulator.connections().await.len();
        assert!(
            (205..=212).contains(&dials),
            "5 refusals open the breaker, 12 is the most: {dials}"
        );
        let metrics = sidecar.metrics().await;
        assert_eq!(metrics.sum("upstream_dials_held", &[]), 0.0);
        assert_eq!(metrics.sum("upstream_dials_waiting", &[]), 0.0);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_is_named() {
    for plan in ["{garbage_handshake: true}", "{refuse_tcp: true}"] {
        let emulator = Emulator::scripted(&[plan]).await;
        unanswered(&Config::dialing(&emulator), "protocol").await;
    }
}

#[tokio::test]
async fn an_upgrade_that_is_never_answered_times_out() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let config = Config::dialing(&emulator).set("upstream.connect_timeout", "300ms");
    unanswered(&config, "timeout").await;
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_named() {
    // Bound and never listened on, so that nobody else can take it meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("ws://{}", socket.local_addr().unwrap());
    unanswered(&Config::dialing_url(&url), "tcp").await;
}

#[tokio::test]
async fn a_name_that_nobody_has_is_named() {
    unanswered(&Config::dialing_url("ws://nosuch.invalid"), "dns").await;
}

#[tokio::test]
async fn an_application_that_leaves_while_dialing_cancels_the_dial() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &listen("leaver")).await;
    app.speak(2).await;
    eventually("the dial", async || (!emulator.connections().await.is_empty()).then_some(())).await;
    app.sender.shutdown().await.unwrap();
    assert_eq!(app.refusal().await.code, "connect_failed");
    let ended = sidecar.session_end("leaver").await;
    assert_eq!((&ended["outcome"], &ended["cause"]), (&json!("aborted"), &json!("app_left")));
    assert_eq!(ended["audio"]["bytes_dropped"], frame_bytes(2));
    assert!(sidecar.sessions().await.is_empty());
    assert_eq!(sidecar.metrics().await.sum("upstream_connections_active", &[]), 0.0);
}

#[tokio::test]
async fn what_is_kept_while_dialing_is_bounded_and_the_application_is_held_back() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"]).await;
    let sidecar = Config::dialing(&emulator)
        .set("upstream.connect_timeout", "1s")
        .set("upstream.connect_attempts", 1)
        .set("session.connect_buffer", "1s")
        .start()
        .await;
    let App { mut sender, mut reader } = App::dial(&sidecar, &listen("kept")).await;
    let mut taken = 0;
    let flood = async {
        // Far more than the bound and the kernel's buffers hold together.
        for frame in 0..1_000 {
            if sender.send_audio(&speech(frame)).await.is_err() {
                break;
            }
            taken += 1;
        }
    };
    let refusal = within("the refusal", async {
        tokio::select! {
            frame = reader.next() => frame,
            () = flood => panic!("everything was taken"),
        }
    })
    .await;
    assert!(format!("{refusal:?}").contains("connect_failed"), "{refusal:?}");
    let ended = sidecar.session_end("kept").await;
    let received = ended["audio"]["bytes_received"].as_u64().unwrap();
    // One second, and what was read together with its last frame.
    assert!((frame_bytes(10)..frame_bytes(20)).contains(&received), "{received}");
    assert!(taken < 500, "{taken} frames were taken");
}
