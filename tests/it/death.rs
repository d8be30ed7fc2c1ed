//! Deaths that the socket itself tells, and what becomes of their sessions.

use client::{Event, Incoming, Summary};
use serde_json::{Value, json};

use crate::support::{App, Config, Emulator, Sidecar, frame_bytes, listen};

/// Reason, trigger, class: the labels of a death.
pub(crate) type Labels = [&'static str; 3];

/// A daemon that says nothing on its own for as long as a test lasts.
pub(crate) fn quiet(emulator: &Emulator) -> Config {
    Config::dialing(emulator)
        .set("keepalive.interval", "9900ms")
        .set("liveness.ping_interval", "1h")
}

pub(crate) fn labels_of(dead: &Event) -> [Option<&str>; 3] {
    ["reason", "trigger", "class"].map(|member| dead.text(member))
}

/// Lets a connection die of a step of the script, and checks that everybody is told so alike.
async fn dies_of(action: &str, labels: Labels) {
    dies_by_plan(&format!("{{then: [{{after_audio: 100ms, do: {action}}}]}}"), labels).await;
}

async fn dies_by_plan(plan: &str, labels: Labels) {
    let emulator = Emulator::scripted(&[plan]).await;
    let sidecar = quiet(&emulator).start().await;
    let mut app = App::open(&sidecar, &listen("mortal")).await;
    app.speak(1).await;
    let dead = app.event("dead").await;
    assert_eq!(labels_of(&dead), labels.map(Some), "{dead:?}");
    let summary = app.finish().await;
    assert_death(&summary, labels);
    assert_eq!(summary.death.unwrap().detail, dead.text("detail").unwrap());
    assert_told_alike(&sidecar, labels).await;
}

pub(crate) fn assert_death(summary: &Summary, [reason, trigger, class]: Labels) {
    assert_eq!(summary.outcome, "dead", "{summary:?}");
    let death = summary.death.as_ref().unwrap();
    assert_eq!([&*death.reason, &*death.trigger, &*death.class], [reason, trigger, class]);
    assert!(summary.audio.balances(), "{summary:?}");
}

pub(crate) async fn assert_told_alike(sidecar: &Sidecar, [reason, trigger, class]: Labels) {
    let metrics = sidecar.metrics().await;
    let labels = [("reason", reason), ("trigger", trigger), ("class", class)];
    assert_eq!(metrics.sum("connection_deaths_total", &labels), 1.0);
    assert_eq!(metrics.sum("connection_deaths_total", &[]), 1.0);
    assert_eq!(metrics.sum("sessions_ended_total", &[("outcome", "dead")]), 1.0);
    let lost = sidecar.process.log().event("upstream_lost").await;
    let ended = sidecar.session_end("mortal").await;
    for line in [lost, ended] {
        assert_eq!([&line["reason"], &line["trigger"], &line["class"]], [reason, trigger, class]);
    }
}

#[tokio::test]
async fn a_close_1011_is_deepgrams_error() {
    let action = "{close: {code: 1011, reason: 'service restart'}}";
    dies_of(action, ["provider_error", "read", "provider"]).await;
}

#[tokio::test]
async fn closes_1001_1012_and_1013_are_deepgram_going_away() {
    for code in [1001, 1012, 1013] {
        let action = format!("{{close: {{code: {code}}}}}");
        dies_of(&action, ["closed_going_away", "read", "provider"]).await;
    }
}

#[tokio::test]
async fn a_bad_gateway_is_deepgrams_error() {
    dies_of("{close: {code: 1014}}", ["provider_error", "read", "provider"]).await;
}

/// The WebSocket library shows all of them as 1002.
#[tokio::test]
async fn a_code_that_no_peer_may_send_is_a_breach_and_named_as_it_came() {
    for code in [1004, 1005, 1006, 1015, 2999] {
        let plan = format!("{{then: [{{after_audio: 100ms, do: {{close: {{code: {code}}}}}}}]}}");
        let emulator = Emulator::scripted(&[&plan]).await;
        let sidecar = quiet(&emulator).start().await;
        let mut app = App::open(&sidecar, &listen("mortal")).await;
        app.speak(1).await;
        let dead = app.event("dead").await;
        let labels = ["ws_protocol", "read", "network"];
        assert_eq!(labels_of(&dead), labels.map(Some), "{dead:?}");
        let detail = format!("close {code}, which no peer may send");
        assert_eq!(dead.text("detail"), Some(&*detail));
        assert_death(&app.finish().await, labels);
    }
}

#[tokio::test]
async fn a_close_that_nobody_asked_for_is_early_with_1000_and_without_a_code() {
    dies_of("{close: {code: 1000}}", ["closed_early", "read", "provider"]).await;
    dies_of("{close: {}}", ["closed_early", "read", "provider"]).await;
}

#[tokio::test]
async fn a_close_that_speaks_of_credit_is_the_accounts() {
    let action = "{close: {code: 1008, reason: 'Insufficient credits.'}}";
    dies_of(action, ["closed_account", "read", "account"]).await;
}

#[tokio::test]
async fn a_close_with_a_strange_code_is_other() {
    let action = "{close: {code: 4321, reason: 'because'}}";
    dies_of(action, ["closed_other", "read", "provider"]).await;
}

#[tokio::test]
async fn audio_that_cannot_be_decoded_is_named() {
    let plan = "{settings: {undecodable: close}}";
    dies_by_plan(plan, ["data_0000_undecodable", "read", "provider"]).await;
}

#[tokio::test]
async fn a_reset_is_named() {
    dies_of("reset", ["connection_reset", "read", "network"]).await;
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_named() {
    dies_of("fin", ["eof_without_close", "read", "network"]).await;
    dies_of("cut_mid_frame", ["eof_without_close", "read", "network"]).await;
}

#[tokio::test]
async fn a_breach_of_rfc_6455_is_named() {
    dies_of("bad_frame", ["ws_protocol", "read", "network"]).await;
}

#[tokio::test]
async fn a_message_over_4_mib_is_a_breach() {
    dies_of("{oversized: 4194305}", ["ws_protocol", "read", "network"]).await;
}

#[tokio::test]
async fn when_deepgrams_host_goes_down_it_is_noticed_and_the_next_dial_says_so() {
    let emulator = Emulator::start().await;
    let sidecar = quiet(&emulator).set("upstream.connect_attempts", 1).start().await;
    let mut app = App::open(&sidecar, &listen("host")).await;
    // Until it has exited its listener may accept once more.
    let _killed = emulator.kill().await;
    assert_eq!(app.event("dead").await.text("class"), Some("network"));
    assert_eq!(app.finish().await.outcome, "dead");
    let refusal = App::dial(&sidecar, &listen("host")).await.refusal().await;
    assert_eq!(refusal.reason.as_deref(), Some("tcp"));
}

#[tokio::test]
async fn a_servers_close_is_noticed_although_nothing_is_written() {
    let close = "{close: {code: 1011, reason: 'restart'}}";
    let plan = format!("{{then: [{{at: 300ms, do: {close}}}]}}");
    let emulator = Emulator::scripted(&[&plan]).await;
    let sidecar = quiet(&emulator).start().await;
    let mut app = App::open(&sidecar, &listen("idle")).await;
    let dead = app.event("dead").await;
    assert_eq!(dead.text("detail"), Some("close 1011: restart"));
    // It came before anything of ours was due: it was not found by a write.
    let heard = emulator.ended_connection().await;
    assert_eq!([&heard["audio_frames"], &heard["keepalives"], &heard["pings"]], [0, 0, 0]);
    assert!(dead.at_ms() < 9_000, "{dead:?}");
    assert_eq!(dead.number("send_age_ms").map(|age| age <= dead.at_ms()), Some(true));
}

#[tokio::test]
async fn messages_come_before_the_death_of_their_connection_and_none_after_it() {
    let plan = "{then: [{at: 0s, do: {send: 'first'}}, {at: 0s, do: {send: 'second'}}, \
                {at: 0s, do: {close: {code: 1011}}}]}";
    let emulator = Emulator::scripted(&[plan]).await;
    let sidecar = quiet(&emulator).start().await;
    let mut app = App::open(&sidecar, &listen("order")).await;
    app.sender.finish().await.unwrap();
    let frames = app.rest().await;
    let names: Vec<String> = frames.iter().map(name_of).collect();
    assert_eq!(names, ["first", "second", "dead", "FINISHED"]);
}

fn name_of(frame: &Incoming) -> String {
    match frame {
        Incoming::Message(text) => String::from_utf8(text.to_vec()).unwrap(),
        Incoming::Event(event) => event.name().to_owned(),
        Incoming::Finished(_) => "FINISHED".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dead_session_keeps_its_place_and_what_it_is_sent_is_counted_and_no_error() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: reset}]}"]).await;
    let sidecar = quiet(&emulator).start().await;
    let mut app = App::open(&sidecar, &listen("latched")).await;
    app.event("dead").await;
    app.speak(3).await;
    app.sender.finalize(None).await.unwrap();
    app.sender.text(&json!({"type": "Configure"})).await.unwrap();
    app.sender.update(&json!({})).await.unwrap();
    let dropped = |session: &Value| session["audio"]["bytes_dropped"] == frame_bytes(3);
    let shown = sidecar.session_where("latched", dropped).await;
    assert_eq!(shown["state"], "dead");
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("sessions_active", &[("state", "dead")]), 1.0);
    let summary = app.finish().await;
    assert_eq!(summary.outcome, "dead");
    assert_eq!((summary.audio.frames, summary.audio.frames_dropped), (3, 3));
    assert_eq!((summary.audio.bytes_sent, summary.audio.bytes_dropped), (0, frame_bytes(3)));
    assert_eq!((summary.finalizes.skipped_dead, summary.finalizes.errors), (1, 0));
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("finalizes_skipped_total", &[("cause", "dead")]), 1.0);
    assert_eq!(metrics.sum("finalize_errors_total", &[]), 0.0);
    assert_eq!(metrics.sum("sessions_active", &[]), 0.0);
}

#[tokio::test]
async fn any_other_end_after_close_stream_is_a_death_and_answers_the_finish() {
    let ways = [
        ("reset", "connection_reset"),
        ("fin", "eof_without_close"),
        ("{close: {code: 1011, reason: 'restart'}}", "provider_error"),
    ];
    for (action, reason) in ways {
        let plan = format!(
            "{{then: [{{at: 0s, do: ignore_close_stream}}, \
             {{after_close_stream: 0s, do: {action}}}]}}"
        );
        let emulator = Emulator::scripted(&[&plan]).await;
        let sidecar = quiet(&emulator).set("session.finish_timeout", "60s").start().await;
        let mut app = App::open(&sidecar, &listen("late")).await;
        app.speak(1).await;
        let summary = app.finish().await;
        assert_eq!(
            (summary.outcome.as_str(), summary.death.unwrap().reason.as_str()),
            ("dead", reason)
        );
    }
}

#[tokio::test]
async fn a_close_that_was_asked_for_is_no_death_whatever_its_form() {
    for close in ["{close: {code: 1000}}", "{close: {}}"] {
        let plan = format!(
            "{{then: [{{at: 0s, do: ignore_close_stream}}, \
             {{after_close_stream: 0s, do: {close}}}]}}"
        );
        let emulator = Emulator::scripted(&[&plan]).await;
        let sidecar = quiet(&emulator).set("session.finish_timeout", "60s").start().await;
        let mut app = App::open(&sidecar, &listen("asked")).await;
        let summary = app.finish().await;
        assert_eq!((summary.outcome.as_str(), summary.death), ("finished", None));
    }
}
