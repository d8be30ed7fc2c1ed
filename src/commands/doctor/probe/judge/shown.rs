//! Answers in words, to be compared with what is expected.

use serde_json::Value;

use super::super::super::conversation::{Heard, Transcript};

/// What came at the end, in order.
pub(super) fn order(transcript: &Transcript) -> String {
    let mut parts = Vec::new();
    let results = transcript.texts("Results").last();
    if let Some((_, result)) = results {
        parts.push(if result["is_final"] == true { "a final result" } else { "no final result" });
    }
    if transcript.texts("Metadata").next().is_some() {
        parts.push("Metadata");
    }
    let close = match transcript.end() {
        Some((_, Heard::Closed { code: Some(code), detail, .. })) => {
            let text = detail.split_once(": ").map_or("", |(_, text)| text);
            format!("close {code} {text}").trim_end().to_owned()
        }
        _ => transcript.ending(),
    };
    parts.push(&close);
    parts.join(", ")
}

pub(super) fn of_audio(metadata: Option<&Value>, digest: &str) -> String {
    let Some(metadata) = metadata else { return "no Metadata".into() };
    let sha256 = metadata["sha256"].as_str().unwrap_or("none");
    let sha256 = if sha256 == digest { "of the audio" } else { sha256 };
    let duration = metadata["duration"].as_f64().unwrap_or(-1.0);
    format!("duration {}, sha256 {sha256}", (duration * 1_000.0).round() / 1_000.0)
}

pub(super) fn members(value: &Value) -> String {
    let names = value.as_object().map(|it| it.keys().map(String::as_str).collect::<Vec<_>>());
    names.unwrap_or_default().join(", ")
}

pub(super) fn shape(result: &Value) -> String {
    let channel = &result["channel"];
    format!(
        "{}; channel: {}; alternatives: {}; metadata: {}",
        members(result),
        members(channel),
        members(&channel["alternatives"][0]),
        members(&result["metadata"])
    )
}

/// The types of all text messages, each once, in order of appearance.
pub(super) fn types(transcript: &Transcript) -> String {
    let mut types: Vec<&str> = Vec::new();
    for (_, heard) in &transcript.heard {
        let Heard::Text(message) = heard else { continue };
        let name = message["type"].as_str().unwrap_or("no type");
        if !types.contains(&name) {
            types.push(name);
        }
    }
    types.join(", ")
}
