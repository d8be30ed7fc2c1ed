//! What the table of the endpoints' traits makes of a session.

use super::*;
use crate::EndKind;
use crate::RecoveryConfig;
use crate::close::{CloseFrame, DeepgramError};
use crate::death::Reason;
use crate::fact::NotRecoverable;
use crate::summary::EndCause;

fn at(endpoint: Endpoint) -> SessionConfig {
    let audio = config().audio.filter(|_| endpoint.traits().transcribes);
    SessionConfig { dialect: Dialect::Compatible, endpoint, audio, ..config() }
}

/// The application is there, for so long.
fn stay(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.app(AppInput::Pong);
        world.advance(secs(1));
    }
}

/// A connection to an endpoint that says nothing of its own accord, and waits.
fn waiting(endpoint: Endpoint) -> World {
    let mut world = World::connected(at(endpoint));
    world.deepgram.mute = true;
    // It is alive all the same.
    world.session.config.ping_timeout = secs(3_600);
    world
}

#[test]
fn each_endpoint_is_kept_alive_by_its_own_rule() {
    for (endpoint, keepalives) in [
        (Endpoint::V1Listen, 4),
        (Endpoint::V2Listen, 4),
        (Endpoint::V1Speak, 0),
        (Endpoint::V2Speak, 4),
        (Endpoint::V1Converse, 4),
    ] {
        let mut world = waiting(endpoint);
        world.app(AppInput::Text(Bytes::from_static(br#"{"type":"Settings"}"#)));
        stay(&mut world, 24);
        assert_eq!(world.keepalives().len(), keepalives, "{endpoint}");
    }
}

#[test]
fn an_agent_is_left_alone_until_it_has_its_settings() {
    let mut world = waiting(Endpoint::V1Converse);
    stay(&mut world, 30);
    assert_eq!(world.keepalives(), [0; 0], "a KeepAlive before Settings is fatal");
    world.app(AppInput::Text(Bytes::from_static(br#"{"type":"Settings"}"#)));
    stay(&mut world, 11);
    assert_eq!(world.keepalives(), [35_000, 40_000]);
}

#[test]
fn an_agent_hears_from_us_within_eight_seconds_whatever_the_interval() {
    let config = SessionConfig { keepalive_interval: secs(9), ..at(Endpoint::V1Converse) };
    let mut world = World::connected(config);
    world.deepgram.mute = true;
    world.session.config.ping_timeout = secs(3_600);
    world.app(AppInput::Text(Bytes::from_static(b"{}")));
    stay(&mut world, 17);
    assert_eq!(world.keepalives(), [8_000, 16_000]);
}

#[test]
fn what_has_a_state_is_never_parked_or_shed_and_does_not_recover() {
    for endpoint in [Endpoint::V1Speak, Endpoint::V2Speak, Endpoint::V1Converse] {
        let recovery =
            RecoveryConfig { ring: secs(30), max_reconnects: 10, reconnects_per_minute: 4 };
        let config = SessionConfig {
            recovery: Some(recovery),
            keepalive_max_idle: Some(secs(60)),
            ..at(endpoint)
        };
        let mut world = World::connected(config);
        world.deepgram.mute = true;
        world.session.config.ping_timeout = secs(3_600);
        let unavailable = world.facts.iter().any(|fact| {
            matches!(fact, Fact::RecoveryUnavailable(it) if it.cause == NotRecoverable::Endpoint)
        });
        assert!(unavailable, "{endpoint}");
        stay(&mut world, 120);
        world.session.handle_shed(world.now);
        assert_eq!(world.session.state(), State::Open, "{endpoint}");
        world.close(Some(1011), "See https://dpgr.am/net0003");
        assert_eq!(world.summary().outcome, Outcome::Dead);
    }
}

#[test]
fn a_voice_reaches_the_application_where_there_is_one() {
    for endpoint in Endpoint::ALL {
        let mut world = World::connected(at(endpoint));
        let payload = Bytes::from_static(b"voice");
        world.upstream(UpstreamInput::Binary { payload: payload.clone() });
        let told = world
            .delivered
            .iter()
            .any(|(_, it)| *it == AppFrame::Binary { payload: payload.clone() });
        let dropped = world.facts.iter().any(|fact| matches!(fact, Fact::BinaryDropped(_)));
        assert_eq!(
            (told, dropped),
            (endpoint.traits().speaks, !endpoint.traits().speaks),
            "{endpoint}"
        );
    }
}

#[test]
fn a_stall_is_watched_for_only_where_speech_becomes_text() {
    for endpoint in Endpoint::ALL {
        let mut world = waiting(endpoint);
        world.speak(secs(25));
        let stalled = world.events().iter().any(|it| matches!(it, Event::Stalled { .. }));
        assert_eq!(stalled, endpoint.traits().transcribes, "{endpoint}");
    }
}

#[test]
fn an_agents_end_is_a_close_frame_on_both_sides() {
    let mut world = waiting(Endpoint::V1Converse);
    world.app(AppInput::Closed(EndCause::AppLeft));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
    world.close(None, "");
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn the_end_of_the_stream_behind_our_close_frame_is_no_death() {
    for endpoint in [Endpoint::V1Converse, Endpoint::V1Speak] {
        let mut world = waiting(endpoint);
        world.app(AppInput::Finish);
        world.fail(Reason::EofWithoutClose, Trigger::Read);
        let expected = match endpoint.traits().end {
            EndKind::Frame => Outcome::Finished,
            EndKind::Close | EndKind::CloseStream => Outcome::Dead,
        };
        assert_eq!(world.summary().outcome, expected, "{endpoint}");
    }
}

#[test]
fn a_close_without_a_code_on_flux_is_the_end_or_a_death_by_who_asked() {
    let mut world = World::connected(at(Endpoint::V2Listen));
    world.deepgram.closes = false;
    world.speak(secs(1));
    world.app(AppInput::Finish);
    world.close(None, "");
    assert_eq!(world.summary().outcome, Outcome::Finished);
    let Some((_, AppFrame::Finished { close, .. })) = world.delivered.last() else { panic!() };
    assert_eq!(close.as_deref(), Some(&CloseFrame::default()));
    let mut world = World::connected(at(Endpoint::V2Listen));
    world.close(None, "");
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

/// A connection of this age, which Deepgram closes.
fn closed_at(endpoint: Endpoint, age: Duration, code: Option<u16>, text: &str) -> Death {
    let mut world = waiting(endpoint);
    world.now += age;
    world.close(code, text);
    world.deaths()[0].clone()
}

#[test]
fn a_death_of_old_age_says_so() {
    for endpoint in Endpoint::ALL {
        let old = endpoint.traits().age_max.unwrap_or(secs(3_600));
        // What Deepgram says of it may speak of a limit, which is none of the account's.
        for (code, text) in [(Some(1011), "NET-0003"), (None, ""), (Some(1011), "a limit")] {
            let named = |age| {
                let death = closed_at(endpoint, age, code, text);
                let named = death.detail.contains("Deepgram ends each connection to");
                assert!(!named || death.reason == Reason::ProviderError, "{death:?}");
                named
            };
            let has_age = endpoint.traits().age_max.is_some();
            let ages = [old / 2, old - secs(1), old + secs(1), old + secs(60)];
            assert_eq!(ages.map(named), [false, has_age, has_age, false], "{endpoint}");
        }
    }
    let hour = secs(3_600);
    let death = closed_at(Endpoint::V1Speak, hour, Some(1011), "NET-0003");
    assert_eq!(
        death.detail,
        "NET-0003; Deepgram ends each connection to /v1/speak after 60 minutes"
    );
    let mut world = waiting(Endpoint::V1Speak);
    world.now += hour;
    world.fail(Reason::ConnectionReset, Trigger::Read);
    assert_eq!(world.deaths()[0].detail, "test", "a reset may have any cause");
}

#[test]
fn an_agent_that_hears_nothing_of_its_settings_blames_nobody_else() {
    for (has_settings, reason) in [(false, Reason::ProviderError), (true, Reason::KeepaliveLate)] {
        let mut world = waiting(Endpoint::V1Converse);
        if has_settings {
            world.app(AppInput::Text(Bytes::from_static(b"{}")));
        }
        world.now += secs(20);
        let error = DeepgramError::new(Some("CLIENT_MESSAGE_TIMEOUT".to_owned()), String::new());
        let error = Box::new(error);
        world.upstream(UpstreamInput::ErrorMessage { text: Bytes::from_static(b"{}"), error });
        world.close(None, "");
        assert_eq!(world.deaths()[0].reason, reason);
    }
}

#[test]
fn a_silence_is_a_gap_only_where_a_keepalive_was_owed() {
    for endpoint in [Endpoint::V1Speak, Endpoint::V1Converse] {
        let mut world = waiting(endpoint);
        stay(&mut world, 17);
        world.app(AppInput::Text(Bytes::from_static(br#"{"type":"Settings"}"#)));
        let gaps = world.facts.iter().filter(|fact| matches!(fact, Fact::KeepaliveGap(_)));
        assert_eq!(gaps.count(), 0, "{endpoint}");
    }
    let mut world = waiting(Endpoint::V1Converse);
    world.app(AppInput::Text(Bytes::from_static(br#"{"type":"Settings"}"#)));
    // We stand still.
    world.now += secs(12);
    world.timeout();
    let gaps = world.facts.iter().filter(|fact| matches!(fact, Fact::KeepaliveGap(_)));
    assert_eq!(gaps.count(), 1);
}
