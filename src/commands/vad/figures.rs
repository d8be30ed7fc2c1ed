//! What a gate does to a recording, in figures.

use std::ops::Range;

use super::recording::Recording;
use super::trial::{Fate, Trial};

/// In JSON as they are here.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Figures {
    pub(super) threshold: f32,
    pub(super) duration_ms: u64,
    pub(super) sent_ms: u64,
    pub(super) held_ms: u64,
    /// Of the whole, from 0 to 1.
    pub(super) saved: f64,
    /// In USD, if a price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) saved_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) full_usd: Option<f64>,
    pub(super) opens: u64,
    pub(super) finalizes: usize,
    /// Received in each state of the gate; the pre-roll is part of the silence.
    pub(super) silence_ms: u64,
    pub(super) speech_ms: u64,
    pub(super) hangover_ms: u64,
    pub(super) preroll_ms: u64,
    /// Speech as loudness has it, and what of it is not sent.
    pub(super) reference_speech_ms: u64,
    pub(super) clipped_ms: u64,
    /// Of 1,000.
    pub(super) clipped_per_1000: f64,
}

impl Figures {
    /// `price` is in USD for a minute of audio.
    pub(super) fn of(recording: &Recording, trial: &Trial, price: Option<f64>) -> Self {
        let format = recording.format;
        let ms = |bytes: u64| format.duration(bytes).as_millis() as u64;
        let bytes = trial.bytes();
        let all = bytes.silence + bytes.speech + bytes.hangover;
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let clipped = total(&recording.clipped(trial));
        let spoken = total(&recording.reference.speech);
        let preroll = trial.runs.iter().filter(|it| it.fate == Fate::Preroll);
        let usd = |bytes: u64| price.map(|it| format.duration(bytes).as_secs_f64() / 60.0 * it);
        Self {
            threshold: trial.config.threshold,
            duration_ms: ms(all),
            sent_ms: ms(all - bytes.held),
            held_ms: ms(bytes.held),
            saved: share(bytes.held, all),
            saved_usd: usd(bytes.held),
            full_usd: usd(all),
            opens: trial.opens,
            finalizes: trial.finalizes.len(),
            silence_ms: ms(bytes.silence),
            speech_ms: ms(bytes.speech),
            hangover_ms: ms(bytes.hangover),
            preroll_ms: recording.ms(preroll.map(|it| it.blocks.end - it.blocks.start).sum()),
            reference_speech_ms: recording.ms(spoken),
            clipped_ms: recording.ms(clipped),
            clipped_per_1000: share(clipped, spoken) * 1_000.0,
        }
    }
}

fn total(spans: &[Range<u64>]) -> u64 {
    spans.iter().map(|it| it.end - it.start).sum()
}
