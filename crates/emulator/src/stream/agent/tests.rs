use serde_json::json;

use super::*;
use crate::stream::bench::Bench;

const SETTINGS: &str = r#"{"type":"Settings","agent":{},"audio":{
    "input":{"encoding":"linear16","sample_rate":16000},
    "output":{"encoding":"linear16","sample_rate":16000}}}"#;
const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;

fn bench(adjust: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(open, "", |settings| {
        settings.words = "Hello.".into();
        settings.words_per_second = 4.0;
        adjust(settings);
    })
}

fn kinds(bench: &Bench) -> Vec<&str> {
    bench.texts().into_iter().map(|text| text["type"].as_str().unwrap()).collect()
}

/// Audio in real time.
fn play(bench: &mut Bench, sample: i16, ms: u64) {
    for _ in 0..ms / 100 {
        bench.binary(&sample.to_le_bytes().repeat(1_600)).wait(100);
    }
}

/// The code of the error that ended it, when it did, and why.
fn error(bench: &Bench) -> (&str, u64, End) {
    assert_eq!(bench.last()["type"], "Error", "{:?}", bench.said);
    let (at, code, reason, end) = bench.closed.as_ref().unwrap();
    assert_eq!((*code, &**reason), (None, ""), "no status");
    (bench.last()["code"].as_str().unwrap(), *at, *end)
}

#[test]
fn it_welcomes_and_wants_settings_first_and_once() {
    let mut settled = bench(|_| {});
    assert_eq!(*settled.last(), json!({"type": "Welcome", "request_id": "the-id"}));
    settled.text(SETTINGS);
    assert_eq!(*settled.last(), json!({"type": "SettingsApplied"}));
    settled.text(SETTINGS);
    assert_eq!(error(&settled), ("SETTINGS_ALREADY_APPLIED", 0, End::BadMessage));
    for (text, code) in [
        (KEEP_ALIVE, "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS"),
        (r#"{"type":"Settings"}"#, "INVALID_SETTINGS"),
        (r#"{"type":"Finalize"}"#, "UNPARSABLE_CLIENT_MESSAGE"),
    ] {
        let mut bench = bench(|_| {});
        bench.text(text);
        assert_eq!(error(&bench), (code, 0, End::BadMessage));
    }
}

#[test]
fn audio_before_settings_is_ignored_or_refused() {
    let mut ignoring = bench(|_| {});
    ignoring.binary(&[0; 100]);
    assert_eq!(ignoring.closed, None);
    let mut refusing = bench(|settings| settings.agent.early_audio_refused = true);
    refusing.binary(&[0; 100]);
    assert_eq!(error(&refusing).0, "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS");
}

#[test]
fn a_turn_is_answered_and_an_interruption_silences_it() {
    let mut bench = bench(|_| {});
    bench.text(SETTINGS);
    play(&mut bench, 9_000, 500);
    play(&mut bench, 0, 2_000);
    let turn = ["UserStartedSpeaking", "ConversationText", "ConversationText", "AgentAudioDone"];
    assert_eq!(kinds(&bench)[2..], turn);
    let said = &bench.texts()[3..5];
    assert_eq!(
        *said[0],
        json!({"type": "ConversationText", "role": "user", "content": "Hello. Hello."})
    );
    assert_eq!(said[1]["role"], "assistant");
    assert_eq!(bench.audio_bytes(), 40_000, "five words");
    bench.text(r#"{"type":"InjectAgentMessage","message":"one two three four"}"#).wait(205);
    play(&mut bench, 9_000, 100);
    assert_eq!(
        (bench.last()["type"].as_str(), bench.audio_bytes()),
        (Some("UserStartedSpeaking"), 43_200)
    );
}

#[test]
fn keepalives_and_audio_hold_it_and_pings_do_not() {
    let mut held = bench(|_| {});
    held.text(SETTINGS);
    for _ in 0..100 {
        held.wait(8_000).text(KEEP_ALIVE).ping();
    }
    assert_eq!(kinds(&held), ["Welcome", "SettingsApplied"], "no reply");
    held.wait(10_000).ping().wait(10_000);
    assert_eq!(error(&held), ("CLIENT_MESSAGE_TIMEOUT", 815_000, End::IdleTimeout));
    let mut pinged = bench(|settings| settings.agent.ping_resets_idle = true);
    pinged.wait(10_000).ping().wait(10_000);
    assert_eq!(pinged.closed, None);
}

#[test]
fn it_lives_for_two_hours_and_warns_before() {
    let mut bench = bench(|settings| settings.agent.idle_timeout = Duration::ZERO);
    bench.wait(115 * 60_000);
    assert_eq!(bench.last()["code"], "MAXIMUM_SESSION_LENGTH_APPROACHING");
    assert_eq!((&bench.last()["type"], &bench.closed), (&json!("Warning"), &None));
    bench.wait(5 * 60_000);
    assert_eq!(error(&bench), ("MAXIMUM_SESSION_LENGTH_REACHED", 7_200_000, End::SessionMax));
}
