//! How Deepgram may end a stream that it was asked to end, and what is then claimed: FINISHED, log
//! and metrics alike.

use client::{OpenRequest, Summary};
use serde_json::json;

use crate::support::{App, Config, Emulator, Sidecar, listen};

/// The audio of each of these sessions: 40 frames.
const SPOKEN_MS: u64 = 4_000;

const CLOSE: &str = "{close: {code: 1000}}";

/// What Deepgram says at the end of a stream.
fn metadata(seconds: f64) -> String {
    send(&format!(r#"{{"type":"Metadata","duration":{seconds},"channels":1}}"#))
}

/// A final result of one of so many channels.
fn result(from: u64, to: u64, channel: u64, channels: u64) -> String {
    let duration = to - from;
    send(&format!(
        r#"{{"type":"Results","channel_index":[{channel},{channels}],"start":{from},"duration":{duration},"is_final":true}}"#
    ))
}

fn error(code: &str, description: &str) -> String {
    send(&format!(r#"{{"type":"Error","code":"{code}","description":"{description}"}}"#))
}

fn send(text: &str) -> String {
    format!("{{send: '{text}'}}")
}

/// A far end that says nothing by itself, and takes these steps after CloseStream.
fn plan(steps: &[String]) -> String {
    let steps: Vec<_> = steps
        .iter()
        .zip(1..)
        .map(|(step, place)| format!("{{after_close_stream: {}ms, do: {step}}}", 20 * place))
        .collect();
    format!(
        "{{then: [{{at: 0s, do: mute}}, {{at: 0s, do: ignore_close_stream}}, {}]}}",
        steps.join(", ")
    )
}

/// Speaks for four seconds, says FINISH, and reads the rest.
async fn finish(sidecar: &Sidecar, request: &OpenRequest, frame_bytes: usize) -> Summary {
    let mut app = App::open(sidecar, request).await;
    for _ in 0..40 {
        app.sender.send_audio(&vec![0; frame_bytes]).await.unwrap();
    }
    app.finish().await
}

/// What is lost and unknown after these steps, in milliseconds; and that everybody tells it alike.
async fn unclaimed(
    steps: &[String],
    request: OpenRequest,
    frame_bytes: usize,
    cause: &str,
) -> (Option<u64>, Option<u64>) {
    let emulator = Emulator::scripted(&[&plan(steps)]).await;
    let sidecar = Config::dialing(&emulator).start().await;
    let summary = finish(&sidecar, &request, frame_bytes).await;
    assert_eq!((&*summary.outcome, &summary.death), ("finished", &None), "{steps:?}");
    let (lost, unknown) = (summary.lost_ms, summary.unknown_ms);
    let ended = sidecar.session_end("ending").await;
    assert_eq!((&ended["lost_ms"], &ended["unknown_ms"]), (&json!(lost), &json!(unknown)));
    let metrics = sidecar.metrics().await;
    let seconds = |ms: Option<u64>| ms.unwrap_or(0) as f64 / 1000.0;
    let ledger = |account| metrics.sum("audio_ledger_seconds_total", &[("account", account)]);
    assert_eq!((ledger("lost"), ledger("unknown")), (seconds(lost), seconds(unknown)));
    let sum = ledger("finalized") + ledger("lost") + ledger("unknown");
    assert!((ledger("accepted") - sum).abs() < 1e-9, "{steps:?}");
    for word in ["unprocessed", "unconfirmed"] {
        let of_cause = metrics.sum("audio_lost_seconds_total", &[("cause", word)]);
        assert_eq!(of_cause, if word == cause { seconds(lost) } else { 0.0 }, "{steps:?}: {word}");
    }
    (lost, unknown)
}

fn named() -> OpenRequest {
    OpenRequest::new().session_id("ending")
}

/// The same on 16 kHz linear16.
async fn lost(steps: &[String], cause: &str) -> u64 {
    let (lost, unknown) = unclaimed(steps, listen("ending"), 3_200, cause).await;
    assert_eq!(unknown, Some(0));
    lost.unwrap()
}

#[tokio::test]
async fn a_close_without_metadata_confirms_nothing() {
    assert_eq!(lost(&[CLOSE.into()], "unconfirmed").await, SPOKEN_MS);
    assert_eq!(lost(&["{close: {}}".into()], "unconfirmed").await, SPOKEN_MS);
}

#[tokio::test]
async fn metadata_says_how_much_is_final() {
    for (seconds, expected) in [(4.0, 0), (3.9, 0), (2.0, 2_000), (0.0, SPOKEN_MS)] {
        let cause = if expected > 0 { "unprocessed" } else { "none" };
        assert_eq!(lost(&[metadata(seconds), CLOSE.into()], cause).await, expected);
    }
    // It said so, however the connection ends.
    assert_eq!(lost(&[metadata(4.0), "fin".into()], "none").await, 0);
}

#[tokio::test]
async fn a_gap_in_the_results_is_claimed_with_metadata_alone() {
    let results = [result(0, 1, 0, 1), result(3, 4, 0, 1)];
    let with = |last: &[String]| [&results, last].concat();
    assert_eq!(lost(&with(&[CLOSE.into()]), "unconfirmed").await, 2_000);
    assert_eq!(lost(&with(&[metadata(4.0), CLOSE.into()]), "none").await, 0);
}

#[tokio::test]
async fn of_several_channels_the_slowest_counts() {
    let request = named().audio("linear16", 16_000, 2);
    let steps = [result(0, 4, 0, 2), result(0, 1, 1, 2), CLOSE.into()];
    let (lost, _) = unclaimed(&steps, request, 6_400, "unconfirmed").await;
    assert_eq!(lost, Some(3_000));
}

#[tokio::test]
async fn mulaw_at_8_khz_is_measured_alike() {
    let request = named().audio("mulaw", 8_000, 1);
    let steps = [metadata(2.5), CLOSE.into()];
    let (lost, _) = unclaimed(&steps, request, 800, "unprocessed").await;
    assert_eq!(lost, Some(1_500));
}

/// Deepgram's count has our own silence in it.
#[tokio::test]
async fn priming_silence_is_not_the_applications() {
    let emulator = Emulator::scripted(&[&plan(&[metadata(3.0), CLOSE.into()])]).await;
    let sidecar = Config::dialing(&emulator).set("keepalive.prime_silence", "1s").start().await;
    let mut app = App::open(&sidecar, &listen("ending")).await;
    // A second of it goes out at the pace of real time.
    emulator.connection_where(|it| it["audio_bytes"].as_u64() >= Some(32_000)).await;
    app.speak(40).await;
    let summary = app.finish().await;
    assert_eq!((summary.lost_ms, summary.unknown_ms), (Some(2_000), Some(0)));
}

#[tokio::test]
async fn an_encoding_that_tells_no_time_is_not_measured() {
    let opus = named().param("encoding", "opus").param("sample_rate", 48_000);
    let steps = [metadata(4.0), CLOSE.into()];
    assert_eq!(unclaimed(&steps, opus, 3_200, "none").await, (None, None));
}

/// A death: reason, class, and how its detail ends.
async fn dies(steps: &[String], expected: (&str, &str, &str)) {
    let emulator = Emulator::scripted(&[&plan(steps)]).await;
    let sidecar = Config::dialing(&emulator).start().await;
    let summary = finish(&sidecar, &listen("ending"), 3_200).await;
    let death = summary.death.unwrap();
    assert_eq!(
        (&*summary.outcome, &*death.reason, &*death.class),
        ("dead", expected.0, expected.1)
    );
    assert!(death.detail.ends_with(expected.2), "{}", death.detail);
    let (_, deaths) = sidecar.page("/deaths").await;
    assert!(deaths.contains(&format!("\"reason\":\"{}\"", expected.0)), "{deaths}");
    assert!(deaths.contains(expected.2), "{deaths}");
}

#[tokio::test]
async fn after_close_stream_an_error_without_metadata_is_a_death() {
    let error = error("INTERNAL_SERVER_ERROR", "Sorry.");
    let expected = ("provider_error", "provider", "INTERNAL_SERVER_ERROR: Sorry.");
    for close in [CLOSE, "{close: {}}", "{close: {code: 1011}}", "fin"] {
        dies(&[error.clone(), close.into()], expected).await;
    }
    let finished = [error, metadata(4.0), CLOSE.into()];
    assert_eq!(lost(&finished, "none").await, 0, "Deepgram has said that it is done");
}

#[tokio::test]
async fn an_error_on_credit_is_the_accounts() {
    let steps = [error("INSUFFICIENT_CREDITS", "Top up."), "{close: {}}".into()];
    dies(&steps, ("closed_account", "account", "INSUFFICIENT_CREDITS: Top up.")).await;
}

/// A recording that is sent at once takes Deepgram most of its own length.
#[tokio::test]
async fn finish_waits_while_deepgram_goes_on_answering_and_no_longer() {
    let chatter = |times: usize| {
        let interim = send(r#"{"type":"Results","channel_index":[0,1],"start":0,"duration":1}"#);
        (1..=times)
            .map(|place| format!("{{after_close_stream: {}ms, do: {interim}}}", 200 * place))
            .collect::<Vec<_>>()
    };
    let quiet = ["{at: 0s, do: mute}", "{at: 0s, do: ignore_close_stream}"].map(str::to_owned);
    let last = [metadata(4.0), CLOSE.into()]
        .map(|step| format!("{{after_close_stream: 2100ms, do: {step}}}"));
    let patient = format!("{{then: [{}]}}", [&quiet[..], &chatter(10), &last].concat().join(", "));
    let endless = format!("{{then: [{}]}}", [&quiet[..], &chatter(40)].concat().join(", "));
    let emulator = Emulator::scripted(&[&patient, &endless]).await;
    let sidecar = Config::dialing(&emulator)
        .set("session.finish_timeout", "1500ms")
        .set("session.finish_max", "4s")
        .start()
        .await;
    let summary = finish(&sidecar, &listen("patient"), 3_200).await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("finished", Some(0)));
    let summary = finish(&sidecar, &listen("endless"), 3_200).await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("timed_out", Some(SPOKEN_MS)));
}
