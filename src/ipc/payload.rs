//! Payloads of frames to and from inputs and outputs of the session.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::Value;

use super::open::{self, must_be_object, unknown};
use crate::json::Json;
use crate::live::LiveSession;
use protocol::frame::{self, AppFrameType, SidecarFrameType};
use protocol::json;
use session::gate::VadMode;
use session::{AppFrame, AppInput, ErrorCode, Event, Refusal, SessionId};

/// Text messages that only the sidecar sends.
const RESERVED_TYPES: [&str; 3] = ["KeepAlive", "Finalize", "CloseStream"];

/// Parses a frame of an open session. Its header has already been checked.
pub(super) fn read(kind: AppFrameType, payload: Bytes) -> Result<AppInput, Refusal> {
    match kind {
        AppFrameType::Audio => Ok(AppInput::Audio(payload)),
        AppFrameType::Finalize => finalize(&payload),
        AppFrameType::Finish if payload.is_empty() => Ok(AppInput::Finish),
        AppFrameType::Finish => Err(bad_frame("FINISH has no payload; send length 0")),
        AppFrameType::Text => text(payload),
        AppFrameType::Update => update(&payload),
        AppFrameType::Prelude => Ok(AppInput::Prelude(payload)),
        AppFrameType::Open => unreachable!("the header check refuses OPEN on an open session"),
    }
}

fn finalize(payload: &[u8]) -> Result<AppInput, Refusal> {
    if payload.is_empty() {
        return Ok(AppInput::Finalize { channel: None });
    }
    let object = json::parse_object(payload).map_err(bad_frame)?;
    match (object.len(), object.get("channel").and_then(Value::as_u64)) {
        (1, Some(channel)) => Ok(AppInput::Finalize { channel: Some(channel) }),
        _ => Err(Refusal::of_field(
            ErrorCode::BadFrame,
            "channel",
            "FINALIZE's payload must be empty or an object with only \"channel\", an unsigned integer",
        )),
    }
}

fn text(payload: Bytes) -> Result<AppInput, Refusal> {
    let object = json::parse_object(&payload).map_err(bad_frame)?;
    match object.get("type").and_then(Value::as_str) {
        Some(kind) if RESERVED_TYPES.contains(&kind) => Err(Refusal::of_field(
            ErrorCode::ReservedMessage,
            "type",
            format!("only the sidecar sends {kind}; use FINALIZE or FINISH, or nothing at all"),
        )),
        _ => Ok(AppInput::Text(payload)),
    }
}

fn update(payload: &[u8]) -> Result<AppInput, Refusal> {
    let mut object = json::parse_object(payload)
        .map_err(|message| Refusal::new(ErrorCode::InvalidUpdate, message))?;
    let vad = object.shift_remove("vad").map(updated_mode).transpose()?.flatten();
    match object.keys().next() {
        None => Ok(AppInput::Update { vad }),
        Some(key) => Err(invalid_update(key, "unknown member; remove it")),
    }
}

fn updated_mode(vad: Value) -> Result<Option<VadMode>, Refusal> {
    let Value::Object(mut vad) = vad else {
        return Err(invalid_update("vad", must_be_object("vad")));
    };
    let mode = vad.shift_remove("mode");
    if let Some(key) = vad.keys().next() {
        let field = format!("vad.{key}");
        return Err(invalid_update(&field, unknown(&field)));
    }
    let Some(mode) = mode else { return Ok(None) };
    let known = VadMode::ALL.into_iter().find(|it| mode.as_str() == Some(it.as_str()));
    match known {
        Some(mode) => Ok(Some(mode)),
        None => Err(invalid_update("vad.mode", "must be one of \"off\", \"shadow\", \"active\"")),
    }
}

fn invalid_update(field: &str, message: &str) -> Refusal {
    Refusal::of_member(ErrorCode::InvalidUpdate, field, message)
}

/// A `bad_frame` refusal.
pub(super) fn bad_frame(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadFrame, message)
}

/// Appends a frame for the application to `buffer`.
pub(super) fn write(frame: &AppFrame, session: &LiveSession, buffer: &mut BytesMut) {
    match frame {
        AppFrame::Opened { request_id } => {
            let opened = Opened {
                session_id: &session.id,
                protocol: open::PROTOCOL,
                request_id: request_id.as_deref(),
                traceparent: session.trace().map(|context| context.to_string()),
            };
            write_json(SidecarFrameType::Opened, &opened, buffer);
        }
        AppFrame::Message { text, .. } => {
            frame::encode(SidecarFrameType::Message as u8, text, buffer);
        }
        AppFrame::Event { at_ms, event } => {
            write_json(SidecarFrameType::Event, &TimedEvent { event, at_ms: *at_ms }, buffer);
        }
        // Whoever reads its socket is there; it is not asked. No endpoint of its dialect speaks.
        AppFrame::Ping | AppFrame::Binary { .. } => {}
        AppFrame::Error(refusal) => write_json(SidecarFrameType::Error, &Json(&**refusal), buffer),
        AppFrame::Finished { summary, .. } => {
            write_json(SidecarFrameType::Finished, &Json(&**summary), buffer)
        }
    }
}

/// The frame that refuses a connection.
pub fn refusal(refusal: Refusal) -> Bytes {
    let mut buffer = BytesMut::new();
    write_json(SidecarFrameType::Error, &Json(&refusal), &mut buffer);
    buffer.freeze()
}

#[derive(Serialize)]
struct Opened<'a> {
    #[serde(serialize_with = "crate::json::display")]
    session_id: &'a SessionId,
    protocol: u64,
    request_id: Option<&'a str>,
    traceparent: Option<String>,
}

/// The payload of an EVENT.
#[derive(Serialize)]
pub(super) struct TimedEvent<'a> {
    #[serde(flatten, serialize_with = "crate::json::members")]
    pub(super) event: &'a Event,
    pub(super) at_ms: u64,
}

fn write_json(kind: SidecarFrameType, payload: &impl Serialize, buffer: &mut BytesMut) {
    let json = serde_json::to_vec(payload).expect("string keys and plain values always serialise");
    frame::encode(kind as u8, &json, buffer);
}

#[cfg(test)]
mod tests {
    mod golden;

    use std::sync::Arc;

    use super::*;
    use session::Endpoint;
    use session::trace::TraceContext;

    fn code(kind: AppFrameType, payload: &str) -> ErrorCode {
        read(kind, Bytes::from(payload.to_owned())).unwrap_err().code
    }

    #[test]
    fn finalize_takes_nothing_or_exactly_a_channel() {
        for good in ["", r#"{"channel":0}"#] {
            assert!(read(AppFrameType::Finalize, Bytes::from(good)).is_ok(), "{good}");
        }
        for bad in ["{}", r#"{"channel":-1}"#, r#"{"channel":0,"x":1}"#, r#"{"channel":1.5}"#, "7"]
        {
            assert_eq!(code(AppFrameType::Finalize, bad), ErrorCode::BadFrame, "{bad}");
        }
    }

    #[test]
    fn the_sidecars_own_messages_are_reserved_however_they_are_escaped() {
        for bad in [
            r#"{"type":"KeepAlive"}"#,
            r#"{"x":1,"type":"Finalize"}"#,
            r#"{"\u0074ype":"Close\u0053tream"}"#,
        ] {
            assert_eq!(code(AppFrameType::Text, bad), ErrorCode::ReservedMessage, "{bad}");
        }
        assert_eq!(code(AppFrameType::Text, r#"{"type":"a","type":"b"}"#), ErrorCode::BadFrame);
        assert_eq!(code(AppFrameType::Text, "[]"), ErrorCode::BadFrame);
        for good in [r#"{"type":"Configure"}"#, r#"{"a":{"type":"KeepAlive"}}"#, "{}"] {
            assert!(read(AppFrameType::Text, Bytes::from(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn an_update_sets_the_gates_mode_or_nothing() {
        for (payload, expected) in [
            ("{}", None),
            (r#"{"vad":{}}"#, None),
            (r#"{"vad":{"mode":"off"}}"#, Some(VadMode::Off)),
            (r#"{"vad":{"mode":"shadow"}}"#, Some(VadMode::Shadow)),
            (r#"{"vad":{"mode":"active"}}"#, Some(VadMode::Active)),
        ] {
            let input = read(AppFrameType::Update, Bytes::from(payload)).unwrap();
            let AppInput::Update { vad } = input else { panic!("{payload}: {input:?}") };
            assert_eq!(vad, expected, "{payload}");
        }
    }

    #[test]
    fn an_update_of_anything_else_is_refused_by_its_path() {
        for (payload, field) in [
            ("", None),
            ("[]", None),
            (r#"{"vad":1}"#, Some("vad")),
            (r#"{"vad":null}"#, Some("vad")),
            (r#"{"vad":{"mode":"loud"}}"#, Some("vad.mode")),
            (r#"{"vad":{"mode":false}}"#, Some("vad.mode")),
            (r#"{"vad":{"mode":null}}"#, Some("vad.mode")),
            (r#"{"vad":{"mode":"off","threshold":0.5}}"#, Some("vad.threshold")),
            (r#"{"keepalive":{}}"#, Some("keepalive")),
            (r#"{"vad":{"mode":"active"},"keepalive":{}}"#, Some("keepalive")),
        ] {
            let refusal = read(AppFrameType::Update, Bytes::from(payload)).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidUpdate, "{payload}");
            assert_eq!(refusal.field.as_deref(), field, "{payload}");
        }
    }

    #[test]
    fn an_event_carries_its_name_its_members_and_its_time() {
        let mut buffer = BytesMut::new();
        let event = Event::Draining { deadline_ms: 25_000 };
        write(&AppFrame::Event { at_ms: 7, event }, &live(), &mut buffer);
        assert_eq!(&buffer[5..], br#"{"event":"draining","deadline_ms":25000,"at_ms":7}"#);
    }

    #[test]
    fn opened_names_the_sessions_own_span() {
        let session = live();
        let opened = AppFrame::Opened { request_id: None };
        let mut buffer = BytesMut::new();
        write(&opened, &session, &mut buffer);
        let untraced = br#"{"session_id":"s","protocol":1,"request_id":null,"traceparent":null}"#;
        assert_eq!(&buffer[5..], untraced);
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        session.set_trace(TraceContext::parse(text).unwrap());
        buffer.clear();
        write(&opened, &session, &mut buffer);
        let payload: Value = serde_json::from_slice(&buffer[5..]).unwrap();
        assert_eq!(payload["traceparent"], text);
    }

    fn live() -> Arc<LiveSession> {
        let id = SessionId::parse("s").unwrap();
        LiveSession::new(id, Endpoint::V1Listen, None, clock::now(), Vec::new())
    }
}
