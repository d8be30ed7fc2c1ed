//! The recording is heard alike in every format. Decisions are compared with slack: another version of
//! the detector may shift them, and resampling does.

use session::audio::{AudioFormat, Encoding};
use session::gate::Heard;

use super::audio::{
    RATE, THRESHOLD, encode, format, interleave, linear16, padded_recording, recording, resampled,
    scores, silence,
};
use crate::Vad;

/// What is heard of the padded recording, in which someone speaks from 1.26 to 3.80 s.
struct Figures {
    /// Ends of the first and the last frame of speech, in seconds.
    first: f64,
    last: f64,
    /// Frames of speech.
    count: usize,
    frames: usize,
    /// The highest score of the last 4.8 s.
    quiet: f32,
}

impl Figures {
    fn of(scores: &[(f64, f32)]) -> Self {
        let speech: Vec<_> = scores.iter().filter(|it| it.1 > THRESHOLD).collect();
        Self {
            first: speech.first().unwrap().0,
            last: speech.last().unwrap().0,
            count: speech.len(),
            frames: scores.len(),
            quiet: scores[scores.len() - 300..].iter().map(|it| it.1).fold(0.0, f32::max),
        }
    }

    #[track_caller]
    fn assert_heard(&self, what: &str) {
        assert!((self.first - 1.296).abs() <= 0.050, "{what}: first {}", self.first);
        assert!((self.last - 3.792).abs() <= 0.080, "{what}: last {}", self.last);
        assert!((140..=160).contains(&self.count), "{what}: {} frames of speech", self.count);
        assert!((622..=624).contains(&self.frames), "{what}: {} frames", self.frames);
        assert!(self.quiet < 0.25, "{what}: {} in silence", self.quiet);
    }
}

#[test]
fn the_recording_is_heard_as_measured() {
    let figures = Figures::of(&scores(&encode(&padded_recording(), linear16()), linear16()));
    assert_eq!(figures.frames, 624);
    assert!((figures.first - 1.296).abs() < 0.020, "{}", figures.first);
    assert!((figures.last - 3.792).abs() < 0.020, "{}", figures.last);
    assert!(figures.count.abs_diff(151) <= 5, "{}", figures.count);
    assert!(figures.quiet < 0.2, "{}", figures.quiet);
}

#[test]
fn the_recording_is_heard_in_every_format() {
    let rates = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    for rate in rates {
        let recording = [resampled(&padded_recording(), RATE, rate)];
        for encoding in ["linear16", "mulaw", "alaw"] {
            let format = format(encoding, rate, 1);
            let audio = interleave(&recording, format.encoding);
            let figures = Figures::of(&scores(&audio, format));
            figures.assert_heard(&format!("{encoding} at {rate} Hz"));
        }
    }
}

#[test]
fn one_channel_that_speaks_is_enough() {
    let recording = padded_recording();
    let quiet = vec![0; recording.len()];
    for speaker in 0..2 {
        let mut channels = [quiet.clone(), quiet.clone()];
        channels[speaker] = recording.clone();
        heard_as_alone(&channels);
    }
    let eight: Vec<_> =
        (0..8).map(|at| if at == 5 { &recording } else { &quiet }.clone()).collect();
    heard_as_alone(&eight);
}

#[test]
fn a_channel_and_its_inverse_do_not_cancel_each_other() {
    let recording = padded_recording();
    let inverse = recording.iter().map(|it| it.saturating_neg()).collect();
    heard_as_alone(&[recording, inverse]);
}

#[track_caller]
fn heard_as_alone(channels: &[Vec<i16>]) {
    let format = format("linear16", 16_000, channels.len() as u32);
    let figures = Figures::of(&scores(&interleave(channels, Encoding::Linear16), format));
    figures.assert_heard(&format!("{} channels", channels.len()));
}

/// What a frame's size does to the latency: speech is reported in the message in which it is heard.
#[test]
fn speech_is_reported_in_the_message_that_holds_it() {
    let audio = encode(&padded_recording(), linear16());
    let mut vad = Vad::new(linear16(), THRESHOLD);
    let message = linear16().bytes(std::time::Duration::from_millis(100)) as usize;
    let heard: Vec<_> = audio.chunks(message).map(|it| vad.hear(it)).collect();
    let is_speech = |it: &Heard| matches!(it, Heard::Speech { .. });
    assert_eq!(heard.iter().position(is_speech), Some(12), "1.296 s");
    assert_eq!(heard.iter().rposition(is_speech), Some(37), "3.792 s");
    assert!(heard[40..].iter().all(|it| *it == Heard::Silence), "{heard:?}");
}

#[test]
fn silence_of_any_length_leaves_it_able_to_hear() {
    for seconds in [1, 30, 300] {
        let samples = [silence(seconds * 1_000), recording()].concat();
        let scores = scores(&encode(&samples, linear16()), linear16());
        let first = scores.iter().find(|it| it.1 > THRESHOLD).unwrap().0;
        let speech = f64::from(seconds) + 0.260;
        assert!((first - speech).abs() < 0.080, "{first} after {seconds} s of silence");
    }
}

#[test]
fn what_cannot_be_heard_gets_no_vad() {
    let unheard = |format: AudioFormat| {
        let made = std::panic::catch_unwind(|| Vad::new(format, THRESHOLD));
        assert!(made.is_err(), "{format:?}");
    };
    unheard(format("linear32", 16_000, 1));
    unheard(format("linear16", 7_999, 1));
    unheard(format("mulaw", 48_001, 1));
    unheard(format("alaw", 8_000, 9));
}
