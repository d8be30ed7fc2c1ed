//! The query string: Deepgram's part, which is passed on as it is, and the sidecar's.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::ipc::open::params::Params;
use crate::ipc::open::{Open, RECOVERY_MODES, check_vad};
use session::gate::VadMode;
use session::{Endpoint, ErrorCode, Refusal, SessionId};

/// Names that begin with this are the sidecar's.
const OURS: &str = "sidecar_";

/// What a query string asks for.
pub(super) struct Asked {
    pub(super) open: Open,
    pub(super) wants_events: bool,
}

/// Reads a query string, without its `?`.
pub(super) fn read(endpoint: Endpoint, query: &str) -> Result<Asked, Refusal> {
    if !may_be_passed_on(query) {
        let message = "the query has bytes that must be percent-encoded";
        return Err(Refusal::new(ErrorCode::InvalidOpen, message));
    }
    let none = Map::new();
    let (mut theirs, mut params, mut ours) = (Vec::new(), Map::new(), Ours::default());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        if name.starts_with(OURS) {
            ours.set(&name, &value)?;
            continue;
        }
        theirs.push(pair);
        add(&mut params, name.into_owned(), value.into_owned());
    }
    // An encoding is that of the application's audio where that becomes text.
    let transcribes = endpoint.traits().transcribes;
    let params = Params::of(theirs.join("&"), if transcribes { &params } else { &none });
    check_vad("sidecar_vad", ours.vad, endpoint, &params, "the query")?;
    check_recovery(ours.recovers, endpoint)?;
    let open = Open {
        session_id: ours.session_id,
        vad: ours.vad,
        recovers: ours.recovers,
        ..Open::of(endpoint, params)
    };
    Ok(Asked { open, wants_events: ours.wants_events.unwrap_or_default() })
}

/// Where a death is final, a session that asks for recovery would be misled.
fn check_recovery(recovers: Option<bool>, endpoint: Endpoint) -> Result<(), Refusal> {
    if recovers != Some(true) || endpoint.traits().transcribes {
        return Ok(());
    }
    let complaint = format!(
        "{} cannot recover, since Deepgram's state is lost with the connection; remove it, or use latch",
        endpoint.path()
    );
    Err(invalid("sidecar_recovery", &complaint))
}

/// Whether it can stand in our own request as it is. What cannot would fail each dial.
fn may_be_passed_on(query: &str) -> bool {
    let is_text = query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_text && PathAndQuery::try_from(format!("/?{query}")).is_ok()
}

/// As forms have it: a plus is a space.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned())
}

/// A name that is repeated has a list.
fn add(params: &mut Map<String, Value>, name: String, value: String) {
    let value = Value::String(value);
    match params.get_mut(&name) {
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => drop(params.insert(name, value)),
    }
}

/// The sidecar's own parameters.
#[derive(Default)]
struct Ours {
    session_id: Option<SessionId>,
    vad: Option<VadMode>,
    recovers: Option<bool>,
    wants_events: Option<bool>,
}

impl Ours {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let is_new = match name {
            "sidecar_session_id" => self.session_id.replace(session_id(value)?).is_none(),
            "sidecar_vad" => self
                .vad
                .replace(word(name, value, &VadMode::ALL.map(|it| (it.as_str(), it)))?)
                .is_none(),
            "sidecar_recovery" => {
                self.recovers.replace(word(name, value, &RECOVERY_MODES)?).is_none()
            }
            "sidecar_events" => {
                let known = [("true", true), ("false", false)];
                self.wants_events.replace(word(name, value, &known)?).is_none()
            }
            _ => {
                return Err(invalid(
                    name,
                    "unknown; there are sidecar_session_id, sidecar_vad, sidecar_recovery and \
                     sidecar_events",
                ));
            }
        };
        if is_new { Ok(()) } else { Err(invalid(name, "stands twice; send it once")) }
    }
}

fn session_id(value: &str) -> Result<SessionId, Refusal> {
    SessionId::parse(value)
        .ok_or_else(|| invalid("sidecar_session_id", "must be 1 to 64 of A-Z a-z 0-9 . _ : -"))
}

fn word<W: Copy>(name: &str, value: &str, known: &[(&str, W)]) -> Result<W, Refusal> {
    let found = known.iter().find(|(word, _)| *word == value);
    found.map(|(_, word)| *word).ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        invalid(name, &format!("must be one of {}", known.join(", ")))
    })
}

fn invalid(name: &str, complaint: &str) -> Refusal {
    Refusal::of_member(ErrorCode::InvalidOpen, name, complaint)
}
