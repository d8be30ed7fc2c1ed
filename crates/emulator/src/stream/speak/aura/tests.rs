use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::stream::bench::{Bench, Said};

const FLUSH: &str = r#"{"type":"Flush"}"#;

fn bench(query: &str, adjust: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(open, query, |settings| {
        settings.words_per_second = 4.0;
        adjust(settings);
    })
}

fn speak(text: &str) -> String {
    json!({"type": "Speak", "text": text}).to_string()
}

fn kinds(bench: &Bench) -> Vec<&str> {
    bench.texts().into_iter().map(|text| text["type"].as_str().unwrap()).collect()
}

#[test]
fn it_says_what_it_is_first_and_speaks_on_flush() {
    let mut bench = bench("model=aura-2-thalia-en&encoding=linear16&sample_rate=16000", |_| {});
    assert_eq!(bench.last()["type"], "Metadata");
    assert_eq!(bench.last()["model_name"], "aura-2-thalia-en");
    bench.text(&speak("one two")).wait(5_000);
    assert_eq!((kinds(&bench), bench.audio_bytes()), (vec!["Metadata"], 0), "nothing is said yet");
    bench.text(FLUSH).wait(5_000);
    assert_eq!(bench.audio_bytes(), 16_000, "half a second");
    assert_eq!(*bench.last(), json!({"type": "Flushed", "sequence_id": 0}));
    assert!(matches!(bench.said.last(), Some((5_250, Said::Text(_)))), "behind its audio");
}

#[test]
fn clear_forgets_what_was_not_sent() {
    let mut bench = bench("", |_| {});
    bench.text(&speak("one two")).text(FLUSH).text(&speak("three")).wait(205);
    let sent = bench.audio_bytes();
    bench.text(r#"{"type":"Clear"}"#).text(FLUSH).wait(5_000);
    assert_eq!((sent, bench.audio_bytes()), (4_800, 4_800));
    assert_eq!(kinds(&bench), ["Metadata", "Cleared", "Flushed"]);
    assert_eq!(bench.last()["sequence_id"], 1);
}

#[test]
fn close_is_immediate_and_may_be_told_to_wait() {
    let close = r#"{"type":"Close"}"#;
    for (drains, at, audio) in [(false, 0, 0), (true, 225, 12_000)] {
        let mut bench = bench("", |settings| settings.speak.close_drains = drains);
        bench.text(&speak("one")).text(FLUSH).text(close).wait(5_000);
        assert_eq!(bench.closed, Some((at, Some(1000), String::new(), End::CloseStream)));
        assert_eq!(bench.audio_bytes(), audio);
    }
}

#[test]
fn bad_messages_end_it_with_their_codes() {
    let long = speak(&"x".repeat(2_001));
    for (text, reason) in
        [(r#"{"type":"KeepAlive"}"#, "DATA-0000"), ("hello", "DATA-0000"), (&long, "DATA-0001")]
    {
        let mut bench = bench("", |_| {});
        bench.text(text);
        assert_eq!(bench.closed, Some((0, Some(1008), reason.into(), End::BadMessage)));
    }
    let mut bench = bench("", |_| {});
    bench.binary(b"audio");
    assert_eq!(bench.closed, Some((0, Some(1003), "MESSAGE-0000".into(), End::BadMessage)));
}

#[test]
fn there_are_limits_by_the_minute() {
    let mut bench = bench("", |_| {});
    for _ in 0..21 {
        bench.text(FLUSH);
    }
    let flushed = kinds(&bench).iter().filter(|kind| **kind == "Flushed").count();
    assert_eq!((flushed, &bench.last()["type"]), (20, &Value::from("Warning")));
    bench.wait(60_000).text(FLUSH);
    assert_eq!(bench.last()["type"], "Flushed", "a minute later");
    bench.text(&speak(&"x".repeat(1_300))).text(&speak(&"x".repeat(1_101)));
    assert_eq!(bench.closed.as_ref().unwrap().2, "DATA-0001");
}

#[test]
fn it_has_no_idle_timer_and_lives_for_an_hour() {
    let mut bench = bench("", |_| {});
    bench.wait(3_599_000);
    assert_eq!(bench.closed, None);
    bench.wait(1_000);
    assert_eq!(bench.closed, Some((3_600_000, Some(1011), "NET-0003".into(), End::SessionMax)));
}

#[test]
fn queries_are_checked() {
    let refusal = |query| Bench::refusal(open, query).message;
    assert!(refusal("model=nova-3").contains("No such model"));
    assert!(refusal("encoding=opus").contains("opus"));
    assert!(refusal("sample_rate=44100").contains("sample_rate"));
    assert!(refusal("encoding=mulaw&sample_rate=24000").contains("sample_rate"));
    assert!(refusal("speed=2").contains("speed"));
    let faster = Duration::from_millis(200);
    let mut bench = bench("speed=1.25&encoding=alaw&colour=blue", |_| {});
    bench.text(&speak("one")).text(FLUSH).wait(1_000);
    assert_eq!(bench.audio_bytes() as u128, faster.as_millis() * 8);
}
