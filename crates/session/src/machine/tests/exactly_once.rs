//! A thousand sessions whose Deepgram dies at random: every sample is in exactly one final result that
//! the application got, or is counted as lost.
//!
//! Each sample carries its number, so that what a result is about is read from the audio itself, and
//! not from our own books. A seed that fails is printed; add it to [`KEPT`].

mod application;
mod far_end;
mod plan;
mod stage;

use super::*;
use plan::Plan;
use stage::Stage;

/// Seeds that failed once.
const KEPT: [u64; 0] = [];
const KEPT_GATED: [u64; 0] = [];

const SEEDS: u64 = 1_000;

/// With a gate the audio has eight times as many samples.
const GATED_SEEDS: u64 = 100;

/// How often the world moves.
const TICK: Duration = Duration::from_millis(20);

/// The application's audio.
const AUDIO: Duration = Duration::from_secs(25);

/// Wide enough for the number of any sample, which may be one of two channels.
const SAMPLE_BYTES: usize = 4;

/// Shorter than it is by default, so that there are many holds.
const HANGOVER: Duration = Duration::from_millis(1_000);

#[test]
fn every_sample_is_final_once_or_counted_as_lost() {
    let (mut recovered, mut without_loss) = (0, 0);
    for seed in KEPT.into_iter().chain(0..SEEDS) {
        let stage = Stage::new(seed, Plan::of(seed)).run();
        let summary = stage.summary.as_ref().unwrap();
        // A death after CloseStream, when everything is final already, is a death all the same.
        let is_over = matches!(summary.outcome, Outcome::Finished | Outcome::Dead);
        assert!(is_over, "seed {seed}: {summary:?}");
        let all = 0..stage.heard[0].len();
        let heard = |sample: usize| stage.heard.iter().map(move |channel| channel[sample]);
        let twice = all.clone().filter(|it| heard(*it).any(|count| count > 1)).count();
        let never = all.filter(|it| heard(*it).any(|count| count == 0)).count();
        assert_eq!(twice, 0, "samples that came twice: seed {seed}");
        assert_eq!(never * SAMPLE_BYTES, stage.lost as usize, "lost: seed {seed}");
        if stage.plan.ring > Some(stage.plan.away + secs(16)) {
            assert_eq!(stage.lost, 0, "the outage was shorter than the ring: seed {seed}");
            without_loss += 1;
        }
        recovered += summary.recoveries;
    }
    assert!(u64::from(recovered) > SEEDS && without_loss > SEEDS / 2, "{recovered} {without_loss}");
}

/// The same with a gate: what it holds back is counted as gated, and nobody spoke in it.
#[test]
fn with_a_gate_every_sample_is_final_once_or_gated_or_counted_as_lost() {
    let (mut recovered, mut gated) = (0, 0);
    for seed in KEPT_GATED.into_iter().chain(0..GATED_SEEDS) {
        let stage = Stage::new(seed, Plan::gated(seed)).run();
        let summary = stage.summary.as_ref().unwrap();
        let is_over = matches!(summary.outcome, Outcome::Finished | Outcome::Dead);
        assert!(is_over, "seed {seed}: {summary:?}");
        let heard = |sample: usize| stage.heard.iter().map(move |channel| channel[sample]);
        let all = 0..stage.heard[0].len();
        let twice = all.clone().filter(|it| heard(*it).any(|count| count > 1)).count();
        assert_eq!(twice, 0, "samples that came twice: seed {seed}");
        let never = all.filter(|it| heard(*it).any(|count| count == 0));
        let frame = stage.format.bytes(stage.plan.frame) as usize / SAMPLE_BYTES;
        let time = |sample: usize| stage.format.duration((sample * SAMPLE_BYTES) as u64);
        let is_speech = |sample: &usize| stage.plan.is_speech(time(sample - sample % frame));
        let (spoken, silent): (Vec<_>, Vec<_>) = never.partition(is_speech);
        assert!(spoken.len() * SAMPLE_BYTES <= stage.lost as usize, "speech was held: seed {seed}");
        let bytes = (spoken.len() + silent.len()) * SAMPLE_BYTES;
        let told = summary.audio.bytes_gated + stage.lost;
        assert_eq!(bytes, told as usize, "gated or lost: seed {seed}");
        recovered += summary.recoveries;
        gated += u64::from(summary.audio.bytes_gated > 0);
    }
    assert!(u64::from(recovered) > GATED_SEEDS && gated > GATED_SEEDS / 2, "{recovered} {gated}");
}

/// The same with a prelude, in which connections die, applications leave and pods end.
fn with_prelude(seed: u64, plan: Plan) -> Stage {
    let stage = Stage::new(seed, plan).run();
    let heard = |sample: usize| stage.heard.iter().map(move |channel| channel[sample]);
    let twice = (0..stage.handed()).filter(|it| heard(*it).any(|count| count > 1)).count();
    assert_eq!(twice, 0, "samples that came twice: seed {seed}");
    let never = (0..stage.handed()).filter(|it| heard(*it).any(|count| count == 0)).count();
    let gated = stage.summary.as_ref().unwrap().audio.bytes_gated;
    let told = (stage.lost + gated) as usize;
    // Of a sample that the application never finished, no result can be.
    let unfinished = stage.handed_bytes as usize % SAMPLE_BYTES;
    let missing = told.checked_sub(never * SAMPLE_BYTES);
    assert!(missing == Some(0) || missing == Some(unfinished), "seed {seed}: {told} {never}");
    stage
}

#[test]
fn with_a_prelude_every_sample_is_final_once_or_counted_as_lost() {
    let stages = (0..SEEDS / 2).map(|seed| with_prelude(seed, Plan::with_prelude(seed)));
    let moved: u32 = stages.map(|it| it.moved).sum();
    assert!(u64::from(moved) > SEEDS / 10, "{moved}");
}

#[test]
fn a_gate_in_shadow_becomes_active_behind_the_prelude() {
    let stages = (0..GATED_SEEDS).map(|seed| with_prelude(seed, Plan::gated_with_prelude(seed)));
    let gated = stages.filter(|it| it.summary.as_ref().unwrap().audio.bytes_gated > 0).count();
    assert!(gated as u64 > GATED_SEEDS / 3, "{gated}");
}
