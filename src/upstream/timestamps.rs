//! Converts the times in Deepgram's messages to session time.
//!
//! Deepgram counts the audio of a connection. If a connection started with our own silence, its
//! times are that much ahead of the session's.

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use session::TimeMap;

/// Converts every time in a message to session time; text that is not a JSON object is returned
/// unchanged.
pub fn to_session_time(text: Bytes, times: TimeMap) -> Bytes {
    if times.is_identity() {
        return text;
    }
    let lead = times.lead.as_secs_f64();
    let Ok(Value::Object(mut message)) = serde_json::from_slice(&text) else { return text };
    match message.get("type").and_then(Value::as_str) {
        Some("Results") => shift_results(&mut message, lead),
        Some("SpeechStarted") => shift(&mut message, "timestamp", lead),
        Some("UtteranceEnd") => shift(&mut message, "last_word_end", lead),
        Some("TurnInfo") => {
            shift(&mut message, "audio_window_start", lead);
            shift(&mut message, "audio_window_end", lead);
            shift_words(message.get_mut("words"), lead);
        }
        _ => return text,
    }
    Value::Object(message).to_string().into()
}

fn shift_results(message: &mut Map<String, Value>, lead: f64) {
    let start = message.get("start").and_then(Value::as_f64).unwrap_or(0.0);
    let end = start + message.get("duration").and_then(Value::as_f64).unwrap_or(0.0);
    set(message, "start", (start - lead).max(0.0));
    set(message, "duration", (end - start.max(lead)).max(0.0));
    let alternatives = message.get_mut("channel").and_then(|it| it.get_mut("alternatives"));
    for alternative in alternatives.and_then(Value::as_array_mut).into_iter().flatten() {
        shift_words(alternative.get_mut("words"), lead);
    }
}

fn shift_words(words: Option<&mut Value>, lead: f64) {
    for word in words.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(word) = word {
            shift(word, "start", lead);
            shift(word, "end", lead);
        }
    }
}

/// Shifts one time; a negative one means "none" and is kept.
fn shift(object: &mut Map<String, Value>, key: &str, lead: f64) {
    if let Some(time) = object.get(key).and_then(Value::as_f64).filter(|time| *time >= 0.0) {
        set(object, key, (time - lead).max(0.0));
    }
}

/// Sets a time, to the microsecond: anything below is the subtraction's rounding.
fn set(object: &mut Map<String, Value>, key: &str, seconds: f64) {
    if let Some(number) = Number::from_f64((seconds * 1e6).round() / 1e6) {
        object.insert(key.to_owned(), Value::Number(number));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shifted(text: &str, lead: f64) -> String {
        let times = TimeMap { lead: Duration::from_secs_f64(lead) };
        let bytes = to_session_time(Bytes::from(text.to_owned()), times);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn results_and_words_move_and_all_else_stays() {
        let text = r#"{"type":"Results","duration":2.0,"start":1.0,"is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":0.99000001,"words":[{"word":"a","start":1.5,"end":2.25}]}]}}"#;
        let moved = r#"{"type":"Results","duration":2.0,"start":0.0,"is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":0.99000001,"words":[{"word":"a","start":0.5,"end":1.25}]}]}}"#;
        assert_eq!(shifted(text, 1.0), moved);
    }

    #[test]
    fn a_result_that_begins_in_the_lead_is_cut_to_begin_at_zero() {
        let text = r#"{"type":"Results","duration":2.0,"start":0.0}"#;
        assert_eq!(shifted(text, 0.5), r#"{"type":"Results","duration":1.5,"start":0.0}"#);
    }

    #[test]
    fn the_mark_for_no_time_stays() {
        let text = r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}"#;
        assert_eq!(shifted(text, 1.0), text);
    }

    #[test]
    fn what_is_not_a_timed_message_is_untouched() {
        for text in [r#"{"type" : "Metadata","duration":3.0}"#, "not json", "[1]"] {
            assert_eq!(shifted(text, 1.0), text);
        }
    }
}
