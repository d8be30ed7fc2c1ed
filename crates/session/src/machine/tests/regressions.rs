//! Mistakes that were made once, each named after what it did.

use super::*;

/// A keepalive that came due behind an unwritten ping was put off for ever.
#[test]
fn the_keepalive_clock_survives_a_late_pong_verdict() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.deepgram.mute = true;
    world.advance(secs(5));
    world.deepgram.mute = false;
    world.now += secs(7);
    world.timeout();
    world.deepgram.last_heard = Some(world.now);
    world.settle();
    world.advance(secs(60));
    assert!(world.deaths().is_empty(), "{:?}", world.deaths());
}

/// TEXT filled the buffer of a parked session, which then read nothing and had no timer.
#[test]
fn a_parked_session_whose_buffer_is_full_opens_a_connection() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.advance(secs(620));
    assert_eq!(world.session.state(), State::Parked);
    world.app(AppInput::Text(vec![b' '; 1 << 20].into()));
    assert_eq!(world.dials, 2);
}

/// The same while the connection was being parked.
#[test]
fn a_buffer_that_fills_while_parking_opens_a_connection() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.speak(secs(1));
    world.advance(secs(600));
    world.app(AppInput::Text(vec![b' '; 1 << 20].into()));
    world.close(Some(1000), "");
    assert_eq!(world.dials, 2);
}

/// An application that does not read keeps us from reading Deepgram.
#[test]
fn an_application_that_does_not_read_is_no_stalled_deepgram() {
    let mut world = World::connected(SessionConfig { kill_stalled: true, ..config() });
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.deepgram.mute = true;
    for _ in 0..250 {
        world.app(AppInput::Audio(frame()));
        world.advance(FRAME);
    }
    assert!(!world.facts.iter().any(|it| matches!(it, Fact::TranscriptStalled(_))));
    assert!(world.deaths().is_empty());
}

#[test]
fn a_slow_reader_makes_deepgram_neither_late_nor_silent() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.deepgram.answers_finalize = false;
    world.app(AppInput::Finalize { channel: None });
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.app(AppInput::Finish);
    world.deepgram.mute = true;
    world.advance(secs(20));
    assert_eq!(world.session.state(), State::Closing);
    assert_eq!(world.session.books.counts[Count::FinalizeTimeouts], 0);
    world.app_writes = true;
    world.settle();
    world.advance(secs(4));
    assert_eq!(world.session.books.counts[Count::FinalizeTimeouts], 0, "its time begins anew");
    world.advance(secs(1));
    assert_eq!(world.session.books.counts[Count::FinalizeTimeouts], 1);
    world.advance(secs(5));
    assert_eq!(world.summary().outcome, Outcome::TimedOut);
}

/// The park's deadline threw away audio that waited for the connection after it.
#[test]
fn audio_that_waits_for_a_resumption_outlives_the_parks_deadline() {
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.speak(secs(2));
    world.advance(secs(600));
    assert_eq!(world.session.state(), State::Closing);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    world.deepgram.mute = true;
    world.advance(secs(10));
    assert_eq!(world.dials, 2);
    world.deepgram.closes = true;
    world.connect();
    assert_eq!(world.summary().audio.bytes_sent, 21 * FRAME_BYTES as u64);
}

/// The answer came while the rest of the batch was still on its way into the kernel.
#[test]
fn an_answer_to_a_finalize_that_is_half_written_is_an_answer() {
    let mut world = World::connected(config());
    world.deepgram.answers_finalize = false;
    world.upstream_writes = false;
    world.app(AppInput::Finalize { channel: None });
    world.upstream(UpstreamInput::WriteBlocked);
    world.result(true, true);
    world.upstream_writes = true;
    world.settle();
    world.advance(secs(6));
    world.app(AppInput::Finish);
    let finalizes = world.summary().finalizes;
    assert_eq!((finalizes.sent, finalizes.timeouts), (1, 0));
}

/// Frames that were kept pinned the whole buffer that they had been read into.
#[test]
fn what_is_kept_is_copied_out_of_its_read_buffer() {
    let mut world = World::new(config());
    let buffer = Bytes::from(vec![1; 8 << 10]);
    world.app(AppInput::Audio(buffer.slice(..100)));
    assert!(buffer.is_unique(), "kept frames must not share it");
}

/// An application that left in the middle of a delivery had its last words unread.
#[test]
fn a_failed_write_ends_deliveries_and_not_the_session() {
    let mut world = World::connected(config());
    world.app(AppInput::WriteFailed);
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    world.app(AppInput::Eof);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Finished, 3_200));
    assert!(world.session.is_closed());
}

/// Its answer came before its write was known, and then the write of what went along with it failed.
#[test]
fn a_finalize_that_was_answered_is_no_error_of_the_write_behind_it() {
    let mut world = World::connected(config());
    world.upstream_writes = false;
    world.app(AppInput::Finalize { channel: None });
    world.message(MessageKind::Results {
        start: Duration::ZERO,
        is_final: true,
        from_finalize: true,
        end: Duration::ZERO,
        channel: 0,
        channels: 1,
    });
    world.fail(crate::death::Reason::BrokenPipe, Trigger::FinalizeWrite);
    world.app(AppInput::Finish);
    let finalizes = world.summary().finalizes;
    assert_eq!((finalizes.sent, finalizes.errors), (1, 0));
}
