//! FINISH, leaving, breaches, and shutdown.

use super::*;
use crate::LossCause;

#[test]
fn finish_sends_close_stream_behind_all_audio_and_delivers_the_rest() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.app(AppInput::Finish);
    assert_eq!(world.sent.last().unwrap().1, Outgoing::CloseStream);
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Finished);
    assert_eq!(summary.messages.finals, 1);
    assert_eq!((summary.lost_ms, summary.audio.bytes_sent), (Some(0), 64_000));
    assert!(world.session.is_closed());
}

#[test]
fn a_second_finish_is_nothing_and_what_follows_is_dropped() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.app(AppInput::Finish);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Text(Bytes::from_static(b"{}")));
    world.app(AppInput::Finalize { channel: None });
    assert_eq!(world.sent.len(), 1, "only CloseStream");
    world.close(None, "");
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Finished, "no code after CloseStream is a good end");
    assert_eq!(summary.audio.bytes_dropped, FRAME_BYTES as u64);
    assert_eq!(summary.finalizes.skipped_dead, 0);
}

#[test]
fn a_deepgram_that_does_not_close_is_timed_out() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.app(AppInput::Finish);
    world.advance(Duration::from_millis(9_999));
    assert!(!world.is_finished());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.summary().outcome, Outcome::TimedOut);
}

#[test]
fn leaving_without_finish_aborts_but_flushes() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.app(AppInput::Eof);
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
    let messages = world.delivered.iter().filter(|(_, it)| matches!(it, AppFrame::Message { .. }));
    assert_eq!(messages.count(), 3, "a half-closed application still reads the rest");
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Aborted, Some(0)));
}

#[test]
fn a_breach_is_told_and_nothing_but_finished_follows() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.delivered.clear();
    world.app(AppInput::Breach(Box::new(Refusal::new(ErrorCode::BadFrame, "bad"))));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 1);
    let frames: Vec<_> = world.delivered.iter().map(|(_, it)| it).collect();
    assert!(matches!(frames[..], [AppFrame::Error(_), AppFrame::Finished { .. }]), "{frames:?}");
    assert_eq!(world.summary().outcome, Outcome::Aborted);
}

#[test]
fn a_breach_on_a_dead_session_stays_dead() {
    let mut world = World::connected(config());
    world.close(Some(1011), "oops");
    world.app(AppInput::Breach(Box::new(Refusal::new(ErrorCode::BadFrame, "bad"))));
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn an_abort_stands_whatever_its_flush_comes_to() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Eof);
    world.close(Some(1011), "oops");
    let summary = world.summary();
    assert_eq!(summary.outcome, Outcome::Aborted);
    assert!(summary.death.is_some());
}

#[test]
fn an_application_that_does_not_read_is_let_go_after_its_time() {
    let mut world = World::connected(config());
    world.app_writes = false;
    world.deepgram.mute = true;
    world.app(AppInput::WriteBlocked);
    world.message(MessageKind::Other);
    assert!(!world.session.wants_upstream_input());
    world.advance(secs(29));
    assert!(world.deaths().is_empty(), "no pong is no evidence while we do not read");
    assert_ne!(world.session.state(), State::Ended);
    (world.deepgram.mute, world.deepgram.answered) = (false, true);
    world.advance(secs(1));
    assert_eq!(world.summary().outcome, Outcome::Aborted);
    assert!(world.session.is_closed());
    let cause = world.facts.iter().find_map(|it| match it {
        Fact::SessionEnded(ended) => ended.cause,
        _ => None,
    });
    assert_eq!(cause, Some(EndCause::AppStalled));
}

#[test]
fn a_slow_application_that_reads_on_is_not_let_go() {
    let mut world = World::connected(config());
    world.app_writes = false;
    world.deepgram.mute = true;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    for _ in 0..10 {
        world.advance(secs(20));
        world.app(AppInput::WriteProgress);
    }
    assert_eq!(world.session.state(), State::Open);
}

#[test]
fn shutdown_flushes_and_says_drained() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.drain(secs(25));
    assert!(matches!(world.events()[0], Event::Draining { deadline_ms: 25_000 }));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.cut, summary.lost_ms), (Outcome::Drained, false, Some(0)));
}

#[test]
fn shutdowns_deadline_cuts_and_says_so() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.drain(secs(3));
    world.advance(secs(3));
    let dropped = Event::AudioDropped {
        frames: 1,
        bytes: FRAME_BYTES as u64,
        cause: LossCause::DrainDeadline,
    };
    assert!(world.events().contains(&&dropped));
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.cut), (Outcome::Drained, true));
}

#[test]
fn a_finish_before_shutdown_stays_finished() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.drain(secs(25));
    world.close(Some(1000), "");
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn a_dead_session_stays_dead_through_shutdown() {
    let mut world = World::connected(config());
    world.close(Some(1011), "oops");
    world.drain(secs(25));
    assert_eq!(world.summary().outcome, Outcome::Dead);
}

#[test]
fn shutdown_while_dialling_with_nothing_kept_refuses_at_once() {
    let mut world = World::new(config());
    world.drain(secs(25));
    assert!(matches!(world.delivered[0].1, AppFrame::Event { event: Event::Draining { .. }, .. }));
    assert_eq!(world.error(), Some(ErrorCode::Draining));
    assert!(world.session.is_closed());
}

#[test]
fn shutdown_while_dialling_still_delivers_what_was_kept() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.drain(secs(25));
    assert_eq!(world.error(), None);
    world.connect();
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Drained, 3_200));
}

#[test]
fn finalizes_are_counted_by_what_became_of_them() {
    let mut world = World::connected(config());
    world.app(AppInput::Finalize { channel: None });
    world.deepgram.answers_finalize = false;
    world.app(AppInput::Finalize { channel: None });
    assert_eq!(world.session.state(), State::Finalizing);
    world.advance(secs(1));
    world.app(AppInput::Finalize { channel: None });
    world.advance(secs(4));
    world.app(AppInput::Audio(frame()));
    assert_eq!(
        world.session.books.counts[Count::FinalizeTimeouts],
        1,
        "the younger one has a second left"
    );
    world.result(true, true);
    world.settle();
    assert_eq!(world.session.state(), State::Open);
    let answered: Vec<_> = world
        .facts
        .iter()
        .filter_map(|it| match it {
            Fact::FinalizeAnswered(it) => Some((it.count, it.latency)),
            _ => None,
        })
        .collect();
    assert_eq!(answered, [(1, Duration::ZERO), (1, secs(4))]);
    world.app(AppInput::Finish);
    let finalizes = world.summary().finalizes;
    assert_eq!((finalizes.sent, finalizes.timeouts, finalizes.errors), (3, 1, 0));
}

#[test]
fn one_answer_answers_all_that_were_sent_before_it() {
    let mut world = World::connected(config());
    world.deepgram.answers_finalize = false;
    for _ in 0..3 {
        world.app(AppInput::Finalize { channel: None });
    }
    world.result(true, true);
    world.settle();
    world.advance(secs(6));
    assert_eq!(world.session.books.counts[Count::FinalizeTimeouts], 0);
}

#[test]
fn an_empty_audio_frame_is_counted_and_never_sent() {
    let mut world = World::connected(config());
    world.app(AppInput::Audio(Bytes::new()));
    assert!(world.sent.is_empty(), "an empty binary frame would end the stream");
    world.app(AppInput::Finish);
    let audio = world.summary().audio;
    assert_eq!((audio.frames, audio.frames_dropped, audio.bytes_dropped), (1, 1, 0));
}
