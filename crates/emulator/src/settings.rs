//! The emulator's settings: timers, limits, and a switch for each unknown.
//!
//! Durations are written as `10s` or `25ms`; a duration of zero turns its feature off.

mod agent;
mod flux;
mod speak;

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::duration;
pub use agent::AgentSettings;
pub use flux::FluxSettings;
pub use speak::SpeakSettings;

/// The words returned by default.
const WORDS: &str = "The harbour lights came on one after another. Two boats were still out, and \
    nobody on the pier wanted to go home before them. A boy counted the seconds between the waves. \
    When the first mast came round the point, the old men stopped talking and took off their hats.";

/// The behaviour of an emulator, or of one of its connections. The defaults are Deepgram's, as far
/// as they are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether a request needs credentials; a self-hosted Deepgram needs none.
    pub require_auth: bool,
    /// Keys accepted with `Token`; `None` for any non-empty key.
    pub api_keys: Option<Credentials>,
    /// Tokens accepted with `Bearer`; `None` for any that is neither empty nor one of the keys.
    pub bearer_tokens: Option<Credentials>,
    /// Delay between a request and its 101.
    #[serde(with = "duration")]
    pub upgrade_latency: Duration,
    /// Maximum concurrent streams; further ones get 429.
    pub concurrency: usize,
    /// How long a stream lost without a close keeps its slot.
    #[serde(with = "duration")]
    pub ghost_slot: Duration,
    /// The `Retry-After` of a 429, in whole seconds; zero for no such header.
    #[serde(with = "duration")]
    pub retry_after: Duration,

    /// Timer A: without audio or text from the client for this long, net0001.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Timer B: without a first text message from the server for this long, net0000.
    #[serde(with = "duration")]
    pub response_timeout: Duration,
    /// Delay between the Metadata and the Close of a timeout.
    #[serde(with = "duration")]
    pub close_gap: Duration,

    /// Seconds of audio processed per second; `None` for no limit.
    pub pacing: Option<f64>,
    /// Maximum audio waiting to be processed; beyond it the socket is not read.
    #[serde(with = "duration")]
    pub backlog: Duration,
    /// Delay before a result is sent.
    #[serde(with = "duration")]
    pub result_latency: Duration,
    /// Delay before the answer to a Finalize is sent.
    #[serde(with = "duration")]
    pub finalize_latency: Duration,
    /// Whether a Finalize with nothing to flush is answered, with an empty result.
    pub finalize_answers_empty: bool,

    /// Audio between interim results.
    #[serde(with = "duration")]
    pub interim_every: Duration,
    /// Audio after which continuous speech is made final.
    #[serde(with = "duration")]
    pub final_after: Duration,
    /// Audio after which continuous silence is made final, if interim results are requested;
    /// otherwise `interim_every`.
    #[serde(with = "duration")]
    pub silent_final_after: Duration,
    /// When `UtteranceEnd` is sent, and what it contains.
    pub utterance_end: UtteranceEndStyle,
    /// Refuse to decode the audio, in one of three ways.
    pub undecodable: Option<Undecodable>,
    /// Variations of the JSON.
    pub field_noise: FieldNoise,

    /// The text to return for speech, repeated.
    pub words: String,
    /// How fast words are spoken.
    pub words_per_second: f64,
    /// Root mean square, of 1.0, from which a 20 ms window counts as speech; half of it keeps on.
    pub speech_threshold: f32,
    /// Silence that ends speech; shorter ones are gaps between words.
    #[serde(with = "duration")]
    pub speech_release: Duration,

    /// Whether the audio is hashed, for the `sha256` of Metadata and of the record.
    pub hash_audio: bool,
    /// Whether the audio carries the position code (mono linear16 only).
    pub position_code: bool,
    /// What is different on `/v2/listen`.
    pub flux: FluxSettings,
    /// What is different on `/v1/speak` and `/v2/speak`.
    pub speak: SpeakSettings,
    /// What is different on `/v1/agent/converse`.
    pub agent: AgentSettings,
    /// What nobody outside Deepgram knows.
    pub unknowns: Unknowns,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            require_auth: true,
            api_keys: None,
            bearer_tokens: None,
            upgrade_latency: Duration::ZERO,
            concurrency: 150,
            ghost_slot: Duration::ZERO,
            retry_after: Duration::ZERO,
            idle_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            close_gap: Duration::from_millis(25),
            pacing: Some(1.25),
            backlog: Duration::from_secs(60),
            result_latency: Duration::from_millis(100),
            finalize_latency: Duration::from_millis(200),
            finalize_answers_empty: false,
            interim_every: Duration::from_secs(1),
            final_after: Duration::from_millis(4500),
            silent_final_after: Duration::from_secs(3),
            utterance_end: UtteranceEndStyle::Exact,
            undecodable: None,
            field_noise: FieldNoise::default(),
            words: WORDS.to_owned(),
            words_per_second: 2.5,
            speech_threshold: 0.02,
            speech_release: Duration::from_millis(100),
            hash_audio: true,
            position_code: false,
            flux: FluxSettings::default(),
            speak: SpeakSettings::default(),
            agent: AgentSettings::default(),
            unknowns: Unknowns::default(),
        }
    }
}

impl Settings {
    /// These settings, with the members of `changes` overriding them.
    ///
    /// # Errors
    /// An unknown member, or a value that does not fit.
    pub fn with_changes(&self, changes: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        overlay(&mut merged, changes);
        let settings: Self = serde_json::from_value(merged)?;
        settings.check().map_err(serde::de::Error::custom)?;
        Ok(settings)
    }

    /// Whether the numbers are valid.
    ///
    /// # Errors
    /// A sentence that names the first invalid one.
    pub fn check(&self) -> Result<(), String> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        if !self.pacing.is_none_or(positive) {
            return Err("pacing must be over 0; use null for no limit".into());
        }
        if !positive(self.words_per_second) || self.words_per_second > 20.0 {
            return Err("words_per_second must be over 0 and at most 20".into());
        }
        if self.words.split_whitespace().next().is_none() {
            return Err("words must contain at least one word".into());
        }
        if self.interim_every.is_zero() || self.final_after.is_zero() {
            return Err("interim_every and final_after must be over 0".into());
        }
        if self.silent_final_after.is_zero() || self.backlog.is_zero() {
            return Err("silent_final_after and backlog must be over 0".into());
        }
        self.flux.check()?;
        self.speak.check()
    }
}

/// Credentials that a request may present. Their `Debug` form only says how many there are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(Vec<String>);

impl Credentials {
    /// These secrets and no others.
    pub fn new(secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(secrets.into_iter().map(Into::into).collect())
    }

    /// Whether `secret` is among them.
    pub fn contain(&self, secret: &str) -> bool {
        self.0.iter().any(|known| known == secret)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} hidden)", self.0.len())
    }
}

/// When `UtteranceEnd` is sent, and what it contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtteranceEndStyle {
    /// As documented: not once the next words have started.
    Exact,
    /// Also while the next words are already open, as observed in practice.
    Late,
    /// With a `last_word_end` of -1: the result was already final.
    MinusOne,
}

/// How Deepgram shows that it cannot decode the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undecodable {
    /// Close 1008 at the first audio.
    Close,
    /// No text ever, so that timer B ends it: a container that does not match the encoding.
    Silence,
    /// Metadata with a duration of 0 and Close 1000.
    EmptyMetadata,
}

/// Variations of the JSON that a client must tolerate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldNoise {
    /// Unknown members.
    pub extra_fields: bool,
    /// Optional members omitted.
    pub missing_optional: bool,
    /// Members in reverse order.
    pub reordered: bool,
    /// A message of an unknown `type` before each result.
    pub unknown_types: bool,
}

/// One switch per unknown of the real service; the defaults are the more likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unknowns {
    /// Timer B restarts with the first audio after each text message.
    pub response_timer_restarts: bool,
    /// A Finalize restarts timer A.
    pub finalize_resets_idle: bool,
    /// Any text other than KeepAlive restarts timer A.
    pub text_resets_idle: bool,
    /// A Ping restarts timer A.
    pub ping_resets_idle: bool,
    /// Timer B sends Metadata before it closes, like timer A.
    pub response_timeout_metadata: bool,
    /// A timeout sends what it has as a last final result.
    pub timeout_flushes: bool,
    /// The reason of the 1008 for audio that cannot be decoded.
    pub undecodable_reason: String,
    /// Undocumented query parameters are refused instead of ignored.
    pub unknown_parameters_refused: bool,
    /// Maximum lifetime of a stream, after which it is closed with 1000; zero for none.
    #[serde(with = "duration")]
    pub session_max: Duration,
    /// Maximum message size, in bytes; a larger one fails the stream.
    pub message_bytes_max: usize,
    /// How often the server pings; zero for never.
    #[serde(with = "duration")]
    pub ping_every: Duration,
    /// The `from_finalize` of the results that CloseStream flushes.
    pub close_stream_from_finalize: bool,
}

impl Default for Unknowns {
    fn default() -> Self {
        Self {
            response_timer_restarts: false,
            finalize_resets_idle: true,
            text_resets_idle: true,
            ping_resets_idle: false,
            response_timeout_metadata: true,
            timeout_flushes: false,
            undecodable_reason: "DATA-0000".to_owned(),
            unknown_parameters_refused: false,
            session_max: Duration::ZERO,
            message_bytes_max: 16 << 20,
            ping_every: Duration::ZERO,
            close_stream_from_finalize: false,
        }
    }
}

impl Unknowns {
    /// When a stream that was opened then has lived for the longest time.
    pub(super) fn session_end(&self, opened: Instant) -> Option<Instant> {
        (!self.session_max.is_zero()).then(|| opened + self.session_max)
    }
}

/// Objects are merged member by member, anything else is replaced.
fn overlay(base: &mut serde_json::Value, changes: &serde_json::Value) {
    match (base, changes) {
        (serde_json::Value::Object(base), serde_json::Value::Object(changes)) => {
            for (key, change) in changes {
                overlay(base.entry(key.clone()).or_insert(serde_json::Value::Null), change);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_replaces_one_member_and_keeps_the_rest() {
        let changes = json!({"idle_timeout": "12500ms", "unknowns": {"ping_resets_idle": true}});
        let settings = Settings::default().with_changes(&changes).unwrap();
        assert_eq!(settings.idle_timeout, Duration::from_millis(12_500));
        assert!(settings.unknowns.ping_resets_idle);
        assert_eq!(settings.response_timeout, Settings::default().response_timeout);
        assert!(settings.unknowns.text_resets_idle, "a nested neighbour is kept too");
    }

    #[test]
    fn unknown_members_and_absurd_numbers_are_refused() {
        let refusal = |changes| Settings::default().with_changes(&changes).unwrap_err().to_string();
        assert!(refusal(json!({"idle_timeot": "1s"})).contains("idle_timeot"));
        assert!(refusal(json!({"pacing": -1.0})).contains("pacing"));
        assert!(refusal(json!({"words": " "})).contains("words"));
        assert!(refusal(json!({"idle_timeout": "soon"})).contains("not a duration"));
    }

    #[test]
    fn keys_are_not_printed() {
        let settings =
            Settings { api_keys: Some(Credentials::new(["sesame"])), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("sesame"));
    }
}
