//! The emulator's honesty, judged by Deepgram's own SDK: what passes here is a stream that real
//! clients take for Deepgram's.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic as its tests do")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use emulator::{Emulator, Script, Settings};
use serde_json::Value;
use tokio::process::Command;

const RECORDING: &str = "tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav";

/// The interpreter that `make tools` has given the SDK.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/sdk/bin/python");
    assert!(python.exists(), "{} is missing; run `make tools` first", python.display());
    python
}

async fn converse(settings: Settings) -> Value {
    let emulator = Emulator::bind("127.0.0.1:0", settings, Script::default()).await.unwrap();
    let output = Command::new(python())
        .args(["tests/sdk/converse.py", &emulator.addr().port().to_string(), RECORDING])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "the SDK failed; see its traceback above");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_official_sdk_takes_the_emulator_for_deepgram() {
    let words = "He was not an ill-disposed young man.".to_owned();
    let seen = converse(Settings { words, ..Settings::default() }).await;
    let results = seen["results"].as_array().unwrap();
    let finals: Vec<_> = results.iter().filter(|it| it["is_final"] == true).collect();
    let text: Vec<_> = finals.iter().filter_map(|it| it["transcript"].as_str()).collect();
    assert!(text.join(" ").starts_with("he was not an ill-disposed young"), "{text:?}");
    assert!(results.iter().any(|it| it["is_final"] == false), "interims were asked for");
    let flushed: Vec<_> = results.iter().filter(|it| it["from_finalize"] == true).collect();
    assert_eq!(flushed.len(), 1);
    assert_eq!(flushed[0]["speech_final"], true);
    assert_eq!(seen["types"].as_array().unwrap().last().unwrap(), "ListenV1Metadata");
    let duration = seen["metadata"][0]["duration"].as_f64().unwrap();
    assert!((duration - 2.99).abs() < 0.01, "{duration}");
}

#[tokio::test]
async fn the_sdk_tolerates_what_deepgram_may_add() {
    let mut settings = Settings::default();
    settings.field_noise.extra_fields = true;
    settings.field_noise.reordered = true;
    let seen = converse(settings).await;
    assert!(seen["results"].as_array().unwrap().len() > 2);
}
