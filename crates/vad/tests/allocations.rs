//! A message costs no allocation, and a session's detector holds little.
//!
//! A binary of its own, since counting needs an allocator of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::hint::black_box;

use session::audio::AudioFormat;
use vad::Vad;

const FORMATS: [(&str, u32, u32); 8] = [
    ("linear16", 16_000, 1),
    ("linear16", 16_000, 2),
    ("mulaw", 8_000, 1),
    ("alaw", 8_000, 2),
    ("linear16", 11_025, 1),
    ("linear16", 24_000, 1),
    ("linear16", 44_100, 8),
    ("linear16", 48_000, 1),
];

/// Lengths of messages, in bytes: odd ones, usual ones, a large one.
const LENGTHS: [usize; 7] = [1, 7, 160, 640, 3_200, 50_001, 1 << 20];

fn format((encoding, sample_rate, channels): (&str, u32, u32)) -> AudioFormat {
    AudioFormat::new(encoding, sample_rate, channels).unwrap()
}

#[test]
fn a_message_allocates_nothing() {
    let audio: Vec<_> = (0..1 << 20).map(|at: u64| ((at * at) >> 7) as u8).collect();
    for of in FORMATS {
        let mut vad = Vad::new(format(of), 0.55);
        let counted = allocation_counter::measure(|| {
            for length in LENGTHS {
                black_box(vad.hear(&audio[..length]));
            }
        });
        assert_eq!(counted.count_total, 0, "{of:?}");
    }
}

/// What a session holds: the value itself and what it has on the heap.
fn bytes_held(of: (&str, u32, u32)) -> u64 {
    let mut held = None;
    let counted = allocation_counter::measure(|| held = Some(Vad::new(format(of), 0.55)));
    size_of_val(&held) as u64 + u64::try_from(counted.bytes_current).unwrap()
}

/// The detector has 7,916 B, and the frame that is being filled 512.
#[test]
fn a_session_at_16_khz_holds_no_more_than_the_detector_and_a_frame() {
    let bytes = bytes_held(("linear16", 16_000, 1));
    assert!(bytes <= 7_916 + 512 + 160, "{bytes} B");
}

#[test]
fn what_a_session_holds_is_bounded() {
    for of in FORMATS {
        let channels = u64::from(of.2);
        let bytes = bytes_held(of);
        println!("{of:?}: {bytes} B");
        assert!(bytes <= 6_144 + channels * 15_360, "{of:?}: {bytes} B");
    }
}
