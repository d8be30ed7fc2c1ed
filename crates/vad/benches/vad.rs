//! CPU per second of audio, by format: decoding, resampling and the detector.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::hint::black_box;

use criterion::Criterion;
use session::audio::AudioFormat;
use session::gate::Heard;
use vad::{Detector, FRAME_SAMPLES, Vad};

const FORMATS: [(&str, u32, u32); 8] = [
    ("linear16", 16_000, 1),
    ("linear16", 16_000, 2),
    ("mulaw", 8_000, 1),
    ("alaw", 8_000, 1),
    ("linear16", 8_000, 1),
    ("linear16", 24_000, 1),
    ("linear16", 44_100, 1),
    ("linear16", 48_000, 1),
];

/// Hears nothing: what is measured with it is the conversion.
struct Deaf;

impl Detector for Deaf {
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        black_box(mono16k);
        0.0
    }
}

/// A second of audio in messages of 20 ms.
fn second(criterion: &mut Criterion, format: AudioFormat) {
    let AudioFormat { encoding, sample_rate, channels, .. } = format;
    let name = format!("{} {sample_rate} Hz, {channels} ch", encoding.as_str());
    let mut group = criterion.benchmark_group(name);
    let audio: Vec<_> = (0..format.bytes_per_second()).map(|at| ((at * at) >> 7) as u8).collect();
    let messages: Vec<_> = audio.chunks(audio.len() / 50).collect();
    let mut vad = Vad::new(format, 0.55);
    let mut deaf = Vad::with_detectors(format, 0.55, |_| Deaf);
    group.bench_function("all", |bencher| {
        bencher.iter(|| {
            messages.iter().filter(|it| vad.hear(black_box(it)) == Heard::Silence).count()
        });
    });
    group.bench_function("conversion", |bencher| {
        bencher.iter(|| {
            messages.iter().filter(|it| deaf.hear(black_box(it)) == Heard::Silence).count()
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (encoding, sample_rate, channels) in FORMATS {
        second(&mut criterion, AudioFormat::new(encoding, sample_rate, channels).unwrap());
    }
    criterion.final_summary();
}
