//! The same by way of a tree of values: slow, and its text is serde_json's.

use serde_json::{Map, Value};
use session::TimeMap;

type Object = Map<String, Value>;

/// A message with its times moved.
pub(super) fn moved(mut message: Value, times: &TimeMap) -> Value {
    let kind = message["type"].as_str().unwrap_or_default().to_owned();
    let Value::Object(members) = &mut message else { return message };
    match &*kind {
        "Results" => results(members, times),
        "SpeechStarted" => single(members, "timestamp", times, TimeMap::start),
        "UtteranceEnd" => single(members, "last_word_end", times, TimeMap::end),
        "TurnInfo" => {
            single(members, "audio_window_start", times, TimeMap::start);
            single(members, "audio_window_end", times, TimeMap::end);
            members.get_mut("words").into_iter().for_each(|words| within(words, times));
        }
        _ => {}
    }
    message
}

fn results(message: &mut Object, times: &TimeMap) {
    if let Some(start) = time(message, "start") {
        let moved = times.start(start.max(times.known_end()));
        if let Some(duration) = time(message, "duration") {
            let end = times.end(start + duration);
            message["duration"] = (end - moved).max(0.0).into();
        }
        message["start"] = moved.into();
    }
    let Some(channel) = message.get_mut("channel") else { return };
    let alternatives = channel.get_mut("alternatives").and_then(Value::as_array_mut);
    for alternative in alternatives.into_iter().flatten().filter_map(Value::as_object_mut) {
        leave_out_known(alternative, times);
    }
    within(channel, times);
}

fn leave_out_known(alternative: &mut Object, times: &TimeMap) {
    let Some(words) = alternative.get_mut("words").and_then(Value::as_array_mut) else { return };
    let is_withheld = |word: &Value| {
        let ends = word.as_object().map(|it| (time(it, "start"), time(it, "end")));
        matches!(ends, Some((Some(start), Some(end))) if times.is_withheld(start, end))
    };
    let before = words.len();
    words.retain(|word| !is_withheld(word));
    if words.len() < before && alternative.get("transcript").is_some_and(Value::is_string) {
        let text = |word: &Value| {
            let written = word["punctuated_word"].as_str().or_else(|| word["word"].as_str());
            written.unwrap_or_default().to_owned()
        };
        let words = alternative["words"].as_array().into_iter().flatten();
        let transcript = words.map(text).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
        alternative.insert("transcript".to_owned(), transcript.into());
    }
}

/// The times of every object in a value.
fn within(value: &mut Value, times: &TimeMap) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|it| within(it, times)),
        Value::Object(members) => {
            if let (Some(start), Some(end)) = (time(members, "start"), time(members, "end")) {
                let (start, end) = times.word(start, end);
                (members["start"], members["end"]) = (start.into(), end.into());
            } else {
                single(members, "start", times, TimeMap::start);
                single(members, "end", times, TimeMap::end);
            }
            members.values_mut().for_each(|it| within(it, times));
        }
        _ => {}
    }
}

fn single(object: &mut Object, key: &str, times: &TimeMap, rule: fn(&TimeMap, f64) -> f64) {
    if let Some(time) = time(object, key) {
        object[key] = rule(times, time).into();
    }
}

fn time(object: &Object, key: &str) -> Option<f64> {
    object.get(key).and_then(Value::as_f64).filter(|it| *it >= 0.0)
}
