//! Conversations from recordings, and what is done to them.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use audio_codec_algorithms::encode_ulaw;

pub(crate) const SAMPLE_RATE: u32 = 16_000;

/// Samples that are labelled as one: 10 ms.
pub(crate) const UNIT: usize = 160;

/// Where the recordings are, from the crate.
const DIRECTORY: &str = "../../.tools/speech";

/// How much there is of each condition, in samples: an hour.
const LENGTH: usize = 3_600 * SAMPLE_RATE as usize;

pub(crate) struct Recordings {
    /// Utterances, by turns of the languages.
    utterances: Vec<Vec<i16>>,
    pub(crate) music: Vec<i16>,
    pub(crate) keys: Vec<i16>,
    pub(crate) desktop: Vec<i16>,
}

/// Audio, and in which units of it someone speaks.
pub(crate) struct Material {
    pub(crate) samples: Vec<i16>,
    pub(crate) speech: Vec<bool>,
}

impl Recordings {
    pub(crate) fn read() -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIRECTORY);
        let mut languages: Vec<_> =
            entries(&directory.join("speech")).iter().map(|it| read_all(it).into_iter()).collect();
        let mut utterances = Vec::new();
        while let Some(turn) = languages.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>()
        {
            utterances.extend(turn);
        }
        let mut random = Random(3);
        let mut keys = vec![0; 600 * SAMPLE_RATE as usize];
        let clicks = read_all(&directory.join("keys"));
        let mut at = 0;
        while at + 2 * (SAMPLE_RATE as usize) < keys.len() {
            let click = &clicks[random.below(clicks.len())];
            for (to, from) in keys[at..].iter_mut().zip(click) {
                *to = from.saturating_add(*to);
            }
            at += UNIT * (5 + random.below(40));
        }
        let spaced = |name| {
            let sounds = read_all(&directory.join(name));
            sounds.join(&[0; SAMPLE_RATE as usize][..])
        };
        Self { utterances, music: spaced("music"), keys, desktop: spaced("desktop") }
    }

    /// An hour: utterances with pauses of 0.3 to 14 s between them, over the noise of a quiet room.
    pub(crate) fn conversation(&self) -> Material {
        let mut random = Random(1);
        let (mut samples, mut speech) = (Vec::new(), Vec::new());
        for utterance in self.utterances.iter().cycle() {
            let units = if random.below(100) < 55 {
                30 + random.below(170)
            } else {
                200 + random.below(1_200)
            };
            speech.resize(speech.len() + units, false);
            speech.extend(labels(utterance));
            samples.resize(samples.len() + units * UNIT, 0);
            samples.extend(&utterance[..utterance.len() / UNIT * UNIT]);
            if samples.len() >= LENGTH {
                break;
            }
        }
        smooth(&mut speech);
        let room = at_level(&pink(samples.len()), -70.0);
        let samples = samples.iter().zip(room).map(|(it, room)| it.saturating_add(room)).collect();
        Material { samples, speech }
    }
}

impl Material {
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }

    /// With noise that is so many decibels quieter than the speech, pauses apart.
    pub(crate) fn with_noise(&self, noise: &[i16], decibels: f64) -> Vec<i16> {
        let units = self.samples.chunks(UNIT).zip(&self.speech);
        let spoken: Vec<_> = units.filter(|it| *it.1).flat_map(|it| it.0).copied().collect();
        let noise = at_level(noise, level(&spoken) - decibels);
        let noise = noise.iter().cycle();
        self.samples.iter().zip(noise).map(|(it, noise)| it.saturating_add(*noise)).collect()
    }
}

/// Where an utterance is louder than its 95th percentile less 35 dB.
fn labels(samples: &[i16]) -> Vec<bool> {
    let levels: Vec<_> = samples.chunks_exact(UNIT).map(level).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let threshold = sorted[sorted.len() * 95 / 100] - 35.0;
    levels.iter().map(|it| *it > threshold).collect()
}

/// Fills gaps of less than 150 ms, then drops runs of less than 50 ms.
fn smooth(speech: &mut [bool]) {
    for (of, length) in [(false, 15), (true, 5)] {
        let mut start = 0;
        for run in speech.chunk_by_mut(|one, other| one == other) {
            let is_inside = start > 0;
            start += run.len();
            if is_inside && run[0] == of && run.len() < length {
                run.fill(!of);
            }
        }
    }
}

/// The root mean square, in decibels below full scale.
fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|it| f64::from(*it).powi(2)).sum();
    10.0 * (energy / samples.len() as f64 / 32_768_f64.powi(2) + 1e-20).log10()
}

fn at_level(samples: &[i16], decibels: f64) -> Vec<i16> {
    louder(samples, decibels - level(samples))
}

pub(crate) fn louder(samples: &[i16], decibels: f64) -> Vec<i16> {
    let factor = 10_f64.powf(decibels / 20.0);
    samples.iter().map(|it| (f64::from(*it) * factor).round() as i16).collect()
}

/// Pink noise: low passes, an octave or two apart.
pub(crate) fn pink(length: usize) -> Vec<i16> {
    let mut random = Random(2);
    let poles = [(0.997_65, 42.0), (0.963, 8.0), (0.57, 2.4)];
    let mut passed = [0.0; 3];
    let mut next = || {
        let white = random.below(1 << 20) as f64 / f64::from(1 << 19) - 1.0;
        for (it, (pole, _)) in passed.iter_mut().zip(poles) {
            *it = *it * pole + white * (1.0 - pole);
        }
        passed.iter().zip(poles).map(|(it, (_, share))| it * share).sum::<f64>() * 3_000.0
    };
    (0..length).map(|_| next() as i16).collect()
}

pub(crate) fn linear16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|it| it.to_le_bytes()).collect()
}

pub(crate) fn mulaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|it| encode_ulaw(*it)).collect()
}

/// `up` samples out for `down` in, by a windowed sine.
pub(crate) fn resampled(samples: &[i16], up: usize, down: usize) -> Vec<i16> {
    let half = 16 * up.max(down);
    let cutoff = 0.95 / up.max(down) as f64;
    let weight = |at: usize| {
        let distance = at as f64 - half as f64;
        let window = (PI * distance / (2 * half) as f64).cos().powi(2);
        let x = PI * distance * cutoff;
        cutoff * up as f64 * window * if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    let weights: Vec<_> = (0..=2 * half).map(weight).collect();
    let sample = |at: usize| {
        let at = at * down;
        let first = at.saturating_sub(half).div_ceil(up);
        let last = ((at + half) / up).min(samples.len() - 1);
        let near = first..=last;
        near.map(|it| f64::from(samples[it]) * weights[at + half - it * up]).sum::<f64>().round()
            as i16
    };
    (0..samples.len() * up / down).map(sample).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("`make vad-figures` fetches the recordings");
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths
}

fn read_all(directory: &Path) -> Vec<Vec<i16>> {
    let samples = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.as_chunks().0.iter().map(|it| i16::from_le_bytes(*it)).collect()
    };
    entries(directory).iter().map(samples).collect()
}

/// The same numbers each time, by xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
