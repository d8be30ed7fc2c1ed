//! The attributes of a session's own span.

use opentelemetry::{KeyValue, Value};

use super::span::{Failure, count, millis_value, word_under};
use crate::live::LiveSession;
use session::fact::SessionEnded;
use session::summary::Outcome;

/// The session's identity, set at the start.
pub(super) fn attributes(live: &LiveSession) -> Vec<KeyValue> {
    let tags = live.tags.iter();
    let tags = tags.map(|(key, value)| KeyValue::new(format!("stt.tag.{key}"), value.clone()));
    let id = KeyValue::new("session.id", live.id.as_str().to_owned());
    let endpoint = word_under("deepgram", live.endpoint);
    let model = live.model.as_deref();
    let model = model.map(|model| KeyValue::new("deepgram.model", model.to_owned()));
    let speaker = &live.speaker;
    let dialect = word_under("stt", speaker.dialect);
    let sdk = speaker.sdk.map(|sdk| word_under("stt", sdk));
    // The name is OpenTelemetry's.
    let agent = speaker.user_agent();
    let agent = agent.map(|agent| KeyValue::new("user_agent.original", agent.to_owned()));
    let speaker = std::iter::once(dialect).chain(sdk).chain(agent);
    [id, endpoint].into_iter().chain(model).chain(speaker).chain(tags).collect()
}

/// Its summary, set at the end, and what failed in it.
pub(super) fn totals(ended: &SessionEnded) -> (Vec<KeyValue>, Option<Failure>) {
    let summary = &ended.summary;
    let mut attributes = vec![
        word_under("stt", summary.outcome),
        KeyValue::new("stt.cut", summary.cut),
        KeyValue::new("stt.connections", count(summary.connections.into())),
        KeyValue::new("stt.keepalives", count(summary.keepalives)),
        KeyValue::new("stt.send_gap_max_ms", millis_value(ended.send_gap_max)),
        KeyValue::new("stt.audio.received_bytes", count(summary.audio.bytes_received)),
        KeyValue::new("stt.audio.sent_bytes", count(summary.audio.bytes_sent)),
        KeyValue::new("stt.audio.dropped_bytes", count(summary.audio.bytes_dropped)),
        KeyValue::new("stt.audio.gated_bytes", count(summary.audio.bytes_gated)),
        KeyValue::new("stt.messages", count(summary.messages.received)),
        KeyValue::new("stt.finals", count(summary.messages.finals)),
        KeyValue::new("stt.finalizes", count(ended.finalizes_requested)),
        KeyValue::new("stt.finalize_errors", count(summary.finalizes.errors)),
        KeyValue::new("stt.finalize_timeouts", count(summary.finalizes.timeouts)),
    ];
    let mut add = |key, value: Option<Value>| {
        attributes.extend(value.map(|value| KeyValue::new(key, value)));
    };
    add("stt.audio.duration_ms", ended.audio.map(millis_value));
    add("stt.audio.lost_ms", summary.lost_ms.map(count));
    add("stt.audio.unknown_ms", summary.unknown_ms.map(count));
    attributes.extend(ended.cause.map(|cause| word_under("stt", cause)));
    if let Some(vad) = &summary.vad {
        attributes.push(word_under("stt.vad", vad.mode));
        attributes.push(KeyValue::new("stt.vad.opens", count(vad.opens)));
        attributes.push(KeyValue::new("stt.vad.finalizes", count(vad.finalizes)));
        attributes.push(KeyValue::new("stt.vad.speech_ms", count(vad.speech_ms)));
        attributes.push(KeyValue::new("stt.vad.held_ms", count(vad.held_ms)));
        attributes.push(KeyValue::new("stt.vad.would_hold_ms", count(vad.would_hold_ms)));
    }
    if let Some(death) = &summary.death {
        attributes.push(word_under("deepgram.death", death.reason));
        attributes.push(word_under("deepgram.death", death.trigger));
        attributes.push(word_under("deepgram.death", death.class));
    }
    (attributes, failure(ended))
}

/// An unrecovered death, or no connection at all.
fn failure(ended: &SessionEnded) -> Option<Failure> {
    let summary = &ended.summary;
    match &summary.death {
        Some(death) if summary.recoveries == 0 || summary.outcome == Outcome::Dead => {
            Some(Failure::new(death.reason.as_str(), death.detail.clone()))
        }
        None if summary.outcome == Outcome::ConnectFailed => {
            Some(Failure::new(summary.outcome.as_str(), "no connection to Deepgram"))
        }
        _ => None,
    }
}

/// The attributes of a session that ended without a summary.
pub(super) fn cancelled() -> (Vec<KeyValue>, Option<Failure>) {
    let outcome = vec![KeyValue::new("stt.outcome", "cancelled")];
    (outcome, Some(Failure::new("cancelled", "the session's task was cancelled")))
}
