//! What a client's text message says.

use serde_json::{Map, Value};

use super::options::Configure;
use crate::stream::TextKind;

const EXPECTED: &str = "expected one of `CloseStream`, `Configure`, `ForceEndTurn`";

/// A client's text message, read.
#[derive(Debug, PartialEq)]
pub(super) enum ClientText {
    CloseStream,
    Configure(Configure),
    ForceEndTurn,
    /// None of these, which is fatal, and why.
    Unparsable(String),
}

impl ClientText {
    /// Reads a message and tells what the record counts it as.
    pub(super) fn read(text: &str) -> (Self, TextKind) {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Self::read_members(members),
            Ok(_) => Self::unparsable("invalid type, expected an object".into()),
            Err(error) => Self::unparsable(error.to_string()),
        }
    }

    fn read_members(mut members: Map<String, Value>) -> (Self, TextKind) {
        let kind = members.shift_remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("CloseStream") => (Self::CloseStream, TextKind::CloseStream),
            Some("ForceEndTurn") => (Self::ForceEndTurn, TextKind::Other),
            Some("Configure") => match serde_json::from_value(Value::Object(members)) {
                Ok(configure) => (Self::Configure(configure), TextKind::Other),
                Err(error) => Self::unparsable(error.to_string()),
            },
            Some(other) => {
                let cause = format!("unknown variant `{other}`, {EXPECTED}");
                (Self::Unparsable(cause), kind_of(other))
            }
            None => Self::unparsable("missing field `type`".into()),
        }
    }

    fn unparsable(cause: String) -> (Self, TextKind) {
        (Self::Unparsable(cause), TextKind::Other)
    }
}

/// What is fatal here has its place in the record all the same.
fn kind_of(name: &str) -> TextKind {
    match name {
        "KeepAlive" => TextKind::KeepAlive,
        "Finalize" => TextKind::Finalize,
        _ => TextKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::turn::Changes;

    fn complaint(text: &str) -> String {
        match ClientText::read(text).0 {
            ClientText::Unparsable(cause) => cause,
            other => panic!("{text} was read as {other:?}"),
        }
    }

    #[test]
    fn the_messages_of_nova_are_unparsable_and_recorded_as_what_they_are() {
        for (name, kind) in [("KeepAlive", TextKind::KeepAlive), ("Finalize", TextKind::Finalize)] {
            let text = format!(r#"{{"type":"{name}"}}"#);
            assert_eq!(ClientText::read(&text).1, kind);
            assert_eq!(
                complaint(&text),
                format!(
                    "unknown variant `{name}`, expected one of `CloseStream`, `Configure`, \
                     `ForceEndTurn`"
                )
            );
        }
    }

    #[test]
    fn a_configure_may_have_some_members_and_no_others() {
        let some = r#"{"type":"Configure","thresholds":{"eot_threshold":0.8},"keyterms":["a"]}"#;
        let thresholds = Some(Changes { end: Some(0.8), ..Changes::default() });
        let expected =
            Configure { thresholds, keyterms: Some(vec!["a".into()]), ..Configure::default() };
        assert_eq!(ClientText::read(some).0, ClientText::Configure(expected));
        let none = ClientText::Configure(Configure::default());
        assert_eq!(ClientText::read(r#"{"type":"Configure"}"#).0, none);
        assert!(complaint(r#"{"type":"Configure","features":{}}"#).contains("features"));
        assert!(complaint(r#"{"type":"Configure","thresholds":{"eot":1}}"#).contains("`eot`"));
    }

    #[test]
    fn what_is_no_object_is_no_message() {
        for text in ["", "null", "[1]", "{\"type\":1}", "{\"a\":", "\u{0}"] {
            assert!(!complaint(text).is_empty());
        }
    }
}
