//! OPEN, from the application's side.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// This client's version of the contract.
const PROTOCOL: u32 = 1;

/// The payload of OPEN. Unset members are omitted, so that the daemon's defaults apply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenRequest {
    session_id: Option<String>,
    path: Option<String>,
    params: Vec<(String, Value)>,
    keepalive_interval_ms: Option<u64>,
    vad: Option<VadMode>,
    recovery: Option<Recovery>,
    prelude: Option<Prelude>,
    traceparent: Option<String>,
    tags: Vec<(String, String)>,
}

/// What the VAD gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VadMode {
    /// Nothing: all audio is sent.
    Off,
    /// All audio is sent; what would have been held back is counted.
    Shadow,
    /// Silence is held back.
    Active,
}

impl VadMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Active => "active",
        }
    }
}

/// How a prelude is treated: see [`Sender::prelude`](crate::Sender::prelude). Unset members are omitted,
/// so that the daemon's defaults apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prelude {
    /// What it is padded to with silence, in milliseconds, up to 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_to_ms: Option<u64>,
    /// How long live audio waits after that, in milliseconds, up to 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stabilize_ms: Option<u64>,
}

/// What a dead connection means for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The session is dead, too.
    Latch,
    /// Another connection takes over.
    Reconnect,
}

impl Recovery {
    fn as_str(self) -> &'static str {
        match self {
            Self::Latch => "latch",
            Self::Reconnect => "reconnect",
        }
    }
}

impl OpenRequest {
    /// A request with only defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the session's id.
    #[must_use]
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// Chooses the endpoint: `/v1/listen` or `/v2/listen`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Adds a query parameter for Deepgram. Repeating a name makes a list.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.params.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Value::Array(values))) => values.push(value),
            Some((_, first)) => *first = json!([first.take(), value]),
            None => self.params.push((name, value)),
        }
        self
    }

    /// Adds the parameters that raw audio needs: `encoding`, `sample_rate`, `channels`.
    #[must_use]
    pub fn audio(self, encoding: &str, sample_rate: u32, channels: u32) -> Self {
        self.param("encoding", encoding)
            .param("sample_rate", sample_rate)
            .param("channels", channels)
    }

    /// Sets the keepalive interval, 100 to 9999 ms.
    #[must_use]
    pub fn keepalive_interval_ms(mut self, interval_ms: u64) -> Self {
        self.keepalive_interval_ms = Some(interval_ms);
        self
    }

    /// Chooses what the VAD gate does. An UPDATE can change it later.
    #[must_use]
    pub fn vad(mut self, mode: VadMode) -> Self {
        self.vad = Some(mode);
        self
    }

    /// Announces a prelude: speech that goes ahead of the live stream, for diarization to know a voice.
    #[must_use]
    pub fn prelude(mut self, prelude: Prelude) -> Self {
        self.prelude = Some(prelude);
        self
    }

    /// Chooses what a dead connection means.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// Joins the session to the application's trace.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Adds a tag for spans and logs.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

impl Serialize for OpenRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut open = serializer.serialize_map(None)?;
        open.serialize_entry("protocol", &PROTOCOL)?;
        if let Some(id) = &self.session_id {
            open.serialize_entry("session_id", id)?;
        }
        if let Some(path) = &self.path {
            open.serialize_entry("path", path)?;
        }
        open.serialize_entry("params", &Members(&self.params))?;
        if let Some(interval_ms) = self.keepalive_interval_ms {
            open.serialize_entry("keepalive", &json!({ "interval_ms": interval_ms }))?;
        }
        if let Some(mode) = self.vad {
            open.serialize_entry("vad", &json!({ "mode": mode.as_str() }))?;
        }
        if let Some(prelude) = &self.prelude {
            open.serialize_entry("prelude", prelude)?;
        }
        if let Some(recovery) = self.recovery {
            open.serialize_entry("recovery", &json!({ "mode": recovery.as_str() }))?;
        }
        if let Some(traceparent) = &self.traceparent {
            open.serialize_entry("traceparent", traceparent)?;
        }
        if !self.tags.is_empty() {
            open.serialize_entry("tags", &Members(&self.tags))?;
        }
        open.end()
    }
}

/// Pairs as one JSON object, in their order.
struct Members<'a, V>(&'a [(String, V)]);

impl<V: Serialize> Serialize for Members<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
