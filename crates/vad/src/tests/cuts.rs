//! Where a stream is cut into messages makes no difference, and positions are exact.

use std::cell::Cell;

use proptest::prelude::*;
use session::gate::Heard;

use super::audio::{THRESHOLD, encode, format, linear16, padded_recording, recording};
use crate::{Detector, FRAME_SAMPLES, Score, Vad};

/// Speech where a frame holds the mark.
struct Marked;

impl Detector for Marked {
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        if mono16k.contains(&MARK) { 1.0 } else { 0.0 }
    }
}

const MARK: i16 = 12_345;

fn marked(channels: u32) -> Vad<Marked> {
    Vad::with_detectors(format("linear16", 16_000, channels), THRESHOLD, |_| Marked)
}

/// So many samples, with marks at these.
fn samples(length: usize, marks: &[usize]) -> Vec<u8> {
    let mut samples = vec![0_i16; length];
    for mark in marks {
        samples[*mark] = MARK;
    }
    samples.iter().flat_map(|it| it.to_le_bytes()).collect()
}

#[test]
fn nothing_is_heard_until_a_frame_ends() {
    let mut vad = marked(1);
    assert_eq!(vad.hear(&samples(255, &[3])), Heard::Nothing);
    assert_eq!(vad.hear(&[]), Heard::Nothing);
    assert_eq!(vad.hear(&samples(1, &[])), Heard::Speech { since: 0 });
    assert_eq!(vad.hear(&samples(255, &[])), Heard::Nothing);
    assert_eq!(vad.hear(&samples(1, &[])), Heard::Silence);
}

#[test]
fn since_is_counted_from_the_end_of_the_last_frame_of_speech() {
    let heard = |length, marks: &[usize]| marked(1).hear(&samples(length, marks));
    assert_eq!(heard(256, &[255]), Heard::Speech { since: 0 });
    assert_eq!(heard(300, &[0]), Heard::Speech { since: 44 });
    assert_eq!(heard(512, &[0]), Heard::Speech { since: 256 });
    assert_eq!(heard(80_000, &[0, 40_000]), Heard::Speech { since: 80_000 - 157 * 256 });
    assert_eq!(heard(300, &[256]), Heard::Silence, "the frame has not ended");
}

#[test]
fn since_counts_blocks_of_all_channels() {
    let mut vad = marked(2);
    assert_eq!(vad.hear(&samples(2 * 300, &[1])), Heard::Speech { since: 44 });
}

#[test]
fn a_begun_block_is_not_counted() {
    let mut vad = marked(2);
    let audio = samples(2 * 300, &[1]);
    assert_eq!(vad.hear(&audio[..4 * 256 + 3]), Heard::Speech { since: 0 });
    assert_eq!(vad.hear(&audio[4 * 256 + 3..]), Heard::Nothing);
    assert_eq!(vad.hear(&samples(2 * 212, &[])), Heard::Silence);
}

#[test]
fn frames_end_at_the_applications_rate() {
    for rate in [8_000, 8_001, 11_025, 22_050, 24_000, 44_100, 47_999, 48_000] {
        let format = format("mulaw", rate, 3);
        let mut vad = Vad::with_detectors(format, THRESHOLD, |_| Marked);
        let mut ends = vec![0];
        let audio = vec![0xff; 3 * 10 * rate as usize];
        assert_eq!(vad.hear_with(&audio, |Score { end, .. }| ends.push(end)), Heard::Silence);
        let frame = 0.016 * f64::from(rate);
        for (at, end) in ends.iter().enumerate().skip(1) {
            let ahead = *end as f64 - frame * at as f64;
            assert!((0.0..=17.0).contains(&ahead), "{rate} Hz: frame {at} ends {ahead} late");
        }
        let gaps = ends[1..].windows(2).map(|it| it[1] - it[0]);
        assert!(gaps.clone().all(|it| it >= frame as u64 && it <= frame as u64 + 1), "{rate}");
        assert!(ends.len() >= 624, "{rate} Hz: {} frames in 10 s", ends.len());
    }
}

#[test]
fn the_loudest_samples_are_not_wrapped_around() {
    for rate in [8_000, 44_100] {
        let spike = Cell::new(0);
        let square = [[0xff, 0x7f].repeat(40), [0x00, 0x80].repeat(40)].concat().repeat(50);
        let format = format("linear16", rate, 1);
        Vad::with_detectors(format, THRESHOLD, |_| Spikes(&spike)).hear(&square);
        assert!(spike.get() < 40_000, "{rate} Hz: a spike of {}", spike.get());
    }
}

/// How far a sample lies from both of its neighbours, at most.
struct Spikes<'a>(&'a Cell<i32>);

impl Detector for Spikes<'_> {
    fn push(&mut self, mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        for three in mono16k.windows(3) {
            let [before, it, after] = [three[0], three[1], three[2]].map(i32::from);
            self.0.set((it - before).abs().min((it - after).abs()).max(self.0.get()));
        }
        0.0
    }
}

/// Lengths of messages: single bytes, usual ones, and up to 5 s of 16 kHz.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![1..=9_usize, 1..=4_000_usize, 1..=160_000_usize];
    proptest::collection::vec(length, 1..60)
}

/// Cuts audio into messages of these lengths, over and over.
fn cut<'a>(mut audio: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut messages = Vec::new();
    for length in lengths.iter().cycle() {
        if audio.is_empty() {
            break;
        }
        let (message, rest) = audio.split_at((*length).min(audio.len()));
        messages.push(message);
        audio = rest;
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_cut_gives_the_same_scores(
        lengths in lengths(),
        (encoding, rate, channels) in prop_oneof![
            Just(("linear16", 16_000, 1)),
            Just(("linear16", 16_000, 2)),
            Just(("mulaw", 8_000, 1)),
            Just(("alaw", 11_025, 3)),
            Just(("linear16", 44_100, 1)),
            Just(("linear16", 48_000, 2)),
        ],
    ) {
        let format = format(encoding, rate, channels);
        let mut audio = encode(&recording(), format);
        audio.truncate(audio.len() - 1);
        let mut whole = Vec::new();
        Vad::new(format, THRESHOLD).hear_with(&audio, |score| whole.push(score));
        let mut in_parts = Vec::new();
        let mut vad = Vad::new(format, THRESHOLD);
        for message in cut(&audio, &lengths) {
            vad.hear_with(message, |score| in_parts.push(score));
        }
        prop_assert_eq!(whole, in_parts);
    }

    /// What a message is said to hold follows from the scores of the frames that end in it.
    #[test]
    fn what_is_heard_follows_from_the_scores(lengths in lengths()) {
        let audio = encode(&padded_recording(), linear16());
        let mut vad = Vad::new(linear16(), THRESHOLD);
        let mut received = 0;
        for message in cut(&audio, &lengths) {
            let mut scores = Vec::new();
            let heard = vad.hear_with(message, |score| scores.push(score));
            received += message.len() as u64;
            let speech = scores.iter().rfind(|it| it.score > THRESHOLD);
            let expected = match (speech, scores.len()) {
                (Some(it), _) => Heard::Speech { since: received / 2 - it.end },
                (None, 0) => Heard::Nothing,
                (None, _) => Heard::Silence,
            };
            prop_assert_eq!(heard, expected);
        }
    }
}
