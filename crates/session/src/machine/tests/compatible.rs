//! What is different for an application that speaks Deepgram's dialect.

use super::*;
use crate::RecoveryConfig;
use crate::close::CloseFrame;
use crate::death::Reason;
use crate::summary::EndCause;

fn compatible() -> SessionConfig {
    SessionConfig { dialect: Dialect::Compatible, ..config() }
}

fn recovering() -> SessionConfig {
    let recovery = RecoveryConfig { ring: secs(30), max_reconnects: 10, reconnects_per_minute: 4 };
    SessionConfig { recovery: Some(recovery), ..compatible() }
}

/// A session in which Deepgram has answered, so that it waits for ever.
fn answered(config: SessionConfig) -> World {
    let mut world = World::connected(config);
    world.speak(secs(1));
    assert!(world.deepgram.answered);
    world
}

/// When the application was refused, with which status, and why.
fn refused(world: &World) -> (Duration, Option<u16>, DialReason) {
    let told = world.delivered.iter().find_map(|(at, frame)| match frame {
        AppFrame::Error(refusal) => Some((*at, refusal.connect.clone()?)),
        _ => None,
    });
    let (at, connect) = told.expect("it was refused");
    (at, connect.status, connect.reason.expect("a dial failed"))
}

/// The last frame's close frame.
fn closed_with(world: &World) -> Option<CloseFrame> {
    match world.delivered.last() {
        Some((_, AppFrame::Finished { close, .. })) => close.as_deref().cloned(),
        other => panic!("not the last frame: {other:?}"),
    }
}

fn close_frame(code: u16, text: &str) -> CloseFrame {
    CloseFrame { code: Some(code), text: text.to_owned() }
}

fn end_cause(world: &World) -> Option<EndCause> {
    world.facts.iter().find_map(|fact| match fact {
        Fact::SessionEnded(ended) => ended.cause,
        _ => None,
    })
}

fn pings(world: &World) -> Vec<u64> {
    let pings = world.delivered.iter().filter(|(_, frame)| *frame == AppFrame::Ping);
    pings.map(|(at, _)| at.as_secs()).collect()
}

#[test]
fn a_dial_that_hangs_is_a_refusal_after_eight_seconds() {
    let mut world = World::new(compatible());
    world.advance(secs(60));
    assert_eq!(refused(&world), (secs(8), None, DialReason::Timeout));
    assert_eq!(world.summary().outcome, Outcome::ConnectFailed);
    let failed = world.facts.iter().filter(|fact| matches!(fact, Fact::DialFailed(_)));
    assert_eq!(failed.count(), 1, "the attempt that was cut is counted");
}

#[test]
fn what_deepgram_has_said_tells_more_than_that_time_is_up() {
    let mut world = World::new(compatible());
    world.fail_dial(DialReason::Http5xx, Some(503));
    world.advance(secs(60));
    assert_eq!(refused(&world), (secs(8), Some(503), DialReason::Http5xx));
}

#[test]
fn an_attempt_that_would_come_too_late_is_not_waited_for() {
    let mut world = World::new(compatible());
    world.advance(secs(7));
    world.fail_dial(DialReason::Http5xx, Some(502));
    assert_eq!(refused(&world), (secs(7), Some(502), DialReason::Http5xx));
    assert_eq!(world.dials, 1);
}

#[test]
fn an_answer_just_in_time_is_an_answer() {
    let mut world = World::new(compatible());
    world.advance(Duration::from_millis(7_999));
    world.connect();
    world.advance(secs(5));
    assert!(world.is_opened() && world.error().is_none());
}

#[test]
fn how_long_a_dial_may_wait_in_line_follows() {
    let mut session = Session::new(SessionId::parse("s").unwrap(), compatible(), clock::now(), 7);
    let dial = std::iter::from_fn(|| session.poll_output()).find_map(|output| match output {
        Output::Dial(_, patience) => Some(patience),
        _ => None,
    });
    assert_eq!(dial, Some(secs(8)));
}

#[test]
fn a_death_is_the_end_and_has_deepgrams_own_code_and_reason() {
    for (code, text) in [(1011, "See https://dpgr.am/net0001"), (1014, "bad gateway"), (1000, "")] {
        let mut world = World::connected(compatible());
        world.close(Some(code), text);
        assert_eq!(closed_with(&world), Some(close_frame(code, text)));
        assert_eq!(world.summary().outcome, Outcome::Dead);
    }
}

#[test]
fn a_death_without_a_close_frame_has_none() {
    let mut world = World::connected(compatible());
    world.fail(Reason::ConnectionReset, Trigger::Read);
    assert_eq!(closed_with(&world), None);
    assert_eq!(world.deaths()[0].reason, Reason::ConnectionReset);
}

#[test]
fn an_end_that_was_asked_for_has_deepgrams_close_too() {
    let mut world = World::connected(compatible());
    world.speak(secs(2));
    world.app(AppInput::Finish);
    assert_eq!(closed_with(&world), Some(close_frame(1000, "")));
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn of_a_death_that_is_recovered_from_nothing_is_left_at_the_end() {
    let mut world = World::connected(recovering());
    world.speak(secs(2));
    world.close(Some(1011), "gone");
    assert!(!world.is_finished());
    world.advance(secs(2));
    world.connect();
    world.fail(Reason::ConnectionReset, Trigger::Read);
    world.advance(secs(5));
    world.connect();
    world.speak(secs(1));
    world.app(AppInput::Finish);
    world.advance(secs(30));
    assert_eq!(closed_with(&world), Some(close_frame(1000, "")));
    assert_eq!(world.summary().recoveries, 2);
}

#[test]
fn keepalives_of_the_applications_own_go_no_further() {
    let mut world = World::connected(compatible());
    let sent = |world: &World| world.count_sent(&Outgoing::KeepAlive);
    for _ in 0..20 {
        world.app(AppInput::KeepAlive);
        world.advance(secs(1));
    }
    assert_eq!(sent(&world), 4, "the sidecar's own, every five seconds");
    assert_eq!(world.session.books.counts[Count::AppKeepalives], 20);
    world.app(AppInput::Finish);
    world.app(AppInput::KeepAlive);
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn keepalives_of_its_own_keep_no_session_from_parking() {
    let mut world = answered(SessionConfig { keepalive_max_idle: Some(secs(60)), ..compatible() });
    for _ in 0..70 {
        world.app(AppInput::KeepAlive);
        world.advance(secs(1));
    }
    assert_eq!(world.session.state(), State::Parked);
}

#[test]
fn an_application_that_answers_no_ping_is_given_up() {
    let mut world = answered(compatible());
    world.advance(secs(120));
    assert_eq!(pings(&world), [20]);
    assert_eq!(world.summary().outcome, Outcome::Aborted);
    assert_eq!(end_cause(&world), Some(EndCause::AppStalled));
    assert_eq!(world.summary().duration_ms, 50_000);
}

#[test]
fn one_that_answers_or_speaks_is_there() {
    for input in [AppInput::Pong, AppInput::KeepAlive, AppInput::Audio(frame())] {
        let mut world = answered(compatible());
        for _ in 0..30 {
            world.advance(secs(20));
            world.app(input.clone());
        }
        assert!(!world.is_finished(), "{input:?}");
        assert_eq!(pings(&world)[..3], [20, 40, 60], "{input:?}");
    }
}

#[test]
fn what_we_do_not_read_is_no_evidence_against_it() {
    let mut world = World::connected(SessionConfig { write_timeout: secs(300), ..compatible() });
    world.deepgram.mute = true;
    world.advance(secs(21));
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.session.handle_upstream(world.now, world.connection, UpstreamInput::WriteBlocked);
    world.settle();
    let asked = world.session.app.ping_since;
    assert!(!world.session.wants_app_input() && asked.is_none());
    world.session.app.ping_since = Some(world.now);
    world.advance(secs(100));
    assert_eq!(end_cause(&world), None);
}

#[test]
fn the_native_dialect_asks_nobody_and_waits_for_every_attempt() {
    let mut world = World::new(config());
    world.advance(secs(9));
    assert_eq!(world.error(), None);
    world.connect();
    world.advance(secs(300));
    assert_eq!(pings(&world), [0; 0]);
    world.close(Some(1011), "");
    assert_eq!(world.session.state(), State::Dead);
}

#[test]
fn its_close_frame_tells_why_it_leaves() {
    for cause in [EndCause::AppLeft, EndCause::AppStalled, EndCause::AppLimit] {
        let mut world = World::connected(compatible());
        world.speak(secs(1));
        world.app(AppInput::Closed(cause));
        assert_eq!(world.summary().outcome, Outcome::Aborted);
        assert_eq!(end_cause(&world), Some(cause));
        assert_eq!(world.count_sent(&Outgoing::CloseStream), 1, "what it said is flushed");
        assert!(!world.is_finished(), "it hears nothing more");
    }
}

#[test]
fn after_close_stream_every_way_to_leave_is_an_orderly_one() {
    let ways: [&[AppInput]; 4] = [
        &[AppInput::Closed(EndCause::AppLeft)],
        &[AppInput::Closed(EndCause::AppStalled)],
        &[AppInput::Eof],
        &[AppInput::WriteFailed, AppInput::Eof],
    ];
    for way in ways {
        let mut world = World::connected(compatible());
        world.deepgram.closes = false;
        world.speak(secs(1));
        world.app(AppInput::Finish);
        way.iter().for_each(|input| world.app(input.clone()));
        assert!(!world.session.is_closed(), "Deepgram is still drained: {way:?}");
        world.close(Some(1000), "");
        assert_eq!(world.summary().outcome, Outcome::Finished, "{way:?}");
        assert_eq!(end_cause(&world), None);
    }
}

#[test]
fn one_that_leaves_while_dialling_cancels_the_dial() {
    let mut world = World::new(compatible());
    world.app(AppInput::Closed(EndCause::AppLeft));
    assert_eq!(world.hang_ups, 1);
    assert!(world.session.is_closed());
}

#[test]
fn an_answer_to_a_ping_of_its_own_that_it_does_not_take_is_a_stall() {
    let mut world = answered(compatible());
    world.app_writes = false;
    world.app(AppInput::WriteBlocked);
    world.advance(secs(31));
    assert_eq!(end_cause(&world), Some(EndCause::AppStalled));
}

#[test]
fn one_that_is_given_up_while_its_session_recovers_is_named_as_stalled() {
    let mut world = World::connected(recovering());
    world.speak(secs(2));
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.fail(Reason::ConnectionReset, Trigger::Read);
    world.advance(secs(40));
    assert_eq!(end_cause(&world), Some(EndCause::AppStalled));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::AppStalled(_))));
}
