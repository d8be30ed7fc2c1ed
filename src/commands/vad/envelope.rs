//! How loud a recording is, and where speech is to be supposed because of it.
//!
//! What the gate clips cannot be found with the detector's own scores: what they do not show is what
//! was missed. So loudness is the judge.

use std::ops::Range;

use session::audio::AudioFormat;

/// In decibels: what digital silence counts as, and what is more than that.
const SILENT: f32 = -100.0;
const SOUND_MIN: f32 = -90.0;

/// Units in a second: 10 ms each.
const UNITS_PER_SECOND: u64 = 100;

/// Speech is this much louder than the noise, in decibels, which the quietest tenth is …
const NOISE_MARGIN: f32 = 10.0;

/// … and at most this much quieter than the loudest twentieth of what is louder than the noise. Of all
/// that there is, it would depend on how long nobody speaks.
const SPEECH_RANGE: f32 = 35.0;

/// Shorter gaps are part of the speech, and shorter sounds are none, in units.
const GAP_MIN: usize = 15;
const SPEECH_MIN: usize = 5;

/// The loudness of a recording, 10 ms at a time.
#[derive(Debug)]
pub(super) struct Envelope {
    format: AudioFormat,
    units: Vec<Unit>,
    open: Open,
    samples: Vec<i16>,
}

/// The channel that is loudest decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    /// The root mean square, in decibels of full scale.
    level: f32,
    /// The largest sample, in decibels of full scale.
    pub(super) peak: f32,
}

/// The unit that the next block belongs to.
#[derive(Debug, Default)]
struct Open {
    blocks: u64,
    energy: Vec<f64>,
    peak: u16,
}

/// Where someone speaks, as loudness has it.
#[derive(Debug, PartialEq)]
pub(super) struct Reference {
    /// In blocks, in order.
    pub(super) speech: Vec<Range<u64>>,
    /// Louder than this is speech, in decibels of full scale.
    pub(super) level: f32,
    /// The noise has set the level: quieter speech is not part of the reference.
    pub(super) is_noisy: bool,
}

impl Envelope {
    pub(super) fn new(format: AudioFormat) -> Self {
        let open = Open { energy: vec![0.0; format.channels as usize], ..Open::default() };
        Self { format, units: Vec::new(), open, samples: Vec::new() }
    }

    /// The next message. Half a block at the end of the recording is left out.
    pub(super) fn add(&mut self, audio: &[u8]) {
        let block = self.format.block_bytes as usize;
        let mut blocks = &audio[..audio.len() - audio.len() % block];
        while !blocks.is_empty() {
            let missing = self.edge(self.units.len() + 1) - self.edge(self.units.len());
            let missing = (missing - self.open.blocks) as usize * block;
            let (now, later) = blocks.split_at(missing.min(blocks.len()));
            self.measure(now);
            if now.len() == missing {
                self.close();
            }
            blocks = later;
        }
    }

    /// The recording is over: what is open is measured as it is.
    pub(super) fn finish(&mut self) {
        if self.open.blocks > 0 {
            self.close();
        }
    }

    /// The units that have a part of these blocks.
    pub(super) fn within(&self, blocks: &Range<u64>) -> &[Unit] {
        let unit = |block: u64| block * UNITS_PER_SECOND / u64::from(self.format.sample_rate);
        let last = (unit(blocks.end.saturating_sub(1)) as usize + 1).min(self.units.len());
        &self.units[(unit(blocks.start) as usize).min(last)..last]
    }

    /// Whether it is more than digital silence.
    pub(super) fn has_sound(&self) -> bool {
        self.units.iter().any(|it| it.level > SOUND_MIN)
    }

    /// Where someone speaks.
    pub(super) fn reference(&self) -> Reference {
        let over_noise = self.percentile(10, SOUND_MIN) + NOISE_MARGIN;
        let near_loudest = self.percentile(95, over_noise) - SPEECH_RANGE;
        let level = over_noise.max(near_loudest);
        let mut is_speech: Vec<_> = self.units.iter().map(|it| it.level > level).collect();
        smooth(&mut is_speech);
        Reference { speech: self.spans(&is_speech), level, is_noisy: over_noise > near_loudest }
    }

    /// Of the units that are louder than that.
    fn percentile(&self, percent: usize, louder_than: f32) -> f32 {
        let levels = self.units.iter().map(|it| it.level);
        let mut levels: Vec<_> = levels.filter(|it| *it > louder_than).collect();
        levels.sort_by(f32::total_cmp);
        levels.get(levels.len() * percent / 100).copied().unwrap_or(SILENT)
    }

    fn spans(&self, is_speech: &[bool]) -> Vec<Range<u64>> {
        let mut unit = 0;
        let mut spans = Vec::new();
        for run in is_speech.chunk_by(|one, other| one == other) {
            let begin = unit;
            unit += run.len();
            if run[0] {
                spans.push(self.edge(begin)..self.edge(unit));
            }
        }
        spans
    }

    /// Where a unit begins, in blocks.
    fn edge(&self, unit: usize) -> u64 {
        (unit as u64 * u64::from(self.format.sample_rate)).div_ceil(UNITS_PER_SECOND)
    }

    fn measure(&mut self, blocks: &[u8]) {
        let count = blocks.len() / self.format.block_bytes as usize;
        self.samples.resize(count, 0);
        for (channel, energy) in self.open.energy.iter_mut().enumerate() {
            vad::decode(blocks, self.format, channel, &mut self.samples);
            for sample in &self.samples {
                *energy += f64::from(*sample).powi(2);
                self.open.peak = self.open.peak.max(sample.unsigned_abs());
            }
        }
        self.open.blocks += count as u64;
    }

    fn close(&mut self) {
        let full = f64::from(i16::MIN).powi(2);
        let loudest = self.open.energy.iter().copied().fold(0.0, f64::max);
        let level = 10.0 * (loudest / self.open.blocks as f64 / full).log10();
        let peak = 10.0 * (f64::from(self.open.peak).powi(2) / full).log10();
        let heard = |decibels: f64| (decibels as f32).max(SILENT);
        self.units.push(Unit { level: heard(level), peak: heard(peak) });
        self.open.energy.fill(0.0);
        (self.open.blocks, self.open.peak) = (0, 0);
    }
}

/// Fills short gaps, then drops short sounds. What is cut off by an end of the recording stays.
fn smooth(is_speech: &mut [bool]) {
    let all = is_speech.len();
    for (of, length) in [(false, GAP_MIN), (true, SPEECH_MIN)] {
        let mut end = 0;
        for run in is_speech.chunk_by_mut(|one, other| one == other) {
            let begin = end;
            end += run.len();
            if begin > 0 && end < all && run[0] == of && run.len() < length {
                run.fill(!of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone for each pair of amplitude and 10 ms units.
    fn envelope(rate: u32, parts: &[(f64, usize)]) -> Envelope {
        let format = AudioFormat::new("linear16", rate, 1).unwrap();
        let mut envelope = Envelope::new(format);
        for (amplitude, units) in parts {
            let sample = |at: usize| (amplitude * (at as f64 * 0.7).sin()) as i16;
            let samples = (0..units * rate as usize / 100).map(sample);
            let audio: Vec<_> = samples.flat_map(i16::to_le_bytes).collect();
            audio.chunks(34).for_each(|it| envelope.add(it));
        }
        envelope.finish();
        envelope
    }

    fn milliseconds(envelope: &Envelope) -> Vec<(u64, u64)> {
        let rate = u64::from(envelope.format.sample_rate);
        let ms = |blocks| blocks * 1_000 / rate;
        envelope.reference().speech.iter().map(|it| (ms(it.start), ms(it.end))).collect()
    }

    #[test]
    fn gaps_are_filled_and_clicks_dropped() {
        let parts = [
            (10.0, 50),
            (9e3, 20),
            (10.0, 14),
            (9e3, 10),
            (10.0, 15),
            (9e3, 5),
            (10.0, 50),
            (9e3, 4),
            (10.0, 50),
        ];
        for rate in [8_000, 16_000, 44_100] {
            let speech = milliseconds(&envelope(rate, &parts));
            assert_eq!(speech, [(500, 940), (1_090, 1_140)], "{rate} Hz");
        }
    }

    #[test]
    fn steady_noise_and_silence_are_no_speech() {
        assert_eq!(milliseconds(&envelope(16_000, &[(3e3, 300)])), []);
        assert_eq!(milliseconds(&envelope(16_000, &[(0.0, 300)])), []);
        assert_eq!(milliseconds(&envelope(16_000, &[])), []);
    }

    #[test]
    fn the_reference_does_not_depend_on_how_long_nobody_speaks() {
        for pause in [10, 1_000, 10_000] {
            let parts = [(10.0, pause), (9e3, 30), (300.0, 20), (10.0, pause)];
            let begin = pause as u64 * 10;
            let speech = milliseconds(&envelope(8_000, &parts));
            assert_eq!(speech, [(begin, begin + 500)], "{pause} units");
        }
    }

    #[test]
    fn speech_in_noise_is_told_from_it_by_less_than_35_decibels() {
        let noisy = envelope(16_000, &[(500.0, 100), (5e3, 30), (500.0, 100)]);
        assert_eq!(milliseconds(&noisy), [(1_000, 1_300)]);
        assert!(noisy.reference().is_noisy);
        assert!(!envelope(16_000, &[(3.0, 100), (5e3, 30)]).reference().is_noisy);
    }

    #[test]
    fn the_loudest_channel_decides() {
        let mut envelope = Envelope::new(AudioFormat::new("linear16", 8_000, 2).unwrap());
        envelope.add(&[0, 0, 0, 0x40].repeat(80));
        let [unit] = envelope.within(&(0..80)) else { panic!("80 blocks are 10 ms") };
        assert!((unit.level + 6.02).abs() < 0.01 && (unit.peak + 6.02).abs() < 0.01, "{unit:?}");
    }
}
