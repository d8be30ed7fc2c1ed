//! The gate on a recording, with one threshold.

use std::ops::Range;

use session::audio::AudioFormat;
use session::gate::{Gate, GateBytes, GateState, Heard, Turn, VadConfig};
use vad::{Hearing, Score};

/// What becomes of audio, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// Not sent.
    Held,
    /// Sent because speech follows.
    Preroll,
    /// Sent: someone speaks.
    Speech,
    /// Sent because someone spoke shortly before.
    Hangover,
}

impl Fate {
    pub(super) const ALL: [Self; 4] = [Self::Held, Self::Preroll, Self::Speech, Self::Hangover];

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Held => "held back",
            Self::Preroll => "pre-roll",
            Self::Speech => "speech",
            Self::Hangover => "hangover",
        }
    }
}

/// Audio with one fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// In blocks.
    pub(super) blocks: Range<u64>,
    pub(super) fate: Fate,
}

/// The gate's decisions.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) config: VadConfig,
    format: AudioFormat,
    gate: Gate,
    hearing: Hearing,
    received: u64,
    /// All of the recording, in order.
    pub(super) runs: Vec<Run>,
    /// Where Deepgram is asked to finalize, in blocks.
    pub(super) finalizes: Vec<u64>,
    pub(super) opens: u64,
}

impl Trial {
    pub(super) fn new(config: VadConfig, format: AudioFormat) -> Self {
        Self {
            config,
            format,
            gate: Gate::new(&config, format),
            hearing: Hearing::new(config.threshold),
            received: 0,
            runs: Vec::new(),
            finalizes: Vec::new(),
            opens: 0,
        }
    }

    /// The score of a frame that ends in the message which [`Trial::pass`] is told next.
    pub(super) fn hear(&mut self, score: Score) {
        self.hearing.add(score);
    }

    /// A message, whose scores are known.
    pub(super) fn pass(&mut self, message: &[u8]) {
        let begin = self.format.samples(self.received);
        self.received += message.len() as u64;
        let end = self.format.samples(self.received);
        let heard = self.heard(end);
        let passage = self.gate.pass(message, 1, heard, false);
        if let Some((preroll, _)) = &passage.preroll {
            self.take_back(begin - self.format.samples(preroll.len() as u64));
        }
        self.extend(begin..end, self.fate());
        if passage.finalize {
            self.finalizes.push(end);
        }
        self.opens += u64::from(matches!(passage.turn, Some(Turn::Opened { .. })));
    }

    /// The recording is over: what waits in the pre-roll is not sent, as with FINISH.
    pub(super) fn finish(&mut self) {
        self.gate.drop_preroll();
    }

    /// The gate's own account of it.
    pub(super) fn bytes(&self) -> GateBytes {
        self.gate.bytes()
    }

    fn heard(&mut self, received: u64) -> Heard {
        std::mem::replace(&mut self.hearing, Hearing::new(self.config.threshold)).heard(received)
    }

    fn fate(&self) -> Fate {
        match self.gate.state() {
            GateState::Silence => Fate::Held,
            GateState::Speech => Fate::Speech,
            GateState::Hangover => Fate::Hangover,
        }
    }

    /// What was held from here on is sent after all.
    fn take_back(&mut self, from: u64) {
        let Some(held) = self.runs.last_mut() else { return };
        let preroll = from..held.blocks.end;
        held.blocks.end = from;
        if held.blocks.is_empty() {
            self.runs.pop();
        }
        self.extend(preroll, Fate::Preroll);
    }

    fn extend(&mut self, blocks: Range<u64>, fate: Fate) {
        match self.runs.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.fate == fate => last.blocks.end = blocks.end,
            _ => self.runs.push(Run { blocks, fate }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use session::gate::VadMode;

    use super::*;

    /// Messages of 20 ms at 16 kHz, each with a score.
    fn trial(preroll: u64, scores: impl IntoIterator<Item = f32>) -> Trial {
        let format = AudioFormat::new("linear16", 16_000, 1).unwrap();
        let config = VadConfig {
            mode: VadMode::Active,
            preroll: Duration::from_millis(preroll),
            ..VadConfig::default()
        };
        let mut trial = Trial::new(config, format);
        for (score, end) in scores.into_iter().zip((320..).step_by(320)) {
            trial.hear(Score { end, score });
            trial.pass(&[0; 640]);
        }
        trial.finish();
        trial
    }

    fn runs(trial: &Trial) -> Vec<(u64, Fate)> {
        trial.runs.iter().map(|it| (it.blocks.end / 16, it.fate)).collect()
    }

    /// 1 s without speech, 100 ms with it, 6 s without.
    fn scores() -> impl Iterator<Item = f32> {
        (0..355).map(|it| if (50..55).contains(&it) { 0.9 } else { 0.1 })
    }

    #[test]
    fn each_moment_has_its_fate() {
        let trial = trial(300, scores());
        assert_eq!(
            runs(&trial),
            [
                (700, Fate::Held),
                (1_000, Fate::Preroll),
                (1_100, Fate::Speech),
                (5_100, Fate::Hangover),
                (7_100, Fate::Held)
            ]
        );
        assert_eq!((trial.opens, &trial.finalizes[..]), (1, &[1_400 * 16][..]));
    }

    #[test]
    fn what_is_held_is_what_the_gate_counts() {
        for preroll in [0, 300, 5_000] {
            let trial = trial(preroll, scores());
            let held = trial.runs.iter().filter(|it| it.fate == Fate::Held);
            let blocks: u64 = held.map(|it| it.blocks.end - it.blocks.start).sum();
            assert_eq!(blocks * 2, trial.bytes().held, "{preroll} ms");
        }
    }

    #[test]
    fn a_preroll_longer_than_the_past_leaves_nothing_held() {
        assert_eq!(
            runs(&trial(5_000, scores()))[..2],
            [(1_000, Fate::Preroll), (1_100, Fate::Speech)]
        );
    }
}
