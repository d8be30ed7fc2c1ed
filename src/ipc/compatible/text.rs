//! A text message of an application's: one of Deepgram's control messages, or one that is passed on.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use protocol::json;
use session::{AppInput, EndKind, Endpoint, ErrorCode, Refusal};

/// What the application means. SDKs write control messages each in their own way, so they are told by
/// parsing; what is no JSON is Deepgram's to judge.
pub(super) fn read(text: Bytes, endpoint: Endpoint) -> Result<AppInput, Refusal> {
    let object = match json::parse_object(&text) {
        Ok(object) => object,
        Err(complaint) if is_object(&text) && may_control(&text) => {
            // It could be a CloseStream to Deepgram and something else to us.
            return Err(Refusal::new(ErrorCode::BadFrame, complaint));
        }
        Err(_) => return Ok(AppInput::Text(text)),
    };
    let traits = endpoint.traits();
    match object.get("type").and_then(Value::as_str) {
        Some("KeepAlive") => Ok(AppInput::KeepAlive),
        Some("CloseStream") if traits.end == EndKind::CloseStream => Ok(AppInput::Finish),
        Some("Close") if traits.end == EndKind::Close => Ok(AppInput::Finish),
        Some("Finalize") if traits.finalizes => match object.get("channel") {
            None => Ok(AppInput::Finalize { channel: None }),
            Some(channel) => match channel.as_u64() {
                Some(channel) => Ok(AppInput::Finalize { channel: Some(channel) }),
                // Which channel is meant is Deepgram's to say, or that there is none such.
                None => Ok(AppInput::Text(text)),
            },
        },
        Some("Finalize") if traits.transcribes => {
            let message = "/v2/listen has no Finalize; it would end the stream there";
            Err(Refusal::new(ErrorCode::UnexpectedFrame, message))
        }
        _ => Ok(AppInput::Text(text)),
    }
}

/// Whether some parser would take it for an object.
fn is_object(text: &[u8]) -> bool {
    let is_braced = text.trim_ascii_start().first() == Some(&b'{');
    is_braced && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Whether a name of a control message is in it, or could be behind an escape.
fn may_control(text: &[u8]) -> bool {
    let names = [&b"KeepAlive"[..], b"Finalize", b"Close", b"\\u"];
    names.iter().any(|name| text.windows(name.len()).any(|window| window == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        match read(Bytes::copy_from_slice(text.as_bytes()), Endpoint::V1Listen) {
            Ok(AppInput::Text(_)) => "text".to_owned(),
            Ok(input) => format!("{input:?}"),
            Err(refusal) => refusal.code.as_str().to_owned(),
        }
    }

    #[test]
    fn control_messages_are_told_however_they_are_written() {
        for (text, input) in [
            (r#"{"type":"KeepAlive"}"#, "KeepAlive"),
            (r#"{ "type": "KeepAlive" }"#, "KeepAlive"),
            (r#"{ "type": "CloseStream" }"#, "Finish"),
            (r#"{"type":"\u0043loseStream"}"#, "Finish"),
            (r#"{"type":"Finalize"}"#, "Finalize { channel: None }"),
            (r#"{"channel":1,"type":"Finalize"}"#, "Finalize { channel: Some(1) }"),
            (r#"{"type":"Finalize","channel":"1"}"#, "text"),
            (r#"{"type":"Finalize","channel":-1}"#, "text"),
            (r#"{"type":"Configure","features":1e999}"#, "text"),
            (r#"{"type":"Configure","type":"Configure"}"#, "text"),
            (r#"{"type":"CloseStream","x":1e999}"#, "bad_frame"),
            (r#"{"type":"Configure","features":{}}"#, "text"),
            (r#"{"nested":{"type":"CloseStream"}}"#, "text"),
            (r#"["CloseStream"]"#, "text"),
            ("CloseStream", "text"),
            ("", "text"),
            (r#"{"type":"CloseStream""#, "text"),
            (r#"{"type":"Configure","type":"CloseStream"}"#, "bad_frame"),
        ] {
            assert_eq!(of(text), input, "{text}");
        }
    }

    #[test]
    fn on_flux_a_finalize_would_be_the_end() {
        let finalize = Bytes::from_static(br#"{"type":"Finalize"}"#);
        let refused = read(finalize, Endpoint::V2Listen).unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnexpectedFrame);
        let keepalive = Bytes::from_static(br#"{"type":"KeepAlive"}"#);
        assert!(matches!(read(keepalive, Endpoint::V2Listen), Ok(AppInput::KeepAlive)));
    }
}
