//! OPEN: what an application may request for a session, validated member by member.

mod members;
pub(super) mod params;

use std::time::Duration;

use serde_json::Value;

use members::{Members, invalid};
pub(super) use members::{must_be_object, unknown};
use params::Params;
use protocol::json;
use session::audio::AudioFormat;
use session::gate::{VadMode, VadUnavailable};
use session::trace::TraceContext;
use session::{Endpoint, ErrorCode, PreludeConfig, Refusal, SessionId, is_name_byte};

/// The protocol version of this build.
pub const PROTOCOL: u64 = 1;

/// What a prelude is padded to, and how long it is then waited, unless OPEN says otherwise.
const PRELUDE_DEFAULT: Duration = Duration::from_secs(15);
/// The most that either may be.
const PRELUDE_MS_MAX: u64 = 60_000;
const TAGS_MAX: usize = 16;
const TAG_KEY_BYTES_MAX: usize = 64;
const TAG_VALUE_BYTES_MAX: usize = 256;

/// Whether a dead connection is replaced, as applications write it.
pub(super) const RECOVERY_MODES: [(&str, bool); 2] = [("latch", false), ("reconnect", true)];

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
    /// The VAD gate's mode, if the application says so. A session can have the one that it asked for.
    pub vad: Option<VadMode>,
    /// The gate's hangover is at least this: the parameters ask Deepgram to notice a silence.
    pub hangover_min: Duration,
    /// Whether there is a prelude, and how it is treated.
    pub prelude: Option<PreludeConfig>,
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
    let vad = mode(members.take_object("vad")?, &VadMode::ALL.map(|it| (it.as_str(), it)))?;
    let recovers = mode(members.take_object("recovery")?, &RECOVERY_MODES)?;
    let traceparent = members.take("traceparent").map(trace_context).transpose()?;
    let tags = members.take_object("tags")?.map(tags).transpose()?.unwrap_or_default();
    let prelude = members.take_object("prelude")?.map(prelude).transpose()?;
    members.finish()?;
    let params = params.as_ref().map(Params::read).transpose()?.unwrap_or_default();
    check_vad("vad.mode", vad, endpoint, &params, "params")?;
    check_prelude(prelude, endpoint, &params)?;
    Ok(Open {
        session_id,
        vad,
        prelude,
        recovers,
        keepalive_interval,
        traceparent_malformed: matches!(traceparent, Some(None)),
        traceparent: traceparent.flatten(),
        tags,
        ..Open::of(endpoint, params)
    })
}

impl Open {
    /// One that asks for nothing but a connection with these parameters.
    pub(super) fn of(endpoint: Endpoint, params: Params) -> Self {
        Self {
            session_id: None,
            endpoint,
            query: params.query,
            model: params.model,
            audio: params.audio,
            keepalive_interval: None,
            vad: None,
            hangover_min: params.hangover_min,
            prelude: None,
            recovers: None,
            results_elsewhere: params.results_elsewhere,
            names_speakers: params.names_speakers,
            traceparent: None,
            traceparent_malformed: false,
            tags: Vec::new(),
        }
    }
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
    let mut native = Endpoint::ALL.into_iter().filter(|it| it.traits().is_native);
    let named = native.find(|it| value.as_str() == Some(it.path()));
    named.ok_or_else(|| invalid("path", "must be \"/v1/listen\" or \"/v2/listen\""))
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

/// The mode, if there is one.
fn mode<M: Copy>(members: Option<Members>, known: &[(&str, M)]) -> Result<Option<M>, Refusal> {
    let Some(mut members) = members else { return Ok(None) };
    let field = members.path_of("mode");
    let mode = members.take("mode");
    members.finish()?;
    let Some(mode) = mode else { return Ok(None) };
    match known.iter().find(|(word, _)| mode.as_str() == Some(*word)) {
        Some((_, mode)) => Ok(Some(*mode)),
        None => {
            let known: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            Err(invalid(&field, &format!("must be one of \"{}\"", known.join("\", \""))))
        }
    }
}

/// A gate that cannot be had is refused only to an application that asks for it itself. `place` is where
/// it has its parameters.
pub(super) fn check_vad(
    field: &str,
    mode: Option<VadMode>,
    endpoint: Endpoint,
    params: &Params,
    place: &str,
) -> Result<(), Refusal> {
    let asks = mode.is_some_and(|it| it != VadMode::Off);
    let unavailable = VadUnavailable::of(endpoint, params.audio, params.results_elsewhere);
    let Some(cause) = unavailable.filter(|_| asks) else { return Ok(()) };
    let (cause, remedy) = match cause {
        // What /v2/listen needs is nothing to who speaks no audio.
        VadUnavailable::Endpoint if !endpoint.traits().transcribes => {
            ("it is for /v1/listen alone", "remove it, or use \"off\"".to_owned())
        }
        VadUnavailable::Encoding => (
            cause.in_words(),
            format!("name one of them and its sample_rate in {place}, or use \"off\""),
        ),
        VadUnavailable::Endpoint => (cause.in_words(), "use \"off\", or /v1/listen".to_owned()),
        VadUnavailable::Callback => (cause.in_words(), "remove it, or use \"off\"".to_owned()),
        VadUnavailable::SampleRate | VadUnavailable::Channels => {
            (cause.in_words(), "use \"off\"".to_owned())
        }
    };
    let message = format!("the VAD gate is not available: {cause}; {remedy}");
    Err(invalid(field, &message))
}

fn prelude(mut members: Members) -> Result<PreludeConfig, Refusal> {
    let mut duration = |key| match members.take(key) {
        None => Ok(PRELUDE_DEFAULT),
        Some(value) => match value.as_u64().filter(|ms| *ms <= PRELUDE_MS_MAX) {
            Some(ms) => Ok(Duration::from_millis(ms)),
            None => Err(invalid(
                &members.path_of(key),
                &format!("must be an integer from 0 to {PRELUDE_MS_MAX}"),
            )),
        },
    };
    let config =
        PreludeConfig { pad_to: duration("pad_to_ms")?, stabilize: duration("stabilize_ms")? };
    members.finish()?;
    Ok(config)
}

fn check_prelude(
    prelude: Option<PreludeConfig>,
    endpoint: Endpoint,
    params: &Params,
) -> Result<(), Refusal> {
    let complaint = match () {
        _ if prelude.is_none() => return Ok(()),
        _ if !endpoint.traits().names_speakers => {
            "/v2/listen does not tell speakers apart; remove the prelude, or use /v1/listen"
        }
        _ if params.results_elsewhere => {
            "with a callback nobody could leave out the words of a prelude; remove one of the two"
        }
        _ if params.audio.is_none() => {
            "a prelude is available only with linear16, linear32, mulaw and alaw; name one of them \
             and its sample_rate in params, or remove the prelude"
        }
        _ => return Ok(()),
    };
    Err(invalid("prelude", complaint))
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

#[cfg(test)]
mod tests;
