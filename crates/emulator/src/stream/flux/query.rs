//! The query of `/v2/listen`: what it asks for, or why it is refused.

use super::options::{Options, Vocabulary};
use crate::audio::Format;
use crate::query::{BadQuery, Query};
use crate::settings::Settings;
use crate::stream::turn::{Changes, Thresholds};

const ENCODINGS: [&str; 6] = ["linear16", "linear32", "mulaw", "alaw", "opus", "ogg-opus"];

/// Its container tells the rate.
const OGG: &str = "ogg-opus";

const RATES: [u32; 5] = [8_000, 16_000, 24_000, 44_100, 48_000];

/// What a request for a stream asks for.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) format: Format,
    pub(super) options: Options,
}

impl Parameters {
    /// Reads a raw query string.
    ///
    /// # Errors
    /// The code and message of a 400. Deepgram's own words are not known.
    pub(super) fn parse(query: &str, settings: &Settings) -> Result<Self, BadQuery> {
        let query = Query::read(query);
        if settings.unknowns.unknown_parameters_refused {
            query.refuse_unknown(&KNOWN)?;
        }
        let multilingual = multilingual(&query)?;
        check_options(&query)?;
        let changes = Changes {
            eager: query.number("eager_eot_threshold")?,
            end: query.number("eot_threshold")?,
            timeout_ms: query.number("eot_timeout_ms")?,
        };
        let thresholds = Thresholds::default().changed(changes, &settings.flux);
        let thresholds = thresholds.map_err(BadQuery::parameter)?;
        let list = |name| query.all(name).map(str::to_owned).collect();
        let (keyterms, language_hints) = (list("keyterm"), list("language_hint"));
        let vocabulary = Vocabulary { multilingual, keyterms, language_hints };
        vocabulary.check().map_err(|wrong| BadQuery::request(&wrong))?;
        Ok(Self { format: format(&query)?, options: Options { thresholds, vocabulary } })
    }
}

fn multilingual(query: &Query) -> Result<bool, BadQuery> {
    match query.last("model") {
        Some("flux-general-en") => Ok(false),
        Some("flux-general-multi") => Ok(true),
        None => Err(BadQuery::parameter("missing field `model`")),
        Some(_) => Err(BadQuery::request("No such model/language/tier combination found.")),
    }
}

/// Flags, and what Flux does not have.
fn check_options(query: &Query) -> Result<(), BadQuery> {
    query.any_flag(&["profanity_filter", "numerals", "mip_opt_out"])?;
    if let Some(kind) = query.all("redact").find(|it| !REDACTED.contains(it)) {
        return Err(BadQuery::parameter(format!("unknown variant `{kind}` for `redact`")));
    }
    if query.flag("multichannel")? || query.number("channels")?.is_some_and(|it: u32| it != 1) {
        return Err(BadQuery::request("only mono audio is supported."));
    }
    Ok(())
}

fn format(query: &Query) -> Result<Format, BadQuery> {
    let encoding = query.last("encoding");
    let rate = query.number("sample_rate")?;
    if let Some(name) = encoding.filter(|name| !ENCODINGS.contains(name)) {
        return Err(BadQuery::parameter(format!("unknown variant `{name}` for `encoding`")));
    }
    if rate.is_some_and(|rate| !RATES.contains(&rate)) {
        return Err(BadQuery::parameter(format!("`sample_rate` must be one of {RATES:?}")));
    }
    if rate.is_none() && encoding.is_some_and(|name| name != OGG) {
        return Err(BadQuery::request("`sample_rate` is required with this `encoding`."));
    }
    Ok(Format::new(encoding, rate, 1))
}

const REDACTED: [&str; 2] = ["numbers", "aggressive_numbers"];

const KNOWN: [&str; 14] = [
    "model",
    "encoding",
    "sample_rate",
    "eot_threshold",
    "eager_eot_threshold",
    "eot_timeout_ms",
    "keyterm",
    "language_hint",
    "profanity_filter",
    "numerals",
    "mip_opt_out",
    "redact",
    "tag",
    "token",
];

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "model=flux-general-en&encoding=linear16&sample_rate=16000";

    fn parse(query: &str) -> Result<Parameters, BadQuery> {
        Parameters::parse(query, &Settings::default())
    }

    fn refusal(query: &str) -> String {
        parse(query).unwrap_err().message
    }

    #[test]
    fn the_defaults_are_deepgrams() {
        let parameters = parse(RAW).unwrap();
        assert_eq!(
            parameters.options.thresholds,
            Thresholds { eager: None, end: 0.7, timeout_ms: 5_000 }
        );
        assert_eq!(parameters.format, Format::new(Some("linear16"), Some(16_000), 1));
        assert_eq!(parameters.options.vocabulary.keyterms, [""; 0]);
    }

    #[test]
    fn a_model_is_required_and_must_be_flux() {
        assert!(refusal("encoding=linear16&sample_rate=16000").contains("`model`"));
        assert!(refusal("model=nova-3").contains("No such model"));
        assert!(refusal("model=flux").contains("No such model"));
        assert!(parse("model=flux-general-multi&language_hint=de&language_hint=en").is_ok());
    }

    #[test]
    fn raw_audio_needs_a_rate_that_flux_knows_and_containers_need_none() {
        assert!(refusal("model=flux-general-en&encoding=linear16").contains("required"));
        assert!(refusal(&RAW.replace("16000", "22050")).contains("`sample_rate` must be one of"));
        assert!(refusal("model=flux-general-en&encoding=flac").contains("flac"));
        assert!(parse("model=flux-general-en").is_ok());
        assert!(parse("model=flux-general-en&encoding=ogg-opus").is_ok());
    }

    #[test]
    fn audio_is_mono() {
        assert!(parse(&format!("{RAW}&channels=1")).is_ok());
        assert!(refusal(&format!("{RAW}&channels=2")).contains("mono"));
        assert!(refusal(&format!("{RAW}&multichannel=true")).contains("mono"));
    }

    #[test]
    fn thresholds_have_ranges_and_the_eager_one_is_the_lower() {
        let asked = |it: &str| parse(&format!("{RAW}&{it}"));
        let given = asked("eager_eot_threshold=0.4&eot_threshold=0.9&eot_timeout_ms=60000");
        let expected = Thresholds { eager: Some(0.4), end: 0.9, timeout_ms: 60_000 };
        assert_eq!(given.unwrap().options.thresholds, expected);
        assert!(asked("eot_threshold=1.0").is_ok());
        for wrong in [
            "eot_threshold=0.49",
            "eot_threshold=1.1",
            "eager_eot_threshold=0.2",
            "eager_eot_threshold=0.95&eot_threshold=1.0",
            "eager_eot_threshold=0.8",
            "eot_timeout_ms=499",
            "eot_timeout_ms=60001",
            "eot_threshold=NaN",
            "eot_threshold=high",
        ] {
            assert_eq!(asked(wrong).unwrap_err().code, "INVALID_QUERY_PARAMETER", "{wrong}");
        }
    }

    #[test]
    fn the_upper_ends_that_documents_disagree_about_are_settings() {
        let mut settings = Settings::default();
        settings.flux.eot_threshold_max = 0.9;
        settings.flux.eot_timeout_max = std::time::Duration::from_secs(10);
        for wrong in ["eot_threshold=0.95", "eot_timeout_ms=10001"] {
            assert!(Parameters::parse(&format!("{RAW}&{wrong}"), &settings).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hints_are_for_the_multilingual_model_and_terms_have_bounds() {
        assert!(refusal(&format!("{RAW}&language_hint=de")).contains("flux-general-multi"));
        assert!(refusal("model=flux-general-multi&language_hint=").contains("empty"));
        assert!(refusal(&format!("{RAW}&keyterm=")).contains("1 to 100"));
        assert!(refusal(&format!("{RAW}&keyterm={}", "x".repeat(101))).contains("1 to 100"));
        assert!(parse(&format!("{RAW}{}", "&keyterm=x".repeat(100))).is_ok());
        assert!(refusal(&format!("{RAW}{}", "&keyterm=x".repeat(101))).contains("at most 100"));
    }

    #[test]
    fn what_flux_has_not_is_ignored_unless_told_otherwise() {
        let query = format!("{RAW}&interim_results=true");
        assert!(parse(&query).is_ok());
        let mut settings = Settings::default();
        settings.unknowns.unknown_parameters_refused = true;
        let refusal = Parameters::parse(&query, &settings).unwrap_err();
        assert!(refusal.message.contains("interim_results"));
        assert!(parse(&format!("{RAW}&redact=pci")).unwrap_err().message.contains("pci"));
    }
}
