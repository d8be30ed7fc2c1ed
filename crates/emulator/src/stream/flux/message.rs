//! The JSON of `/v2/listen`, in the order of the documented samples.

use serde::Serialize;

use super::options::{Options, Refusal};
use super::query::Parameters;
use crate::audio::Format;
use crate::json::Pen;
use crate::settings::Settings;
use crate::stream::speech::Word;
use crate::stream::turn::{Event, Info, Thresholds, Trigger};
use crate::words::{Words, confidence, first_half};

/// Members that the specification lets a server leave out.
const OPTIONAL: [&str; 6] =
    ["start", "end", "trigger", "languages", "languages_hinted", "language_hints"];

/// What a message is about. It is numbered and written when it is sent, since a mute server sends
/// fewer than it has made.
#[derive(Debug)]
pub(super) enum Draft {
    Connected,
    Turn(Info),
    ConfigureSuccess(Options),
    ConfigureFailure(Refusal),
    Warning { code: &'static str, description: &'static str },
    Error { code: String, description: String },
}

/// Writes and numbers the messages of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    format: Format,
    multilingual: bool,
    language_hints: Vec<String>,
    request_id: String,
    words: Words,
    pen: Pen,
    sequence_id: u64,
}

impl Writer {
    pub(super) fn new(parameters: &Parameters, settings: &Settings, request_id: String) -> Self {
        Self {
            format: parameters.format,
            multilingual: parameters.options.vocabulary.multilingual,
            language_hints: parameters.options.vocabulary.language_hints.clone(),
            request_id,
            words: Words::new(&settings.words),
            pen: Pen::new(settings.field_noise, &OPTIONAL),
            sequence_id: 0,
        }
    }

    /// The next message.
    pub(super) fn write(&mut self, draft: Draft) -> String {
        let text = match draft {
            Draft::Connected => self.connected(),
            Draft::Turn(info) => self.turn_info(&info),
            Draft::ConfigureSuccess(options) => {
                self.language_hints.clone_from(&options.vocabulary.language_hints);
                self.configure_success(&options)
            }
            Draft::ConfigureFailure(refusal) => self.configure_failure(&refusal),
            Draft::Warning { code, description } => self.told("Warning", code, description),
            Draft::Error { code, description } => self.told("Error", &code, &description),
        };
        self.sequence_id += 1;
        text
    }

    /// A message of a type that nobody knows, where the noise asks for one.
    pub(super) fn unknown(&self) -> Option<String> {
        self.pen.unknown()
    }

    fn connected(&self) -> String {
        let Self { request_id, sequence_id, .. } = self;
        self.pen.write(&Connected { kind: "Connected", request_id, sequence_id: *sequence_id })
    }

    fn turn_info(&self, info: &Info) -> String {
        let words: Vec<_> = info.words.iter().map(|word| self.word(word)).collect();
        let transcript = words.iter().map(|word| word.word).collect::<Vec<_>>().join(" ");
        let (event, trigger) = named(info.event);
        self.pen.write(&TurnInfo {
            kind: "TurnInfo",
            request_id: &self.request_id,
            sequence_id: self.sequence_id,
            event,
            turn_index: info.turn,
            audio_window_start: self.format.seconds(info.start),
            audio_window_end: self.format.seconds(info.end),
            transcript,
            words,
            end_of_turn_confidence: info.confidence,
            trigger,
            languages: self.multilingual.then_some(["en"]),
            languages_hinted: self.multilingual.then_some(&self.language_hints),
        })
    }

    fn word(&self, word: &Word) -> WordOut<'_> {
        let spoken = &self.words.get(word.place).punctuated;
        WordOut {
            word: if word.unfinished { first_half(spoken) } else { spoken },
            confidence: confidence(word.place),
            start: self.format.seconds(word.start),
            end: self.format.seconds(word.end),
        }
    }

    fn configure_success(&self, options: &Options) -> String {
        self.pen.write(&ConfigureSuccess {
            kind: "ConfigureSuccess",
            request_id: &self.request_id,
            sequence_id: self.sequence_id,
            thresholds: options.thresholds,
            keyterms: &options.vocabulary.keyterms,
            language_hints: self.multilingual.then_some(&self.language_hints),
        })
    }

    fn configure_failure(&self, refusal: &Refusal) -> String {
        self.pen.write(&ConfigureFailure {
            kind: "ConfigureFailure",
            request_id: &self.request_id,
            sequence_id: self.sequence_id,
            code: refusal.code,
            description: &refusal.description,
        })
    }

    fn told(&self, kind: &'static str, code: &str, description: &str) -> String {
        self.pen.write(&Told { kind, sequence_id: self.sequence_id, code, description })
    }
}

fn named(event: Event) -> (&'static str, Option<&'static str>) {
    match event {
        Event::Update => ("Update", None),
        Event::StartOfTurn => ("StartOfTurn", None),
        Event::EagerEndOfTurn => ("EagerEndOfTurn", None),
        Event::TurnResumed => ("TurnResumed", None),
        Event::EndOfTurn(Trigger::Model) => ("EndOfTurn", Some("model")),
        Event::EndOfTurn(Trigger::Timeout) => ("EndOfTurn", Some("timeout")),
        Event::EndOfTurn(Trigger::Manual) => ("EndOfTurn", Some("manual")),
    }
}

#[derive(Serialize)]
struct Connected<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'a str,
    sequence_id: u64,
}

#[derive(Serialize)]
struct TurnInfo<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'a str,
    sequence_id: u64,
    event: &'static str,
    turn_index: u64,
    audio_window_start: f32,
    audio_window_end: f32,
    transcript: String,
    words: Vec<WordOut<'a>>,
    end_of_turn_confidence: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages_hinted: Option<&'a Vec<String>>,
}

#[derive(Serialize)]
struct WordOut<'a> {
    word: &'a str,
    confidence: f32,
    start: f32,
    end: f32,
}

#[derive(Serialize)]
struct ConfigureSuccess<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'a str,
    sequence_id: u64,
    thresholds: Thresholds,
    keyterms: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    language_hints: Option<&'a Vec<String>>,
}

#[derive(Serialize)]
struct ConfigureFailure<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_id: &'a str,
    sequence_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    description: &'a str,
}

/// Warning and Error.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_id: u64,
    code: &'a str,
    description: &'a str,
}

#[cfg(test)]
mod tests;
