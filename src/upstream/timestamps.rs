//! Converts the times in Deepgram's messages to session time.
//!
//! Deepgram counts the audio of a connection. A connection may start with our own silence, and
//! somewhere in the session; and it may say again what the application has from the one before.

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use session::TimeMap;

type Object = Map<String, Value>;

/// Converts every time in a message to session time; text that is not a JSON object is returned
/// unchanged.
pub fn to_session_time(text: Bytes, times: TimeMap) -> Bytes {
    if times.is_identity() {
        return text;
    }
    let Ok(Value::Object(mut message)) = serde_json::from_slice(&text) else { return text };
    match message.get("type").and_then(Value::as_str) {
        Some("Results") => convert_results(&mut message, &times),
        Some("SpeechStarted") => convert(&mut message, "timestamp", &times, TimeMap::start),
        Some("UtteranceEnd") => convert(&mut message, "last_word_end", &times, TimeMap::end),
        Some("TurnInfo") => {
            convert(&mut message, "audio_window_start", &times, TimeMap::start);
            convert(&mut message, "audio_window_end", &times, TimeMap::end);
            convert_words(message.get_mut("words"), &times);
        }
        _ => return text,
    }
    Value::Object(message).to_string().into()
}

fn convert_results(message: &mut Object, times: &TimeMap) {
    let number = |key| message.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let start = times.start(number("start").max(times.known_end()));
    let end = times.end(number("start") + number("duration"));
    set(message, "start", start);
    set(message, "duration", (end - start).max(0.0));
    let alternatives = message.get_mut("channel").and_then(|it| it.get_mut("alternatives"));
    for alternative in alternatives.and_then(Value::as_array_mut).into_iter().flatten() {
        if let (Value::Object(alternative), true) = (&mut *alternative, times.known > 0) {
            leave_out_known(alternative, times);
        }
        convert_words(alternative.get_mut("words"), times);
    }
}

/// Leaves out the words that the application has, each by its middle, and puts the text together anew.
fn leave_out_known(alternative: &mut Object, times: &TimeMap) {
    let Some(words) = alternative.get_mut("words").and_then(Value::as_array_mut) else { return };
    let time = |word: &Value, key| word.get(key).and_then(Value::as_f64).unwrap_or(f64::MAX / 2.0);
    let before = words.len();
    words.retain(|word| !times.is_withheld(time(word, "start"), time(word, "end")));
    if words.len() < before {
        let text = |word: &Value| {
            let written = word.get("punctuated_word").or_else(|| word.get("word"));
            written.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let transcript = words.iter().map(text).collect::<Vec<_>>().join(" ");
        alternative.insert("transcript".to_owned(), transcript.into());
    }
}

fn convert_words(words: Option<&mut Value>, times: &TimeMap) {
    for word in words.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(word) = word {
            let time = |key| word.get(key).and_then(Value::as_f64).filter(|it| *it >= 0.0);
            let (Some(start), Some(end)) = (time("start"), time("end")) else { continue };
            let (start, end) = times.word(start, end);
            set(word, "start", start);
            set(word, "end", end);
        }
    }
}

/// Converts one time; a negative one means "none" and is kept.
fn convert(object: &mut Object, key: &str, times: &TimeMap, map: fn(&TimeMap, f64) -> f64) {
    if let Some(time) = object.get(key).and_then(Value::as_f64).filter(|time| *time >= 0.0) {
        set(object, key, map(times, time));
    }
}

/// Sets a time, to the microsecond: anything below is rounding.
fn set(object: &mut Object, key: &str, seconds: f64) {
    if let Some(number) = Number::from_f64((seconds * 1e6).round() / 1e6) {
        object.insert(key.to_owned(), Value::Number(number));
    }
}

#[cfg(test)]
mod tests {
    use session::Joints;

    use super::*;

    fn converted(text: &str, times: TimeMap) -> String {
        let bytes = to_session_time(Bytes::from(text.to_owned()), times);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// A lead, where on the connection the words begin that the application has not, and what was sent
    /// before; in seconds.
    fn times(lead: f64, known: f64, base: f64) -> TimeMap {
        let samples = |seconds: f64| (seconds * 16_000.0) as u64;
        let joints = Joints::default();
        let (lead, known, base) = (samples(lead), samples(known), samples(base));
        TimeMap { rate: 16_000, lead, known, base, joints }
    }

    fn shifted(text: &str, lead: f64) -> String {
        converted(text, times(lead, lead, 0.0))
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
    fn a_later_connection_goes_on_where_its_audio_begins() {
        let times = |lead| times(lead, lead, 60.25);
        let text = r#"{"type":"Results","duration":2.0,"start":1.0}"#;
        assert_eq!(
            converted(text, times(0.5)),
            r#"{"type":"Results","duration":2.0,"start":60.75}"#
        );
        let text = r#"{"type":"SpeechStarted","timestamp":0.1}"#;
        assert_eq!(converted(text, times(0.5)), r#"{"type":"SpeechStarted","timestamp":60.25}"#);
    }

    #[test]
    fn words_that_the_application_has_are_left_out() {
        let times = times(0.0, 1.5, 10.0);
        let text = r#"{"type":"Results","duration":3.0,"start":0.0,"channel":{"alternatives":[{"transcript":"One, two three.","words":[{"word":"one","start":0.5,"end":1.0,"punctuated_word":"One,"},{"word":"two","start":1.4,"end":1.8},{"word":"three","start":2.0,"end":2.5,"punctuated_word":"three."}]}]}}"#;
        let rest = r#"{"type":"Results","duration":1.5,"start":11.5,"channel":{"alternatives":[{"transcript":"two three.","words":[{"word":"two","start":11.4,"end":11.8},{"word":"three","start":12.0,"end":12.5,"punctuated_word":"three."}]}]}}"#;
        assert_eq!(converted(text, times), rest);
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
