//! Recovery, story by story: what is dialled, said, kept and lost, and how each story ends.

use super::*;
use crate::death::Reason;
use crate::{LossCause, ReconnectReason, RecoveryConfig};

pub(super) fn recovering() -> SessionConfig {
    let recovery = RecoveryConfig { ring: secs(30), max_reconnects: 10, reconnects_per_minute: 4 };
    SessionConfig { recovery: Some(recovery), ..config() }
}

/// The same with a ring of so many seconds.
fn with_ring(seconds: u64) -> SessionConfig {
    let recovery = RecoveryConfig { ring: secs(seconds), ..recovering().recovery.unwrap() };
    SessionConfig { recovery: Some(recovery), ..config() }
}

/// Three seconds into a conversation, of which one is final.
pub(super) fn speaking(config: SessionConfig) -> World {
    let mut world = World::connected(config);
    world.speak(secs(3));
    world.message(final_result(0, 1_000));
    world
}

pub(super) fn final_result(start_ms: u64, end_ms: u64) -> MessageKind {
    MessageKind::Results {
        start: Duration::from_millis(start_ms),
        is_final: true,
        from_finalize: false,
        end: Duration::from_millis(end_ms),
        channel: 0,
        channels: 1,
    }
}

pub(super) fn reset(world: &mut World) {
    world.fail(Reason::ConnectionReset, Trigger::Read);
}

/// Names of the events that the application was told, without `dead`'s details.
fn told(world: &World) -> Vec<&'static str> {
    let name = |event: &&Event| match event {
        Event::Dead { .. } => "dead",
        Event::Reconnecting { .. } => "reconnecting",
        Event::Recovered { .. } => "recovered",
        Event::AudioDropped { .. } => "audio_dropped",
        Event::Parked { .. } => "parked",
        Event::Resumed { .. } => "resumed",
        Event::Stalled { .. } => "stalled",
        Event::PreludeDone { .. } => "prelude_done",
        Event::Draining { .. } => "draining",
    };
    world.events().iter().map(name).collect()
}

fn last_reconnecting(world: &World) -> (u32, u64, ReconnectReason) {
    let found = world.events().into_iter().rev().find_map(|event| match event {
        Event::Reconnecting { attempt, delay_ms, reason } => Some((*attempt, *delay_ms, *reason)),
        _ => None,
    });
    found.expect("reconnecting was told")
}

/// Bytes of audio sent since the last connection came up, and how much of that again.
fn replayed(world: &World, since: Duration) -> (u64, u64) {
    let sent = world.sent.iter().filter(|(at, _)| *at >= since);
    sent.fold((0, 0), |(all, again), (_, outgoing)| match outgoing {
        Outgoing::Replay { audio, fresh_bytes, .. } => {
            (all + audio.len() as u64, again + audio.len() as u64 - fresh_bytes)
        }
        Outgoing::Audio(audio) => (all + audio.len() as u64, again),
        _ => (all, again),
    })
}

#[test]
fn another_connection_gets_what_was_not_final_and_the_seam_is_told() {
    let mut world = speaking(recovering());
    reset(&mut world);
    assert_eq!(last_reconnecting(&world), (1, 0, ReconnectReason::Death(Reason::ConnectionReset)));
    assert_eq!(world.dials, 2, "the first redial is at once");
    world.speak(secs(1));
    let at = world.now - world.start;
    world.connect();
    world.advance(secs(3));
    assert_eq!(replayed(&world, at), (3 * 32_000, 2 * 32_000));
    let recovered = world.events().into_iter().find_map(|event| match event {
        Event::Recovered { connection, gap_ms, replayed_ms, lost_ms, .. } => {
            Some((*connection, *gap_ms, *replayed_ms, *lost_ms))
        }
        _ => None,
    });
    assert_eq!(recovered, Some((2, 1_000, 2_000, 0)));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.recoveries), (Outcome::Finished, 1));
    assert_eq!((summary.lost_ms, summary.connections), (Some(0), 2));
    assert_eq!(summary.death.unwrap().reason, Reason::ConnectionReset);
}

#[test]
fn times_go_on_where_the_dead_connection_had_final_results() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.connect();
    world.message(final_result(500, 900));
    let times = world.delivered.iter().rev().find_map(|(_, frame)| match frame {
        AppFrame::Message { times, .. } => Some(times),
        _ => None,
    });
    assert_eq!(times.unwrap().start(0.5), (secs(1) + FRAME * 5).as_secs_f64());
}

#[test]
fn what_has_waited_goes_out_at_the_pace_of_deepgram() {
    let mut world = World::connected(recovering());
    world.speak(secs(1));
    reset(&mut world);
    world.speak(secs(20));
    let at = world.now - world.start;
    world.connect();
    world.advance(secs(4));
    let (sent, _) = replayed(&world, at);
    let most = u64::from(32_000_u32) * (1 + 4 * 5 / 4);
    assert!((most - 8_000..=most).contains(&sent), "{sent}");
}

#[test]
fn only_an_answer_is_recovery_and_a_mute_connection_counts_as_an_attempt() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.upstream_writes = false;
    world.connect();
    world.message(MessageKind::Metadata { processed: None });
    reset(&mut world);
    assert_eq!(told(&world), ["dead", "reconnecting", "dead", "reconnecting"]);
    let (attempt, delay_ms, _) = last_reconnecting(&world);
    assert!(attempt == 2 && (1_000..2_000).contains(&delay_ms), "{attempt} {delay_ms}");
    assert_eq!(world.session.state(), State::Reconnecting);
}

#[test]
fn failed_dials_are_told_and_wait_by_the_formula() {
    let mut world = speaking(recovering());
    reset(&mut world);
    for (attempt, seconds) in [(2, 1), (3, 2), (4, 4), (5, 8)] {
        world.fail_dial(DialReason::Http5xx, Some(503));
        let (told, delay_ms, reason) = last_reconnecting(&world);
        assert_eq!((told, delay_ms / 1_000), (attempt, seconds));
        assert_eq!(reason, ReconnectReason::Dial(DialReason::Http5xx));
        world.advance(Duration::from_millis(delay_ms + 1));
        assert_eq!(world.dials, 1 + attempt);
    }
}

#[test]
fn a_refusal_for_good_ends_the_session_with_error_and_finished() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.fail_dial(DialReason::Http401, Some(401));
    assert_eq!(world.error(), Some(ErrorCode::ConnectFailed));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Dead, Some(2_000)));
    assert!(world.session.is_closed());
}

#[test]
fn the_budget_bounds_dials_in_a_row() {
    let mut world = speaking(recovering());
    reset(&mut world);
    for _ in 0..10 {
        world.fail_dial(DialReason::Tcp, None);
        world.advance(secs(33));
    }
    assert_eq!((world.dials, world.error()), (11, Some(ErrorCode::ConnectFailed)));
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn a_connection_that_keeps_dying_is_replaced_four_times_and_then_every_15_seconds() {
    let mut world = speaking(recovering());
    for _ in 0..4 {
        reset(&mut world);
        world.connect();
        world.speak(secs(2));
    }
    reset(&mut world);
    let (_, delay_ms, _) = last_reconnecting(&world);
    assert_eq!(delay_ms, 15_000 - 8_000, "less than any ring, so that no word is lost");
}

#[test]
fn without_reconnects_a_death_is_final_at_once() {
    let recovery = RecoveryConfig { max_reconnects: 0, ..recovering().recovery.unwrap() };
    let mut world = speaking(SessionConfig { recovery: Some(recovery), ..config() });
    reset(&mut world);
    assert_eq!((told(&world), world.dials), (vec!["dead"], 1));
    assert_eq!(world.error(), Some(ErrorCode::ConnectFailed));
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn audio_that_cannot_be_decoded_is_not_sent_again() {
    let mut world = speaking(recovering());
    world.close(Some(1008), "DATA-0000");
    assert_eq!((told(&world), world.session.state()), (vec!["dead"], State::Dead));
}

#[test]
fn compressed_audio_and_callbacks_latch_and_it_is_said_once() {
    for (audio, results_elsewhere) in [(None, false), (config().audio, true)] {
        let mut world =
            World::connected(SessionConfig { audio, results_elsewhere, ..recovering() });
        let said = world.facts.iter().filter(|it| matches!(it, Fact::RecoveryUnavailable(_)));
        assert_eq!(said.count(), 1);
        world.app(AppInput::Audio(frame()));
        reset(&mut world);
        assert_eq!((told(&world), world.session.state()), (vec!["dead"], State::Dead));
    }
}

#[test]
fn results_that_go_to_a_callback_are_not_missed() {
    let mut world = World::connected(SessionConfig { results_elsewhere: true, ..config() });
    world.deepgram.mute = true;
    world.speak(secs(60));
    assert!(world.facts.iter().all(|it| !matches!(it, Fact::TranscriptStalled(_))));
}

#[test]
fn a_live_application_loses_the_oldest_and_is_told_once_a_second() {
    let mut world = speaking(with_ring(2));
    reset(&mut world);
    world.speak(secs(5));
    let dropped = world.events().into_iter().filter(|it| matches!(it, Event::AudioDropped { .. }));
    assert!((4..=6).contains(&dropped.count()));
    world.connect();
    world.advance(secs(5));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(5_000)));
    assert_eq!(world.session.books.ledger.lost_bytes_to(LossCause::RingOverflow), 5 * 32_000);
}

#[test]
fn an_application_that_is_ahead_of_real_time_waits_for_room() {
    let mut world = World::connected(recovering());
    reset(&mut world);
    let mut frames = 0;
    while world.session.wants_app_input() {
        world.app(AppInput::Audio(frame()));
        frames += 1;
    }
    assert_eq!(frames, 300, "30 s");
    world.connect();
    world.advance(secs(8));
    assert!(world.session.wants_app_input() || world.session.next_deadline().is_some());
    world.message(final_result(0, 5_000));
    assert!(world.session.wants_app_input(), "there is room for 5 s again");
    assert_eq!(world.session.books.ledger.lost_bytes(), 0);
}

#[test]
fn what_the_death_itself_cost_is_lost_in_its_gap() {
    let mut world = speaking(with_ring(1));
    reset(&mut world);
    world.connect();
    world.advance(secs(2));
    let recovered = world.events().into_iter().find_map(|event| match event {
        Event::Recovered { lost_ms, replayed_ms, .. } => Some((*lost_ms, *replayed_ms)),
        _ => None,
    });
    assert_eq!(recovered, Some((1_000, 1_000)));
    world.app(AppInput::Finish);
    assert_eq!(world.summary().lost_ms, Some(1_000));
}

#[test]
fn nothing_is_called_final_because_it_was_lost() {
    let mut world = speaking(with_ring(1));
    reset(&mut world);
    world.speak(secs(5));
    world.upstream_writes = false;
    world.connect();
    reset(&mut world);
    let finals: Vec<_> = world.deaths().iter().map(|death| death.final_ms).collect();
    assert_eq!(finals, [Some(1_000), Some(1_000)]);
}

#[test]
fn the_gap_is_the_time_without_a_connection() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.advance(secs(1));
    world.upstream_writes = false;
    world.connect();
    world.advance(secs(3));
    reset(&mut world);
    world.upstream_writes = true;
    world.advance(secs(2));
    world.connect();
    world.advance(secs(2));
    let gap = world.events().into_iter().find_map(|event| match event {
        Event::Recovered { gap_ms, .. } => Some(*gap_ms),
        _ => None,
    });
    assert_eq!(gap, Some(3_000));
}

#[test]
fn an_application_that_is_gone_in_a_gap_is_not_dialled_for() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.app(AppInput::WriteFailed);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Aborted, Some(2_000)));
    assert!(world.session.is_closed());
}

#[test]
fn a_gap_that_ends_in_loss_is_a_recovery_that_failed() {
    for drain in [false, true] {
        let mut world = speaking(recovering());
        reset(&mut world);
        if drain {
            world.drain(secs(25));
        } else {
            world.app(AppInput::Finish);
        }
        world.advance(secs(60));
        let failed = world.facts.iter().filter(|it| matches!(it, Fact::RecoveryFailed(_)));
        assert_eq!((world.summary().lost_ms, failed.count()), (Some(2_000), 1));
    }
}

#[test]
fn finalizes_and_texts_keep_their_place() {
    let mut world = speaking(recovering());
    world.deepgram.answers_finalize = false;
    world.app(AppInput::Text(Bytes::from_static(b"1")));
    world.app(AppInput::Finalize { channel: None });
    reset(&mut world);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finalize { channel: Some(1) });
    world.app(AppInput::Audio(frame()));
    let before = world.sent.len();
    world.connect();
    world.advance(secs(3));
    let order: Vec<String> = world.sent[before..]
        .iter()
        .filter(|(_, it)| !matches!(it, Outgoing::Ping))
        .map(|(_, outgoing)| match outgoing {
            Outgoing::Replay { .. } => "audio".to_owned(),
            Outgoing::Finalize { channel, again } => format!("finalize {channel:?} {again}"),
            other => format!("{other:?}"),
        })
        .collect();
    let mut order: Vec<&str> = order.iter().map(String::as_str).collect();
    order.dedup();
    let text = r#"Text(b"1")"#;
    let again = "finalize None true";
    assert_eq!(order, ["audio", text, again, "audio", "finalize Some(1) false", "audio"]);
    assert_eq!(world.session.snapshot().counts[Count::FinalizesSent], 2, "each counts once");
}

#[test]
fn what_has_waited_for_the_connection_that_died_waits_for_the_next() {
    let mut world = World::new(recovering());
    for _ in 0..50 {
        world.app(AppInput::Audio(frame()));
    }
    world.app(AppInput::Finalize { channel: None });
    world.upstream_writes = false;
    world.connect();
    reset(&mut world);
    world.upstream_writes = true;
    world.connect();
    world.advance(secs(6));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!(
        (summary.outcome, summary.lost_ms, summary.finalizes.sent),
        (Outcome::Finished, Some(0), 1)
    );
    assert_eq!(summary.audio.bytes_sent, 5 * 32_000);
}

#[test]
fn a_flood_of_finalizes_without_answers_holds_the_application_back_until_they_time_out() {
    let mut world = World::connected(recovering());
    world.deepgram.answers_finalize = false;
    let mut sent = 0;
    while world.session.wants_app_input() {
        world.app(AppInput::Finalize { channel: None });
        sent += 1;
    }
    assert_eq!(sent, (1 << 20) / 64);
    world.advance(secs(5));
    assert!(world.session.wants_app_input(), "they have waited long enough");
    assert_eq!(world.session.snapshot().counts[Count::RingBytes], 0);
}

#[test]
fn an_idle_connection_is_replaced_once_and_then_awaits_audio() {
    let mut world = World::connected(recovering());
    world.message(MessageKind::Other);
    reset(&mut world);
    assert_eq!(world.session.state(), State::Reconnecting);
    world.connect();
    assert_eq!((world.dials, world.session.state()), (2, State::Open));
    world.advance(secs(31));
    assert_eq!(told(&world), ["dead", "reconnecting", "dead", "parked"], "NET-0000 after 30 s");
    world.app(AppInput::Audio(frame()));
    world.connect();
    assert_eq!(world.session.state(), State::Open);
    assert_eq!(told(&world).last(), Some(&"resumed"));
}

/// An idle application whose last silence has no result would otherwise cost a dial every half minute,
/// and the session once the budget is spent.
#[test]
fn a_silence_without_a_result_is_kept_until_there_is_more() {
    let mut world = speaking(recovering());
    world.message(final_result(1_000, 2_500));
    reset(&mut world);
    world.upstream_writes = false;
    world.connect();
    world.upstream_writes = true;
    world.deepgram.mute = true;
    world.settle();
    world.advance(secs(2));
    for _ in 0..5 {
        world.upstream(UpstreamInput::Pong);
        world.advance(secs(4));
    }
    world.close(Some(1011), "NET-0000");
    assert_eq!(told(&world), ["dead", "reconnecting", "dead", "parked"]);
    assert_eq!((world.dials, world.session.state()), (2, State::Parked));
    world.app(AppInput::Audio(frame()));
    assert_eq!(world.dials, 2, "the one before had not answered, so this one waits");
    world.advance(secs(2));
    assert_eq!(world.dials, 3);
    let at = world.now - world.start;
    world.connect();
    world.advance(secs(1));
    assert_eq!(replayed(&world, at), (19_200, 16_000));
    assert_eq!(told(&world)[4..], ["reconnecting", "resumed"]);
    world.app(AppInput::Finish);
    assert_eq!(world.summary().lost_ms, Some(0));
}

#[test]
fn finish_flushes_a_silence_that_was_kept() {
    let mut world = speaking(recovering());
    reset(&mut world);
    world.connect();
    world.deepgram.mute = true;
    world.advance(secs(3));
    for _ in 0..3 {
        world.upstream(UpstreamInput::Pong);
        world.advance(secs(4));
    }
    reset(&mut world);
    world.app(AppInput::Finish);
    world.advance(secs(3));
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
}

#[test]
fn a_parked_session_that_is_woken_in_shutdown_is_flushed() {
    let mut world = speaking(SessionConfig { keepalive_max_idle: Some(secs(20)), ..recovering() });
    world.advance(secs(30));
    assert_eq!(world.session.state(), State::Parked);
    world.app_silent = false;
    world.drain(secs(25));
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Emptied);
    reset_dial(&mut world);
    world.connect();
    world.advance(secs(3));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Drained, Some(0)));
}

/// The first dial of a resumption fails, which is not recovery's to mend.
fn reset_dial(world: &mut World) {
    world.fail_dial(DialReason::Tcp, None);
    world.advance(secs(2));
}

#[test]
fn texts_go_to_the_connection_that_follows_a_parking() {
    let mut world =
        World::connected(SessionConfig { keepalive_max_idle: Some(secs(20)), ..recovering() });
    let text = |name: &'static [u8]| AppInput::Text(Bytes::from_static(name));
    world.app(text(b"first"));
    world.speak(secs(1));
    world.advance(secs(40));
    assert_eq!(world.session.state(), State::Parked);
    let before = world.sent.len();
    world.app(AppInput::Audio(frame()));
    world.connect();
    world.app(text(b"second"));
    let texts = world.sent[before..].iter().filter_map(|(_, it)| match it {
        Outgoing::Text(text) => Some(&text[..]),
        Outgoing::Audio(_) => Some(&b"audio"[..]),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), [&b"first"[..], b"audio", b"second"]);
}

#[test]
fn the_connection_that_follows_a_parking_begins_with_a_whole_sample() {
    for config in [config(), recovering()] {
        let mut world =
            World::connected(SessionConfig { keepalive_max_idle: Some(secs(20)), ..config });
        world.app(AppInput::Audio(Bytes::from_static(&[1; 3_201])));
        world.advance(secs(40));
        assert_eq!(world.session.state(), State::Parked);
        let before = world.sent.len();
        (0..3).for_each(|_| world.app(AppInput::Audio(Bytes::from_static(&[1; 3_201]))));
        world.connect();
        let sent: usize = world.sent[before..].iter().map(|(_, it)| it.audio_len()).sum();
        assert_eq!(sent, 3 * 3_201 - 1);
        reset(&mut world);
        world.app(AppInput::Finish);
    }
}

#[test]
fn times_after_parking_are_session_time() {
    let mut world =
        World::connected(SessionConfig { keepalive_max_idle: Some(secs(20)), ..config() });
    world.speak(secs(3));
    world.advance(secs(40));
    assert_eq!(world.session.state(), State::Parked);
    world.app(AppInput::Audio(frame()));
    world.connect();
    world.message(final_result(0, 100));
    let times = world.delivered.iter().rev().find_map(|(_, frame)| match frame {
        AppFrame::Message { times, .. } => Some(times),
        _ => None,
    });
    assert_eq!(times.unwrap().start(0.0), 3.0);
}

#[test]
fn where_the_encoding_tells_no_time_deepgram_does() {
    let mut world = World::connected(SessionConfig {
        audio: None,
        keepalive_max_idle: Some(secs(20)),
        ..config()
    });
    world.speak(secs(3));
    world.advance(secs(40));
    world.app(AppInput::Audio(frame()));
    world.connect();
    world.message(final_result(0, 100));
    let times = world.delivered.iter().rev().find_map(|(_, frame)| match frame {
        AppFrame::Message { times, .. } => Some(times),
        _ => None,
    });
    assert_eq!(times.unwrap().start(0.0), 3.0, "its Metadata said how much it had");
}

#[test]
fn the_ring_takes_memory_for_what_waits_and_gives_it_back() {
    let mut world = World::connected(recovering());
    let ring = |world: &World| world.session.snapshot().counts[Count::RingBytes];
    assert_eq!(ring(&world), 0);
    world.speak(secs(3));
    assert!((96_000..96_000 + 2 * 4_096).contains(&ring(&world)), "{}", ring(&world));
    world.message(final_result(0, 3_000));
    assert!(ring(&world) <= 4_096, "one chunk to spare");
    world.advance(secs(12));
    assert_eq!(ring(&world), 0);
}
