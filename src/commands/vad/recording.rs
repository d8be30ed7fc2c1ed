//! A recording as detector and gates have heard it.

use std::io;
use std::ops::Range;
use std::time::Duration;

use anyhow::bail;
use session::Endpoint;
use session::audio::{AudioFormat, Encoding};
use session::gate::{Heard, VadConfig, VadUnavailable};
use vad::{Score, Vad};

use super::envelope::{Envelope, Reference};
use super::trial::{Fate, Trial};
use crate::commands::source::{Piece, Source};

/// The longest recording. Scores and loudness are kept, 4 MB of them for an hour.
const RECORDING_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The gate decides by the application's messages, and by pieces of this length of longer ones.
const PIECE: Duration = Duration::from_millis(250);

/// What was heard of a recording, and what each gate made of it.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) format: AudioFormat,
    pub(super) blocks: u64,
    pub(super) envelope: Envelope,
    /// In order.
    pub(super) scores: Vec<Score>,
    pub(super) reference: Reference,
    /// One for each configuration.
    pub(super) trials: Vec<Trial>,
    /// It is shorter than its header says.
    pub(super) is_cut_short: bool,
}

impl Recording {
    /// Plays all of it, in messages of this length, to one detector and to a gate of each
    /// configuration. `progress` is told how much has been heard.
    ///
    /// # Errors
    /// Audio that cannot be read or that the detector cannot hear, or more than a day of it.
    pub(super) async fn hear(
        source: &mut Source,
        message: Duration,
        configs: &[VadConfig],
        progress: impl Fn(Duration),
    ) -> anyhow::Result<Self> {
        let format = source.encoding.format;
        let mut ear = Ear::new(format, configs)?;
        let [message, decided] =
            [message, PIECE].map(|it| format.bytes(it).max(format.block_bytes.into()) as usize);
        let mut is_cut_short = false;
        while let Some(piece) = source.next().await {
            let audio = match piece {
                Ok(Piece::Audio(audio)) => audio,
                Ok(Piece::Silence(_)) => continue,
                // As a recorder leaves it that was killed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    is_cut_short = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            for piece in audio.chunks(message).flat_map(|it| it.chunks(decided)) {
                ear.hear(piece)?;
            }
            progress(format.duration(ear.bytes));
        }
        Ok(Self { is_cut_short, ..ear.finish()? })
    }

    /// Where a position is, in ms.
    pub(super) fn ms(&self, blocks: u64) -> u64 {
        blocks * 1_000 / u64::from(self.format.sample_rate)
    }

    /// Speech that a gate holds back, in blocks.
    pub(super) fn clipped(&self, trial: &Trial) -> Vec<Range<u64>> {
        let held = trial.runs.iter().filter(|it| it.fate == Fate::Held);
        let mut clipped = Vec::new();
        for run in held {
            let speech = &self.reference.speech;
            let first = speech.partition_point(|it| it.end <= run.blocks.start);
            let within = speech[first..].iter().take_while(|it| it.start < run.blocks.end);
            clipped.extend(
                within.map(|it| it.start.max(run.blocks.start)..it.end.min(run.blocks.end)),
            );
        }
        clipped
    }
}

struct Ear {
    format: AudioFormat,
    vad: Vad,
    envelope: Envelope,
    scores: Vec<Score>,
    trials: Vec<Trial>,
    bytes: u64,
}

impl Ear {
    fn new(format: AudioFormat, configs: &[VadConfig]) -> anyhow::Result<Self> {
        if let Some(cause) = VadUnavailable::of(Endpoint::V1Listen, Some(format), false) {
            bail!("the VAD gate is not available: {}; {}", cause.in_words(), remedy(format));
        }
        Ok(Self {
            format,
            // Each gate has a threshold of its own.
            vad: Vad::new(format, 1.0),
            envelope: Envelope::new(format),
            scores: Vec::new(),
            trials: configs.iter().map(|it| Trial::new(*it, format)).collect(),
            bytes: 0,
        })
    }

    fn hear(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.bytes += message.len() as u64;
        if self.format.duration(self.bytes) > RECORDING_MAX {
            bail!("the recording is longer than a day; cut it");
        }
        let Self { scores, trials, .. } = self;
        let heard = self.vad.hear_with(message, |score| {
            scores.push(score);
            trials.iter_mut().for_each(|it| it.hear(score));
        });
        if heard == Heard::Fault {
            bail!("the detector has failed, which is a bug: a session would send everything");
        }
        self.envelope.add(message);
        self.trials.iter_mut().for_each(|it| it.pass(message));
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Recording> {
        let blocks = self.format.samples(self.bytes);
        if blocks == 0 {
            bail!("there is no audio in it");
        }
        self.envelope.finish();
        self.trials.iter_mut().for_each(Trial::finish);
        Ok(Recording {
            format: self.format,
            blocks,
            reference: self.envelope.reference(),
            envelope: self.envelope,
            scores: self.scores,
            trials: self.trials,
            is_cut_short: false,
        })
    }
}

fn remedy(format: AudioFormat) -> &'static str {
    if format.encoding == Encoding::Linear32 {
        "its sessions send everything"
    } else {
        "convert the recording, as in `sox IN.wav -r 16000 -c 1 OUT.wav`"
    }
}
