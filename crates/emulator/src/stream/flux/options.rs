//! What a query asks for and a Configure may change.

use serde::{Deserialize, Serialize};

use crate::settings::FluxSettings;

const KEYTERMS_MAX: usize = 100;
const KEYTERM_CHARS_MAX: usize = 100;

/// The options of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) thresholds: Thresholds,
    pub(super) vocabulary: Vocabulary,
}

/// A Configure. What is left out stays.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configure {
    pub(super) thresholds: Option<Changes>,
    pub(super) keyterms: Option<Vec<String>>,
    pub(super) language_hints: Option<Vec<String>>,
}

/// Why a Configure is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Option<&'static str>,
    pub(super) description: String,
}

impl Options {
    /// All of a Configure, or nothing.
    pub(super) fn changed(
        &self,
        configure: Configure,
        settings: &FluxSettings,
    ) -> Result<Self, Refusal> {
        let changes = configure.thresholds.unwrap_or_default();
        let thresholds = self
            .thresholds
            .changed(changes, settings)
            .map_err(|description| Refusal { code: Some("INVALID_THRESHOLD"), description })?;
        let old = &self.vocabulary;
        let vocabulary = Vocabulary {
            multilingual: old.multilingual,
            keyterms: configure.keyterms.unwrap_or_else(|| old.keyterms.clone()),
            language_hints: configure.language_hints.unwrap_or_else(|| old.language_hints.clone()),
        };
        vocabulary.check().map_err(|description| Refusal { code: None, description })?;
        Ok(Self { thresholds, vocabulary })
    }
}

/// The thresholds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Thresholds {
    /// Confidence of an EagerEndOfTurn; `None` for no such events.
    #[serde(rename = "eager_eot_threshold", skip_serializing_if = "Option::is_none")]
    pub(super) eager: Option<f32>,
    /// Confidence of an EndOfTurn.
    #[serde(rename = "eot_threshold")]
    pub(super) end: f32,
    /// Silence that ends a turn whatever the confidence.
    #[serde(rename = "eot_timeout_ms")]
    pub(super) timeout_ms: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { eager: None, end: 0.7, timeout_ms: 5_000 }
    }
}

/// New thresholds; those that are left out stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    #[serde(rename = "eager_eot_threshold")]
    pub(super) eager: Option<f32>,
    #[serde(rename = "eot_threshold")]
    pub(super) end: Option<f32>,
    #[serde(rename = "eot_timeout_ms")]
    pub(super) timeout_ms: Option<u32>,
}

impl Thresholds {
    /// # Errors
    /// A sentence on the first that is out of its range.
    pub(super) fn changed(self, new: Changes, settings: &FluxSettings) -> Result<Self, String> {
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

/// What the stream listens for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vocabulary {
    /// Whether languages may be hinted at.
    pub(super) multilingual: bool,
    pub(super) keyterms: Vec<String>,
    pub(super) language_hints: Vec<String>,
}

impl Vocabulary {
    /// # Errors
    /// A sentence on the first that is not to be had.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.keyterms.len() > KEYTERMS_MAX {
            return Err(format!("at most {KEYTERMS_MAX} keyterms are allowed"));
        }
        let is_wrong =
            |term: &String| term.trim().is_empty() || term.chars().count() > KEYTERM_CHARS_MAX;
        if self.keyterms.iter().any(is_wrong) {
            return Err(format!("a keyterm must have 1 to {KEYTERM_CHARS_MAX} characters"));
        }
        if !self.multilingual && !self.language_hints.is_empty() {
            return Err("language hints are only supported for flux-general-multi".into());
        }
        if self.language_hints.iter().any(|hint| hint.trim().is_empty()) {
            return Err("a language hint must not be empty".into());
        }
        Ok(())
    }
}
