//! What has to be said of audio without a header.

use super::source::Encoding;

/// Of raw audio whose rate nobody has told: telephones', or else Deepgram's recommendation.
const RATE_OF_TELEPHONES: u32 = 8_000;
const RATE_OTHERWISE: u32 = 16_000;

/// The options of commands that take raw audio beside WAV.
#[derive(Clone, Debug, clap::Args)]
pub struct RawAudio {
    /// Encoding of raw audio: linear16, linear32 (not for vad), mulaw or alaw. Not needed for WAV.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,

    /// Sample rate of raw audio [default: 8000 for mulaw and alaw, otherwise 16000]
    #[arg(long, value_name = "HZ")]
    sample_rate: Option<u32>,

    /// Number of channels of raw audio.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    channels: u32,
}

impl RawAudio {
    /// How it is encoded; `None` if the user did not say. Without a rate, mu-law and A-law are taken to
    /// come from telephones.
    ///
    /// # Errors
    /// If the encoding is unknown, or the numbers make no sense.
    pub(super) fn encoding(&self) -> anyhow::Result<Option<Encoding>> {
        let Some(name) = self.encoding.as_deref() else { return Ok(None) };
        let usual = match name {
            "mulaw" | "alaw" => RATE_OF_TELEPHONES,
            _ => RATE_OTHERWISE,
        };
        Encoding::new(name, self.sample_rate.unwrap_or(usual), self.channels).map(Some)
    }
}
