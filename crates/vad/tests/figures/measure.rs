//! What the detector hears, and what the gate sends.

use std::fmt;
use std::time::Duration;

use session::audio::AudioFormat;
use session::gate::{Gate, Heard, VadConfig, VadMode};
use vad::{Score, Vad};

use crate::material::{Material, SAMPLE_RATE, UNIT};

/// Units in a message: 20 ms.
const MESSAGE: usize = 2;

const UNIT_SECONDS: f64 = 0.01;

/// An onset counts if nobody spoke for so many units before.
const PAUSE: usize = 30;

pub(crate) struct Frame {
    /// In seconds.
    pub(crate) end: f64,
    pub(crate) is_speech: bool,
}

pub(crate) struct Hearing {
    pub(crate) frames: Vec<Frame>,
    /// Which units were sent.
    pub(crate) sent: Vec<bool>,
}

pub(crate) struct Figures {
    /// Frames of speech that are heard, and others that are, as shares.
    pub(crate) recall: f64,
    pub(crate) false_rate: f64,
    /// From where someone begins to speak to the end of the first frame that says so, in seconds.
    pub(crate) onset_median: f64,
    pub(crate) onset_p90: f64,
    /// Speech that is not sent, of 1,000.
    pub(crate) lost: f64,
    /// Audio that is not sent, as a share.
    pub(crate) saved: f64,
}

/// Plays audio to the detector and the gate, both as configured by default.
pub(crate) fn heard(audio: &[u8], format: AudioFormat) -> Hearing {
    let config = config();
    let mut vad = Vad::new(format, config.threshold);
    let mut frames = Vec::new();
    let threshold = config.threshold;
    let sent = gated(audio, format, |message| {
        vad.hear_with(message, |Score { end, score }| {
            let end = end as f64 / f64::from(format.sample_rate);
            frames.push(Frame { end, is_speech: score > threshold });
        })
    });
    Hearing { frames, sent }
}

/// What the gate saves if it is told what the labels say.
pub(crate) fn ideal(material: &Material) -> f64 {
    let format = AudioFormat::new("linear16", SAMPLE_RATE, 1).unwrap();
    let mut labels = material.speech.chunks(MESSAGE);
    let audio = vec![0; 2 * material.samples.len()];
    let sent = gated(&audio, format, |_| {
        let is_speech = labels.next().is_some_and(|it| it.contains(&true));
        if is_speech { Heard::Speech { since: 0 } } else { Heard::Silence }
    });
    saved(&sent)
}

fn config() -> VadConfig {
    VadConfig { mode: VadMode::Active, ..VadConfig::default() }
}

/// Which units the gate sends.
fn gated(audio: &[u8], format: AudioFormat, mut hear: impl FnMut(&[u8]) -> Heard) -> Vec<bool> {
    let mut gate = Gate::new(&config(), format);
    let unit = format.bytes(Duration::from_millis(10)) as usize;
    let mut sent = Vec::new();
    for message in audio.chunks(MESSAGE * unit) {
        let passage = gate.pass(message, 1, hear(message), false);
        if let Some((preroll, _)) = passage.preroll {
            let first = sent.len() - preroll.len() / unit;
            sent[first..].fill(true);
        }
        sent.resize(sent.len() + message.len() / unit, passage.sent == message.len());
    }
    sent
}

fn saved(sent: &[bool]) -> f64 {
    sent.iter().filter(|it| !**it).count() as f64 / sent.len() as f64
}

impl Figures {
    pub(crate) fn of(material: &Material, hearing: &Hearing) -> Self {
        let speech = &material.speech;
        let label =
            |frame: &Frame| speech.get((frame.end / UNIT_SECONDS - 0.8) as usize) == Some(&true);
        let share = |of: bool| {
            let frames: Vec<_> = hearing.frames.iter().filter(|it| label(it) == of).collect();
            frames.iter().filter(|it| it.is_speech).count() as f64 / frames.len() as f64
        };
        let onsets = onsets(speech, &hearing.frames);
        let lost =
            speech.iter().zip(&hearing.sent).filter(|(speech, sent)| **speech && !**sent).count();
        let spoken = speech.iter().filter(|it| **it).count();
        Self {
            recall: share(true),
            false_rate: share(false),
            onset_median: onsets[onsets.len() / 2],
            onset_p90: onsets[onsets.len() * 9 / 10],
            lost: lost as f64 * 1_000.0 / spoken as f64,
            saved: saved(&hearing.sent),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recall, false_rate, onset_median, onset_p90, lost, saved } = self;
        write!(
            to,
            "{recall:6.3} {false_rate:6.4}  {:6.0} ms, {:4.0} ms",
            onset_median * 1e3,
            onset_p90 * 1e3
        )?;
        write!(to, "   {lost:8.2}  {:4.1} %", saved * 100.0)
    }
}

/// How late speech is heard that comes after a pause, sorted.
fn onsets(speech: &[bool], frames: &[Frame]) -> Vec<f64> {
    let mut onsets = Vec::new();
    let mut start = 0;
    let mut frames = frames.iter().peekable();
    let mut pause = 0;
    for run in speech.chunk_by(|one, other| one == other) {
        let (begin, end) = (start as f64 * UNIT_SECONDS, (start + run.len()) as f64 * UNIT_SECONDS);
        start += run.len();
        if !run[0] {
            pause = run.len();
            continue;
        }
        while frames.next_if(|it| it.end <= begin).is_some() {}
        let first = frames.clone().take_while(|it| it.end <= end + 0.1).find(|it| it.is_speech);
        if pause >= PAUSE {
            onsets.push(first.map_or(end - begin, |it| it.end - begin));
        }
    }
    onsets.sort_by(f64::total_cmp);
    onsets
}

const _: () = assert!(UNIT as u32 * 100 == SAMPLE_RATE);
