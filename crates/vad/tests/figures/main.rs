//! How well speech is heard in recordings, and what the gate makes of it: an hour of audio in each condition.
//!
//! `make vad-figures` fetches the recordings, and prints and checks the figures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod material;
mod measure;

use material::{Material, Recordings, SAMPLE_RATE};
use measure::{Figures, heard};
use session::audio::AudioFormat;

/// Speech lost of 1,000.
const LOST_MAX: f64 = 0.3;

/// What is done to the speech, and what must come of it.
struct Condition {
    name: &'static str,
    make: fn(&Recordings, &Material) -> Vec<u8>,
    format: (&'static str, u32),
    /// Frames without speech that are taken for it; how much less than with an ideal detector is saved.
    false_max: f64,
    unsaved_max: f64,
}

const CONDITIONS: [Condition; 7] = [
    Condition {
        name: "clean",
        make: |_, it| material::linear16(&it.samples),
        format: ("linear16", 16_000),
        false_max: 0.02,
        unsaved_max: 0.02,
    },
    Condition {
        name: "30 dB quieter",
        make: |_, it| material::linear16(&material::louder(&it.samples, -30.0)),
        format: ("linear16", 16_000),
        false_max: 0.02,
        unsaved_max: 0.02,
    },
    Condition {
        name: "pink 10 dB",
        make: |_, it| material::linear16(&it.with_noise(&material::pink(it.samples.len()), 10.0)),
        format: ("linear16", 16_000),
        false_max: 0.04,
        unsaved_max: 0.03,
    },
    Condition {
        name: "pink 5 dB",
        make: |_, it| material::linear16(&it.with_noise(&material::pink(it.samples.len()), 5.0)),
        format: ("linear16", 16_000),
        false_max: 0.04,
        unsaved_max: 0.05,
    },
    Condition {
        name: "music 10 dB",
        make: |all, it| material::linear16(&it.with_noise(&all.music, 10.0)),
        format: ("linear16", 16_000),
        false_max: 1.0,
        unsaved_max: 1.0,
    },
    Condition {
        name: "8 kHz mulaw",
        make: |_, it| material::mulaw(&material::resampled(&it.samples, 1, 2)),
        format: ("mulaw", 8_000),
        false_max: 0.02,
        unsaved_max: 0.02,
    },
    Condition {
        name: "48 kHz",
        make: |_, it| material::linear16(&material::resampled(&it.samples, 3, 1)),
        format: ("linear16", 48_000),
        false_max: 0.02,
        unsaved_max: 0.02,
    },
];

#[test]
#[ignore = "needs recordings, which `make vad-figures` fetches"]
fn speech_is_heard_as_measured() {
    let recordings = Recordings::read();
    let material = recordings.conversation();
    let ideal = measure::ideal(&material);
    println!(
        "{:.0} s, of which an ideal detector saves {:.1} %",
        material.seconds(),
        ideal * 100.0
    );
    println!("{:14} recall  false  onset median, p90  lost/1000  saved", "");
    for condition in &CONDITIONS {
        judge(condition, &recordings, &material, ideal);
    }
}

fn judge(of: &Condition, recordings: &Recordings, material: &Material, ideal: f64) {
    let format = AudioFormat::new(of.format.0, of.format.1, 1).unwrap();
    let audio = (of.make)(recordings, material);
    let figures = Figures::of(material, &heard(&audio, format));
    println!("{:14} {figures}", of.name);
    assert!(figures.recall > 0.93, "{}: recall {}", of.name, figures.recall);
    assert!(figures.false_rate < of.false_max, "{}: {} false", of.name, figures.false_rate);
    assert!(figures.lost < LOST_MAX, "{}: {} lost", of.name, figures.lost);
    let unsaved = ideal - figures.saved;
    assert!(unsaved <= of.unsaved_max, "{}: {unsaved} less saved than possible", of.name);
    assert!(figures.onset_median < 0.080, "{}: onset after {} s", of.name, figures.onset_median);
    assert!(figures.onset_p90 < 0.250, "{}: onset after {} s", of.name, figures.onset_p90);
}

#[test]
#[ignore = "needs recordings, which `make vad-figures` fetches"]
fn keys_are_not_heard_and_music_is() {
    let recordings = Recordings::read();
    let format = AudioFormat::new("linear16", SAMPLE_RATE, 1).unwrap();
    let share = |name: &str, samples: &[i16]| {
        let heard = heard(&material::linear16(samples), format);
        let over = heard.frames.iter().filter(|it| it.is_speech).count();
        let share = over as f64 / heard.frames.len() as f64;
        let open = heard.sent.iter().filter(|it| **it).count() as f64 / heard.sent.len() as f64;
        println!("{name:14} {:5.1} % of frames, gate open {:5.1} %", share * 100.0, open * 100.0);
        share
    };
    assert!(share("keys", &recordings.keys) < 0.005);
    share("desktop sounds", &recordings.desktop);
    share("music", &recordings.music);
}
