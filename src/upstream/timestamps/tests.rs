#[path = "../../../benches/fixture/connected.rs"]
mod connected;
#[path = "../../../benches/fixture/held.rs"]
mod held;
mod message;
mod oracle;
mod reference;

use super::*;

const RATE: u32 = 16_000;

fn converted(text: &str, times: TimeMap) -> String {
    let bytes = to_session_time(Bytes::from(text.to_owned()), times);
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A lead, where on the connection the words begin that the application has not, and what was sent
/// before; in seconds.
fn times(lead: f64, known: f64, base: f64) -> TimeMap {
    let samples = |seconds: f64| (seconds * f64::from(RATE)) as u64;
    let (lead, known, base) = (samples(lead), samples(known), samples(base));
    TimeMap { rate: RATE, lead, known, base, ..TimeMap::default() }
}

fn shifted(text: &str, lead: f64) -> String {
    converted(text, times(lead, lead, 0.0))
}

/// A map with a hold of two seconds behind each second that was sent.
fn held(lead: f64, known: f64, base: f64) -> TimeMap {
    TimeMap { joints: held::times(5).joints, ..times(lead, known, base) }
}

#[test]
fn results_and_words_move_and_all_else_stays() {
    let text = r#"{"type":"Results","duration":2.0,"start":1.0,"is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":0.99000001,"words":[{"word":"a","start":1.5,"end":2.25}]}]}}"#;
    let moved = r#"{"type":"Results","duration":2.0,"start":0.0,"is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":0.99000001,"words":[{"word":"a","start":0.5,"end":1.25}]}]}}"#;
    assert_eq!(shifted(text, 1.0), moved);
}

#[test]
fn bytes_that_are_no_time_are_kept_whatever_they_look_like() {
    let text = " {\"type\" :\t\"Results\" , \"x\":{\"start\":1.0,\"end\":2},\"duration\": 2.0 ,\r\n\"channel\":{\"a\":\"\\\"start\\\":1.0,\\\\\",\"words\":[ { \"end\" : 2.00 ,\"c\":1E-3,\"w\":\"\\u00e9\", \"start\" :1} ]}, \"start\":1 } ";
    let moved = " {\"type\" :\t\"Results\" , \"x\":{\"start\":1.0,\"end\":2},\"duration\": 2.0 ,\r\n\"channel\":{\"a\":\"\\\"start\\\":1.0,\\\\\",\"words\":[ { \"end\" : 62.0 ,\"c\":1E-3,\"w\":\"\\u00e9\", \"start\" :61.0} ]}, \"start\":61.0 } ";
    assert_eq!(converted(text, times(0.0, 0.0, 60.0)), moved);
}

#[test]
fn times_are_found_wherever_they_are_in_a_channel() {
    let text = r#"{"type":"Results","start":0,"channel":{"search":[{"query":"a","hits":[{"confidence":1.0,"start":1.0,"end":1.5,"snippet":"a"}]}],"alternatives":[{"paragraphs":{"paragraphs":[{"sentences":[{"text":"A.","start":1,"end":1.5}],"start":1}]}}]}}"#;
    let moved = r#"{"type":"Results","start":60.0,"channel":{"search":[{"query":"a","hits":[{"confidence":1.0,"start":61.0,"end":61.5,"snippet":"a"}]}],"alternatives":[{"paragraphs":{"paragraphs":[{"sentences":[{"text":"A.","start":61.0,"end":61.5}],"start":61.0}]}}]}}"#;
    assert_eq!(converted(text, times(0.0, 0.0, 60.0)), moved);
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
    assert_eq!(converted(text, times(0.5)), r#"{"type":"Results","duration":2.0,"start":60.75}"#);
    let text = r#"{"type":"SpeechStarted","timestamp":0.1}"#;
    assert_eq!(converted(text, times(0.5)), r#"{"type":"SpeechStarted","timestamp":60.25}"#);
}

#[test]
fn a_turn_and_its_words_move() {
    let text = r#"{"audio_window_start":0,"audio_window_end":2.5,"words":[{"word":"a","start":1,"end":2},{"word":"b"}],"sequence_id":42,"end_of_turn_confidence":0.8200,"type":"TurnInfo"}"#;
    let moved = r#"{"audio_window_start":10.0,"audio_window_end":12.5,"words":[{"word":"a","start":11.0,"end":12.0},{"word":"b"}],"sequence_id":42,"end_of_turn_confidence":0.8200,"type":"TurnInfo"}"#;
    assert_eq!(converted(text, times(0.0, 0.0, 10.0)), moved);
}

/// Sent 0-1 s is session 0-1 s, 1-2 s is 3-4 s, 2-3 s is 6-7 s.
#[test]
fn a_word_across_a_hold_is_where_its_middle_is() {
    let word = |start, end| {
        let text = format!(
            r#"{{"type":"Results","start":0.0,"duration":0.5,"channel":{{"start":{start},"end":{end}}}}}"#
        );
        let moved = converted(&text, held(0.0, 0.0, 0.0));
        moved.split_once(r#""channel":"#).unwrap().1.to_owned()
    };
    assert_eq!(word("0.7", "1.2"), r#"{"start":0.7,"end":1.0}}"#);
    assert_eq!(word("0.8", "1.25"), r#"{"start":3.0,"end":3.25}}"#);
    assert_eq!(word("1.1", "2.8"), r#"{"start":3.1,"end":4.0}}"#);
}

#[test]
fn what_ends_at_a_hold_is_before_it_and_what_begins_there_behind_it() {
    let at = |text: &str| converted(text, held(0.0, 0.0, 0.0));
    let text = r#"{"type":"Results","start":1.0,"duration":1.0}"#;
    assert_eq!(at(text), r#"{"type":"Results","start":3.0,"duration":1.0}"#);
    let text = r#"{"type":"Results","start":0.5,"duration":1.0}"#;
    assert_eq!(at(text), r#"{"type":"Results","start":0.5,"duration":3.0}"#);
    let text = r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":2}"#;
    assert_eq!(at(text), r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":4.0}"#);
    let text = r#"{"type":"SpeechStarted","timestamp":2}"#;
    assert_eq!(at(text), r#"{"type":"SpeechStarted","timestamp":6.0}"#);
}

#[test]
fn words_that_the_application_has_are_left_out() {
    let times = times(0.0, 1.5, 10.0);
    let text = r#"{"type":"Results","duration":3.0,"start":0.0,"channel":{"alternatives":[{"transcript":"One, two three.","words":[{"word":"one","start":0.5,"end":1.0,"punctuated_word":"One,"},{"word":"two","start":1.4,"end":1.8},{"word":"three","start":2.0,"end":2.5,"punctuated_word":"three."}]}]}}"#;
    let rest = r#"{"type":"Results","duration":1.5,"start":11.5,"channel":{"alternatives":[{"transcript":"two three.","words":[{"word":"two","start":11.4,"end":11.8},{"word":"three","start":12.0,"end":12.5,"punctuated_word":"three."}]}]}}"#;
    assert_eq!(converted(text, times), rest);
}

/// Escapes, blanks and unknown members stay; a transcript may come last.
#[test]
fn words_are_cut_without_disturbing_the_rest() {
    let cut = |words: &str| {
        let text = format!(
            r#"{{"type":"Results","start":0,"channel":{{"alternatives":[{{"x":{{"word":"?"}},"words":[ {words} ] , "transcript" : "all" }}]}}}}"#
        );
        let cut = converted(&text, times(0.0, 1.0, 0.0));
        cut.split_once(r#""words":"#).unwrap().1.to_owned()
    };
    let (old, new) = (
        r#"{"word":"old","start":0.5,"end":1}"#,
        r#"{"start":1,"x":[{}],"end":2,"word":"\"n\u00e9w\""}"#,
    );
    let said = |said: &str, words: &str| format!(r#"{words} , "transcript" : "{said}" }}]}}}}"#);
    assert_eq!(cut(new), said("all", &format!("[ {new} ]")));
    assert_eq!(cut(old), said("", "[ ]"));
    let written = r#"\"n\u00e9w\""#;
    assert_eq!(cut(&format!("{old} , {new}")), said(written, &format!("[ {new} ]")));
    assert_eq!(cut(&format!("{new} , {old}")), said(written, &format!("[ {new} ]")));
    let (words, twice) = (format!("{old},{old}, {new} ,{old},{old},\n{new},{old}"), [written; 2]);
    assert_eq!(cut(&words), said(&twice.join(" "), &format!("[ {new},\n{new} ]")));
}

#[test]
fn the_mark_for_no_time_stays() {
    let text = r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}"#;
    assert_eq!(shifted(text, 1.0), text);
}

#[test]
fn what_is_not_a_timed_message_is_untouched() {
    let texts = [
        r#"{"type" : "Metadata","duration":3.0}"#,
        r#"{"type":"Results","start":"1.0","duration":null,"channel":{"start":[1],"end":true}}"#,
        r#"{"type":"Results","start":1e300,"duration":1}"#,
        r#"{"type":"SpeechStarted","timestamp":2"#,
        r#"{"start":1,"type":["Results"]}"#,
        r#"{"type":"Results","channel":[}"#,
        "not json",
        "[1]",
        "{",
        "",
    ];
    for text in texts {
        assert_eq!(shifted(text, 1.0), text);
    }
}

#[test]
fn decimals_are_read_exactly_and_written_to_the_microsecond() {
    let read = |text: &str| Some(decimal::read(text.as_bytes())?.0);
    let written = |text: &str| {
        let decimal = decimal::Decimal::of(read(text)?);
        Some(String::from_utf8(decimal.as_bytes().to_vec()).unwrap())
    };
    for (text, expected) in [
        ("0", "0.0"),
        ("-0.0", "0.0"),
        ("2", "2.0"),
        ("60.75", "60.75"),
        ("1.5399999", "1.54"),
        ("0.0000004", "0.0"),
        ("0.0000005", "0.000001"),
        ("59.9999999", "60.0"),
        ("12e-1", "1.2"),
        ("1.2000000000000000000", "1.2"),
        ("99999999.0", "99999999.0"),
        ("12345678.901234", "12345678.901234"),
    ] {
        assert_eq!(written(text).as_deref(), Some(expected), "{text}");
    }
    for text in ["-1", "-0.001", "99999999.1", "1e300", "null", "\"1\"", "", "-", "1.2.3", "NaN"] {
        assert_eq!(written(text), None, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn a_decimal_is_read_as_the_nearest_double(text in "[0-9]{1,9}(\\.[0-9]{1,12})?") {
        let read = decimal::read(text.as_bytes()).map(|it| it.0);
        let expected = text.parse().ok().filter(|it| *it <= 99_999_999.0);
        proptest::prop_assert_eq!(read, expected);
    }

    #[test]
    fn microseconds_are_written_as_a_short_decimal(micros in 0..99_999_999_000_000_u64) {
        for micros in [micros, micros / 1_000, micros / 1_000_000_000, micros / 10_000 * 10_000] {
            let written = format!("{:.6}", micros as f64 / 1e6);
            let short = written.trim_end_matches('0');
            let zero = if short.ends_with('.') { "0" } else { "" };
            let decimal = decimal::Decimal::of(micros as f64 / 1e6);
            let decimal = String::from_utf8_lossy(decimal.as_bytes());
            proptest::prop_assert_eq!(decimal, format!("{short}{zero}"));
        }
    }
}
