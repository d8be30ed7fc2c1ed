//! Flux: turns, pings, an end without a word, and errors that are always the end.

use super::recovery::recovering;
use super::*;
use crate::close::DeepgramError;
use crate::death::Reason;

const GOOD: &str = r#"{"type":"Configure","keyterms":["alpha"]}"#;
const BAD: &str = r#"{"type":"Configre"}"#;

/// A conversation in which Deepgram, which is alive, says what the test lets it say.
fn flux(config: SessionConfig) -> World {
    let (endpoint, ping_timeout) = (Endpoint::V2Listen, secs(3_600));
    let mut world = World::connected(SessionConfig { endpoint, ping_timeout, ..config });
    world.deepgram.mute = true;
    world
}

fn connect(world: &mut World) {
    world.connect();
    world.deepgram.mute = true;
}

fn turn(world: &mut World, end_ms: u64) {
    let end = Duration::from_millis(end_ms);
    world.message(MessageKind::TurnInfo { end_of_turn: true, end });
}

fn text(world: &mut World, text: &'static str) {
    world.app(AppInput::Text(Bytes::from_static(text.as_bytes())));
}

/// Deepgram says what it dies of, and dies.
fn fatal(world: &mut World, code: &str) {
    let error = Box::new(DeepgramError::new(Some(code.to_owned()), "Oh.".to_owned()));
    world.upstream(UpstreamInput::ErrorMessage { text: Bytes::from_static(b"{}"), error });
    world.close(None, "");
}

/// The texts that were sent from this time on.
fn texts_since(world: &World, since: Duration) -> Vec<&Bytes> {
    let texts = world.sent.iter().filter(|(at, _)| *at >= since).filter_map(|(_, it)| match it {
        Outgoing::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

#[test]
fn the_end_of_a_turn_is_final_and_what_is_behind_the_last_is_unknown() {
    let mut world = flux(config());
    world.deepgram.closes = false;
    world.speak(secs(3));
    let end = secs(1);
    world.message(MessageKind::TurnInfo { end_of_turn: false, end });
    turn(&mut world, 2_000);
    world.app(AppInput::Finish);
    world.close(None, "");
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.death), (Outcome::Finished, None));
    assert_eq!((summary.messages.received, summary.messages.finals), (2, 1));
    assert_eq!((summary.lost_ms, summary.unknown_ms), (Some(0), Some(1_000)));
}

#[test]
fn another_connection_gets_what_is_behind_the_last_turn() {
    let mut world = flux(recovering());
    world.speak(secs(3));
    turn(&mut world, 2_000);
    world.close(None, "");
    assert_eq!(world.deaths()[0].reason, Reason::ClosedEarly, "nobody has asked for it");
    let since = world.now - world.start;
    connect(&mut world);
    world.advance(secs(4));
    let again = world.sent.iter().filter(|(at, _)| *at >= since);
    assert_eq!(again.map(|(_, it)| it.audio_len()).sum::<usize>(), 10 * FRAME_BYTES);
    turn(&mut world, 500);
    let Some((_, AppFrame::Message { times, .. })) = world.delivered.last() else { panic!() };
    assert_eq!(times.end(0.5), 2.5, "session time");
}

#[test]
fn a_text_that_deepgram_cannot_read_is_not_sent_again() {
    let mut world = flux(recovering());
    text(&mut world, GOOD);
    world.message(MessageKind::Configured);
    world.speak(secs(1));
    text(&mut world, BAD);
    fatal(&mut world, "UNPARSABLE_CLIENT_MESSAGE");
    assert_eq!(world.deaths()[0].reason, Reason::ProviderError);
    world.speak(secs(1));
    let since = world.now - world.start;
    connect(&mut world);
    world.speak(secs(600));
    assert_eq!(texts_since(&world, since), [GOOD.as_bytes()], "and the others in their place");
    assert_eq!((world.dials, world.deaths().len()), (2, 1));
}

#[test]
fn of_texts_that_were_not_answered_each_may_have_been_the_bad_one() {
    let mut world = flux(recovering());
    for it in [GOOD, BAD, GOOD] {
        text(&mut world, it);
    }
    world.speak(secs(1));
    fatal(&mut world, "UNPARSABLE_CLIENT_MESSAGE");
    // What comes meanwhile has not been sent to anybody.
    text(&mut world, GOOD);
    let since = world.now - world.start;
    connect(&mut world);
    world.speak(secs(60));
    assert_eq!(texts_since(&world, since), [GOOD.as_bytes()]);
    assert_eq!(world.dials, 2);
}

#[test]
fn a_bad_text_that_waited_for_a_connection_costs_that_one_and_no_other() {
    let mut world = flux(recovering());
    world.speak(secs(1));
    world.close(None, "");
    text(&mut world, BAD);
    for _ in 0..2 {
        world.advance(secs(20));
        connect(&mut world);
        world.speak(secs(3));
        if texts_since(&world, Duration::ZERO).len() == 1 && world.deaths().len() == 1 {
            fatal(&mut world, "UNPARSABLE_CLIENT_MESSAGE");
        }
    }
    assert_eq!((world.dials, world.deaths().len()), (3, 2));
    assert_eq!(texts_since(&world, Duration::ZERO), [BAD.as_bytes()]);
}

#[test]
fn after_any_other_death_the_texts_are_sent_again() {
    let mut world = flux(recovering());
    text(&mut world, GOOD);
    world.speak(secs(1));
    fatal(&mut world, "INTERNAL_SERVER_ERROR");
    let since = world.now - world.start;
    connect(&mut world);
    world.speak(secs(1));
    assert_eq!(texts_since(&world, since), [GOOD.as_bytes()]);
}

#[test]
fn a_client_that_was_inactive_is_we_only_if_we_have_stood_still() {
    let mut world = flux(config());
    world.speak(secs(20));
    fatal(&mut world, "INACTIVE_CLIENT");
    let death = world.deaths()[0];
    assert_eq!(death.reason, Reason::ProviderError);
    assert!(death.detail.ends_with("Deepgram's error: INACTIVE_CLIENT: Oh."), "{}", death.detail);
    let mut world = flux(config());
    world.now += secs(61);
    fatal(&mut world, "INACTIVE_CLIENT");
    assert_eq!(world.deaths()[0].reason, Reason::KeepaliveLate);
}
