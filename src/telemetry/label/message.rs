//! `direction` and `type` of a message on a connection to Deepgram: the pairs that exist.

use super::{Direction, Label};
use session::{MessageKind, Vocabulary};

/// A message, by direction and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireMessage {
    AudioSent,
    KeepaliveSent,
    FinalizeSent,
    CloseStreamSent,
    /// A text message from the application.
    TextSent,
    PingSent,
    InterimReceived,
    FinalReceived,
    SpeechStartedReceived,
    UtteranceEndReceived,
    MetadataReceived,
    TurnInfoReceived,
    ErrorReceived,
    OtherReceived,
    /// Deepgram's voice.
    BinaryReceived,
}

impl WireMessage {
    const ALL: [Self; 15] = [
        Self::AudioSent,
        Self::KeepaliveSent,
        Self::FinalizeSent,
        Self::CloseStreamSent,
        Self::TextSent,
        Self::PingSent,
        Self::InterimReceived,
        Self::FinalReceived,
        Self::SpeechStartedReceived,
        Self::UtteranceEndReceived,
        Self::MetadataReceived,
        Self::TurnInfoReceived,
        Self::ErrorReceived,
        Self::OtherReceived,
        Self::BinaryReceived,
    ];

    pub(crate) fn received(kind: &MessageKind) -> Self {
        match kind {
            MessageKind::Results { is_final: false, .. } => Self::InterimReceived,
            MessageKind::Results { is_final: true, .. } => Self::FinalReceived,
            MessageKind::Metadata { .. } => Self::MetadataReceived,
            MessageKind::TurnInfo { .. } => Self::TurnInfoReceived,
            MessageKind::SpeechStarted { .. } => Self::SpeechStartedReceived,
            MessageKind::UtteranceEnd { .. } => Self::UtteranceEndReceived,
            MessageKind::Error => Self::ErrorReceived,
            MessageKind::Configured | MessageKind::Other => Self::OtherReceived,
        }
    }
}

impl Label for WireMessage {
    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn names() -> Vec<&'static str> {
        vec![Direction::KEY, "type"]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        match self {
            Self::AudioSent => vec!["sent", "audio"],
            Self::KeepaliveSent => vec!["sent", "keepalive"],
            Self::FinalizeSent => vec!["sent", "finalize"],
            Self::CloseStreamSent => vec!["sent", "close_stream"],
            Self::TextSent => vec!["sent", "text"],
            Self::PingSent => vec!["sent", "ping"],
            Self::InterimReceived => vec!["received", "results_interim"],
            Self::FinalReceived => vec!["received", "results_final"],
            Self::SpeechStartedReceived => vec!["received", "speech_started"],
            Self::UtteranceEndReceived => vec!["received", "utterance_end"],
            Self::MetadataReceived => vec!["received", "metadata"],
            Self::TurnInfoReceived => vec!["received", "turn_info"],
            Self::ErrorReceived => vec!["received", "error"],
            Self::OtherReceived => vec!["received", "other"],
            Self::BinaryReceived => vec!["received", "binary"],
        }
    }
}
