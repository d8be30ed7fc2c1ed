//! `params` of OPEN: as the query string, and what they tell of the session.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Number, Value};

use super::members::{Members, invalid};
use session::Refusal;
use session::audio::AudioFormat;

/// Maximum size of the encoded query, in bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;
/// Maximum bytes of the model that are kept.
const MODEL_BYTES_MAX: usize = 128;

/// RFC 3986's unreserved characters are kept; all others are percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters of a silence that Deepgram is to notice, in milliseconds.
const PAUSES: [&str; 2] = ["endpointing", "utterance_end_ms"];
/// How much longer than such a silence audio must still be sent: Deepgram notices it a little later.
const PAUSE_MARGIN: Duration = Duration::from_millis(500);
/// The longest hangover, as in the configuration.
const HANGOVER_MAX: Duration = Duration::from_secs(60);

/// What the parameters tell of the session.
#[derive(Debug, Default)]
pub(in crate::ipc) struct Params {
    /// The query string, encoded, without `?`.
    pub(super) query: String,
    /// The first bytes of the model.
    pub(super) model: Option<String>,
    pub(super) audio: Option<AudioFormat>,
    /// Results go to a callback.
    pub(super) results_elsewhere: bool,
    /// Words name their speakers.
    pub(super) names_speakers: bool,
    /// The shortest hangover with which Deepgram still notices the silences that it is to notice.
    pub(super) hangover_min: Duration,
}

impl Params {
    pub(super) fn read(members: &Members) -> Result<Self, Refusal> {
        Ok(Self::of(query(members)?, &members.object))
    }

    /// What parameters tell that are this query string.
    pub(in crate::ipc) fn of(query: String, params: &Map<String, Value>) -> Self {
        Self {
            query,
            model: model(params),
            audio: audio_format(params),
            results_elsewhere: params.contains_key("callback"),
            names_speakers: is_true(params.get("diarize")) || params.contains_key("diarize_model"),
            hangover_min: hangover_min(params),
        }
    }
}

/// The query string: members in order, a list repeats its key.
fn query(params: &Members) -> Result<String, Refusal> {
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

fn hangover_min(params: &Map<String, Value>) -> Duration {
    let longest = PAUSES.iter().filter_map(|name| pause(params.get(*name)?)).max();
    longest.map_or(Duration::ZERO, |it| it.saturating_add(PAUSE_MARGIN).min(HANGOVER_MAX))
}

/// Numbers may be strings, and a list repeats its key. `endpointing` may also be a boolean, with which
/// Deepgram's own silence is far below any hangover.
fn pause(value: &Value) -> Option<Duration> {
    let milliseconds = match value {
        Value::Array(values) => return values.iter().filter_map(pause).max(),
        Value::String(text) => text.parse().ok()?,
        value => value.as_f64()?,
    };
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
}
