//! What is not speech and must not open the gate. Made here: recordings of it have licences.
//!
//! The levels are those of a microphone that someone speaks into at -25 dBFS. What is as loud as speech
//! may be taken for it, like music, ringing and DTMF. That costs money and no words.

use std::f64::consts::TAU;

use session::audio::AudioFormat;

use super::audio::{RATE, THRESHOLD, encode, format, interleave, linear16, scores, silence};

const SECONDS: usize = 10;

/// Noise without end, the same each time: from -1 to 1, by xorshift.
struct White(u64);

impl Iterator for White {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Some((self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
    }
}

fn white() -> impl Iterator<Item = f64> {
    White(0x9e37_79b9_7f4a_7c15).take(SECONDS * RATE as usize)
}

fn seconds() -> impl Iterator<Item = f64> {
    (0..SECONDS * RATE as usize).map(|at| at as f64 / f64::from(RATE))
}

/// What passes the pole of a low pass: the higher, the darker.
fn darkened(noise: impl Iterator<Item = f64>, pole: f64) -> impl Iterator<Item = f64> {
    noise.scan(0.0, move |last, it| {
        *last = *last * pole + it * (1.0 - pole);
        Some(*last)
    })
}

/// At this level: the root mean square, below full scale.
fn at_level(noise: impl Iterator<Item = f64>, decibels: f64) -> Vec<i16> {
    let noise: Vec<_> = noise.collect();
    let rms = (noise.iter().map(|it| it * it).sum::<f64>() / noise.len() as f64).sqrt();
    let factor = 32_767.0 * 10_f64.powf(decibels / 20.0) / rms;
    noise.iter().map(|it| (it * factor) as i16).collect()
}

/// Five keys a second, each a burst of 4 ms as it goes down and a softer one as it comes up.
fn keyboard() -> impl Iterator<Item = f64> {
    white().zip(seconds()).map(|(noise, at)| {
        let beat = at % 0.2;
        let click = |since: f64| if since < 0.0 { 0.0 } else { (-since / 0.004).exp() };
        noise * (click(beat) + 0.4 * click(beat - 0.09))
    })
}

/// The mains with its first harmonics.
fn hum(frequency: f64) -> impl Iterator<Item = f64> {
    let harmonics = [(1.0, 1.0), (2.0, 0.5), (3.0, 0.3), (5.0, 0.1)];
    let wave =
        move |at: f64, (order, share): (f64, f64)| share * (TAU * frequency * order * at).sin();
    seconds().map(move |at| harmonics.iter().map(|it| wave(at, *it)).sum())
}

/// In for 1.5 s and out for 2 s, with a rest behind.
fn breath() -> impl Iterator<Item = f64> {
    let swell = |at: f64| match at % 5.0 {
        at if at < 1.5 => (TAU * at / 3.0).sin().powi(2),
        at if (1.8..3.8).contains(&at) => 0.6 * (TAU * (at - 1.8) / 4.0).sin().powi(2),
        _ => 0.0,
    };
    darkened(white(), 0.5).zip(seconds()).map(move |(noise, at)| noise * swell(at))
}

/// Pink: a sum of low passes, an octave or two apart.
fn pink() -> impl Iterator<Item = f64> {
    let poles = [(0.997_65, 42.0), (0.963, 8.0), (0.57, 2.4)];
    let mut passed = [0.0; 3];
    white().map(move |noise| {
        for (it, (pole, _)) in passed.iter_mut().zip(poles) {
            *it = *it * pole + noise * (1.0 - pole);
        }
        passed.iter().zip(poles).map(|(it, (_, share))| it * share).sum()
    })
}

/// Frames that are taken for speech, of 1,000; behind a second of silence, since the first sound of all
/// is judged differently.
fn heard_of_1000(noise: &[i16], format: AudioFormat) -> usize {
    let primed = [silence(1_000), noise.to_vec()].concat();
    let scores = scores(&encode(&primed, format), format);
    scores.iter().filter(|it| it.1 > THRESHOLD).count() * 1_000 / scores.len()
}

#[track_caller]
fn is_not_heard(what: &str, noise: &[i16]) {
    for format in [linear16(), format("mulaw", 8_000, 1), format("linear16", 48_000, 1)] {
        assert_eq!(heard_of_1000(noise, format), 0, "{what}, {format:?}");
    }
}

#[test]
fn digital_silence_is_not_heard() {
    is_not_heard("digital silence", &silence(10_000));
}

#[test]
fn keys_are_not_heard() {
    is_not_heard("keyboard", &at_level(keyboard(), -45.0));
}

#[test]
fn the_mains_are_not_heard() {
    is_not_heard("hum of 50 Hz", &at_level(hum(50.0), -45.0));
    is_not_heard("hum of 60 Hz", &at_level(hum(60.0), -45.0));
}

#[test]
fn breath_is_not_heard() {
    is_not_heard("breath", &at_level(breath(), -50.0));
}

#[test]
fn a_quiet_room_is_not_heard() {
    is_not_heard("room tone", &at_level(darkened(white(), 0.9), -60.0));
}

#[test]
fn dark_noise_is_not_heard() {
    is_not_heard("pink noise", &at_level(pink(), -45.0));
    is_not_heard("brown noise", &at_level(darkened(white(), 0.995), -30.0));
}

/// No promise: it is what the documentation says of the detector's limits.
#[test]
fn what_is_as_loud_as_speech_may_be_heard() {
    let heard = |noise: Vec<i16>| heard_of_1000(&noise, linear16());
    assert!(heard(at_level(hum(50.0), -20.0)) > 500, "hum");
    assert!(heard(at_level(breath(), -20.0)) > 50, "breath");
}

/// Without a filter, what lies above 8 kHz is folded into the voice's band: most of it is then taken for
/// speech at 32 kHz.
#[test]
fn hiss_above_the_voice_is_not_heard() {
    for rate in [32_000, 44_100, 48_000] {
        let mut before = [0.0; 6];
        let hiss = white().map(|noise| {
            before.iter_mut().fold(noise, |it, last| it - std::mem::replace(last, it))
        });
        assert_eq!(heard_at(rate, &at_level(hiss, -15.0)), 0, "{rate} Hz");
    }
}

/// With a steep filter, nearly all of it is taken for speech: it has the voice's band alone.
#[test]
fn white_noise_from_a_telephone_is_not_heard() {
    let heard = heard_at(8_000, &at_level(white(), -25.0));
    assert!(heard < 20, "{heard} of 1,000");
}

/// Frames that are taken for speech, of 1,000, in samples of this rate.
fn heard_at(rate: u32, samples: &[i16]) -> usize {
    let format = format("linear16", rate, 1);
    let scores = scores(&interleave(&[samples.to_vec()], format.encoding), format);
    scores.iter().filter(|it| it.1 > THRESHOLD).count() * 1_000 / scores.len()
}
