//! The JSON of `/v1/listen`, member for member and in the order in which it was captured.
//!
//! Numbers are 32-bit and printed as short as they can be, as Deepgram prints them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::query::Parameters;
use super::transcript::{Segment, Standing};
use crate::json::Pen;
use crate::settings::Settings;
use crate::stream::speech::Word;
use crate::words::{Words, confidence, first_half};

/// Members that the specification lets a server leave out.
const OPTIONAL: [&str; 4] = ["speech_final", "from_finalize", "model_info", "punctuated_word"];

const MODEL_UUID: &str = "c5f2d0a8-6f1b-4b0e-9a37-1d2e8f4b6c90";
const DIARIZE_UUID: &str = "0b7e6a54-93c2-4d1f-8e65-5a4c3b2d1e0f";

/// Writes the messages of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    parameters: Parameters,
    request_id: String,
    words: Words,
    pen: Pen,
    close_stream_from_finalize: bool,
    model: Model,
}

impl Writer {
    pub(super) fn new(parameters: Parameters, settings: &Settings, request_id: String) -> Self {
        Self {
            model: Model::of(&parameters.model),
            parameters,
            request_id,
            words: Words::new(&settings.words),
            pen: Pen::new(settings.field_noise, &OPTIONAL),
            close_stream_from_finalize: settings.unknowns.close_stream_from_finalize,
        }
    }

    /// `Results` of a segment of one channel.
    pub(super) fn results(&self, channel: u32, segment: &Segment) -> String {
        let seconds = |samples| self.parameters.format.seconds(samples);
        let is_final = segment.standing.is_final();
        let from_finalize = match segment.standing {
            Standing::Finalized => true,
            Standing::Flushed => self.close_stream_from_finalize,
            _ => false,
        };
        self.write(&Results {
            kind: "Results",
            channel_index: [channel, self.parameters.lanes()],
            duration: seconds(segment.end - segment.start),
            start: seconds(segment.start),
            is_final,
            speech_final: self.speech_final(segment.standing),
            channel: self.channel(segment),
            metadata: self.result_metadata(),
            from_finalize,
            entities: (is_final && self.parameters.detect_entities).then_some([]),
        })
    }

    /// Left out where neither endpointing nor interim results are on.
    fn speech_final(&self, standing: Standing) -> Option<bool> {
        let told = self.parameters.endpointing.is_some() || self.parameters.interim_results;
        let ended =
            matches!(standing, Standing::Endpoint | Standing::Finalized | Standing::Flushed);
        told.then_some(ended).or((standing == Standing::Finalized).then_some(true))
    }

    fn channel<'a>(&'a self, segment: &Segment) -> Channel<'a> {
        let words: Vec<WordOut<'a>> = segment.words.iter().map(|word| self.word(word)).collect();
        let spoken = |word: &WordOut<'a>| word.punctuated_word.unwrap_or(word.word);
        let transcript = words.iter().map(spoken).collect::<Vec<_>>().join(" ");
        let confidence = if words.is_empty() { 0.0 } else { confidence(segment.words[0].place) };
        let search = |query| Search { query, hits: [] };
        Channel {
            alternatives: [Alternative {
                transcript,
                confidence,
                words,
                languages: (self.parameters.language == "multi").then_some(["en"]),
            }],
            search: self.parameters.search.iter().map(String::as_str).map(search).collect(),
        }
    }

    fn word<'a>(&'a self, word: &Word) -> WordOut<'a> {
        let spoken = self.words.get(word.place);
        let so_far = |text: &'a str| if word.unfinished { first_half(text) } else { text };
        WordOut {
            word: so_far(&spoken.plain),
            start: self.parameters.format.seconds(word.start),
            end: self.parameters.format.seconds(word.end),
            confidence: confidence(word.place),
            speaker: self.parameters.diarize.then_some(0),
            punctuated_word: self.parameters.punctuate.then_some(so_far(&spoken.punctuated)),
            language: (self.parameters.language == "multi").then_some("en"),
        }
    }

    fn result_metadata(&self) -> ResultMetadata<'_> {
        ResultMetadata {
            request_id: &self.request_id,
            model_info: self.model.info(),
            model_uuid: MODEL_UUID,
            diarize_info: self
                .parameters
                .diarize
                .then_some(DiarizeInfo { model_uuid: DIARIZE_UUID, arch: "diarize" }),
            extra: &self.parameters.extra,
        }
    }

    /// `Metadata`: the last message of a stream, over what it heard.
    pub(super) fn metadata(&self, heard: u64, sha256: Option<String>) -> String {
        let info = [(MODEL_UUID, self.model.info())];
        self.write(&Metadata {
            kind: "Metadata",
            transaction_key: "deprecated",
            request_id: &self.request_id,
            sha256: sha256.as_deref().unwrap_or("incomplete"),
            created: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            duration: self.parameters.format.seconds(heard),
            channels: if self.parameters.raw || heard > 0 {
                self.parameters.format.channels
            } else {
                0
            },
            models: (heard > 0).then_some([MODEL_UUID]),
            model_info: (heard > 0).then(|| info.into_iter().collect()),
        })
    }

    /// `SpeechStarted`, at a sample of one channel.
    pub(super) fn speech_started(&self, channel: u32, at: u64) -> String {
        self.write(&SpeechStarted {
            kind: "SpeechStarted",
            channel: [channel, self.parameters.lanes()],
            timestamp: self.parameters.format.seconds(at),
        })
    }

    /// `UtteranceEnd`; without a sample it says -1.
    pub(super) fn utterance_end(&self, channel: u32, last_word_end: Option<u64>) -> String {
        self.write(&UtteranceEnd {
            kind: "UtteranceEnd",
            channel: [channel, self.parameters.lanes()],
            last_word_end: last_word_end.map_or(-1.0, |end| self.parameters.format.seconds(end)),
        })
    }

    /// `Error` for text that is none of the known messages; echoes it.
    pub(super) fn schema_error(&self, cause: &str, text: &str) -> String {
        self.write(&Error {
            kind: "Error",
            variant: "SchemaError",
            description: &format!("Could not deserialize last text message: {cause}"),
            message: Some(text),
            code: None,
        })
    }

    /// `Error` for keyterms that the model does not take.
    pub(super) fn keyterms_not_supported(&self) -> String {
        self.write(&Error {
            kind: "Error",
            variant: "InvalidConfigureMessage",
            description: "`keyterms` are only supported for Nova-3 and Flux.",
            message: None,
            code: Some("KeytermsNotSupported"),
        })
    }

    /// A message of a type that nobody knows, where the noise asks for one.
    pub(super) fn unknown(&self) -> Option<String> {
        self.pen.unknown()
    }

    fn write(&self, message: &impl Serialize) -> String {
        self.pen.write(message)
    }
}

/// The model that a name stands for.
#[derive(Debug)]
struct Model {
    name: String,
    arch: String,
}

impl Model {
    fn of(requested: &str) -> Self {
        let arch = if requested.starts_with("nova-3") {
            "nova-3"
        } else if requested.starts_with("nova-2") {
            "nova-2"
        } else {
            requested.split('-').next().unwrap_or(requested)
        };
        let purpose = requested.strip_prefix(arch).unwrap_or_default().trim_start_matches('-');
        let purpose = if purpose.is_empty() { "general" } else { purpose };
        Self { name: format!("{purpose}-{arch}"), arch: arch.to_owned() }
    }

    fn info(&self) -> ModelInfo<'_> {
        ModelInfo { name: &self.name, version: "2025-04-17.21547", arch: &self.arch }
    }
}

#[derive(Serialize)]
struct Results<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    channel_index: [u32; 2],
    duration: f32,
    start: f32,
    is_final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_final: Option<bool>,
    channel: Channel<'a>,
    metadata: ResultMetadata<'a>,
    from_finalize: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    entities: Option<[(); 0]>,
}

#[derive(Serialize)]
struct Channel<'a> {
    alternatives: [Alternative<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<Search<'a>>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    transcript: String,
    confidence: f32,
    words: Vec<WordOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<[&'static str; 1]>,
}

#[derive(Serialize)]
struct WordOut<'a> {
    word: &'a str,
    start: f32,
    end: f32,
    confidence: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    speaker: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    punctuated_word: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'static str>,
}

#[derive(Serialize)]
struct Search<'a> {
    query: &'a str,
    hits: [(); 0],
}

#[derive(Serialize)]
struct ResultMetadata<'a> {
    request_id: &'a str,
    model_info: ModelInfo<'a>,
    model_uuid: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    diarize_info: Option<DiarizeInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra: &'a BTreeMap<String, String>,
}

#[derive(Clone, Copy, Serialize)]
struct ModelInfo<'a> {
    name: &'a str,
    version: &'static str,
    arch: &'a str,
}

#[derive(Serialize)]
struct DiarizeInfo {
    model_uuid: &'static str,
    arch: &'static str,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    transaction_key: &'static str,
    request_id: &'a str,
    sha256: &'a str,
    created: String,
    duration: f32,
    channels: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_info: Option<BTreeMap<&'static str, ModelInfo<'a>>>,
}

#[derive(Serialize)]
struct SpeechStarted {
    #[serde(rename = "type")]
    kind: &'static str,
    channel: [u32; 2],
    timestamp: f32,
}

#[derive(Serialize)]
struct UtteranceEnd {
    #[serde(rename = "type")]
    kind: &'static str,
    channel: [u32; 2],
    last_word_end: f32,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    variant: &'static str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

#[cfg(test)]
mod tests;
