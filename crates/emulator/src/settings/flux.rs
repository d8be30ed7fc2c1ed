//! The settings of Flux.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;

/// The longest `turn_max`: the words of a turn are kept until it ends, and each message has all of
/// them.
const TURN_MAX: Duration = Duration::from_secs(3600);

/// The behaviour of `/v2/listen`, besides what it shares with `/v1/listen`. Timers count wall time,
/// everything else audio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FluxSettings {
    /// Without any frame from the client for this long, the Error `INACTIVE_CLIENT`.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Audio between two Updates.
    #[serde(with = "duration")]
    pub update_every: Duration,
    /// Silence from which the end of a turn is certain. The confidence rises to 1.0 until then.
    #[serde(with = "duration")]
    pub certain_after: Duration,
    /// Maximum confidence; below the threshold of a stream only its timeout ends a turn.
    pub confidence_max: f32,
    /// Maximum turn, which is ended between two words. Deepgram names none.
    #[serde(with = "duration")]
    pub turn_max: Duration,
    /// Delay before the answer to a Configure is sent.
    #[serde(with = "duration")]
    pub configure_latency: Duration,

    /// Unknown: how many Configures may wait for their answer; further ones are refused.
    pub pending_configures_max: usize,
    /// Unknown: the largest `eot_threshold`; older documents say 0.9.
    pub eot_threshold_max: f32,
    /// Unknown: the largest `eot_timeout_ms`; the page on Configure says 10 s.
    #[serde(with = "duration")]
    pub eot_timeout_max: Duration,
    /// Unknown: a Ping restarts the idle timer.
    pub ping_resets_idle: bool,
    /// Unknown: so does a Pong.
    pub pong_resets_idle: bool,
    /// Unknown: how long Pings alone keep a stream; zero for as long as they come.
    #[serde(with = "duration")]
    pub ping_only_max: Duration,
    /// Unknown: an empty binary message asks for the end of the stream, as on `/v1/listen`.
    pub empty_binary_closes: bool,
    /// Unknown: the code of the Error for audio that cannot be decoded.
    pub undecodable_code: String,
}

impl Default for FluxSettings {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            update_every: Duration::from_millis(250),
            certain_after: Duration::from_secs(1),
            confidence_max: 1.0,
            turn_max: Duration::from_secs(300),
            configure_latency: Duration::from_millis(50),
            pending_configures_max: 4,
            eot_threshold_max: 1.0,
            eot_timeout_max: Duration::from_secs(60),
            ping_resets_idle: true,
            pong_resets_idle: true,
            ping_only_max: Duration::ZERO,
            empty_binary_closes: false,
            undecodable_code: "INTERNAL_SERVER_ERROR".to_owned(),
        }
    }
}

impl FluxSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.update_every.is_zero() || self.certain_after.is_zero() {
            return Err("flux.update_every and flux.certain_after must be over 0".into());
        }
        if self.turn_max.is_zero() || self.turn_max > TURN_MAX {
            return Err("flux.turn_max must be over 0 and at most 1h".into());
        }
        if !(0.0..=1.0).contains(&self.confidence_max) {
            return Err("flux.confidence_max must be from 0 to 1".into());
        }
        Ok(())
    }
}
