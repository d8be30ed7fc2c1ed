//! The JSON of `/v2/speak`.

use serde::Serialize;

use crate::json::Pen;
use crate::settings::FieldNoise;

const MODEL_UUID: &str = "5d1c8a3e-7b46-4f0a-9c52-e3b1f6a7d084";

/// What is billed of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Speech {
    pub(super) speech_id: String,
    pub(super) audio_duration_ms: u64,
    pub(super) input_character_count: u64,
}

/// Writes the messages of one stream, and adds up what it says of its turns.
#[derive(Debug)]
pub(super) struct Writer {
    pen: Pen,
    audio_duration_ms: u64,
    character_count: u64,
}

impl Writer {
    pub(super) fn new(noise: FieldNoise) -> Self {
        let pen = Pen::new(noise, &["controls_applied"]);
        Self { pen, audio_duration_ms: 0, character_count: 0 }
    }

    pub(super) fn connected(&self, request_id: &str, model_name: &str) -> String {
        self.pen.write(&Message::Connected {
            request_id,
            model_name,
            model_version: "2026.06.01",
            model_uuids: [MODEL_UUID],
        })
    }

    pub(super) fn speech_started(&self, speech_id: &str) -> String {
        self.pen.write(&Message::SpeechStarted { speech_id })
    }

    pub(super) fn flushed(&self, speech_id: &str) -> String {
        self.pen.write(&Message::Flushed { speech_id })
    }

    pub(super) fn speech_metadata(&mut self, turn: &Speech) -> String {
        let billed = self.bill(turn);
        self.pen.write(&Message::SpeechMetadata(billed))
    }

    pub(super) fn interrupted(&mut self, audio_played_ms: u64, turn: &Speech) -> String {
        let metadata = self.bill(turn);
        self.pen.write(&Message::SpeechInterrupted { audio_played_ms, metadata })
    }

    pub(super) fn session_metadata(&self) -> String {
        self.pen.write(&Message::SessionMetadata {
            total_audio_duration_ms: self.audio_duration_ms,
            total_input_character_count: self.character_count,
            total_billable_character_count: self.character_count,
        })
    }

    pub(super) fn configured(&self, speed: Option<f32>) -> String {
        self.pen.write(&Message::ConfigureSuccess { applied: Applied { speed } })
    }

    pub(super) fn refused(&self, value: f32, description: &str) -> String {
        let (code, field) = ("SPEED_OUT_OF_RANGE", "speed");
        self.pen.write(&Message::ConfigureFailure { code, field, value, description })
    }

    pub(super) fn warning(&self, code: &str, description: &str) -> String {
        self.pen.write(&Message::Warning { code, description })
    }

    pub(super) fn error(&self, code: &str, description: &str) -> String {
        self.pen.write(&Message::Error { code, description })
    }

    fn bill<'a>(&mut self, turn: &'a Speech) -> Billed<'a> {
        self.audio_duration_ms += turn.audio_duration_ms;
        self.character_count += turn.input_character_count;
        let billable_character_count = turn.input_character_count;
        Billed { turn, billable_character_count, controls_applied: Controls::default() }
    }
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Message<'a> {
    Connected {
        request_id: &'a str,
        model_name: &'a str,
        model_version: &'static str,
        model_uuids: [&'static str; 1],
    },
    SpeechStarted {
        speech_id: &'a str,
    },
    Flushed {
        speech_id: &'a str,
    },
    SpeechMetadata(Billed<'a>),
    SpeechInterrupted {
        audio_played_ms: u64,
        metadata: Billed<'a>,
    },
    SessionMetadata {
        total_audio_duration_ms: u64,
        total_input_character_count: u64,
        total_billable_character_count: u64,
    },
    ConfigureSuccess {
        applied: Applied,
    },
    ConfigureFailure {
        code: &'a str,
        field: &'a str,
        value: f32,
        description: &'a str,
    },
    Warning {
        code: &'a str,
        description: &'a str,
    },
    Error {
        code: &'a str,
        description: &'a str,
    },
}

#[derive(Serialize)]
struct Billed<'a> {
    #[serde(flatten)]
    turn: &'a Speech,
    billable_character_count: u64,
    controls_applied: Controls,
}

/// Inline controls, which are not emulated.
#[derive(Default, Serialize)]
struct Controls {
    pronunciations_applied: u64,
    breaks_applied: u64,
    pronunciation_warnings: u64,
}

#[derive(Serialize)]
struct Applied {
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
}
