//! Shutdown: what was written before it is flushed, and the receipt says what became of it.

use super::*;
use crate::drain::{Drained, Flush};

/// A session whose application has more in its socket than has been read.
fn talkative() -> World {
    let mut world = World::connected(config());
    world.app_silent = false;
    world
}

fn receipt(world: &World) -> Drained {
    let drained = world.facts_of(|fact| match fact {
        Fact::SessionEnded(ended) => ended.drained,
        _ => None,
    });
    assert_eq!(drained.len(), 1);
    drained[0]
}

fn empty(world: &mut World) {
    world.app_silent = true;
    world.settle();
}

#[test]
fn what_was_written_before_shutdown_goes_out_ahead_of_close_stream() {
    let mut world = talkative();
    world.speak(secs(1));
    world.drain(secs(25));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 0);
    for _ in 0..5 {
        assert!(world.session.wants_app_input());
        world.app(AppInput::Audio(frame()));
    }
    empty(&mut world);
    assert_eq!(world.sent.last().unwrap().1, Outgoing::CloseStream);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Drained, Some(0)));
    assert_eq!((summary.audio.bytes_sent, summary.audio.bytes_dropped), (48_000, 0));
    assert_eq!(receipt(&world).flush, Flush::Flushed);
}

#[test]
fn an_application_that_writes_without_end_is_read_for_a_second() {
    let mut world = talkative();
    world.drain(secs(25));
    world.speak(Duration::from_millis(900));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 0);
    world.speak(Duration::from_millis(200));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
    let sent = world.sent.iter().find(|(_, it)| *it == Outgoing::CloseStream).unwrap().0;
    assert_eq!(sent, secs(1));
}

#[test]
fn or_for_a_mebibyte() {
    let mut world = talkative();
    world.drain(secs(25));
    let chunk = Bytes::from(vec![1; (1 << 18) - 5]);
    for _ in 0..3 {
        world.app(AppInput::Audio(chunk.clone()));
    }
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 0);
    world.app(AppInput::Audio(chunk));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
}

#[test]
fn what_comes_after_close_stream_is_dropped_and_counted_and_not_unflushed() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.speak(secs(1));
    world.drain(secs(25));
    assert!(world.session.wants_app_input(), "so that the application's writes do not block");
    world.app(AppInput::Audio(frame()));
    world.result(true, false);
    let processed = Some(position(world.deepgram.audio_bytes));
    world.say(MessageKind::Metadata { processed });
    world.close(Some(1000), "");
    let summary = world.summary();
    assert_eq!((summary.audio.bytes_dropped, summary.lost_ms), (3_200, Some(100)));
    let drained = receipt(&world);
    assert_eq!((drained.flush, drained.unflushed), (Flush::Flushed, Some(Duration::ZERO)));
}

#[test]
fn a_finish_that_was_written_before_shutdown_is_a_finish() {
    let mut world = talkative();
    world.drain(secs(25));
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Finished, 3_200));
    assert_eq!(receipt(&world).flush, Flush::Flushed);
}

#[test]
fn what_a_dead_application_wrote_goes_out_too() {
    let mut world = talkative();
    world.drain(secs(25));
    world.app(AppInput::WriteFailed);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Eof);
    let summary = world.facts_of(|fact| match fact {
        Fact::SessionEnded(ended) => Some((ended.summary.outcome, ended.summary.audio.bytes_sent)),
        _ => None,
    });
    assert_eq!(summary, [(Outcome::Aborted, 3_200)]);
    assert_eq!(receipt(&world).flush, Flush::Flushed);
}

#[test]
fn in_a_pod_that_ends_a_dead_applications_words_wait_for_their_connection() {
    let mut world = World::new(config());
    world.app_silent = false;
    world.drain(secs(25));
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Eof);
    assert_eq!(world.error(), None, "the dial is not cancelled");
    world.connect();
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Aborted, 3_200));
}

#[test]
fn such_a_dial_that_fails_is_told_once() {
    let mut world = World::new(config());
    world.app_silent = false;
    world.drain(secs(25));
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Eof);
    world.fail_dial(DialReason::Http401, Some(401));
    let told = world.delivered.iter().filter(|(_, it)| matches!(it, AppFrame::Error(_))).count();
    assert_eq!(told, 1);
    assert_eq!(receipt(&world).flush, Flush::Incomplete);
}

#[test]
fn audio_for_a_parked_session_opens_a_connection_even_then() {
    let mut world =
        World::connected(SessionConfig { keepalive_max_idle: Some(secs(1)), ..config() });
    world.advance(secs(2));
    assert_eq!(world.session.state(), State::Parked);
    world.app_silent = false;
    world.drain(secs(25));
    world.app(AppInput::Audio(frame()));
    empty(&mut world);
    world.connect();
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Drained, 3_200));
}

#[test]
fn a_live_application_goes_on_for_as_long_as_it_may() {
    let mut world = World::connected(config());
    world.drain_lingering(secs(5), secs(25));
    assert!(matches!(world.events()[0], Event::Draining { deadline_ms: 25_000 }));
    world.speak(Duration::from_millis(4_900));
    assert_eq!(world.session.state(), State::Open);
    world.speak(Duration::from_millis(100));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.duration_ms), (Outcome::Drained, 5_000));
    assert_eq!((summary.audio.bytes_sent, summary.lost_ms), (160_000, Some(0)));
}

#[test]
fn one_that_finishes_meanwhile_has_finished() {
    let mut world = World::connected(config());
    world.drain_lingering(secs(5), secs(25));
    world.speak(secs(2));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.duration_ms), (Outcome::Finished, 2_000));
}

#[test]
fn one_that_is_gone_is_not_waited_for() {
    let mut world = World::connected(config());
    world.app(AppInput::WriteFailed);
    world.drain_lingering(secs(5), secs(25));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
}

#[test]
fn what_the_deadline_cuts_is_unflushed() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.speak(secs(2));
    world.drain(secs(3));
    world.advance(secs(3));
    let drained = receipt(&world);
    assert_eq!((drained.flush, drained.unflushed), (Flush::Cut, Some(secs(2))));
}

#[test]
fn a_last_frame_that_nobody_takes_is_given_up() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.drain(secs(3));
    world.advance(secs(3));
    assert_eq!(receipt(&world).flush, Flush::Cut);
    assert!(!world.session.is_closed(), "FINISHED waits to be taken");
    world.advance(LAST_WRITE_MAX);
    assert!(world.session.is_closed());
}

#[test]
fn what_was_lost_before_shutdown_is_not() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.speak(secs(2));
    world.close(Some(1011), "x");
    world.drain(secs(25));
    let drained = receipt(&world);
    assert_eq!(drained.unflushed, Some(Duration::ZERO));
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn a_blocked_connection_is_waited_for_no_longer_than_a_second() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.upstream(UpstreamInput::WriteBlocked);
    world.drain(secs(25));
    assert!(!world.session.wants_app_input(), "nothing is known of its socket");
    world.advance(secs(1));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
}

#[test]
fn what_the_bounds_left_unread_is_unflushed_and_what_comes_later_is_not() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app_silent = false;
    world.drain(secs(25));
    world.advance(secs(1));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Audio(frame()));
    empty(&mut world);
    world.app(AppInput::Audio(frame()));
    let processed = Some(position(world.deepgram.audio_bytes));
    world.say(MessageKind::Metadata { processed });
    world.close(Some(1000), "");
    let drained = receipt(&world);
    assert_eq!((drained.flush, drained.unflushed), (Flush::Incomplete, Some(2 * FRAME)));
    assert_eq!(world.summary().lost_ms, Some(300));
}
