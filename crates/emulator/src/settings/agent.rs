//! The settings of the voice agent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;

/// The behaviour of `/v1/agent/converse`. Its voice is that of `speak`, its ear that of `flux`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// Maximum concurrent streams; further ones get 429.
    pub concurrency: usize,
    /// What it says at the end of each turn.
    pub reply: String,
    /// When it warns of the end of the session; zero for never.
    #[serde(with = "duration")]
    pub warning_after: Duration,
    /// Maximum lifetime of a stream; zero for none.
    #[serde(with = "duration")]
    pub session_max: Duration,

    /// Unknown: without audio or text for this long, the Error `CLIENT_MESSAGE_TIMEOUT`. Users
    /// report 15 s and 60 s. Zero for never.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Unknown: a Ping restarts the idle timer.
    pub ping_resets_idle: bool,
    /// Unknown: audio before Settings is an error, as texts are; else it is ignored.
    pub early_audio_refused: bool,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            concurrency: 45,
            reply: "I see. Please go on.".to_owned(),
            warning_after: Duration::from_secs(115 * 60),
            session_max: Duration::from_secs(120 * 60),
            idle_timeout: Duration::from_secs(15),
            ping_resets_idle: false,
            early_audio_refused: false,
        }
    }
}
