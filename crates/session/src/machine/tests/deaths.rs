//! Deaths: noticed at once, told once, the first reason stands.

use super::*;
use crate::LossCause;
use crate::death::{Class, Reason};

#[test]
fn a_close_is_told_at_once_with_its_evidence() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.advance(secs(1));
    world.close(Some(1012), "service restart");
    let (at, _) = world.delivered.last().unwrap();
    assert_eq!(*at, secs(3), "at the very moment");
    let death = world.deaths()[0].clone();
    assert_eq!(death.reason, Reason::ClosedGoingAway);
    assert_eq!((death.trigger, death.class), (Trigger::Read, Class::Provider));
    assert_eq!((death.send_age_ms, death.connection), (1_100, 1));
    assert_eq!(world.session.state(), State::Dead);
}

#[test]
fn what_comes_after_a_death_is_dropped_skipped_and_counted() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.close(Some(1011), "oops");
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Text(Bytes::from_static(b"{}")));
    world.app(AppInput::Finalize { channel: None });
    assert!(world.session.wants_app_input());
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Dead);
    assert_eq!(summary.audio.bytes_dropped, FRAME_BYTES as u64);
    assert_eq!(summary.audio.frames_dropped, 1);
    assert_eq!((summary.finalizes.skipped_dead, summary.finalizes.errors), (1, 0));
    assert_eq!(summary.death.unwrap().reason, Reason::ProviderError);
    assert_eq!(summary.lost_ms, Some(1_100), "what was sent and not final is lost as well");
}

#[test]
fn what_was_queued_at_a_death_was_never_sent() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finalize { channel: None });
    world.fail(Reason::ConnectionReset, Trigger::AudioWrite);
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.audio.bytes_sent, summary.audio.bytes_dropped), (0, FRAME_BYTES as u64));
    assert_eq!((summary.finalizes.sent, summary.finalizes.skipped_dead), (0, 1));
}

#[test]
fn a_finalize_that_cannot_be_written_on_a_live_connection_is_an_error() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Finalize { channel: None });
    world.fail(Reason::BrokenPipe, Trigger::FinalizeWrite);
    world.app(AppInput::Finish);
    let finalizes = world.summary().finalizes;
    assert_eq!((finalizes.errors, finalizes.skipped_dead, finalizes.sent), (1, 0, 0));
}

#[test]
fn later_symptoms_are_evidence_and_no_second_death() {
    let mut world = World::connected(config());
    world.fail(Reason::ConnectionReset, Trigger::Read);
    world.close(Some(1011), "too late");
    world.fail(Reason::BrokenPipe, Trigger::KeepaliveWrite);
    assert_eq!(world.deaths().len(), 1);
    assert_eq!(world.deaths()[0].reason, Reason::ConnectionReset);
    let evidence = world.facts.iter().filter(|it| matches!(it, Fact::LateEvidence(_))).count();
    assert_eq!(evidence, 2);
    let died = world.facts.iter().filter(|it| matches!(it, Fact::ConnectionDied(_))).count();
    assert_eq!(died, 1);
}

#[test]
fn a_death_after_finish_is_answered_at_once() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.speak(secs(1));
    world.app(AppInput::Finish);
    world.fail(Reason::EofWithoutClose, Trigger::Read);
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Dead);
    assert_eq!(world.deaths().len(), 1);
    assert_eq!(summary.lost_ms, Some(1_000));
}

#[test]
fn any_end_after_metadata_is_a_good_end() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.message(MessageKind::Metadata { processed: None });
    world.fail(Reason::ConnectionReset, Trigger::Read);
    assert_eq!(world.summary().outcome, Outcome::Finished);
    assert!(world.deaths().is_empty());
}

#[test]
fn a_close_that_crosses_close_stream_before_it_was_written_is_a_death() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Finish);
    world.close(Some(1000), "");
    assert_eq!(world.summary().outcome, Outcome::Dead);
    assert_eq!(world.deaths()[0].reason, Reason::ClosedEarly);
}

#[test]
fn metadata_before_close_stream_excuses_nothing() {
    let mut world = World::connected(config());
    world.message(MessageKind::Metadata { processed: None });
    world.close(Some(1011), "See https://dpgr.am/net0001");
    assert_eq!(world.deaths()[0].reason, Reason::Net0001Idle);
}

#[test]
fn a_close_after_close_stream_with_another_code_is_a_death() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.close(Some(1011), "internal");
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn a_final_result_takes_its_audio_out_of_danger() {
    let mut world = World::connected(config());
    world.speak(secs(3));
    let (is_final, from_finalize, end) = (true, false, secs(2));
    world.message(MessageKind::Results {
        start: Duration::ZERO,
        is_final,
        from_finalize,
        end,
        channel: 0,
        channels: 1,
    });
    world.close(Some(1011), "oops");
    let lost: Vec<_> = world
        .facts
        .iter()
        .filter_map(|it| match it {
            Fact::AudioLost(lost) => Some((lost.duration, lost.frames, lost.cause)),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [(secs(1), 0, LossCause::Dead)]);
}

#[test]
fn audio_is_final_when_every_channel_is() {
    let mut config = config();
    config.audio = AudioFormat::new("linear16", 16_000, 2);
    let mut world = World::connected(config);
    world.deepgram.mute = true;
    for _ in 0..40 {
        world.app(AppInput::Audio(frame()));
    }
    for (channel, end) in [(0, secs(2)), (1, Duration::from_millis(500))] {
        let (is_final, from_finalize) = (true, false);
        world.message(MessageKind::Results {
            start: Duration::ZERO,
            is_final,
            from_finalize,
            end,
            channel,
            channels: 2,
        });
    }
    world.close(Some(1011), "oops");
    world.app(AppInput::Finish);
    assert_eq!(
        world.summary().lost_ms,
        Some(1_500),
        "2 s were sent, channel 1 is final up to 0.5 s"
    );
}
