//! Audio in, text out, and the books at the end.

use client::{Incoming, OpenRequest, Summary};
use serde_json::{Value, json};

use crate::support::{
    App, Config, Emulator, SAMPLES_PER_FRAME, Sidecar, eventually, frame_bytes, listen, memory_kib,
    speech,
};

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
);
const WORDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.txt"
);

/// The recording's audio, in frames of 100 ms.
fn recording() -> Vec<Vec<u8>> {
    let samples: Vec<i16> =
        hound::WavReader::open(RECORDING).unwrap().into_samples().map(Result::unwrap).collect();
    let bytes = |samples: &[i16]| samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    samples.chunks(SAMPLES_PER_FRAME).map(bytes).collect()
}

/// The words of all final results, in order.
fn final_words(frames: &[Incoming]) -> String {
    let mut words = Vec::new();
    for frame in frames {
        let Incoming::Message(message) = frame else { continue };
        let message: Value = serde_json::from_slice(message).unwrap();
        if message["is_final"] == true {
            words.push(
                message["channel"]["alternatives"][0]["transcript"].as_str().unwrap().to_owned(),
            );
        }
    }
    words.retain(|text| !text.is_empty());
    words.join(" ")
}

fn summary_of(frames: &[Incoming]) -> Summary {
    match frames.last() {
        Some(Incoming::Finished(summary)) => (**summary).clone(),
        other => panic!("{other:?} was the last frame, not FINISHED"),
    }
}

#[tokio::test]
async fn a_recording_goes_in_and_its_text_comes_out() {
    let emulator = Emulator::with_arguments(json!({}), &[], &["--words", WORDS]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("austen")).await;
    for frame in recording() {
        app.sender.send_audio(&frame).await.unwrap();
    }
    app.sender.finish().await.unwrap();
    let words = final_words(&app.rest().await);
    // Without `punctuate` and `smart_format` words come bare, and the recording has no room for all.
    let text = std::fs::read_to_string(WORDS).unwrap().to_lowercase();
    assert!(words.split(' ').count() >= 5 && text.starts_with(&words), "{words}");
}

#[tokio::test]
async fn application_log_metrics_and_deepgram_tell_the_same_books() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("books").param("interim_results", true)).await;
    app.speak(40).await;
    app.sender.finalize(None).await.unwrap();
    app.sender.send_audio(b"").await.unwrap();
    app.sender.finish().await.unwrap();
    let frames = app.rest().await;
    let summary = summary_of(&frames);
    let messages =
        frames.iter().filter(|frame| matches!(frame, Incoming::Message(_))).count() as u64;

    assert_eq!((summary.outcome.as_str(), summary.cut, &summary.death), ("finished", false, &None));
    assert_eq!((summary.audio.frames, summary.audio.frames_dropped), (41, 1));
    assert_eq!(summary.audio.bytes_received, frame_bytes(40));
    assert_eq!(summary.audio.bytes_sent, frame_bytes(40));
    assert!(summary.audio.balances());
    assert_eq!(summary.messages.received, messages);
    assert_eq!((summary.finalizes.sent, summary.finalizes.timeouts), (1, 0));

    let logged = sidecar.session_end("books").await;
    for (member, value) in serde_json::to_value(&summary).unwrap().as_object().unwrap() {
        assert_eq!(logged[member], *value, "{member}");
    }

    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("sessions_ended_total", &[("outcome", "finished")]), 1.0);
    assert_eq!(metrics.sum("sessions_active", &[]), 0.0);
    assert_eq!(metrics.sum("audio_frames_received_total", &[]), 41.0);
    assert_eq!(metrics.sum("audio_received_bytes_total", &[]), frame_bytes(40) as f64);
    assert_eq!(metrics.sum("audio_sent_bytes_total", &[]), frame_bytes(40) as f64);
    assert_eq!(metrics.sum("connection_deaths_total", &[]), 0.0);
    assert_eq!(metrics.sum("finalize_requests_total", &[]), 1.0);
    assert_eq!(metrics.sum("finalizes_answered_total", &[]), 1.0);

    let heard = emulator.ended_connection().await;
    assert_eq!(heard["audio_bytes"], frame_bytes(40));
    assert_eq!((&heard["finalizes"], &heard["empty_binaries"]), (&json!(1), &json!(0)));
    assert_eq!(heard["texts_sent"], messages);
    assert_eq!((&heard["close_stream"], &heard["end"]), (&json!(true), &json!("close_stream")));
}

#[tokio::test]
async fn every_sample_is_transcribed_exactly_once() {
    let emulator = Emulator::with(json!({"position_code": true}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("samples")).await;
    app.speak(100).await;
    assert_eq!(app.finish().await.outcome, "finished");
    let heard = emulator.ended_connection().await;
    let whole = json!([{"start": 0, "end": 100 * SAMPLES_PER_FRAME}]);
    assert_eq!(
        heard["positions"],
        json!({"once": whole, "repeated": [], "never": [], "overflow": 0})
    );
}

#[tokio::test]
async fn a_finalize_brings_what_was_said_at_once() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("finalize")).await;
    app.speak(10).await;
    app.sender.finalize(Some(0)).await.unwrap();
    loop {
        let message: Value = serde_json::from_slice(&app.message().await).unwrap();
        if message["from_finalize"] == true {
            break;
        }
    }
    assert_eq!(app.finish().await.finalizes.sent, 1);
}

#[tokio::test]
async fn an_unanswered_finalize_is_a_timeout_and_no_error() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("session.finalize_timeout", "100ms").start().await;
    let mut app = App::open(&sidecar, &listen("unanswered")).await;
    // There is nothing to flush, which Deepgram does not answer.
    app.sender.finalize(None).await.unwrap();
    eventually("the timeout", async || {
        let metrics = sidecar.metrics().await;
        (metrics.sum("finalize_errors_total", &[("reason", "timeout")]) == 1.0).then_some(())
    })
    .await;
    let summary = app.finish().await;
    assert_eq!(summary.outcome, "finished");
    let finalizes = summary.finalizes;
    assert_eq!((finalizes.sent, finalizes.timeouts, finalizes.errors), (1, 1, 0));
}

#[tokio::test]
async fn text_reaches_deepgram_byte_for_byte() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("text")).await;
    let text = "{ \"b\":1,\"type\" : \"Configure\",\"a\":\"\\u00e9é\" }";
    app.sender.send_frame(0x05, text.as_bytes()).await.unwrap();
    app.finish().await;
    let heard = emulator.ended_connection().await;
    assert_eq!(heard["other_texts"], json!([text]));
}

#[tokio::test]
async fn messages_arrive_as_deepgram_wrote_them_json_or_not() {
    let plan = "{then: [{at: 0s, do: {send: 'no json'}}, {at: 0s, do: {send: '{ \"new\" : [ ] }'}}, \
                {at: 0s, do: {send_binary: 'bytes'}}, {at: 0s, do: {send: 'last'}}]}";
    let emulator = Emulator::scripted(&[plan]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("verbatim")).await;
    for expected in ["no json", "{ \"new\" : [ ] }", "last"] {
        assert_eq!(app.message().await, expected);
    }
    app.finish().await;
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("dropped_total", &[("what", "binary_message")]), 1.0);
}

#[tokio::test]
async fn a_message_of_4_mib_is_passed_on_whole() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: {oversized: 4194304}}]}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("large")).await;
    assert_eq!(app.message().await.len(), 4 << 20);
    assert_eq!(app.finish().await.outcome, "finished");
}

#[tokio::test]
async fn deepgrams_pings_are_answered() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: ping}]}"]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("pings")).await;
    emulator.connection_where(|connection| connection["pongs"] == 1).await;
    app.finish().await;
}

#[tokio::test]
async fn parameters_reach_deepgram_verbatim_in_order_and_encoded() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let params = json!({
        "zz_from_the_future": "a b&c=d/é+%~",
        "model": "nova-3",
        "keyterm": ["beta", "alpha"],
        "punctuate": true,
        "n": -5,
        "big": 18446744073709551615_u64,
        "f": 0.5,
        "none": [],
        "näme": "x",
    });
    let mut app = App::connect(&sidecar).await;
    app.sender.open(&json!({"protocol": 1, "params": params})).await.unwrap();
    app.opened().await;
    app.finish().await;
    let heard = emulator.ended_connection().await;
    assert_eq!(heard["path"], "/v1/listen");
    assert_eq!(
        heard["query"],
        "zz_from_the_future=a%20b%26c%3Dd%2F%C3%A9%2B%25~&model=nova-3&keyterm=beta&keyterm=alpha\
         &punctuate=true&n=-5&big=18446744073709551615&f=0.5&n%C3%A4me=x"
    );
}

#[tokio::test]
async fn opened_names_the_session_and_deepgrams_request() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::dial(&sidecar, &OpenRequest::new()).await;
    let opened = app.opened().await;
    assert_eq!(opened.protocol, 1);
    assert!((1..=64).contains(&opened.session_id.len()), "{opened:?}");
    let summary = app.finish().await;
    assert_eq!(summary.session_id, opened.session_id);
    let heard = emulator.ended_connection().await;
    assert_eq!(heard["request_id"].as_str(), opened.request_id.as_deref());
}

#[tokio::test]
async fn after_finish_everything_is_dropped_and_counted() {
    // Deepgram takes two seconds to finish, so that what follows meets a session that waits.
    let emulator = Emulator::with(json!({"result_latency": "2s"}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("after")).await;
    app.speak(2).await;
    app.sender.finish().await.unwrap();
    app.sender.finish().await.unwrap();
    app.sender.send_audio(&speech(2)).await.unwrap();
    app.sender.finalize(None).await.unwrap();
    app.sender.text(&json!({"type": "Configure"})).await.unwrap();
    app.sender.update(&json!({})).await.unwrap();
    let summary = app.finished().await;
    assert_eq!(summary.outcome, "finished");
    assert_eq!((summary.audio.frames, summary.audio.frames_dropped), (3, 1));
    assert_eq!(summary.audio.bytes_dropped, frame_bytes(1));
    assert!(summary.audio.balances());
    let heard = emulator.ended_connection().await;
    assert_eq!((&heard["audio_frames"], &heard["finalizes"]), (&json!(2), &json!(0)));
    assert_eq!(heard["other_text_count"], 0);
}

#[tokio::test]
async fn after_finish_an_application_may_close_its_side_and_still_gets_everything() {
    let emulator = Emulator::with(json!({"result_latency": "200ms"}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("half-close")).await;
    app.speak(10).await;
    app.sender.finish().await.unwrap();
    app.sender.shutdown().await.unwrap();
    let frames = app.rest().await;
    assert!(!final_words(&frames).is_empty());
    assert_eq!(summary_of(&frames).outcome, "finished");
}

#[tokio::test]
async fn closing_without_finish_is_a_disconnect_whose_last_words_are_still_delivered() {
    let emulator = Emulator::with(json!({"result_latency": "200ms"}), &[]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("disconnect")).await;
    app.speak(10).await;
    app.sender.shutdown().await.unwrap();
    let frames = app.rest().await;
    assert!(!final_words(&frames).is_empty());
    assert_eq!(summary_of(&frames).outcome, "aborted");
    assert_eq!(sidecar.session_end("disconnect").await["cause"], "app_left");
    assert_eq!(emulator.ended_connection().await["end"], "close_stream");
}

#[tokio::test]
async fn a_session_that_deepgram_does_not_close_in_time_is_timed_out() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: ignore_close_stream}]}"]).await;
    let sidecar = Config::dialing(&emulator).set("session.finish_timeout", "300ms").start().await;
    let mut app = App::open(&sidecar, &listen("slow")).await;
    app.speak(1).await;
    let summary = app.finish().await;
    assert_eq!((summary.outcome.as_str(), summary.death), ("timed_out", None));
}

#[tokio::test]
async fn an_application_that_reads_late_misses_nothing() {
    let sends: Vec<_> = (0..40).map(|_| "{at: 50ms, do: {oversized: 500000}}").collect();
    let plan = format!("{{then: [{}, {{at: 50ms, do: {{send: last}}}}]}}", sends.join(", "));
    let emulator = Emulator::scripted(&[&plan]).await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("late")).await;
    let memory = memory_kib(sidecar.process.pid());
    // The first one is more than the socket holds, so the daemon is held back now.
    sidecar.session_where("late", |session| session["messages"]["received"] != 0).await;
    for _ in 0..40 {
        assert_eq!(app.message().await.len(), 500_000);
    }
    assert_eq!(app.message().await, "last");
    assert_eq!(app.finish().await.outcome, "finished");
    let grown = memory_kib(sidecar.process.pid()).saturating_sub(memory);
    assert!(grown < 12 << 10, "{grown} KiB, more than what was read at a time");
}

#[tokio::test]
async fn after_the_last_frame_the_daemon_closes_although_the_application_does_not() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("lingers")).await;
    app.finish().await;
    eventually("the close", async || {
        let metrics = sidecar.metrics().await;
        (metrics.sum("app_connections_active", &[]) == 0.0).then_some(())
    })
    .await;
    drop(app);
}
