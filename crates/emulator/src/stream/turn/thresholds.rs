//! When a turn is over: what a client may ask for.

use serde::{Deserialize, Serialize};

use crate::settings::FluxSettings;

/// The thresholds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(in crate::stream) struct Thresholds {
    /// Confidence of an EagerEndOfTurn; `None` for no such events.
    #[serde(rename = "eager_eot_threshold", skip_serializing_if = "Option::is_none")]
    pub(in crate::stream) eager: Option<f32>,
    /// Confidence of an EndOfTurn.
    #[serde(rename = "eot_threshold")]
    pub(in crate::stream) end: f32,
    /// Silence that ends a turn whatever the confidence.
    #[serde(rename = "eot_timeout_ms")]
    pub(in crate::stream) timeout_ms: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { eager: None, end: 0.7, timeout_ms: 5_000 }
    }
}

/// New thresholds; those that are left out stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::stream) struct Changes {
    #[serde(rename = "eager_eot_threshold")]
    pub(in crate::stream) eager: Option<f32>,
    #[serde(rename = "eot_threshold")]
    pub(in crate::stream) end: Option<f32>,
    #[serde(rename = "eot_timeout_ms")]
    pub(in crate::stream) timeout_ms: Option<u32>,
}

impl Thresholds {
    /// # Errors
    /// A sentence on the first that is out of its range.
    pub(in crate::stream) fn changed(
        self,
        new: Changes,
        settings: &FluxSettings,
    ) -> Result<Self, String> {
        let eager = new.eager.or(self.eager);
        let end = new.end.unwrap_or(self.end);
        let timeout_ms = new.timeout_ms.unwrap_or(self.timeout_ms);
        let end_max = settings.eot_threshold_max;
        if !(0.5..=end_max).contains(&end) {
            return Err(format!("eot_threshold must be between 0.5 and {end_max}"));
        }
        if eager.is_some_and(|eager| !(0.3..=0.9).contains(&eager)) {
            return Err("eager_eot_threshold must be between 0.3 and 0.9".into());
        }
        if eager.is_some_and(|eager| eager > end) {
            return Err("eager_eot_threshold must be less than or equal to eot_threshold".into());
        }
        let timeout_max = settings.eot_timeout_max.as_millis();
        if !(500..=timeout_max).contains(&u128::from(timeout_ms)) {
            return Err(format!("eot_timeout_ms must be between 500 and {timeout_max}"));
        }
        Ok(Self { eager, end, timeout_ms })
    }
}
