//! How the gate is set, and for which audio there can be one.

use std::time::Duration;

use crate::Endpoint;
use crate::audio::{AudioFormat, Encoding};

crate::vocabulary! {
    /// What the gate does.
    pub enum VadMode: "mode" {
        /// Nothing: no detector runs.
        Off = "off",
        /// Everything is sent, and counted as if it were not.
        Shadow = "shadow",
        /// Silence is held back.
        Active = "active",
    }
}

crate::vocabulary! {
    /// Why a session cannot have a gate.
    pub enum VadUnavailable: "cause" {
        /// The detector cannot decode it sample by sample.
        Encoding = "encoding",
        /// The detector knows nothing of less than 8 kHz or more than 48 kHz.
        SampleRate = "sample_rate",
        /// More than 8.
        Channels = "channels",
        /// Flux has no KeepAlive to live through silence by, and ends turns by the silence itself.
        Endpoint = "endpoint",
        /// Results go to a callback: nobody could move their times.
        Callback = "callback",
    }
}

/// Sample rates that the detector's audio is converted from, in Hz.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Most channels that are listened to.
pub const CHANNELS_MAX: u32 = 8;

/// How the gate is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VadConfig {
    pub mode: VadMode,
    /// Speech when the detector's score is over this: over 0, under 1.
    pub threshold: f32,
    /// How much is sent of what came before speech was heard.
    pub preroll: Duration,
    /// How long frames are still sent once nobody speaks any more.
    pub hangover: Duration,
    /// How long nobody must have spoken before Deepgram is asked to finalize.
    pub finalize_after: Duration,
}

impl Default for VadConfig {
    fn default() -> Self {
        Self {
            mode: VadMode::Off,
            threshold: 0.55,
            preroll: Duration::from_millis(300),
            hangover: Duration::from_millis(4_000),
            finalize_after: Duration::from_millis(300),
        }
    }
}

impl VadUnavailable {
    /// Why a session like this cannot have a gate; `None` if it can.
    pub fn of(endpoint: Endpoint, audio: Option<AudioFormat>, callback: bool) -> Option<Self> {
        if !endpoint.traits().finalizes {
            return Some(Self::Endpoint);
        }
        if callback {
            return Some(Self::Callback);
        }
        match audio {
            None => Some(Self::Encoding),
            Some(it) if it.encoding == Encoding::Linear32 => Some(Self::Encoding),
            Some(it) if !SAMPLE_RATES.contains(&it.sample_rate) => Some(Self::SampleRate),
            Some(it) if it.channels > CHANNELS_MAX => Some(Self::Channels),
            Some(_) => None,
        }
    }

    /// In words, behind "the VAD gate is not available: ".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Encoding => {
                "it can hear only linear16, mulaw and alaw, with a sample_rate and channels that are \
                 whole numbers"
            }
            Self::SampleRate => "it can hear only sample rates from 8000 to 48000",
            Self::Channels => "it can hear at most 8 channels",
            Self::Endpoint => {
                "it is for /v1/listen alone; /v2/listen needs the silence to end its turns"
            }
            Self::Callback => "with a callback nobody could move the times of the results",
        }
    }
}
