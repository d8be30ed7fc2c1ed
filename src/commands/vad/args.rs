//! The arguments of `vad`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use session::gate::{VadConfig, VadMode};

use super::output::Picture;
use crate::commands::configuration;
use crate::commands::raw_audio::RawAudio;
use crate::config::{self, FILE_VARIABLE};

/// The most thresholds to compare: each has a gate.
const COMPARED_MAX: usize = 20;

const EXAMPLES: &str = "\
Examples:
  Look at a call:
    deepgram-sidecar vad call.wav
  Compare thresholds, with the saving in money:
    deepgram-sidecar vad call.wav --compare 0.45,0.5,0.55,0.6 --price 0.0077
  Look closely at a place where speech is clipped:
    deepgram-sidecar vad call.wav --from 1m12s --to 1m15s
  Try the gate of a daemon's configuration, and draw it:
    deepgram-sidecar vad call.wav --config sidecar.yaml -o call.svg
  A mu-law WAV, by way of sox, or the same without a header:
    sox call.wav -e signed -b 16 -t wav - | deepgram-sidecar vad -
    deepgram-sidecar vad call.ul --encoding mulaw --sample-rate 8000";

/// Show what the VAD gate would do to a recording: what it sends, what that saves, and whether speech is
/// lost, so that a threshold can be chosen by looking.
///
/// The picture has the level, the detector's scores with the threshold, what becomes of the audio, and
/// where Deepgram is asked to finalize. Nothing is sent, and no daemon is needed. A column of a long
/// recording shows its loudest moment, its highest score, and what becomes of most of it.
///
/// Clipped is speech that is not sent. Where there is speech is judged by loudness alone: 10 dB over the
/// noise, which is the quietest tenth, and at most 35 dB below the loud parts; gaps under 150 ms are
/// filled, sounds under 50 ms left out. So a door or a keyboard counts as speech here, and quiet speech
/// in a noisy recording does not: listen to the places that are listed.
///
/// Exit codes: 0 if the recording was heard, 1 if it cannot be, 2 for usage or configuration errors.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// A WAV file in any PCM format, or - for standard input, WAV or raw: 8 to 48 kHz, up to 8 channels
    /// and 24 hours.
    #[arg(value_name = "FILE.wav|-")]
    pub file: PathBuf,

    #[command(flatten)]
    pub raw: RawAudio,

    /// The daemon's configuration: its section vad has the values that are not set here. vad.mode is
    /// ignored.
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE)]
    pub config: Option<PathBuf>,

    /// Speech when the score is over this, from 0 to 1 [default: vad.threshold, 0.55]
    #[arg(long, value_name = "SCORE")]
    pub threshold: Option<String>,

    /// How much is sent of what came before speech [default: vad.preroll, 300ms]
    #[arg(long, value_name = "DURATION")]
    pub preroll: Option<String>,

    /// How long audio is sent after speech [default: vad.hangover, 4s]
    #[arg(long, value_name = "DURATION")]
    pub hangover: Option<String>,

    /// How long after speech Deepgram is asked to finalize [default: vad.finalize_after, 300ms]
    #[arg(long, value_name = "DURATION")]
    pub finalize_after: Option<String>,

    /// What a minute of audio costs, in USD [default: vad.price_per_minute, none]
    #[arg(long, value_name = "USD")]
    pub price: Option<String>,

    /// Amount of audio in a frame from the application: the gate decides by frames, and by 250 ms of longer
    /// ones.
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = parse_frame)]
    pub frame: Duration,

    /// Also try these thresholds, and print a table: 0.45,0.5,0.55
    #[arg(long, value_name = "SCORES", value_delimiter = ',', value_parser = parse_threshold)]
    pub compare: Vec<f32>,

    /// Where the picture begins. Figures are always of all of the recording.
    #[arg(long, value_name = "DURATION", default_value = "0s", hide_default_value = true)]
    #[arg(value_parser = humantime::parse_duration)]
    pub from: Duration,

    /// Where the picture ends.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub to: Option<Duration>,

    /// Also draw the picture into a file, as SVG or PNG.
    #[arg(short, long, value_name = "FILE.svg|FILE.png", value_parser = Picture::parse)]
    pub output: Option<Picture>,

    /// Print JSON, for other programs.
    #[arg(long)]
    pub json: bool,

    /// With all scores, one for each 16 ms.
    #[arg(long, requires = "json")]
    pub scores: bool,
}

impl Args {
    /// # Errors
    /// If the picture would end before it begins.
    pub(super) fn check_view(&self) -> Result<(), String> {
        match self.to {
            Some(to) if to <= self.from => Err("--to: must be later than --from".into()),
            _ => Ok(()),
        }
    }

    /// The section `vad` of the daemon's configuration, with what the command line sets.
    ///
    /// # Errors
    /// What is wrong with either, in words.
    pub(super) fn section(&self) -> Result<config::Vad, String> {
        let settings = self.settings();
        let overrides = settings
            .iter()
            .filter_map(|(_, key, value)| Some(format!("{key}={}", value.as_deref()?)));
        let sources = configuration::sources(self.config.clone(), overrides.collect());
        config::load(&sources).map(|it| it.vad).map_err(|problems| {
            let mut text = problems.to_string();
            for (option, key, _) in settings {
                text = text.replace(&format!("--set: {key}"), option);
            }
            text
        })
    }

    /// Options with the keys that they set: the configuration knows the bounds.
    fn settings(&self) -> [(&'static str, &'static str, &Option<String>); 5] {
        [
            ("--threshold", "vad.threshold", &self.threshold),
            ("--preroll", "vad.preroll", &self.preroll),
            ("--hangover", "vad.hangover", &self.hangover),
            ("--finalize-after", "vad.finalize_after", &self.finalize_after),
            ("--price", "vad.price_per_minute", &self.price),
        ]
    }

    /// The gates to try: the one of the picture, then those to compare.
    ///
    /// # Errors
    /// If there are too many.
    pub(super) fn gates(&self, section: &config::Vad) -> anyhow::Result<Vec<VadConfig>> {
        ensure!(self.compare.len() <= COMPARED_MAX, "compare at most {COMPARED_MAX} thresholds");
        let chosen = VadConfig {
            mode: VadMode::Active,
            threshold: section.threshold as f32,
            preroll: section.preroll,
            hangover: section.hangover,
            finalize_after: section.finalize_after,
        };
        let compared = self.compare.iter().map(|it| VadConfig { threshold: *it, ..chosen });
        Ok(std::iter::once(chosen).chain(compared).collect())
    }
}

fn parse_threshold(text: &str) -> anyhow::Result<f32> {
    let threshold: f32 = text.parse()?;
    ensure!(threshold > 0.0 && threshold < 1.0, "choose numbers over 0 and under 1");
    Ok(threshold)
}

fn parse_frame(text: &str) -> anyhow::Result<Duration> {
    let frame = humantime::parse_duration(text)?;
    let sensible = Duration::from_millis(1)..=Duration::from_secs(5);
    ensure!(sensible.contains(&frame), "choose 1ms to 5s");
    Ok(frame)
}
