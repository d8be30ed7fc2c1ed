//! Deepgram's streaming endpoints, and the one table of what is different between them.

use std::fmt;
use std::time::Duration;

crate::vocabulary! {
    /// Which of Deepgram's streaming endpoints a session uses: the request path.
    pub enum Endpoint: "endpoint" {
        /// Nova: speech to text.
        V1Listen = "/v1/listen",
        /// Flux: speech to text, in turns.
        V2Listen = "/v2/listen",
        /// Aura: text to speech.
        V1Speak = "/v1/speak",
        /// Flux: text to speech, in turns.
        V2Speak = "/v2/speak",
        /// The Voice Agent: speech to speech.
        V1Converse = "/v1/agent/converse",
    }
}

crate::vocabulary! {
    /// What a keepalive is on the wire.
    pub enum KeepaliveKind: "kind" {
        /// A JSON text message.
        Text = "text",
        /// A WebSocket ping.
        Ping = "ping",
    }
}

/// How a client asks for the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// The text message `CloseStream`.
    CloseStream,
    /// The text message `Close`.
    Close,
    /// A WebSocket close frame; there is no message for it.
    Frame,
}

/// What is different between Deepgram's endpoints. Whoever depends on the endpoint asks here.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// What keeps a connection alive on which nothing is sent; `None` where nothing needs to.
    pub keepalive: Option<KeepaliveKind>,
    /// The longest pause between two of them.
    pub keepalive_max: Duration,
    /// Whether the application's first text must come before any of them.
    pub begins_with_text: bool,
    /// How it is ended.
    pub end: EndKind,
    /// Audio becomes text: what is known of it is the ledger's, and the gate, recovery, parking and the
    /// watch for stalls can work with it.
    pub transcribes: bool,
    /// It knows `Finalize`.
    pub finalizes: bool,
    /// Its last message tells how much of the audio it has processed.
    pub confirms: bool,
    /// Its words can name their speakers.
    pub names_speakers: bool,
    /// It answers with binary messages.
    pub speaks: bool,
    /// Deepgram ends a connection of this age.
    pub age_max: Option<Duration>,
    /// The native dialect has it too.
    pub is_native: bool,
    /// Deepgram serves it on a host of its own.
    pub has_own_host: bool,
}

/// Deepgram loses patience with a silent `/v1/listen` after 10 s.
const KEEPALIVE_MAX: Duration = Duration::from_secs(10);

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Traits {
    const NOVA: Self = Self {
        keepalive: Some(KeepaliveKind::Text),
        keepalive_max: KEEPALIVE_MAX,
        begins_with_text: false,
        end: EndKind::CloseStream,
        transcribes: true,
        finalizes: true,
        confirms: true,
        names_speakers: true,
        speaks: false,
        age_max: None,
        is_native: true,
        has_own_host: false,
    };

    /// JSON KeepAlive and Finalize are fatal there.
    const FLUX: Self = Self {
        keepalive: Some(KeepaliveKind::Ping),
        finalizes: false,
        confirms: false,
        names_speakers: false,
        ..Self::NOVA
    };

    /// It has no keepalive: an idle connection lives for as long as any other.
    const AURA: Self = Self {
        keepalive: None,
        end: EndKind::Close,
        transcribes: false,
        speaks: true,
        age_max: Some(HOUR),
        is_native: false,
        ..Self::FLUX
    };

    const FLUX_SPEECH: Self = Self { keepalive: Some(KeepaliveKind::Ping), ..Self::AURA };

    /// A message before `Settings` is fatal there, and Deepgram asks for a KeepAlive every 8 s.
    const AGENT: Self = Self {
        keepalive: Some(KeepaliveKind::Text),
        keepalive_max: Duration::from_secs(8),
        begins_with_text: true,
        end: EndKind::Frame,
        age_max: Some(Duration::from_secs(2 * 60 * 60)),
        has_own_host: true,
        ..Self::AURA
    };
}

impl Endpoint {
    /// The request path.
    pub fn path(self) -> &'static str {
        self.as_str()
    }

    /// What is different with it.
    pub const fn traits(self) -> &'static Traits {
        match self {
            Self::V1Listen => &Traits::NOVA,
            Self::V2Listen => &Traits::FLUX,
            Self::V1Speak => &Traits::AURA,
            Self::V2Speak => &Traits::FLUX_SPEECH,
            Self::V1Converse => &Traits::AGENT,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
