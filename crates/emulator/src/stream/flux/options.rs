//! What a query asks for and a Configure may change.

use serde::Deserialize;

use crate::settings::FluxSettings;
use crate::stream::turn::{Changes, Thresholds};

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
