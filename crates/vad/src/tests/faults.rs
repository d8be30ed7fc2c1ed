//! A detector that fails is never asked again.

use session::gate::Heard;

use super::audio::{THRESHOLD, format, linear16};
use crate::{Detector, FRAME_SAMPLES, Vad};

/// Gives these scores in turn; behind the last one it panics.
struct Script<'a> {
    scores: std::slice::Iter<'a, f32>,
    calls: &'a std::cell::Cell<u32>,
}

impl Detector for Script<'_> {
    fn push(&mut self, _mono16k: &[i16; FRAME_SAMPLES]) -> f32 {
        self.calls.set(self.calls.get() + 1);
        *self.scores.next().expect("the script has ended")
    }
}

const FRAME: [u8; 512] = [0; 512];

#[track_caller]
fn fails_after_one_frame(scores: &[f32]) {
    let calls = std::cell::Cell::new(0);
    let script = |_| Script { scores: scores.iter(), calls: &calls };
    let mut vad = Vad::with_detectors(linear16(), THRESHOLD, script);
    assert_eq!(vad.hear(&FRAME), Heard::Speech { since: 0 });
    assert_eq!(vad.hear(&FRAME), Heard::Fault);
    assert_eq!(calls.get(), 2);
    for _ in 0..3 {
        assert_eq!(vad.hear(&FRAME), Heard::Fault);
        assert_eq!(vad.hear(&[]), Heard::Fault);
    }
    assert_eq!(calls.get(), 2, "asked again");
}

#[test]
fn what_is_no_score_is_a_fault() {
    for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 7.0, 1.001, -1.0] {
        fails_after_one_frame(&[0.9, score, 0.9]);
    }
}

#[test]
fn a_panic_is_a_fault() {
    fails_after_one_frame(&[0.9]);
}

#[test]
fn the_ends_of_the_scale_are_scores() {
    let calls = std::cell::Cell::new(0);
    let script = |_| Script { scores: [0.0, 1.0, -0.0].iter(), calls: &calls };
    let mut vad = Vad::with_detectors(linear16(), THRESHOLD, script);
    assert_eq!(vad.hear(&FRAME), Heard::Silence);
    assert_eq!(vad.hear(&FRAME), Heard::Speech { since: 0 });
    assert_eq!(vad.hear(&FRAME), Heard::Silence);
}

#[test]
fn a_score_that_is_not_over_the_threshold_is_no_speech() {
    let calls = std::cell::Cell::new(0);
    let script = |_| Script { scores: [THRESHOLD].iter(), calls: &calls };
    let mut vad = Vad::with_detectors(linear16(), THRESHOLD, script);
    assert_eq!(vad.hear(&FRAME), Heard::Silence);
}

/// A message that holds speech and then a fault is a fault: the gate sends it in any case.
#[test]
fn a_fault_counts_more_than_the_speech_before_it() {
    let calls = std::cell::Cell::new(0);
    let script = |_| Script { scores: [0.9].iter(), calls: &calls };
    let mut vad = Vad::with_detectors(linear16(), THRESHOLD, script);
    assert_eq!(vad.hear(&[FRAME, FRAME].concat()), Heard::Fault);
}

#[test]
fn one_channel_that_fails_is_a_fault() {
    let calls = std::cell::Cell::new(0);
    let scores: [&[f32]; 2] = [&[0.9, 0.9], &[0.9, f32::NAN]];
    let script = |channel: u32| Script { scores: scores[channel as usize].iter(), calls: &calls };
    let mut vad = Vad::with_detectors(format("mulaw", 16_000, 2), THRESHOLD, script);
    assert_eq!(vad.hear(&FRAME), Heard::Speech { since: 0 });
    assert_eq!(vad.hear(&FRAME), Heard::Fault);
}
