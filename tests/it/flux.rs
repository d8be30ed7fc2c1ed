//! `/v2/listen` in both dialects, with real processes.

use client::{OpenRequest, VadMode};
use serde_json::{Value, json};

use crate::support::{App, Config, DialectApp, Emulator, Sidecar, frame_bytes, json, speech};

const TARGET: &str = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000";

/// Its blanks and the order of its members must arrive.
const CONFIGURE: &str =
    r#"{ "type":"Configure",  "keyterms":["zeta","alpha"], "thresholds":{"eot_threshold":0.8} }"#;

/// The frame that carries a text as it is.
const TEXT: u8 = 0x05;

const BAD: &str = r#"{"type":"Configre"}"#;

fn flux(session_id: &str) -> OpenRequest {
    let request = OpenRequest::new().session_id(session_id).path("/v2/listen");
    request
        .param("model", "flux-general-en")
        .param("encoding", "linear16")
        .param("sample_rate", 16_000)
}

/// So many frames of speech from `from` on, and silence in which the turn ends.
async fn say_a_turn(app: &mut App, from: u64, frames: u64) {
    for frame in from..from + frames {
        app.sender.send_audio(&speech(frame)).await.unwrap();
    }
    for _ in 0..SILENCE {
        app.sender.send_audio(&[0; 3_200]).await.unwrap();
    }
}

/// Longer than the end of a turn takes.
const SILENCE: u64 = 15;

/// Reads on to a message of this type, and for turns of this event.
async fn message(app: &mut App, kind: &str, event: Option<&str>) -> Value {
    loop {
        let message: Value = serde_json::from_slice(&app.message().await).unwrap();
        if message["type"] == kind && event.is_none_or(|event| message["event"] == event) {
            return message;
        }
    }
}

async fn end_of_turn(app: &mut App) -> Value {
    message(app, "TurnInfo", Some("EndOfTurn")).await
}

#[tokio::test]
async fn a_conversation_has_configurations_turns_and_an_end() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &flux("whole")).await;
    assert_eq!(message(&mut app, "Connected", None).await["sequence_id"], 0);
    app.sender.send_frame(TEXT, CONFIGURE.as_bytes()).await.unwrap();
    let answer = message(&mut app, "ConfigureSuccess", None).await;
    assert_eq!(answer["keyterms"], json!(["zeta", "alpha"]));
    say_a_turn(&mut app, 0, 20).await;
    let turn = end_of_turn(&mut app).await;
    let end_ms = (turn["audio_window_end"].as_f64().unwrap() * 1_000.0).round() as u64;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.death), ("finished", None));
    assert_eq!((summary.messages.finals, summary.lost_ms), (1, Some(0)));
    assert_eq!(summary.unknown_ms, Some(3_500 - end_ms), "the last turn ended at {end_ms} ms");
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["path"], &heard["end"]), (&json!("/v2/listen"), &json!("close_stream")));
    assert_eq!(heard["other_texts"], json!([CONFIGURE]));
    assert_eq!((&heard["keepalives"], &heard["finalizes"]), (&json!(0), &json!(0)));
    assert_eq!(heard["audio_bytes"], frame_bytes(35));
}

#[tokio::test]
async fn a_conversation_in_deepgrams_dialect_ends_without_a_code() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = DialectApp::open(&sidecar, &format!("{TARGET}&sidecar_session_id=dialect")).await;
    app.text("Connected").await;
    for text in [r#"{"type":"KeepAlive"}"#, CONFIGURE] {
        app.say(text).await;
    }
    app.text("ConfigureSuccess").await;
    let session = sidecar.session_where("dialect", |it| it["app_keepalives"] == 1).await;
    assert_eq!(session["state"], "open", "{session}");
    app.speak(0, 20).await;
    app.be_silent(15).await;
    app.say(r#"{"type":"CloseStream"}"#).await;
    let (messages, close) = app.rest().await;
    assert_eq!(close, (None, String::new()));
    let ends = messages.iter().filter_map(json).filter(|it| it["event"] == "EndOfTurn");
    assert_eq!(ends.count(), 1, "{messages:?}");
    let end = sidecar.session_end("dialect").await;
    assert_eq!((&end["outcome"], &end["messages"]["finals"]), (&json!("finished"), &json!(1)));
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["other_texts"], &heard["keepalives"]), (&json!([CONFIGURE]), &json!(0)));
}

#[tokio::test]
async fn pings_hold_a_silent_stream_in_both_dialects() {
    for dialect in [false, true] {
        // Ten times what pings take turns in, and no other ping.
        let emulator = Emulator::with(json!({"flux": {"idle_timeout": "2s"}}), &[]).await;
        let sidecar = Config::dialing(&emulator)
            .set("keepalive.interval", "200ms")
            .set("liveness.ping_interval", "60s")
            .start()
            .await;
        let enough = |it: &Value| it["pings"].as_u64() >= Some(15);
        if dialect {
            let mut app = DialectApp::open(&sidecar, TARGET).await;
            emulator.connection_where(enough).await;
            app.say(r#"{"type":"CloseStream"}"#).await;
            app.rest().await;
        } else {
            let mut app = App::open(&sidecar, &flux("silent")).await;
            emulator.connection_where(enough).await;
            app.finish().await;
        }
        let heard = emulator.ended_connection().await;
        assert_eq!((&heard["end"], &heard["keepalives"]), (&json!("close_stream"), &json!(0)));
        let sent = sidecar.metrics().await.sum("keepalives_sent_total", &[("kind", "ping")]);
        assert_eq!(Some(sent as u64), heard["pings"].as_u64());
    }
}

#[tokio::test]
async fn a_finalize_in_deepgrams_dialect_is_refused_with_1008_and_goes_no_further() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = DialectApp::open(&sidecar, TARGET).await;
    app.say(r#"{"type":"Finalize"}"#).await;
    let (_, (code, reason)) = app.rest().await;
    assert_eq!(code, Some(1008));
    assert!(reason.contains("/v2/listen has no Finalize"), "{reason}");
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["finalizes"], &heard["end"]), (&json!(0), &json!("close_stream")));
}

#[tokio::test]
async fn a_close_without_a_code_that_nobody_asked_for_is_a_death() {
    let plan = "{then: [{after_audio: 500ms, do: {close: {}}}]}";
    let emulator = Emulator::scripted(&[plan, plan]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &flux("unasked")).await;
    app.speak(5).await;
    let dead = app.event("dead").await;
    assert_eq!((dead.text("reason"), dead.text("trigger")), (Some("closed_early"), Some("read")));
    assert_eq!(app.finish().await.outcome, "dead");
    let mut app = DialectApp::open(&sidecar, TARGET).await;
    app.speak(0, 5).await;
    assert_eq!(app.rest().await.1, (None, String::new()));
}

#[tokio::test]
async fn an_error_before_the_close_is_delivered_and_is_the_reason() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &flux("bad")).await;
    app.sender.send_frame(TEXT, BAD.as_bytes()).await.unwrap();
    let error = message(&mut app, "Error", None).await;
    assert_eq!(error["code"], "UNPARSABLE_CLIENT_MESSAGE");
    let dead = app.event("dead").await;
    assert_eq!(dead.text("reason"), Some("provider_error"));
    assert!(dead.text("detail").unwrap().contains("UNPARSABLE_CLIENT_MESSAGE"), "{dead:?}");
    assert_eq!(app.finish().await.outcome, "dead");
    let mut app = DialectApp::open(&sidecar, TARGET).await;
    app.say(BAD).await;
    assert_eq!(app.text("Error").await["code"], "UNPARSABLE_CLIENT_MESSAGE");
    assert_eq!(app.rest().await, (Vec::new(), (None, String::new())));
}

#[tokio::test]
async fn a_stream_that_pings_do_not_hold_dies_of_deepgrams_error() {
    let flux_settings = json!({"idle_timeout": "1s", "ping_resets_idle": false});
    let emulator = Emulator::with(json!({"flux": flux_settings}), &[]).await;
    let sidecar = Config::dialing(&emulator).set("keepalive.interval", "200ms").start().await;
    let mut app = App::open(&sidecar, &flux("inactive")).await;
    let dead = app.event("dead").await;
    assert_eq!(dead.text("reason"), Some("provider_error"));
    assert!(dead.text("detail").unwrap().contains("INACTIVE_CLIENT"), "{dead:?}");
    assert_eq!(emulator.ended_connection().await["end"], "idle_timeout");
}

#[tokio::test]
async fn a_text_that_deepgram_cannot_read_costs_a_recovering_session_one_connection() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("recovery.mode", "reconnect").start().await;
    let mut app = App::open(&sidecar, &flux("slip")).await;
    app.sender.send_frame(TEXT, CONFIGURE.as_bytes()).await.unwrap();
    message(&mut app, "ConfigureSuccess", None).await;
    app.speak(5).await;
    app.sender.send_frame(TEXT, BAD.as_bytes()).await.unwrap();
    app.event("dead").await;
    // The other connection was told what the first had understood, and hears.
    message(&mut app, "ConfigureSuccess", None).await;
    app.event("recovered").await;
    say_a_turn(&mut app, 5, 5).await;
    end_of_turn(&mut app).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.connections), ("finished", 2));
    let texts: Vec<_> =
        emulator.connections().await.iter().map(|it| it["other_texts"].clone()).collect();
    assert_eq!(texts, [json!([CONFIGURE, BAD]), json!([CONFIGURE])]);
}

/// Two turns, a reset in the third, and its end.
#[tokio::test]
async fn over_a_death_every_sample_is_in_one_turn_and_times_go_on() {
    let reset = "{then: [{after_audio: 7800ms, do: reset}]}";
    let emulator = Emulator::with(json!({"position_code": true}), &[reset]).await;
    let sidecar = Config::dialing(&emulator).set("recovery.mode", "reconnect").start().await;
    let mut app = App::open(&sidecar, &flux("once")).await;
    let mut turns = Vec::new();
    for turn in 0..2 {
        say_a_turn(&mut app, turn * 20, 20).await;
        turns.push(end_of_turn(&mut app).await);
    }
    for frame in 40..48 {
        app.sender.send_audio(&speech(frame)).await.unwrap();
    }
    let dead = app.event("dead").await;
    say_a_turn(&mut app, 48, 12).await;
    assert_eq!(message(&mut app, "Connected", None).await["sequence_id"], 0, "it is Deepgram's");
    turns.push(end_of_turn(&mut app).await);
    assert_eq!(app.finish().await.outcome, "finished");
    let window = |turn: &Value, name| (turn[name].as_f64().unwrap() * 1_000.0).round() as u64;
    let windows =
        turns.iter().map(|it| (window(it, "audio_window_start"), window(it, "audio_window_end")));
    let windows: Vec<_> = windows.collect();
    assert_eq!(Some(windows[1].1), dead.number("final_ms"));
    assert!(windows.iter().all(|(start, end)| start < end), "{windows:?}");
    assert!(windows.windows(2).all(|it| it[0].1 <= it[1].0), "session time: {windows:?}");
    // The third turn was spoken from 7 s to 9 s.
    let words = turns[2]["words"].as_array().unwrap();
    let spoken = words.iter().map(|it| (window(it, "start"), window(it, "end")));
    assert!(
        spoken.clone().count() > 0
            && spoken.clone().all(|(start, end)| start >= 7_000 && end <= 9_100),
        "{words:?}"
    );
    let numbers: Vec<_> = turns.iter().map(|it| it["turn_index"].clone()).collect();
    assert_eq!(numbers, [0, 1, 0], "turns are Deepgram's, counted by connection");
    let mut once = Vec::new();
    for connection in emulator.connections().await {
        assert_eq!(connection["positions"]["repeated"], json!([]), "{connection}");
        once.extend(connection["positions"]["once"].as_array().unwrap().clone());
    }
    let mut samples: Vec<_> = once
        .iter()
        .map(|it| (it["start"].as_u64().unwrap(), it["end"].as_u64().unwrap()))
        .collect();
    samples.sort_unstable();
    assert!(samples.windows(2).all(|it| it[0].1 == it[1].0), "each sample once: {samples:?}");
    assert_eq!((samples[0].0, samples.last().unwrap().1), (0, 60 * 1_600));
}

#[tokio::test]
async fn behind_a_pause_times_go_on_where_the_session_is() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator)
        .set("keepalive.interval", "100ms")
        .set("keepalive.max_idle", "500ms")
        .start()
        .await;
    let mut app = App::open(&sidecar, &flux("pause")).await;
    let mut ends = Vec::new();
    for turn in 0..2 {
        say_a_turn(&mut app, turn * 10, 10).await;
        ends.push(end_of_turn(&mut app).await["audio_window_end"].as_f64().unwrap());
        app.event("parked").await;
    }
    assert!((ends[1] - ends[0] - 2.5).abs() < 0.26, "each turn takes 2.5 s of audio: {ends:?}");
    assert_eq!(app.finish().await.connections, 2);
}

#[tokio::test]
async fn gates_and_preludes_are_refused() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let gated = flux("gated").vad(VadMode::Active);
    let enrolled = flux("enrolled").prelude(client::Prelude::default());
    for (request, field) in [(gated, "vad.mode"), (enrolled, "prelude")] {
        let refusal = App::dial(&sidecar, &request).await.refusal().await;
        assert_eq!(
            (refusal.code.as_str(), refusal.field.as_deref()),
            ("invalid_open", Some(field))
        );
    }
    let (status, body) =
        DialectApp::refusal(&sidecar, &format!("{TARGET}&sidecar_vad=active")).await;
    assert_eq!(status, 400);
    assert!(body.contains("sidecar_vad"), "{body}");
    assert_eq!(emulator.connections().await.len(), 0);
}
