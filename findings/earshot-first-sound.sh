#!/bin/sh
# earshot 1.2.2, a speech detector: whether it takes a ringing tone for speech depends on whether that
# is the first thing it hears.
#
# 2 s of the North American ring-back tone (440 and 480 Hz) score over the usual 0.5 in no frame if they
# are a new detector's first audio, and in every frame if a second of digital silence came before.
# Detector::default() has zeros for a past, which one would take for the same thing. So a recording that
# is cut to begin with the tone is judged unlike the same call from the start, and a test that feeds a
# fresh detector a sample of noise or tone shows nothing about a live stream. Let it hear a second of
# silence first; and do not reset() it in mid-stream, which makes it new again.
#
# Needs cargo. Exits with 0 while this is so, and with 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "first-sound"
version = "0.0.0"
edition = "2024"

[dependencies]
earshot = "=1.2.2"
TOML
cat > src/main.rs <<'RUST'
use std::f64::consts::TAU;

const FRAME: usize = 256;
const RATE: f64 = 16_000.0;

/// Frames over 0.5 among the 125 of the tone, after so many frames of silence.
fn over(silence: usize, is_reset: bool) -> usize {
    let mut detector = Box::new(earshot::Detector::default());
    for _ in 0..silence {
        detector.predict_i16(&[0; FRAME]);
    }
    if is_reset {
        detector.reset();
    }
    let tone = |sample: usize| {
        let at = sample as f64 / RATE;
        ((TAU * 440.0 * at).sin() + (TAU * 480.0 * at).sin()) * 0.1 * f64::from(i16::MAX)
    };
    let frames = 2 * RATE as usize / FRAME;
    let scores = (0..frames).map(|frame| {
        let samples: Vec<i16> = (0..FRAME).map(|it| tone(frame * FRAME + it) as i16).collect();
        detector.predict_i16(&samples)
    });
    scores.filter(|score| *score > 0.5).count()
}

fn main() {
    println!("at once: {} of 125", over(0, false));
    println!("after a second of silence: {} of 125", over(62, false));
    println!("after a second of silence and a reset: {} of 125", over(62, true));
}
RUST
cargo run --quiet --release > output
cat output
expected='at once: 0 of 125
after a second of silence: 125 of 125
after a second of silence and a reset: 0 of 125'
[ "$(cat output)" = "$expected" ] || { echo "changed"; exit 1; }
echo "still so: the first sound is judged differently"
