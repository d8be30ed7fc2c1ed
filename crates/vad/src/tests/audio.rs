//! Audio for the tests: the recording, and what is made of it.

use std::f64::consts::PI;

use audio_codec_algorithms::{encode_alaw, encode_ulaw};
use session::audio::{AudioFormat, Encoding};

use crate::{Score, Vad};

pub(super) const RATE: u32 = 16_000;

/// The default of the configuration.
pub(super) const THRESHOLD: f32 = 0.55;

/// 2.99 s, of which speech is 0.26 to 2.80 s: 16 kHz, mono.
const RECORDING: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
));

pub(super) fn format(encoding: &str, sample_rate: u32, channels: u32) -> AudioFormat {
    AudioFormat::new(encoding, sample_rate, channels).unwrap()
}

pub(super) fn linear16() -> AudioFormat {
    format("linear16", RATE, 1)
}

/// Zeros, for so many milliseconds.
pub(super) fn silence(millis: u32) -> Vec<i16> {
    vec![0; (RATE / 1_000 * millis) as usize]
}

pub(super) fn recording() -> Vec<i16> {
    let reader = hound::WavReader::new(RECORDING).unwrap();
    reader.into_samples().collect::<Result<_, _>>().unwrap()
}

/// A second of silence, the recording, and six seconds of silence.
pub(super) fn padded_recording() -> Vec<i16> {
    [silence(1_000), recording(), silence(6_000)].concat()
}

/// Encodes samples that are at 16 kHz, the same in every channel.
pub(super) fn encode(samples: &[i16], format: AudioFormat) -> Vec<u8> {
    let samples = resampled(samples, RATE, format.sample_rate);
    let channels = vec![samples; format.channels as usize];
    interleave(&channels, format.encoding)
}

pub(super) fn interleave(channels: &[Vec<i16>], encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in 0..channels[0].len() {
        for channel in channels {
            match encoding {
                Encoding::Linear16 => bytes.extend(channel[at].to_le_bytes()),
                Encoding::Mulaw => bytes.push(encode_ulaw(channel[at])),
                Encoding::Alaw => bytes.push(encode_alaw(channel[at])),
                Encoding::Linear32 => unreachable!("no VAD hears it"),
            }
        }
    }
    bytes
}

/// Resampled by the book, a windowed sine for each sample, so that the library does not judge itself.
pub(super) fn resampled(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    const TAPS: i64 = 24;
    if from == to {
        return samples.to_vec();
    }
    let ratio = f64::from(to) / f64::from(from);
    let cutoff = ratio.min(1.0) * 0.95;
    let length = (samples.len() as f64 * ratio) as i64;
    let weight = |distance: f64| {
        let window = (PI * distance / (2 * TAPS) as f64).cos().powi(2);
        let x = PI * distance * cutoff;
        cutoff * window * if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    let sample = |at: i64| usize::try_from(at).ok().and_then(|at| samples.get(at)).copied();
    let interpolated = |at: i64| {
        let position = at as f64 / ratio;
        let centre = position as i64;
        let near = centre - TAPS + 1..centre + TAPS;
        near.map(|it| f64::from(sample(it).unwrap_or(0)) * weight(position - it as f64))
            .sum::<f64>()
    };
    (0..length).map(|at| interpolated(at) as i16).collect()
}

/// The scores of all frames, with their ends in seconds.
pub(super) fn scores(audio: &[u8], format: AudioFormat) -> Vec<(f64, f32)> {
    let mut scores = Vec::new();
    let each =
        |Score { end, score }| scores.push((end as f64 / f64::from(format.sample_rate), score));
    Vad::new(format, THRESHOLD).hear_with(audio, each);
    scores
}
