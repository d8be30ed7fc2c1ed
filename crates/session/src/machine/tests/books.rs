//! What is claimed at a clean end: what Deepgram says that it has processed, and no more.

use super::*;
use crate::LossCause;
use crate::close::DeepgramError;
use crate::death::{Class, Reason};
use crate::fact::AudioLost;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A session that has sent so much audio and FINISH, before Deepgram says anything.
fn finishing(config: SessionConfig, spoken: Duration) -> World {
    let mut world = World::connected(config);
    world.deepgram.closes = false;
    world.speak(spoken);
    world.deepgram.mute = true;
    world.app(AppInput::Finish);
    world
}

fn final_result(world: &mut World, start: Duration, end: Duration) {
    world.message(MessageKind::Results {
        start,
        is_final: true,
        from_finalize: false,
        end,
        channel: 0,
        channels: 1,
    });
}

fn metadata(world: &mut World, processed: Option<Duration>) {
    world.message(MessageKind::Metadata { processed });
}

fn losses(world: &World) -> Vec<(LossCause, u64)> {
    let losses = world.facts.iter().filter_map(|fact| match fact {
        Fact::AudioLost(AudioLost { cause, duration, .. }) => Some((*cause, millis(*duration))),
        _ => None,
    });
    losses.collect()
}

/// Lost and unknown, as FINISHED has them.
fn unclaimed(world: &World) -> (Option<u64>, Option<u64>) {
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Finished);
    (summary.lost_ms, summary.unknown_ms)
}

#[test]
fn what_deepgram_says_it_has_processed_is_final() {
    for (processed, lost) in
        [(MS(4_000), 0), (MS(3_900), 0), (MS(3_899), 101), (MS(2_000), 2_000), (MS(0), 4_000)]
    {
        let mut world = finishing(config(), secs(4));
        metadata(&mut world, Some(processed));
        world.close(Some(1000), "");
        assert_eq!(unclaimed(&world), (Some(lost), Some(0)), "{processed:?}");
        let expected = if lost > 0 { vec![(LossCause::Unprocessed, lost)] } else { vec![] };
        assert_eq!(losses(&world), expected);
    }
}

#[test]
fn what_a_result_covers_stays_final_whatever_metadata_says() {
    let mut world = finishing(config(), secs(4));
    final_result(&mut world, MS(0), secs(3));
    metadata(&mut world, Some(secs(1)));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (Some(1_000), Some(0)));
}

#[test]
fn without_metadata_only_results_are_claimed() {
    let mut world = finishing(config(), secs(4));
    final_result(&mut world, MS(0), secs(3));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (Some(1_000), Some(0)));
    assert_eq!(losses(&world), [(LossCause::Unconfirmed, 1_000)]);
}

#[test]
fn a_gap_between_results_is_claimed_with_metadata_alone() {
    for (metadata_comes, lost) in [(true, 0), (false, 2_000)] {
        let mut world = finishing(config(), secs(4));
        final_result(&mut world, MS(0), secs(1));
        final_result(&mut world, secs(3), secs(4));
        if metadata_comes {
            metadata(&mut world, Some(secs(4)));
        }
        world.close(Some(1000), "");
        assert_eq!(unclaimed(&world), (Some(lost), Some(0)));
    }
}

#[test]
fn metadata_that_says_nothing_confirms_nothing() {
    let mut world = finishing(config(), secs(4));
    metadata(&mut world, None);
    world.close(Some(1000), "");
    assert_eq!(losses(&world), [(LossCause::Unconfirmed, 4_000)]);
}

/// Deepgram's count has our priming silence in it.
#[test]
fn our_own_silence_is_subtracted() {
    let mut world = World::connected(SessionConfig { prime_silence: secs(1), ..config() });
    world.deepgram.closes = false;
    world.deepgram.mute = true;
    world.advance(secs(2));
    world.speak(secs(4));
    world.app(AppInput::Finish);
    metadata(&mut world, Some(secs(3)));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (Some(2_000), Some(0)));
}

#[test]
fn flux_does_not_say_how_far_it_got() {
    let mut world = finishing(SessionConfig { endpoint: Endpoint::V2Listen, ..config() }, secs(4));
    world.message(MessageKind::TurnInfo { end_of_turn: true, end: secs(3) });
    world.close(None, "");
    assert_eq!(unclaimed(&world), (Some(0), Some(1_000)));
    assert_eq!(losses(&world), []);
}

#[test]
fn an_encoding_that_tells_no_time_measures_neither() {
    let mut world = finishing(SessionConfig { audio: None, ..config() }, secs(4));
    metadata(&mut world, Some(secs(4)));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (None, None));
    assert_eq!(world.session.books.ledger.unknown_bytes(), 40 * FRAME_BYTES as u64);
}

/// A recording that was sent at once: Deepgram transcribes it in about its own length.
#[test]
fn finish_waits_as_long_as_deepgram_goes_on_answering() {
    let mut world = finishing(config(), secs(30));
    for second in (0..30).step_by(3) {
        final_result(&mut world, secs(second), secs(second + 3));
        world.advance(secs(3));
    }
    metadata(&mut world, Some(secs(30)));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (Some(0), Some(0)));
}

#[test]
fn finish_waits_no_longer_than_finish_max_in_all() {
    let mut world = finishing(config(), secs(10));
    for _ in 0..59 {
        world.message(MessageKind::Other);
        world.advance(secs(1));
    }
    assert!(!world.is_finished());
    world.message(MessageKind::Other);
    world.advance(secs(1));
    assert_eq!(world.summary().outcome, Outcome::TimedOut);
    assert_eq!(losses(&world), [(LossCause::FinishTimeout, 10_000)]);
}

#[test]
fn a_late_look_at_a_closing_deepgram_is_no_verdict() {
    let mut world = finishing(config(), secs(1));
    world.now += secs(20);
    world.timeout();
    assert!(!world.is_finished(), "its close may lie unread");
    metadata(&mut world, Some(secs(1)));
    world.close(Some(1000), "");
    assert_eq!(unclaimed(&world), (Some(0), Some(0)));
}

#[test]
fn a_death_tells_up_to_where_final_results_were_delivered() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.speak(secs(4));
    final_result(&mut world, MS(0), MS(2_500));
    world.close(Some(1012), "");
    assert_eq!(world.deaths()[0].final_ms, Some(2_500));
}

/// The second connection's audio begins where the first one's ended.
#[test]
fn after_parking_that_is_session_time() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.advance(secs(601));
    assert_eq!(world.session.state(), State::Parked);
    world.app(AppInput::Audio(frame()));
    world.connect();
    world.deepgram.mute = true;
    world.speak(secs(1));
    final_result(&mut world, MS(0), MS(600));
    world.close(Some(1012), "");
    assert_eq!(world.deaths()[0].final_ms, Some(2_600));
}

fn say_error(world: &mut World, code: &str, description: &str) {
    let error = DeepgramError::new(Some(code.to_owned()), description.to_owned());
    let text = Bytes::from_static(b"{}");
    world.upstream(UpstreamInput::ErrorMessage { text, error: Box::new(error) });
}

#[test]
fn deepgrams_error_is_the_reason_of_an_end_that_has_none_itself() {
    for (code, text, expected) in [
        (None, "", Reason::ProviderError),
        (Some(1000), "", Reason::ProviderError),
        (Some(1011), "", Reason::ProviderError),
        (Some(1000), "bye", Reason::ClosedEarly),
        (Some(1011), "net0000", Reason::Net0000NoResult),
        (Some(1012), "", Reason::ClosedGoingAway),
    ] {
        let mut world = World::connected(config());
        world.speak(secs(1));
        say_error(&mut world, "INTERNAL_SERVER_ERROR", "Sorry.");
        world.close(code, text);
        let death = world.deaths()[0];
        assert_eq!(death.reason, expected, "{code:?} {text}");
        let is_named = death.detail.ends_with("INTERNAL_SERVER_ERROR: Sorry.");
        assert_eq!(is_named, expected == Reason::ProviderError, "{}", death.detail);
        assert!(world.facts.iter().any(|fact| matches!(fact, Fact::UpstreamError(_))));
    }
}

#[test]
fn an_error_about_the_account_is_the_accounts() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    say_error(&mut world, "INSUFFICIENT_CREDITS", "Top up.");
    world.fail(Reason::EofWithoutClose, Trigger::Read);
    let death = world.deaths()[0];
    assert_eq!((death.reason, death.class), (Reason::ClosedAccount, Class::Account));
}

#[test]
fn an_old_error_explains_nothing() {
    let mut world = World::connected(config());
    say_error(&mut world, "SchemaError", "unknown field");
    world.speak(secs(6));
    world.close(Some(1000), "");
    assert_eq!(world.deaths()[0].reason, Reason::ClosedEarly);
}

#[test]
fn after_close_stream_an_error_without_metadata_is_no_clean_end() {
    for (metadata_comes, outcome) in [(false, Outcome::Dead), (true, Outcome::Finished)] {
        let mut world = finishing(config(), secs(1));
        say_error(&mut world, "INTERNAL_SERVER_ERROR", "Sorry.");
        if metadata_comes {
            metadata(&mut world, Some(secs(1)));
        }
        world.close(Some(1000), "");
        assert_eq!(world.summary().outcome, outcome);
    }
}

/// The process was stopped; its late keepalive left just before the close was read.
#[test]
fn an_idle_close_after_a_pause_of_ours_is_ours() {
    for keepalive_leaves in [false, true] {
        let mut world = World::connected(config());
        world.speak(secs(1));
        world.now += secs(20);
        if keepalive_leaves {
            world.timeout();
        }
        world.close(Some(1011), "See https://dpgr.am/net0001");
        let death = world.deaths()[0];
        assert_eq!((death.reason, death.class), (Reason::KeepaliveLate, Class::Sidecar));
    }
}

#[test]
fn an_idle_close_in_spite_of_keepalives_is_not() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.now += secs(9);
    world.timeout();
    world.advance(secs(40));
    world.close(Some(1011), "See https://dpgr.am/net0001");
    assert_eq!(world.deaths()[0].reason, Reason::Net0001Idle);
}
