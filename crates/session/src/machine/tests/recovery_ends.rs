//! How a session ends whose connection is missing.

use super::recovery::{final_result, recovering, reset, speaking};
use super::*;
use crate::LossCause;

#[test]
fn finish_in_a_gap_comes_behind_what_waits() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.app(AppInput::Finish);
    assert!(!world.is_finished());
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
}

#[test]
fn finish_in_a_gap_does_not_wait_for_ever() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.app(AppInput::Finish);
    world.advance(secs(60));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::TimedOut, Some(2_000)));
}

#[test]
fn a_death_after_closestream_is_recovered_from_if_words_are_missing() {
    let mut world = speaking(recovering());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    reset(&mut world);
    world.deepgram.closes = true;
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
    assert_eq!(summary.recoveries, 1);
}

#[test]
fn a_death_after_closestream_is_a_death_if_everything_is_final() {
    let mut world = speaking(recovering());
    world.message(final_result(1_000, 3_000));
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    reset(&mut world);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Dead, Some(0)));
}

#[test]
fn an_application_that_leaves_in_a_gap_ends_the_session() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.app(AppInput::Eof);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Aborted, Some(2_000)));
    assert_eq!(world.session.books.ledger.lost_bytes_to(LossCause::AppGone), 2 * 32_000);
}

#[test]
fn shutdown_in_a_gap_goes_on_until_everything_is_delivered() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.drain(secs(25));
    assert!(!world.is_finished());
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.cut, summary.lost_ms), (Outcome::Drained, false, Some(0)));
}

#[test]
fn shutdown_in_a_gap_cuts_at_its_deadline() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.drain(secs(25));
    world.advance(secs(25));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.cut), (Outcome::Drained, true));
    assert_eq!(world.session.books.ledger.lost_bytes_to(LossCause::DrainDeadline), 2 * 32_000);
}

#[test]
fn shutdown_in_a_gap_with_nothing_to_deliver_ends_at_once() {
    let mut world = speaking(recovering());
    world.message(final_result(1_000, 3_000));
    reset(&mut world);
    world.drain(secs(25));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.cut, summary.lost_ms), (Outcome::Drained, false, Some(0)));
}

#[test]
fn an_application_that_dies_in_a_gap_of_a_pod_that_ends_has_its_audio_sent() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.drain(secs(25));
    world.app(AppInput::Eof);
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Drained, Some(0)));
}
