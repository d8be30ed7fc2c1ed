//! `doctor --probe` against the emulator: it agrees in every row, and each of its switches turns the
//! rows red that ask about it.

use std::collections::BTreeSet;

use emulator::Settings;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::doctor::{Found, examine};
use crate::support::{Config, Emulator};

/// The emulator's own timers, shortened, and what `doctor` must then expect.
const TIMERS: [&str; 4] = ["--idle", "3s", "--response", "6s"];

/// A switch of the emulator, its other position, and the questions that it changes the answer to.
const SWITCHES: [(&str, &str, &[&str]); 29] = [
    ("require_auth", "false", &["no_key"]),
    ("idle_timeout", "1500ms", &["idle_close"]),
    ("idle_timeout", "20s", &["idle_close", "idle_metadata"]),
    ("response_timeout", "3s", &["keepalive_only"]),
    ("response_timeout", "20s", &["keepalive_only", "keepalive_metadata"]),
    ("close_gap", "2s", &["idle_metadata"]),
    ("pacing", "null", &["fast_audio"]),
    ("finalize_latency", "3s", &["finalize_silence"]),
    ("finalize_answers_empty", "true", &["finalize_empty"]),
    ("interim_every", "500ms", &["interim_every"]),
    ("silent_final_after", "2s", &["silence_final"]),
    ("hash_audio", "false", &["close_stream_metadata", "close_stream_without_audio"]),
    ("field_noise.extra_fields", "true", &["results_shape", "metadata_shape"]),
    ("field_noise.missing_optional", "true", &["results_shape", "metadata_shape"]),
    ("field_noise.reordered", "true", &["results_shape", "metadata_shape"]),
    ("field_noise.unknown_types", "true", &["message_types"]),
    ("unknowns.response_timer_restarts", "true", &["keepalive_after_result"]),
    ("unknowns.finalize_resets_idle", "false", &["finalize_resets_idle"]),
    ("unknowns.text_resets_idle", "false", &["text_resets_idle"]),
    ("unknowns.ping_resets_idle", "true", &["ping_resets_idle"]),
    ("unknowns.response_timeout_metadata", "false", &["keepalive_metadata"]),
    ("unknowns.timeout_flushes", "true", &["timeout_flush"]),
    ("unknowns.unknown_parameters_refused", "true", &["unknown_parameter"]),
    ("unknowns.session_max", "4s", &["keepalive_after_result"]),
    ("unknowns.message_bytes_max", "65536", &["large_message"]),
    ("unknowns.ping_every", "1s", &["server_ping"]),
    ("unknowns.close_stream_from_finalize", "true", &["close_stream_from_finalize"]),
    // These show before anything is asked, each in a check of its own: see `doctor`.
    ("concurrency", "0", &[]),
    ("undecodable", "close", &[]),
];

/// Switches that no question is about, and why.
const UNASKED: [(&str, &str); 17] = [
    ("api_keys", "a wrong key fails the upgrade: see `doctor`"),
    ("bearer_tokens", "likewise"),
    ("upgrade_latency", "an upgrade that hangs fails: see `doctor`"),
    ("ghost_slot", "asking would take slots from others"),
    ("retry_after", "likewise; shown in the advice for a 429: see `doctor`"),
    ("backlog", "it shows in nothing but TCP"),
    ("result_latency", "it depends on the network, and is measured in production"),
    ("final_after", "it needs speech"),
    ("utterance_end", "it needs speech"),
    ("words", "it needs speech"),
    ("words_per_second", "it needs speech"),
    ("speech_threshold", "it needs speech"),
    ("speech_release", "it needs speech"),
    ("position_code", "Deepgram has nothing like it"),
    ("flux", "the questions are asked on `/v1/listen`"),
    ("speak", "likewise"),
    ("agent", "likewise"),
];

/// Asked only where audio cannot be decoded, which silence can.
const UNASKED_UNKNOWN: &str = "unknowns.undecodable_reason";

/// The emulator as it is by default, but for its two timers and one switch.
async fn emulator(switch: Option<(&str, &str)>, plans: &[&str]) -> Emulator {
    let mut settings = serde_json::to_value(Settings::default()).unwrap();
    settings["idle_timeout"] = json!("3s");
    settings["response_timeout"] = json!("6s");
    if let Some((path, position)) = switch {
        let pointer = format!("/{}", path.replace('.', "/"));
        let place = settings.pointer_mut(&pointer).unwrap_or_else(|| panic!("no switch {path}"));
        let position = serde_json::from_str(position).unwrap_or(json!(position));
        assert_ne!(*place, position, "{path} is in this position by default");
        *place = position;
    }
    Emulator::with(settings, plans).await
}

async fn probe(emulator: &Emulator, only: &[&str]) -> Found {
    let mut arguments = vec!["--probe"];
    arguments.extend(TIMERS);
    arguments.extend(only.iter().flat_map(|question| ["--only", question]));
    examine(&Config::dialing(emulator), &arguments).await
}

fn verdicts<'a>(found: &'a Found) -> Vec<(&'a str, &'a str)> {
    let rows = found.report["probe"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("nothing was asked: {:#}", found.report));
    let word = |row: &'a Value, name| row[name].as_str().unwrap();
    rows.iter().map(|row| (word(row, "question"), word(row, "verdict"))).collect()
}

#[tokio::test]
async fn the_emulator_agrees_in_every_row() {
    let found = probe(&emulator(None, &[]).await, &[]).await;
    let verdicts = verdicts(&found);
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == "agrees"), "{:#}", found.report);
    assert_eq!((found.code, verdicts.len()), (Some(0), 30));
    let documentation = include_str!("../../docs/doctor.md");
    for (question, _) in verdicts {
        assert!(documentation.contains(&format!("`{question}`")), "{question} is not documented");
    }
}

#[tokio::test]
async fn each_switch_turns_its_rows_red() {
    let asked = SWITCHES.iter().filter(|(.., questions)| !questions.is_empty());
    join_all(asked.map(async |(path, position, questions)| {
        let emulator = emulator(Some((path, position)), &[]).await;
        let found = probe(&emulator, questions).await;
        let red: Vec<_> = questions.iter().map(|question| (*question, "differs")).collect();
        assert_eq!(verdicts(&found), red, "{path}: {:#}", found.report);
        assert_eq!(found.code, Some(1), "{path}");
    }))
    .await;
}

#[tokio::test]
async fn a_ping_without_an_answer_is_told() {
    let emulator = emulator(None, &["{}", "{then: [{at: 0s, do: no_pong}]}"]).await;
    let found = probe(&emulator, &["ping_answer"]).await;
    assert_eq!(verdicts(&found), [("ping_answer", "differs")]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_agreement() {
    let emulator = emulator(None, &["{}", "{refuse: {status: 429}}"]).await;
    let found = probe(&emulator, &["empty_binary"]).await;
    assert_eq!(verdicts(&found), [("empty_binary", "unanswered")]);
    assert_eq!(found.code, Some(1));
}

#[tokio::test]
async fn a_peer_that_needs_no_key_is_not_asked_about_one() {
    let emulator = Emulator::with_arguments(json!({}), &[], &["--no-auth"]).await;
    let config = Config::dialing(&emulator).set("upstream.auth", "none");
    let only = ["--probe", "--only", "no_key", "--only", "empty_binary"];
    let found = examine(&config, &only).await;
    assert_eq!(verdicts(&found), [("empty_binary", "agrees")]);
}

#[test]
fn every_switch_of_the_emulator_is_in_the_table_or_has_a_reason() {
    let settings = serde_json::to_value(Settings::default()).unwrap();
    let mut switches = BTreeSet::new();
    for (name, value) in settings.as_object().unwrap() {
        match value.as_object().filter(|_| ["field_noise", "unknowns"].contains(&name.as_str())) {
            Some(members) => switches.extend(members.keys().map(|it| format!("{name}.{it}"))),
            None => drop(switches.insert(name.clone())),
        }
    }
    let known = SWITCHES.iter().map(|(path, ..)| *path);
    let known = known.chain(UNASKED.iter().map(|(path, _)| *path)).chain([UNASKED_UNKNOWN]);
    assert_eq!(switches, known.map(str::to_owned).collect());
}
