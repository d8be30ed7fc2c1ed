//! What the session needs to know about a message from Deepgram; tolerant of everything else in it.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::secret::Secret;
use serde_json::Value;
use session::MessageKind;
use session::close::DeepgramError;

/// The members that matter, of all message types together, so that one pass is enough. Unknown
/// members are skipped; a known member of an undocumented type makes the message
/// [`MessageKind::Other`], because then nothing in it can be relied on.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    is_final: bool,
    #[serde(default)]
    from_finalize: bool,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    channel_index: Vec<u32>,
    #[serde(default, borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(default)]
    audio_window_end: f64,
    #[serde(default)]
    timestamp: f64,
    #[serde(default)]
    last_word_end: f64,
}

/// The kind of a text message; one that is not JSON is [`MessageKind::Other`].
pub fn kind_of(text: &[u8]) -> MessageKind {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
        return MessageKind::Other;
    };
    match &*envelope.kind {
        "Results" => MessageKind::Results {
            start: time(envelope.start),
            is_final: envelope.is_final,
            from_finalize: envelope.from_finalize,
            end: time(envelope.start + envelope.duration.unwrap_or(0.0)),
            channel: envelope.channel_index.first().copied().unwrap_or(0),
            channels: envelope.channel_index.get(1).copied().unwrap_or(1),
        },
        "Metadata" => MessageKind::Metadata {
            processed: envelope.duration.and_then(|it| Duration::try_from_secs_f64(it).ok()),
        },
        "TurnInfo" => MessageKind::TurnInfo {
            end_of_turn: envelope.event.as_deref() == Some("EndOfTurn"),
            end: time(envelope.audio_window_end),
        },
        "SpeechStarted" => MessageKind::SpeechStarted { at: time(envelope.timestamp) },
        "UtteranceEnd" => MessageKind::UtteranceEnd { end: time(envelope.last_word_end) },
        "ConfigureSuccess" | "ConfigureFailure" => MessageKind::Configured,
        "Error" => MessageKind::Error,
        _ => MessageKind::Other,
    }
}

/// What is told of an `Error` message.
#[derive(Deserialize)]
struct ErrorEnvelope {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    variant: Value,
    #[serde(default)]
    description: Value,
}

/// What an `Error` message says, as far as its members are texts or numbers.
pub fn error_of(text: &[u8], secret: &Secret) -> DeepgramError {
    let Ok(envelope) = serde_json::from_slice::<ErrorEnvelope>(text) else {
        return DeepgramError::new(None, String::new());
    };
    let plain = |value: Value| match value {
        Value::String(text) => Some(secret.hide(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let code = plain(envelope.code).or_else(|| plain(envelope.variant));
    DeepgramError::new(code, plain(envelope.description).unwrap_or_default())
}

/// Deepgram's seconds. A negative time is its mark for "none"; one beyond all bounds claims nothing.
fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_result_is_understood() {
        let text = br#"{"type":"Results","channel_index":[1,2],"duration":2.3,"start":1.0,
            "is_final":true,"speech_final":true,"channel":{"alternatives":[{"transcript":"x",
            "words":[{"word":"x","start":0.0,"end":0.39999998}]}]},"from_finalize":true}"#;
        let MessageKind::Results { start, is_final, from_finalize, end, channel, channels } =
            kind_of(text)
        else {
            panic!("not taken for a result")
        };
        assert!(is_final && from_finalize);
        assert_eq!((start, end), (Duration::from_secs(1), Duration::from_millis(3_300)));
        assert_eq!((channel, channels), (1, 2));
    }

    #[test]
    fn reordered_missing_and_unknown_members_do_no_harm() {
        let text = br#"{"new":{"a":[1]},"is_final":false,"type":"Results"}"#;
        assert!(matches!(kind_of(text), MessageKind::Results { is_final: false, .. }));
        let error = br#"{"type":"Error","variant":"SchemaError","message":"{\"type\":1}"}"#;
        assert_eq!(kind_of(error), MessageKind::Error);
        let utterance = br#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":-1}"#;
        assert_eq!(kind_of(utterance), MessageKind::UtteranceEnd { end: Duration::ZERO });
        let speech = br#"{"type":"SpeechStarted","timestamp":2.5}"#;
        let at = Duration::from_millis(2_500);
        assert_eq!(kind_of(speech), MessageKind::SpeechStarted { at });
        assert_eq!(kind_of(br#"{"type":"News"}"#), MessageKind::Other);
    }

    #[test]
    fn metadata_says_how_much_was_processed_if_it_says_so() {
        let processed = |text: &[u8]| match kind_of(text) {
            MessageKind::Metadata { processed } => processed,
            kind => panic!("{kind:?}"),
        };
        let text =
            br#"{"type":"Metadata","sha256":"incomplete","duration":44.259937,"channels":1}"#;
        assert_eq!(processed(text), Some(Duration::from_nanos(44_259_937_000)));
        assert_eq!(processed(br#"{"type":"Metadata","duration":0}"#), Some(Duration::ZERO));
        assert_eq!(processed(br#"{"type":"Metadata"}"#), None);
        assert_eq!(processed(br#"{"type":"Metadata","duration":-1}"#), None);
        assert_eq!(processed(br#"{"type":"Metadata","duration":1e300}"#), None);
    }

    #[test]
    fn an_error_has_a_code_or_a_variant_and_a_description() {
        let error = |text: &[u8]| error_of(text, &Secret::default()).to_string();
        let text = br#"{"type":"Error","variant":"InvalidConfigureMessage","code":"NoKeyterms","description":"No.","message":"{}"}"#;
        assert_eq!(error(text), "NoKeyterms: No.");
        assert_eq!(error(br#"{"type":"Error","variant":"SchemaError"}"#), "SchemaError");
        assert_eq!(error(br#"{"type":"Error","code":17,"description":"x"}"#), "17: x");
        assert_eq!(
            error(br#"{"type":"Error","code":{},"description":[]}"#),
            "without code and description"
        );
    }

    #[test]
    fn flux_turns_are_understood() {
        let text = br#"{"type":"TurnInfo","event":"EndOfTurn","audio_window_end":6.8}"#;
        assert_eq!(
            kind_of(text),
            MessageKind::TurnInfo { end_of_turn: true, end: Duration::from_millis(6_800) }
        );
    }

    #[test]
    fn flux_answers_each_configure() {
        for kind in ["ConfigureSuccess", "ConfigureFailure"] {
            let text = format!(r#"{{"type":"{kind}","sequence_id":7}}"#);
            assert_eq!(kind_of(text.as_bytes()), MessageKind::Configured);
        }
    }

    #[test]
    fn what_is_not_json_is_other() {
        for text in [&b"hello"[..], b"", b"[]", b"{}", b"{\"type\":7}", b"\xff"] {
            assert_eq!(kind_of(text), MessageKind::Other);
        }
    }
}
