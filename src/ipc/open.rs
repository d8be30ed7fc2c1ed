//! OPEN: what an application may request for a session, validated member by member.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Number, Value};

use protocol::json;
use session::audio::AudioFormat;
use session::trace::TraceContext;
use session::{Endpoint, ErrorCode, Refusal, SessionId, is_name_byte};

/// The protocol version of this build.
pub const PROTOCOL: u64 = 1;

/// Maximum size of the encoded query, in bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;
/// Maximum bytes of the model that are kept.
const MODEL_BYTES_MAX: usize = 128;
const TAGS_MAX: usize = 16;
const TAG_KEY_BYTES_MAX: usize = 64;
const TAG_VALUE_BYTES_MAX: usize = 256;

/// RFC 3986's unreserved characters are kept; all others are percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A valid OPEN, without the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The session id chosen by the application.
    pub session_id: Option<SessionId>,
    pub endpoint: Endpoint,
    /// The query string for Deepgram, encoded, without `?`.
    pub query: String,
    /// The first bytes of the model in the parameters.
    pub model: Option<String>,
    /// The audio format, if the parameters give it and it has a known duration.
    pub audio: Option<AudioFormat>,
    /// The application's keepalive interval.
    pub keepalive_interval: Option<Duration>,
    /// Whether a dead connection is replaced, if the application says so.
    pub recovers: Option<bool>,
    /// Results go to a callback of the application's.
    pub results_elsewhere: bool,
    /// Words name their speakers.
    pub names_speakers: bool,
    /// The application's trace context.
    pub traceparent: Option<TraceContext>,
    /// Whether [`Open::traceparent`] is missing because it was malformed.
    pub traceparent_malformed: bool,
    /// The application's tags, in order.
    pub tags: Vec<(String, String)>,
}

/// Validates the payload of an OPEN frame.
pub fn parse(payload: &[u8]) -> Result<Open, Refusal> {
    let object = json::parse_object(payload)
        .map_err(|message| Refusal::new(ErrorCode::InvalidOpen, message))?;
    let mut members = Members { path: "", object, null_is_absent: true };
    check_protocol(&mut members)?;
    let session_id = members.take("session_id").map(session_id).transpose()?;
    let endpoint = members.take("path").map_or(Ok(Endpoint::V1Listen), endpoint)?;
    let params = members.take_object("params")?;
    let keepalive_interval =
        members.take_object("keepalive")?.map(keepalive).transpose()?.flatten();
    mode(members.take_object("vad")?, &["off"], &["shadow", "active"])?;
    let recovers = mode(members.take_object("recovery")?, &["latch", "reconnect"], &[])?
        .map(|mode| mode == "reconnect");
    let traceparent = members.take("traceparent").map(trace_context).transpose()?;
    let tags = members.take_object("tags")?.map(tags).transpose()?.unwrap_or_default();
    if members.take("prelude").is_some() {
        return Err(invalid("prelude", "preludes are not available in this version; remove it"));
    }
    members.finish()?;
    let audio = params.as_ref().and_then(|params| audio_format(&params.object));
    let model = params.as_ref().and_then(|params| model(&params.object));
    let has = |name: &str| params.as_ref().is_some_and(|it| it.object.contains_key(name));
    let is_on = |name: &str| params.as_ref().is_some_and(|it| is_true(it.object.get(name)));
    Ok(Open {
        session_id,
        endpoint,
        recovers,
        results_elsewhere: has("callback"),
        names_speakers: is_on("diarize") || has("diarize_model"),
        query: params.map(query).transpose()?.unwrap_or_default(),
        model,
        audio,
        keepalive_interval,
        traceparent_malformed: matches!(traceparent, Some(None)),
        traceparent: traceparent.flatten(),
        tags,
    })
}

/// The protocol is checked before anything else.
fn check_protocol(members: &mut Members) -> Result<(), Refusal> {
    match members.take("protocol").as_ref() {
        Some(asked) if asked.as_u64() == Some(PROTOCOL) => Ok(()),
        Some(asked) if asked.is_i64() || asked.is_u64() => Err(Refusal::of_field(
            ErrorCode::UnsupportedProtocol,
            "protocol",
            format!("this sidecar supports protocol {PROTOCOL}; send \"protocol\": {PROTOCOL}"),
        )),
        _ => Err(invalid("protocol", "required, an integer")),
    }
}

fn session_id(value: Value) -> Result<SessionId, Refusal> {
    value
        .as_str()
        .and_then(SessionId::parse)
        .ok_or_else(|| invalid("session_id", "must be a string of 1 to 64 of A-Z a-z 0-9 . _ : -"))
}

fn endpoint(value: Value) -> Result<Endpoint, Refusal> {
    match value.as_str() {
        Some("/v1/listen") => Ok(Endpoint::V1Listen),
        Some("/v2/listen") => Ok(Endpoint::V2Listen),
        _ => Err(invalid("path", "must be \"/v1/listen\" or \"/v2/listen\"")),
    }
}

fn keepalive(mut members: Members) -> Result<Option<Duration>, Refusal> {
    let interval = members.take("interval_ms");
    members.finish()?;
    let Some(interval) = interval else { return Ok(None) };
    match interval.as_u64().filter(|ms| (100..=9999).contains(ms)) {
        Some(ms) => Ok(Some(Duration::from_millis(ms))),
        None => Err(invalid("keepalive.interval_ms", "must be an integer from 100 to 9999")),
    }
}

/// The mode, if there is one. A known but unavailable one gets its own message.
fn mode(
    members: Option<Members>,
    available: &[&'static str],
    not_yet: &[&str],
) -> Result<Option<&'static str>, Refusal> {
    let Some(mut members) = members else { return Ok(None) };
    let field = members.path_of("mode");
    let mode = members.take("mode");
    members.finish()?;
    let is_asked = |known: &&&str| mode.as_ref().and_then(Value::as_str) == Some(**known);
    if let Some(known) = available.iter().find(is_asked) {
        return Ok(Some(known));
    }
    match mode.as_ref().map(Value::as_str) {
        None => Ok(None),
        Some(Some(mode)) if not_yet.contains(&mode) => Err(invalid(
            &field,
            &format!("\"{mode}\" is not available in this version; use \"{}\"", available[0]),
        )),
        Some(_) => {
            let known = [available, not_yet].concat().join("\", \"");
            Err(invalid(&field, &format!("must be one of \"{known}\"")))
        }
    }
}

fn trace_context(value: Value) -> Result<Option<TraceContext>, Refusal> {
    match value {
        Value::String(text) => Ok(TraceContext::parse(&text)),
        _ => Err(invalid("traceparent", "must be a string in W3C form")),
    }
}

fn tags(members: Members) -> Result<Vec<(String, String)>, Refusal> {
    if members.object.len() > TAGS_MAX {
        return Err(invalid("tags", &format!("at most {TAGS_MAX} tags are allowed")));
    }
    members.object.into_iter().map(tag).collect()
}

fn tag((key, value): (String, Value)) -> Result<(String, String), Refusal> {
    let field = format!("tags.{key}");
    if !(1..=TAG_KEY_BYTES_MAX).contains(&key.len()) || !key.bytes().all(is_name_byte) {
        return Err(invalid(&field, "a tag's key must be 1 to 64 of A-Z a-z 0-9 . _ : -"));
    }
    match value {
        Value::String(value) if value.len() <= TAG_VALUE_BYTES_MAX => Ok((key, value)),
        _ => Err(invalid(&field, "a tag's value must be a string of up to 256 bytes")),
    }
}

/// The query string: members in order, a list repeats its key.
fn query(params: Members) -> Result<String, Refusal> {
    let mut query = String::new();
    for (key, value) in &params.object {
        let field = params.path_of(key);
        if key.is_empty() {
            return Err(invalid(&field, "a parameter needs a name"));
        }
        if key.starts_with("sidecar_") {
            return Err(invalid(&field, "names that start with sidecar_ are reserved"));
        }
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            push_parameter(&mut query, key, &parameter_text(&field, value)?);
            if query.len() > QUERY_BYTES_MAX {
                return Err(invalid("params", "the encoded parameters are over 16 KiB"));
            }
        }
    }
    Ok(query)
}

fn push_parameter(query: &mut String, key: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.extend(utf8_percent_encode(key, RESERVED));
    query.push('=');
    query.extend(utf8_percent_encode(value, RESERVED));
}

fn parameter_text(field: &str, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number_text(number)),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(invalid(field, "must be a string, a number, a boolean or a list of those"))
        }
    }
}

/// 64-bit integers in decimal, other numbers in their shortest form.
fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let plain = float == 0.0 || (1e-6..1e21).contains(&float.abs());
            if plain { float.to_string() } else { format!("{float:e}") }
        }
        _ => number.to_string(),
    }
}

/// The model, truncated for traces.
fn model(params: &Map<String, Value>) -> Option<String> {
    let model = params.get("model")?.as_str()?;
    Some(model[..model.floor_char_boundary(MODEL_BYTES_MAX)].to_owned())
}

/// Deepgram's booleans may be strings.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

/// The audio format in the parameters; numbers may be strings.
fn audio_format(params: &Map<String, Value>) -> Option<AudioFormat> {
    let number = |key: &str| match params.get(key)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|it| u32::try_from(it).ok()),
    };
    let channels = if params.contains_key("channels") { number("channels")? } else { 1 };
    AudioFormat::new(params.get("encoding")?.as_str()?, number("sample_rate")?, channels)
}

/// The members of an object that are still to be validated.
struct Members {
    /// The object's own name; empty for OPEN itself.
    path: &'static str,
    object: Map<String, Value>,
    null_is_absent: bool,
}

impl Members {
    fn take(&mut self, key: &str) -> Option<Value> {
        let value = self.object.shift_remove(key)?;
        (!(self.null_is_absent && value.is_null())).then_some(value)
    }

    fn take_object(&mut self, key: &'static str) -> Result<Option<Members>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Members { path: key, object, null_is_absent: false }))
            }
            Some(_) => Err(invalid(key, "must be an object")),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Members that have not been taken are unknown.
    fn finish(self) -> Result<(), Refusal> {
        match self.object.keys().next() {
            None => Ok(()),
            Some(key) => Err(invalid(&self.path_of(key), "unknown member; remove it")),
        }
    }
}

fn invalid(field: &str, message: &str) -> Refusal {
    Refusal::of_member(ErrorCode::InvalidOpen, field, message)
}

#[cfg(test)]
mod tests;
