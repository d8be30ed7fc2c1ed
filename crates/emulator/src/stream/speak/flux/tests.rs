use serde_json::{Value, json};

use super::*;
use crate::stream::bench::{Bench, Said};

const QUERY: &str = "model=flux-haley-en&encoding=linear16&sample_rate=16000";
const FLUSH: &str = r#"{"type":"Flush"}"#;

fn bench() -> Bench {
    Bench::new(open, QUERY, |settings| settings.words_per_second = 4.0)
}

fn speak(text: &str) -> String {
    json!({"type": "Speak", "text": text}).to_string()
}

/// Types of messages, and `audio` for any number of binary ones.
fn kinds(bench: &Bench) -> Vec<&str> {
    let kinds = bench.said.iter().map(|(_, said)| match said {
        Said::Text(text) => text["type"].as_str().unwrap(),
        Said::Audio(_) => "audio",
    });
    let mut kinds: Vec<&str> = kinds.collect();
    kinds.dedup();
    kinds
}

#[test]
fn a_turn_is_spoken_at_once_and_ends_with_its_bill() {
    let mut bench = bench();
    bench.text(&speak("one two")).wait(5_000);
    assert_eq!(kinds(&bench), ["Connected", "SpeechStarted", "audio"]);
    bench.text(FLUSH).wait(5_000);
    assert_eq!(kinds(&bench)[3..], ["Flushed", "SpeechMetadata"]);
    assert_eq!(
        *bench.last(),
        json!({
            "type": "SpeechMetadata", "speech_id": "dg_sp_000000000001", "audio_duration_ms": 500,
            "input_character_count": 7, "billable_character_count": 7,
            "controls_applied":
                {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0},
        })
    );
    bench.text(FLUSH);
    assert_eq!(bench.last()["code"], "NO_ACTIVE_SPEECH");
}

#[test]
fn close_drains_and_adds_up() {
    let mut bench = bench();
    bench.text(&speak("one")).text(FLUSH).text(&speak("two")).text(r#"{"type":"Close"}"#);
    bench.wait(5_000);
    let first = ["Connected", "SpeechStarted", "Flushed", "audio", "SpeechMetadata"];
    assert_eq!(kinds(&bench)[..5], first);
    let second = ["SpeechStarted", "audio", "SpeechMetadata", "SessionMetadata"];
    assert_eq!(kinds(&bench)[5..], second);
    assert_eq!(
        *bench.last(),
        json!({
            "type": "SessionMetadata", "total_audio_duration_ms": 500,
            "total_input_character_count": 6, "total_billable_character_count": 6,
        })
    );
    let (at, code, ..) = bench.closed.unwrap();
    assert_eq!((at, code), (250, Some(1000)));
}

#[test]
fn an_interrupt_ends_the_audio() {
    let mut bench = bench();
    bench.text(&speak("one two")).wait(205).text(r#"{"type":"Interrupt"}"#).wait(5_000);
    assert_eq!(kinds(&bench), ["Connected", "SpeechStarted", "audio", "SpeechInterrupted"]);
    assert_eq!((bench.audio_bytes(), &bench.last()["audio_played_ms"]), (3_200, &json!(100)));
    assert_eq!(bench.last()["metadata"]["input_character_count"], 7);
}

#[test]
fn a_configure_changes_the_speed() {
    let mut bench = bench();
    bench.text(r#"{"type":"Configure","speed":1.25}"#);
    assert_eq!(*bench.last(), json!({"type": "ConfigureSuccess", "applied": {"speed": 1.25}}));
    bench.text(r#"{"type":"Configure","speed":2.0}"#);
    assert_eq!(bench.last()["code"], "SPEED_OUT_OF_RANGE");
    bench.text(&speak("one")).wait(1_000);
    assert_eq!(bench.audio_bytes(), 6_400, "200 ms");
}

#[test]
fn any_frame_feeds_the_idle_timer_and_its_end_is_told() {
    let mut bench = bench();
    for _ in 0..10 {
        bench.wait(50_000).ping().wait(50_000).pong();
    }
    bench.wait(60_000);
    assert_eq!(
        (&bench.last()["type"], &bench.last()["code"]),
        (&json!("Error"), &json!("NET-0004"))
    );
    let (at, code, reason, end) = bench.closed.unwrap();
    assert_eq!((at, code, &*reason, end), (1_060_000, Some(1011), "NET-0004", End::IdleTimeout));
}

#[test]
fn a_session_lives_for_an_hour() {
    let mut bench = bench();
    for _ in 0..72 {
        bench.wait(50_000).ping();
    }
    assert_eq!(bench.last()["code"], "NET-0003");
    assert_eq!(bench.closed.unwrap().0, 3_600_000);
}

#[test]
fn bad_messages_are_told_and_end_it() {
    let mut bench = bench();
    bench.text(r#"{"type":"KeepAlive"}"#);
    assert_eq!(
        (&bench.last()["type"], &bench.last()["code"]),
        (&json!("Error"), &json!("DATA-0000"))
    );
    let description = bench.last()["description"].as_str().unwrap();
    assert!(description.starts_with("unknown variant `KeepAlive`"), "{description}");
    assert_eq!(bench.closed.unwrap().1, Some(1008));
}

#[test]
fn queries_are_checked_and_unknown_parameters_refused() {
    let refusal = |query| Bench::refusal(open, query).message;
    assert!(refusal("encoding=linear16").contains("`model`"));
    assert!(refusal("model=aura-asteria-en").contains("No such model"));
    assert!(refusal(&format!("{QUERY}&colour=blue")).contains("colour"));
    let value: Value = Bench::new(open, QUERY, |_| {}).last().clone();
    assert_eq!(
        (&value["type"], &value["model_name"]),
        (&json!("Connected"), &json!("flux-haley-en"))
    );
}
