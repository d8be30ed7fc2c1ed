//! What a client's text message says.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::stream::TextKind;

const EXPECTED: &str =
    "expected one of `CloseStream`, `Configure`, `Sync`, `KeepAlive`, `Finalize`";

/// A client's text message, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientText {
    KeepAlive,
    Finalize {
        channel: Option<u32>,
    },
    CloseStream,
    /// Accepted by the service, meaning unknown.
    Sync,
    /// Accepted without an answer.
    Configure,
    /// A Configure with keyterms for a model that takes none.
    KeytermsUnsupported,
    /// None of these, and why.
    Unreadable(String),
}

impl ClientText {
    /// Reads a message; `type` is matched exactly, as the service does.
    pub(super) fn read(text: &str, takes_keyterms: bool) -> Self {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Self::read_members(members, takes_keyterms),
            Ok(_) => Self::Unreadable("invalid type, expected an object".into()),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    pub(super) fn kind(&self) -> TextKind {
        match self {
            Self::KeepAlive => TextKind::KeepAlive,
            Self::Finalize { .. } => TextKind::Finalize,
            Self::CloseStream => TextKind::CloseStream,
            _ => TextKind::Other,
        }
    }

    fn read_members(mut members: Map<String, Value>, takes_keyterms: bool) -> Self {
        let kind = members.shift_remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("KeepAlive") => Self::KeepAlive,
            Some("CloseStream") => Self::CloseStream,
            Some("Sync") => Self::Sync,
            Some("Finalize") => Self::read_finalize(members),
            Some("Configure") => Self::read_configure(members, takes_keyterms),
            Some(other) => Self::Unreadable(format!("unknown variant `{other}`, {EXPECTED}")),
            None => Self::Unreadable("missing field `type`".into()),
        }
    }

    fn read_finalize(members: Map<String, Value>) -> Self {
        #[derive(Deserialize)]
        struct Finalize {
            channel: Option<u32>,
        }
        match serde_json::from_value(Value::Object(members)) {
            Ok(Finalize { channel }) => Self::Finalize { channel },
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    fn read_configure(members: Map<String, Value>, takes_keyterms: bool) -> Self {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Configure {
            #[serde(rename = "features")]
            _features: Option<Map<String, Value>>,
            #[serde(rename = "processors")]
            _processors: Option<IgnoredAny>,
            keyterms: Option<Vec<String>>,
            #[serde(rename = "language_hints")]
            _language_hints: Option<Vec<String>>,
        }
        match serde_json::from_value(Value::Object(members)) {
            Ok(Configure { keyterms: Some(_), .. }) if !takes_keyterms => Self::KeytermsUnsupported,
            Ok(_) => Self::Configure,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        match ClientText::read(text, true) {
            ClientText::Unreadable(cause) => cause,
            other => panic!("{text} was read as {other:?}"),
        }
    }

    #[test]
    fn a_type_is_matched_exactly() {
        assert_eq!(ClientText::read(r#"{"type":"KeepAlive"}"#, true), ClientText::KeepAlive);
        assert_eq!(
            complaint(r#"{"type":"KeepAlive "}"#),
            "unknown variant `KeepAlive `, expected one of `CloseStream`, `Configure`, `Sync`, \
             `KeepAlive`, `Finalize`"
        );
    }

    #[test]
    fn a_finalize_may_name_a_channel() {
        let read = |text| ClientText::read(text, true);
        assert_eq!(read(r#"{"type":"Finalize"}"#), ClientText::Finalize { channel: None });
        let second = ClientText::Finalize { channel: Some(1) };
        assert_eq!(read(r#"{"type":"Finalize","channel":1}"#), second);
        assert!(matches!(read(r#"{"type":"Finalize","channel":"a"}"#), ClientText::Unreadable(_)));
    }

    #[test]
    fn a_configure_is_refused_for_unknown_fields_in_the_services_own_words() {
        assert_eq!(
            complaint(r#"{"type": "Configure", "keyterm": ["x"]}"#),
            "unknown field `keyterm`, expected one of `features`, `processors`, `keyterms`, \
             `language_hints`"
        );
        let known = r#"{"type":"Configure","keyterms":["x"],"features":{"numerals":true}}"#;
        assert_eq!(ClientText::read(known, true), ClientText::Configure);
        assert_eq!(ClientText::read(known, false), ClientText::KeytermsUnsupported);
    }

    #[test]
    fn what_is_no_object_is_no_message() {
        for text in ["", "null", "[1]", "{\"type\":1}", "{\"a\":", "\u{0}"] {
            assert!(!complaint(text).is_empty());
        }
    }
}
