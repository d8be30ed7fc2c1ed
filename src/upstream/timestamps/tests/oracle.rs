//! Splicing gives what a tree of values gives, and keeps every byte that is not a moved time.

use proptest::prelude::*;
use serde_json::Value;

use super::message::{blanks, message};
use super::*;

/// Half a microsecond that is rounded away, and what doubles are off by.
const NOISE: f64 = 0.6e-6;

fn maps() -> impl Strategy<Value = TimeMap> {
    let holds = held(0.0, 0.0, 0.0).joints;
    (0..2_000_u32, 0..6_000_u32, 0..4_u32, any::<bool>()).prop_map(
        move |(lead, more, base, is_held)| {
            let seconds = |millis: u32| f64::from(millis) / 1_000.0;
            let (lead, more) =
                (seconds(lead), if more < 3_000 { 0.0 } else { seconds(more - 3_000) });
            let joints = if is_held { holds.clone() } else { Default::default() };
            TimeMap { joints, ..times(lead, lead + more, f64::from(base) * 0.7) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn splicing_gives_what_a_tree_gives(
        message in message(), blanks in blanks(), times in maps(),
    ) {
        let text = message.written(&blanks);
        let spliced = converted(&text, times.clone());
        let before: Value = serde_json::from_str(&text).unwrap();
        let after: Value = serde_json::from_str(&spliced).expect("it is still JSON");
        let expected = reference::moved(before, &times);
        prop_assert!(is_alike(&after, &expected), "{text}\n{spliced}\n{expected}");
    }

    /// Where no word is cut, pieces between numbers are the same, and so is each number but for times
    /// that moved, and those are written plainly.
    #[test]
    fn bytes_that_are_not_moved_times_are_kept(
        message in message(), blanks in blanks(), times in maps(),
    ) {
        let text = message.written(&blanks);
        let times = TimeMap { lead: 0, known: 0, ..times };
        let spliced = converted(&text, times);
        let (before, after) = (pieces(&text), pieces(&spliced));
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(after) {
            prop_assert!(*before == after || is_moved(before, after), "{} became {}", before, after);
        }
    }

    #[test]
    fn a_map_that_moves_nothing_keeps_every_byte(message in message(), blanks in blanks()) {
        let text = message.written(&blanks);
        prop_assert_eq!(converted(&text, TimeMap::default()), text);
    }

    #[test]
    fn any_text_is_survived(text in "[{}\\[\\],:\"\\\\ a0-9.e-]{0,60}", times in maps()) {
        for kind in ["Results", "TurnInfo", "SpeechStarted"] {
            let text = format!("{{\"type\":\"{kind}\",\"start\":1,\"channel\":{{\"alternatives\":[{text}");
            converted(&text, times.clone());
        }
    }
}

fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let difference = one.as_f64().unwrap() - other.as_f64().unwrap();
            one == other || difference.abs() < NOISE
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_same = |((key, value), (other_key, other)): (_, (&String, &Value))| {
                let (key, value): (&String, &Value) = (key, value);
                key == other_key && is_alike(value, other)
            };
            one.len() == other.len() && one.iter().zip(other).all(is_same)
        }
        (one, other) => one == other,
    }
}

/// Strings, numbers and what is between them.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let length = match rest.as_bytes()[0] {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let is_number = |it: char| it.is_ascii_digit() || "-+.eE".contains(it);
                rest.find(|it| !is_number(it)).unwrap_or(rest.len())
            }
            _ => rest
                .find(|it: char| it == '"' || it == '-' || it.is_ascii_digit())
                .unwrap_or(rest.len()),
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text[1..].find(|it| {
        let is_end = it == '"' && !is_escaped;
        is_escaped = it == '\\' && !is_escaped;
        is_end
    });
    end.expect("a string ends") + 2
}

fn is_moved(before: &str, after: &str) -> bool {
    let Some((whole, decimals)) = after.split_once('.') else { return false };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let is_short = decimals.len() <= 6 && (decimals == "0" || !decimals.ends_with('0'));
    let moved_by = after.parse::<f64>().unwrap() - before.parse::<f64>().unwrap();
    is_digits(whole) && is_digits(decimals) && is_short && moved_by.abs() > 0.4e-6
}
