//! The query of `/v1/listen`: what it asks for, or why it is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audio::Format;
use crate::query::{BadQuery, Query};

/// Deepgram's default.
const ENDPOINTING: Duration = Duration::from_millis(10);

const KEYTERM_TOKENS_MAX: usize = 500;

const ENCODINGS: [&str; 11] = [
    "linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus", "ogg-opus",
    "speex", "g729",
];

/// Encodings whose bytes do not tell their rate.
const RATED: [&str; 7] = ["linear16", "linear32", "alaw", "mulaw", "opus", "speex", "g729"];

/// What a request for a stream asks for.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) model: String,
    pub(super) language: String,
    /// Whether `encoding` was named: the audio is raw.
    pub(super) raw: bool,
    pub(super) format: Format,
    pub(super) multichannel: bool,
    pub(super) interim_results: bool,
    /// Silence that ends an utterance; `None` where endpointing is off.
    pub(super) endpointing: Option<Duration>,
    pub(super) utterance_end: Option<Duration>,
    pub(super) vad_events: bool,
    pub(super) punctuate: bool,
    pub(super) diarize: bool,
    pub(super) detect_entities: bool,
    pub(super) search: Vec<String>,
    pub(super) extra: BTreeMap<String, String>,
}

impl Parameters {
    /// Channels that are transcribed apart.
    pub(super) fn lanes(&self) -> u32 {
        if self.multichannel { self.format.channels } else { 1 }
    }

    /// Whether keyterms may be given.
    pub(super) fn is_nova_3(&self) -> bool {
        self.model.starts_with("nova-3")
    }

    /// Reads a raw query string.
    ///
    /// # Errors
    /// The code and message of the 400 that Deepgram would answer.
    pub(super) fn parse(query: &str, refuse_unknown: bool) -> Result<Self, BadQuery> {
        let query = Query::read(query);
        if refuse_unknown {
            query.refuse_unknown(&KNOWN)?;
        }
        let parameters = Self::read(&query)?;
        parameters.check_model(&query)?;
        Ok(parameters)
    }

    fn read(query: &Query) -> Result<Self, BadQuery> {
        let interim_results = query.flag("interim_results")?;
        Ok(Self {
            model: query.last("model").unwrap_or("base-general").to_owned(),
            language: query.last("language").unwrap_or("en").to_owned(),
            raw: query.last("encoding").is_some(),
            format: format(query)?,
            multichannel: query.flag("multichannel")?,
            interim_results,
            endpointing: endpointing(query)?,
            utterance_end: utterance_end(query, interim_results)?,
            vad_events: query.flag("vad_events")?,
            punctuate: query.any_flag(&["punctuate", "smart_format", "detect_entities"])?,
            diarize: query.flag("diarize")? || query.last("diarize_model").is_some(),
            detect_entities: query.flag("detect_entities")?,
            search: query.all("search").map(str::to_owned).collect(),
            extra: extra(query),
        })
    }

    fn check_model(&self, query: &Query) -> Result<(), BadQuery> {
        const FAMILIES: [&str; 5] = ["nova", "enhanced", "base", "custom", "whisper"];
        let is_id = uuid::Uuid::try_parse(&self.model).is_ok();
        let known = is_id || FAMILIES.iter().any(|family| self.model.starts_with(family));
        let multilingual = self.is_nova_3() || self.model.starts_with("nova-2");
        if !known || !is_language(&self.language) || (self.language == "multi" && !multilingual) {
            return Err(BadQuery::request("No such model/language/tier combination found."));
        }
        let keyterms: usize = query.all("keyterm").map(|t| t.split_whitespace().count()).sum();
        if keyterms > KEYTERM_TOKENS_MAX {
            return Err(BadQuery::request(
                "Keyterm limit exceeded. The maximum number of tokens across all keyterms is 500.",
            ));
        }
        if keyterms > 0 && !self.is_nova_3() {
            return Err(BadQuery::request("`keyterm` is only supported for Nova-3."));
        }
        if self.is_nova_3() && query.last("keywords").is_some() {
            return Err(BadQuery::request("`keywords` is not supported for Nova-3."));
        }
        Ok(())
    }
}

fn format(query: &Query) -> Result<Format, BadQuery> {
    let encoding = query.last("encoding");
    let rate = query.number::<u32>("sample_rate")?;
    let channels = query.number::<u32>("channels")?.unwrap_or(1);
    if let Some(name) = encoding.filter(|name| !ENCODINGS.contains(name)) {
        return Err(BadQuery::parameter(format!("unknown variant `{name}` for `encoding`")));
    }
    if !(1..=20).contains(&channels) || rate.is_some_and(|r| !(1_000..=384_000).contains(&r)) {
        return Err(BadQuery::parameter("`channels` or `sample_rate` is out of range"));
    }
    if encoding.is_some_and(|name| RATED.contains(&name)) && rate.is_none() {
        return Err(BadQuery::request("`sample_rate` is required with this `encoding`."));
    }
    // Deepgram reads `channels` only where it cannot learn it from a container.
    Ok(Format::new(encoding, rate, if encoding.is_some() { channels } else { 1 }))
}

fn endpointing(query: &Query) -> Result<Option<Duration>, BadQuery> {
    match query.last("endpointing") {
        Some("false") => Ok(None),
        None | Some("true") => Ok(Some(ENDPOINTING)),
        Some(_) => {
            let ms = query.number::<u32>("endpointing")?.unwrap_or_default();
            Ok(Some(Duration::from_millis(u64::from(ms))))
        }
    }
}

fn utterance_end(query: &Query, interim_results: bool) -> Result<Option<Duration>, BadQuery> {
    let Some(ms) = query.number::<u32>("utterance_end_ms")? else { return Ok(None) };
    if !interim_results {
        return Err(BadQuery::request("`utterance_end_ms` requires `interim_results`."));
    }
    if !(1_000..=5_000).contains(&ms) {
        return Err(BadQuery::parameter("utterance_end_ms must be from 1000 to 5000"));
    }
    Ok(Some(Duration::from_millis(u64::from(ms))))
}

fn extra(query: &Query) -> BTreeMap<String, String> {
    let pair = |text: &str| {
        let (key, value) = text.split_once(':').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    query.all("extra").map(pair).collect()
}

/// The shape of a BCP-47 tag; which pairs of model and language exist is not reproduced.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    tag == "multi"
        || (matches!(first.len(), 2 | 3)
            && first.bytes().all(|b| b.is_ascii_alphabetic())
            && parts.all(|part| matches!(part.len(), 1..=8) && part.is_ascii()))
}

const KNOWN: [&str; 39] = [
    "model",
    "language",
    "version",
    "encoding",
    "sample_rate",
    "channels",
    "multichannel",
    "interim_results",
    "endpointing",
    "utterance_end_ms",
    "vad_events",
    "punctuate",
    "smart_format",
    "numerals",
    "profanity_filter",
    "dictation",
    "diarize",
    "diarize_model",
    "detect_entities",
    "redact",
    "keyterm",
    "keywords",
    "search",
    "replace",
    "tag",
    "extra",
    "callback",
    "callback_method",
    "mip_opt_out",
    "filler_words",
    "no_delay",
    "alternatives",
    "tier",
    "diarize_version",
    "token",
    "utterance_end",
    "measurements",
    "ner",
    "times",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(query: &str) -> BadQuery {
        Parameters::parse(query, false).unwrap_err()
    }

    #[test]
    fn the_defaults_are_deepgrams() {
        let parameters = Parameters::parse("", false).unwrap();
        assert_eq!(parameters.endpointing, Some(Duration::from_millis(10)));
        assert!(!parameters.interim_results && !parameters.raw);
        assert_eq!(parameters.lanes(), 1);
    }

    #[test]
    fn repeated_and_encoded_parameters_are_read() {
        let query = "search=a%20b&search=c&extra=room:7&model=nova-3&keyterm=x&endpointing=false";
        let parameters = Parameters::parse(query, false).unwrap();
        assert_eq!(parameters.search, ["a b", "c"]);
        assert_eq!(parameters.extra["room"], "7");
        assert_eq!(parameters.endpointing, None);
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        assert_eq!(refusal("interim_results=yes").code, "INVALID_QUERY_PARAMETER");
        assert!(refusal("sample_rate=fast").message.contains("sample_rate"));
        assert!(refusal("encoding=mp9").message.contains("mp9"));
        assert!(refusal("encoding=linear16").message.contains("sample_rate"));
        assert!(refusal("interim_results=true&utterance_end_ms=999").message.contains("utterance"));
        assert!(refusal("utterance_end_ms=1000").message.contains("interim_results"));
        assert!(
            refusal("encoding=linear16&sample_rate=16000&channels=21").message.contains("range")
        );
    }

    #[test]
    fn bad_models_languages_and_keyterms_are_refused() {
        let no_such = "Bad Request: No such model/language/tier combination found.";
        assert_eq!(refusal("model=supernova").message, no_such);
        assert_eq!(refusal("model=base&language=multi").message, no_such);
        assert_eq!(refusal("language=klingon!").message, no_such);
        assert!(refusal("model=nova-2&keyterm=x").message.contains("Nova-3"));
        let terms = format!("model=nova-3&keyterm={}", "a+".repeat(501));
        assert!(refusal(&terms).message.contains("Keyterm limit exceeded"));
    }

    #[test]
    fn unknown_parameters_are_ignored_unless_told_otherwise() {
        assert!(Parameters::parse("colour=blue", false).is_ok());
        let refusal = Parameters::parse("colour=blue", true).unwrap_err();
        assert!(refusal.message.contains("colour"));
    }
}
