//! Half-open, stuck and mute peers, and our own pauses.

use super::*;
use crate::death::Reason;

#[test]
fn a_half_open_connection_is_dead_within_interval_and_timeout() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.advance(secs(9));
    assert!(world.deaths().is_empty());
    world.advance(secs(1));
    let death = world.deaths()[0];
    assert_eq!((death.reason, death.trigger), (Reason::PingTimeout, Trigger::Ping));
    assert_eq!(death.receive_age_ms, 10_000);
}

#[test]
fn anything_received_is_a_sign_of_life() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    for _ in 0..20 {
        world.advance(secs(4));
        world.message(MessageKind::Other);
    }
    assert!(world.deaths().is_empty());
    assert_eq!(world.count_sent(&Outgoing::Ping), 0, "a talking peer needs no ping");
}

#[test]
fn a_peer_that_takes_nothing_is_stalled_within_the_write_timeout() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.upstream(UpstreamInput::WriteBlocked);
    assert!(!world.session.wants_app_input(), "back-pressure reaches the application");
    world.advance(secs(5));
    let death = world.deaths()[0];
    assert_eq!((death.reason, death.trigger), (Reason::WriteStalled, Trigger::Watchdog));
}

#[test]
fn a_peer_that_takes_a_little_is_not_stalled() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    for _ in 0..10 {
        world.advance(secs(4));
        world.upstream(UpstreamInput::WriteProgress);
    }
    assert!(world.deaths().is_empty());
}

#[test]
fn a_verdict_that_comes_late_because_we_were_paused_is_put_off() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.advance(secs(6));
    assert_eq!(world.count_sent(&Outgoing::Ping), 1);
    world.now += secs(30);
    world.timeout();
    assert!(world.deaths().is_empty(), "our own absence is no evidence");
    assert!(world.facts.iter().any(|it| matches!(it, Fact::TimerLate(_))));
    assert_eq!(world.count_sent(&Outgoing::Ping), 2, "probe first");
    world.advance(secs(5));
    assert_eq!(world.deaths()[0].reason, Reason::PingTimeout, "then judge");
}

#[test]
fn a_late_write_deadline_is_put_off_too() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.now += secs(60);
    world.timeout();
    assert!(world.deaths().is_empty());
    world.advance(secs(5));
    assert_eq!(world.deaths()[0].reason, Reason::WriteStalled);
}

#[test]
fn audio_without_any_answer_is_told_once_per_episode() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.deepgram.mute = true;
    for _ in 0..600 {
        world.app(AppInput::Audio(frame()));
        world.upstream(UpstreamInput::Pong);
        world.advance(FRAME);
    }
    let stalls = |world: &World| {
        world.events().iter().filter(|it| matches!(it, Event::Stalled { .. })).count()
    };
    assert_eq!(stalls(&world), 1);
    assert!(world.deaths().is_empty(), "an event first");
    world.message(MessageKind::Other);
    for _ in 0..600 {
        world.app(AppInput::Audio(frame()));
        world.upstream(UpstreamInput::Pong);
        world.advance(FRAME);
    }
    assert_eq!(stalls(&world), 2);
}

#[test]
fn a_stall_kills_where_that_is_configured() {
    let mut world = World::connected(SessionConfig { kill_stalled: true, ..config() });
    world.deepgram.mute = true;
    for _ in 0..210 {
        world.app(AppInput::Audio(frame()));
        world.upstream(UpstreamInput::Pong);
        world.advance(FRAME);
    }
    let death = world.deaths()[0];
    assert_eq!((death.reason, death.trigger), (Reason::StalledTranscript, Trigger::Watchdog));
}

#[test]
fn an_application_that_pauses_is_not_a_deepgram_that_hangs() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    for _ in 0..10 {
        world.app(AppInput::Audio(frame()));
        for _ in 0..5 {
            world.advance(secs(4));
            world.upstream(UpstreamInput::Pong);
        }
    }
    assert!(world.events().iter().all(|it| !matches!(it, Event::Stalled { .. })));
}

#[test]
fn a_late_look_at_the_application_is_not_evidence_against_it() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.now += secs(32);
    world.timeout();
    assert_eq!(world.session.state(), State::Open, "we were late, so it has its time anew");
    assert!(world.facts.iter().any(|it| matches!(it, Fact::TimerLate(_))));
    world.advance(secs(29));
    assert_eq!(world.session.state(), State::Open);
    world.advance(secs(1));
    assert!(world.facts.iter().any(|it| matches!(it, Fact::AppStalled(_))));
}

#[test]
fn a_ping_without_a_pong_and_a_blocked_write_show_before_they_kill() {
    let mut world = World::connected(config());
    let waiting = |world: &World| {
        let counts = world.session.snapshot().counts;
        [counts[Count::PingPendingMs], counts[Count::WriteBlockedMs]].map(|since| since > 0)
    };
    assert_eq!(waiting(&world), [false, false]);
    world.deepgram.mute = true;
    world.advance(secs(6));
    assert_eq!(waiting(&world), [true, false]);
    world.upstream(UpstreamInput::Pong);
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.upstream(UpstreamInput::WriteBlocked);
    assert_eq!(waiting(&world), [false, true]);
    assert!(world.deaths().is_empty());
}
