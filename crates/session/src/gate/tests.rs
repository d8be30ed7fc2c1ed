//! The gate alone: what becomes of each frame, in the audio's own time.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Endpoint;

/// 16 kHz linear16 in mono: 32 bytes a millisecond.
const MS: usize = 32;

/// What was sent and what was held for good, by position in the audio.
struct World {
    gate: Gate,
    /// Its bytes count up, so that where they come from shows.
    audio: Vec<u8>,
    sent: Vec<u8>,
    /// Positions at which something held ends, and how much it was.
    gated: u64,
    frames: u64,
    frames_sent: u64,
    frames_gated: u64,
    finalizes: Vec<usize>,
    turns: Vec<(usize, bool)>,
}

impl World {
    fn new(mode: VadMode) -> Self {
        Self::of(VadConfig { mode, ..VadConfig::default() }, 1)
    }

    fn of(config: VadConfig, channels: u32) -> Self {
        let format = AudioFormat::new("linear16", 16_000, channels).unwrap();
        Self {
            gate: Gate::new(&config, format),
            audio: Vec::new(),
            sent: Vec::new(),
            gated: 0,
            frames: 0,
            frames_sent: 0,
            frames_gated: 0,
            finalizes: Vec::new(),
            turns: Vec::new(),
        }
    }

    fn frame(&mut self, bytes: usize, heard: Heard) -> &mut Self {
        self.frame_while(bytes, heard, false)
    }

    fn frame_while(&mut self, bytes: usize, heard: Heard, is_open: bool) -> &mut Self {
        let at = self.audio.len();
        let audio: Vec<u8> = (at..at + bytes).map(byte_at).collect();
        self.audio.extend_from_slice(&audio);
        self.frames += 1;
        let passage = self.gate.pass(&audio, 1, heard, is_open);
        if let Some((preroll, frames)) = &passage.preroll {
            self.sent.extend_from_slice(preroll);
            self.frames_sent += frames;
        }
        self.sent.extend_from_slice(&audio[..passage.sent]);
        self.frames_sent += u64::from(passage.sent == bytes);
        self.take(&passage);
        self
    }

    fn take(&mut self, passage: &Passage) {
        let end = self.audio.len();
        (self.gated, self.frames_gated) =
            (self.gated + passage.gated_bytes, self.frames_gated + passage.gated_frames);
        self.finalizes.extend(passage.finalize.then_some(end / MS));
        let opened = |turn| matches!(turn, Turn::Opened { .. });
        self.turns.extend(passage.turn.map(|turn| (end / MS, opened(turn))));
        let (bytes, frames) = self.gate.waiting();
        assert_eq!(end as u64, self.sent.len() as u64 + self.gated + bytes);
        assert_eq!(self.frames, self.frames_sent + self.frames_gated + frames);
    }

    fn frames(&mut self, count: usize, bytes: usize, heard: Heard) -> &mut Self {
        for _ in 0..count {
            self.frame(bytes, heard);
        }
        self
    }

    /// So much of it in frames of 20 ms.
    fn silence(&mut self, ms: usize) -> &mut Self {
        self.frames(ms / 20, 20 * MS, Heard::Silence)
    }

    fn speech(&mut self, ms: usize) -> &mut Self {
        self.frames(ms / 20, 20 * MS, Heard::Speech { since: 0 })
    }

    fn sent_ms(&self) -> usize {
        self.sent.len() / MS
    }
}

/// What stands at a position: of every two bytes the second counts samples, roughly.
fn byte_at(position: usize) -> u8 {
    (position / 2 % 251) as u8
}

#[test]
fn silence_is_held_back_and_speech_brings_300_ms_of_it_along() {
    let mut world = World::new(VadMode::Active);
    world.silence(2_000);
    assert_eq!(world.sent_ms(), 0);
    world.speech(100);
    assert_eq!(world.sent_ms(), 400);
    assert_eq!(world.sent, world.audio[1_700 * MS..]);
    assert_eq!((world.gated as usize / MS, &world.turns[..]), (1_700, &[(2_020, true)][..]));
}

#[test]
fn after_speech_300_ms_bring_one_finalize_and_4_s_close_it() {
    let mut world = World::new(VadMode::Active);
    world.speech(1_000).silence(10_000);
    assert_eq!(world.finalizes, [1_300]);
    assert_eq!(world.turns, [(20, true), (5_020, false)], "at 4,000 ms it is still open");
    assert_eq!(world.sent_ms(), 5_000);
    world.speech(20).silence(280);
    assert_eq!(world.finalizes, [1_300], "in a pause of 280 ms there is none");
    world.silence(20);
    assert_eq!(world.finalizes.len(), 2);
}

#[test]
fn speech_in_the_hangover_goes_on_and_begins_another() {
    let mut world = World::new(VadMode::Active);
    world.speech(200).silence(3_900).speech(100).silence(3_900);
    assert_eq!((world.sent_ms(), world.finalizes.len(), world.turns.len()), (8_100, 2, 1));
}

#[test]
fn a_long_frame_of_speech_and_then_silence_is_sent_whole_with_its_finalize() {
    let mut world = World::new(VadMode::Active);
    world.frame(5_000 * MS, Heard::Speech { since: 4_500 * 16 });
    assert_eq!((world.sent_ms(), &world.finalizes[..]), (5_000, &[5_000][..]));
    assert_eq!(world.gate.state(), GateState::Hangover);
    world.frame(1_000 * MS, Heard::Silence);
    assert_eq!((world.sent_ms(), world.finalizes.len()), (5_000, 1), "not another when it closes");
}

#[test]
fn a_frame_as_long_as_the_hangover_closes_it_and_finalizes() {
    let mut world = World::new(VadMode::Active);
    world.speech(100).silence(20);
    world.frame(5_000 * MS, Heard::Silence);
    assert_eq!((world.sent_ms(), &world.finalizes[..]), (120, &[5_120][..]));
    assert_eq!(world.gate.waiting().0 as usize / MS, 300);
}

#[test]
fn a_frame_too_short_to_judge_decides_nothing() {
    let mut world = World::new(VadMode::Active);
    world.frames(100, 5 * MS, Heard::Nothing);
    assert_eq!((world.sent_ms(), world.gate.state()), (0, GateState::Silence));
    world.speech(20);
    world.frames(2_000, 5 * MS, Heard::Nothing);
    assert_eq!((world.gate.state(), world.finalizes.len()), (GateState::Speech, 0));
}

#[test]
fn nothing_is_held_while_it_must_be_open() {
    let mut world = World::new(VadMode::Active);
    world.silence(1_000);
    world.frame_while(20 * MS, Heard::Silence, true);
    assert_eq!(world.sent_ms(), 320, "with what was about to be held");
    world.silence(1_000);
    assert_eq!(world.sent_ms(), 320);
    assert!(world.turns.is_empty() && world.finalizes.is_empty());
}

#[test]
fn shadow_sends_everything_and_counts_what_it_would_not_have() {
    let mut active = World::new(VadMode::Active);
    let mut shadow = World::new(VadMode::Shadow);
    for world in [&mut active, &mut shadow] {
        world.silence(2_000).speech(1_000).silence(9_000).speech(500).silence(20);
    }
    assert_eq!(shadow.sent, shadow.audio);
    assert!(shadow.finalizes.is_empty());
    assert_eq!((shadow.turns, shadow.gated), (active.turns.clone(), 0));
    let (would, held) = (shadow.gate.bytes(), active.gate.bytes());
    assert_eq!((would.would_hold, would.held), (held.held, 0));
    assert_eq!((would.speech, would.hangover), (held.speech, held.hangover));
}

#[test]
fn from_shadow_it_goes_on_where_it_is() {
    let mut world = World::new(VadMode::Shadow);
    world.speech(1_000).silence(400);
    world.gate.set_mode(VadMode::Active);
    world.silence(20);
    assert_eq!(world.finalizes, [1_420], "nobody has asked for it in this hangover");
    world.silence(5_000);
    assert_eq!(world.sent_ms(), 5_000);
}

#[test]
fn switched_off_it_sends_what_it_kept_and_everything_after() {
    let mut world = World::new(VadMode::Active);
    world.silence(1_000);
    world.gate.set_mode(VadMode::Off);
    world.frame(20 * MS, Heard::Nothing).frame(20 * MS, Heard::Nothing);
    assert_eq!(world.sent, world.audio[700 * MS..]);
    world.gate.set_mode(VadMode::Active);
    world.silence(1_000);
    assert_eq!(world.sent_ms(), 340);
}

#[test]
fn a_fault_opens_it_for_good() {
    let mut world = World::new(VadMode::Active);
    world.silence(1_000);
    world.frame(20 * MS, Heard::Fault);
    world.silence(10_000);
    assert_eq!(world.sent, world.audio[700 * MS..]);
    assert!(world.gate.has_failed() && !world.gate.listens());
    world.gate.set_mode(VadMode::Shadow);
    world.gate.set_mode(VadMode::Active);
    world.silence(1_000);
    assert_eq!(world.sent, world.audio[700 * MS..], "another mode does not mend it");
}

#[test]
fn a_sample_that_was_begun_is_sent_whole() {
    let mut world = World::new(VadMode::Active);
    world.frame(7, Heard::Speech { since: 0 });
    world.frames(2_000, 99, Heard::Silence);
    let closed_at = world.sent.len();
    assert_eq!((closed_at % 2, &world.sent[..]), (0, &world.audio[..closed_at]));
    world.frame(3, Heard::Speech { since: 0 });
    let joint = &world.sent[closed_at..];
    assert_eq!(joint, &world.audio[world.audio.len() - joint.len()..]);
    assert_eq!((world.audio.len() - joint.len()) % 2, 0, "held in whole samples");
}

#[test]
fn without_preroll_nothing_is_kept() {
    let config =
        VadConfig { mode: VadMode::Active, preroll: Duration::ZERO, ..VadConfig::default() };
    let mut world = World::of(config, 1);
    world.silence(1_000).speech(20);
    assert_eq!((world.sent_ms(), world.gated as usize / MS), (20, 1_000));
}

#[test]
fn what_waits_at_the_end_is_held_for_good() {
    let mut world = World::new(VadMode::Active);
    world.silence(1_000);
    let passage = world.gate.drop_preroll();
    world.take(&passage);
    assert_eq!((world.gated as usize, world.gate.waiting()), (1_000 * MS, (0, 0)));
    assert_eq!(world.gate.preroll.memory(), 0);
}

#[test]
fn what_cannot_be_heard_is_said_in_time() {
    let of = |encoding, rate, channels| {
        VadUnavailable::of(Endpoint::V1Listen, AudioFormat::new(encoding, rate, channels), false)
    };
    assert_eq!(of("linear16", 48_000, 8), None);
    assert_eq!(of("mulaw", 8_000, 1), None);
    assert_eq!(of("linear32", 16_000, 1), Some(VadUnavailable::Encoding));
    assert_eq!(of("opus", 48_000, 1), Some(VadUnavailable::Encoding));
    assert_eq!(of("alaw", 7_999, 1), Some(VadUnavailable::SampleRate));
    assert_eq!(of("linear16", 96_000, 1), Some(VadUnavailable::SampleRate));
    assert_eq!(of("linear16", 16_000, 9), Some(VadUnavailable::Channels));
}

#[derive(Clone, Debug)]
enum Step {
    Frame(usize, Heard, bool),
    Mode(VadMode),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![1_usize..200, 200_usize..5_000, 5_000_usize..40_000];
    let heard = prop_oneof![
        1 => Just(Heard::Nothing),
        8 => Just(Heard::Silence),
        2 => (0_u64..80_000).prop_map(|since| Heard::Speech { since }),
    ];
    let mode = prop::sample::select(&VadMode::ALL[..]);
    prop_oneof![
        40 => (bytes, heard, prop::bool::weighted(0.1)).prop_map(|(a, b, c)| Step::Frame(a, b, c)),
        1 => mode.prop_map(Step::Mode),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is heard, however the audio is cut: every byte is sent once, held or waits, in order
    /// and in whole samples; and Deepgram is asked to finalize at most once in each hangover.
    #[test]
    fn every_sample_goes_one_way(
        steps in prop::collection::vec(step(), 1..100),
        channels in 1_u32..3,
    ) {
        let config = VadConfig { mode: VadMode::Active, ..VadConfig::default() };
        let mut world = World::of(config, channels);
        let mut is_free = true;
        for step in steps {
            let before = (world.sent.len(), world.finalizes.len());
            match step {
                Step::Mode(mode) => {
                    world.gate.set_mode(mode);
                    is_free = true;
                }
                Step::Frame(bytes, heard, is_open) => {
                    world.frame_while(bytes, heard, is_open);
                    is_free |= matches!(heard, Heard::Speech { .. });
                }
            }
            let finalized = world.finalizes.len() - before.1;
            prop_assert!(finalized == 0 || (finalized == 1 && is_free));
            is_free &= finalized == 0;
            // What is sent at once is one stretch of the audio that ends with what has just come.
            let fresh = &world.sent[before.0..];
            let end = world.audio.len();
            let is_suffix = world.audio.ends_with(fresh);
            let begun = fresh.len() < 2 * channels as usize;
            prop_assert!(is_suffix || begun, "{} of {end}", fresh.len());
        }
        let block = 2 * u64::from(channels);
        prop_assert_eq!(world.gated % block, 0);
    }
}
