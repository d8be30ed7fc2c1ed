//! The settings of the two endpoints that speak.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;

/// The behaviour of `/v1/speak` and `/v2/speak`. All of it counts wall time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeakSettings {
    /// Maximum concurrent streams of each of the two; further ones get 429.
    pub concurrency: usize,
    /// Delay before the first audio of a text.
    #[serde(with = "duration")]
    pub latency: Duration,
    /// Seconds of audio sent per second; `None` for all at once.
    pub pacing: Option<f64>,
    /// Audio in a binary message.
    #[serde(with = "duration")]
    pub message: Duration,
    /// Maximum lifetime of a stream, then NET-0003; zero for none.
    #[serde(with = "duration")]
    pub session_max: Duration,
    /// Maximum characters of a Speak; DATA-0001 beyond.
    pub text_chars_max: usize,

    /// `/v1/speak`: maximum characters a minute.
    pub chars_per_minute_max: usize,
    /// `/v1/speak`: maximum Flushes a minute; a Warning for each further one.
    pub flushes_per_minute_max: usize,
    /// `/v1/speak`, unknown: Close waits for what was flushed; Deepgram's pages disagree.
    pub close_drains: bool,

    /// `/v2/speak`: without any frame from the client for this long, NET-0004; zero for never.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
}

impl Default for SpeakSettings {
    fn default() -> Self {
        Self {
            concurrency: 45,
            latency: Duration::from_millis(200),
            pacing: Some(10.0),
            message: Duration::from_millis(100),
            session_max: Duration::from_secs(3600),
            text_chars_max: 2_000,
            chars_per_minute_max: 2_400,
            flushes_per_minute_max: 20,
            close_drains: false,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl SpeakSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.pacing.is_none_or(|factor| factor.is_finite() && factor > 0.0) {
            return Err("speak.pacing must be over 0; use null for no limit".into());
        }
        if self.message.is_zero() || self.message > Duration::from_secs(10) {
            return Err("speak.message must be over 0 and at most 10s".into());
        }
        Ok(())
    }
}
