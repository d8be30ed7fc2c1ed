//! When keepalives go out, and what a socket without them comes to.

use super::*;
use crate::death::Reason;

/// A config whose keepalive comes too late to help.
fn without_keepalive() -> SessionConfig {
    SessionConfig { keepalive_interval: secs(100_000), ..config() }
}

#[test]
fn each_full_interval_of_silence_gets_one_keepalive_and_speech_gets_none() {
    let mut world = World::connected(config());
    let end = world.start + secs(300);
    let mut expected = Vec::new();
    'session: loop {
        for (speech, silence) in [(30, 8), (20, 12)] {
            let left = end - world.now;
            world.speak(secs(speech).min(left));
            // The clock runs from the last frame, which went out a frame before the speech ended.
            let last_frame = (world.now - world.start - FRAME).as_millis() as u64;
            let silence = secs(silence).min(end - world.now);
            for n in 1..=(silence + FRAME).as_secs() / 5 {
                expected.push(last_frame + n * 5_000);
            }
            world.advance(silence);
            if world.now >= end {
                break 'session;
            }
        }
    }
    assert_eq!(world.keepalives(), expected);
    assert_eq!(expected.len(), 12, "8 s of silence give 1, 12 s give 2, in four cycles");
    assert!(world.deaths().is_empty());
}

#[test]
fn a_silent_session_lives_on_fifty_nine_keepalives() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.advance(secs(299));
    assert_eq!(world.keepalives().len(), 59);
    assert!(world.deaths().is_empty());
    world.app(AppInput::Finish);
    assert_eq!(world.summary().keepalives, 59);
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn without_keepalives_it_dies_of_idleness_and_that_is_our_doing() {
    let mut world = World::connected(without_keepalive());
    world.speak(secs(1));
    world.advance(secs(299));
    assert_eq!(world.deaths()[0].reason, Reason::KeepaliveLate);
    assert_eq!(world.deaths()[0].send_age_ms, 10_000);
    assert_eq!(world.deaths().len(), 1);
}

#[test]
fn keepalives_alone_do_not_hold_a_socket_that_never_gets_audio() {
    let mut world = World::connected(config());
    world.advance(secs(60));
    let death = world.deaths()[0];
    assert_eq!(death.reason, Reason::Net0000NoResult);
    assert_eq!(world.keepalives(), [5_000, 10_000, 15_000, 20_000, 25_000], "from the opening on");
}

#[test]
fn priming_saves_a_socket_that_never_gets_audio() {
    let mut world = World::connected(SessionConfig { prime_silence: secs(2), ..config() });
    world.advance(secs(60));
    assert!(world.deaths().is_empty());
    let silence: usize = world
        .sent
        .iter()
        .map(|(_, it)| match it {
            Outgoing::Lead(bytes) => bytes.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(silence, 32_000, "priming stops at the first answer, which takes one second");
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!(
        (summary.audio.bytes_sent, summary.lost_ms),
        (0, Some(0)),
        "silence is not the app's audio"
    );
}

#[test]
fn what_primes_does_not_move_the_applications_times() {
    let mut world = World::connected(SessionConfig { prime_silence: secs(2), ..config() });
    world.advance(secs(3));
    world.delivered.clear();
    world.speak(secs(1));
    let (_, AppFrame::Message { times, .. }) = &world.delivered[0] else {
        panic!("a result is due")
    };
    assert_eq!(times.lead, 16_000, "priming stops at the first answer");
    assert_eq!((times.start(0.5), times.start(1.5)), (0.0, 0.5));
}

#[test]
fn audio_ends_priming() {
    let mut world = World::connected(SessionConfig { prime_silence: secs(2), ..config() });
    world.advance(Duration::from_millis(250));
    world.app(AppInput::Audio(frame()));
    world.sent.clear();
    world.advance(secs(4));
    assert!(world.sent.iter().all(|(_, it)| !matches!(it, Outgoing::Lead(_))));
}

#[test]
fn receiving_is_no_activity() {
    let mut world = World::connected(config());
    for _ in 0..8 {
        world.advance(secs(1));
        world.message(MessageKind::Other);
    }
    assert_eq!(world.keepalives(), [5_000]);
}

#[test]
fn every_successful_send_moves_the_deadline() {
    for input in [
        AppInput::Audio(frame()),
        AppInput::Text(Bytes::from_static(b"{}")),
        AppInput::Finalize { channel: None },
    ] {
        let mut world = World::connected(config());
        world.advance(secs(3));
        world.app(input);
        world.advance(secs(6));
        assert_eq!(world.keepalives(), [8_000]);
    }
}

#[test]
fn a_ping_moves_no_deadline() {
    let mut world = World::connected(SessionConfig { ping_interval: secs(3), ..config() });
    world.advance(secs(6));
    assert!(world.count_sent(&Outgoing::Ping) > 0);
    assert_eq!(world.keepalives(), [5_000]);
}

#[test]
fn no_keepalive_follows_close_stream() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.advance(secs(9));
    assert!(world.keepalives().is_empty());
}

#[test]
fn a_keepalive_behind_a_blocked_write_is_recorded_and_not_queued() {
    let config = SessionConfig { write_timeout: secs(60), ..config() };
    let mut world = World::connected(config);
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.advance(secs(9));
    assert!(world.keepalives().is_empty());
    let blocked = world.facts.iter().filter(|it| matches!(it, Fact::KeepaliveBlocked(_)));
    assert_eq!(blocked.count(), 1);
    world.upstream_writes = true;
    world.settle();
    world.advance(secs(5));
    assert_eq!(world.keepalives(), [14_000], "the interval runs anew from the write");
}

#[test]
fn a_spent_budget_parks_and_audio_reopens() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.advance(secs(700));
    assert_eq!(world.session.state(), State::Parked);
    assert_eq!(world.keepalives().len(), 119, "the budget is 600 s from the last audio");
    assert!(matches!(world.events()[..], [Event::Parked { idle_ms: 600_000 }]));
    world.app(AppInput::Audio(frame()));
    assert_eq!(world.dials, 2);
    world.connect();
    assert!(matches!(world.events()[..], [_, Event::Resumed { .. }]));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.connections), (Outcome::Finished, 2));
    assert_eq!(summary.lost_ms, Some(0));
    assert!(world.deaths().is_empty());
}

#[test]
fn audio_that_comes_while_parking_is_kept_and_sent() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.speak(secs(1));
    world.advance(secs(600));
    assert_eq!(world.session.state(), State::Closing);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    world.close(Some(1000), "");
    assert_eq!(world.dials, 2);
    world.deepgram.closes = true;
    world.connect();
    let summary = world.summary();
    assert_eq!(summary.audio.bytes_sent, 11 * FRAME_BYTES as u64);
    assert_eq!(summary.outcome, Outcome::Finished);
}

#[test]
fn a_parked_session_finishes_without_a_connection() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.advance(secs(700));
    world.app(AppInput::Finalize { channel: None });
    world.app(AppInput::Finish);
    assert_eq!(world.summary().outcome, Outcome::Finished);
    assert_eq!(world.dials, 1);
}

#[test]
fn a_resumption_that_fails_is_told_and_ends_the_session() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.advance(secs(700));
    world.app(AppInput::Audio(frame()));
    world.fail_dial(DialReason::Http402, Some(402));
    assert_eq!(world.error(), Some(ErrorCode::ConnectFailed));
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Aborted);
    assert_eq!(summary.audio.bytes_dropped, FRAME_BYTES as u64);
}

#[test]
fn an_idle_connection_is_given_up_for_another_session_and_no_other_is() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    let shed = |world: &mut World| {
        world.session.handle_shed(world.now);
        world.settle();
    };
    world.advance(secs(9));
    shed(&mut world);
    assert_eq!(world.session.state(), State::Open, "Deepgram itself would wait as long");
    world.advance(secs(1));
    shed(&mut world);
    assert_eq!(world.session.state(), State::Parked);
    let cause = world.facts.iter().find_map(|fact| match fact {
        Fact::SessionParked(parked) => Some(parked.cause),
        _ => None,
    });
    assert_eq!(cause, Some(crate::fact::ParkCause::Shed));
    world.app(AppInput::Audio(frame()));
    world.connect();
    assert_eq!(world.session.state(), State::Open);
    world.advance(secs(11));
    world.app(AppInput::Finish);
    shed(&mut world);
    assert_eq!(world.summary().lost_ms, Some(0));
}
