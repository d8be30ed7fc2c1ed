//! Before the first connection is up.

use super::*;

#[test]
fn what_was_kept_is_sent_in_order_behind_opened() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finalize { channel: Some(1) });
    world.app(AppInput::Text(Bytes::from_static(b"{}")));
    world.app(AppInput::Finish);
    assert!(world.sent.is_empty() && world.delivered.is_empty());
    world.connect();
    assert!(matches!(world.delivered[0].1, AppFrame::Opened { .. }));
    let sent: Vec<_> = world.sent.iter().map(|(_, it)| it.clone()).collect();
    assert_eq!(
        sent,
        [
            Outgoing::Audio(frame()),
            Outgoing::Finalize { channel: Some(1), again: false },
            Outgoing::Text(Bytes::from_static(b"{}")),
            Outgoing::CloseStream,
        ]
    );
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn the_buffer_holds_ten_seconds_and_then_the_application_waits() {
    let mut world = World::new(config());
    for _ in 0..100 {
        assert!(world.session.wants_app_input());
        world.app(AppInput::Audio(frame()));
    }
    assert!(!world.session.wants_app_input());
    world.connect();
    assert!(world.session.wants_app_input());
    assert_eq!(world.sent.len(), 100, "nothing was dropped");
}

#[test]
fn the_buffer_is_bounded_without_a_time_and_for_empty_entries() {
    let mut world = World::new(SessionConfig { audio: None, ..config() });
    while world.session.wants_app_input() {
        world.app(AppInput::Finalize { channel: None });
        assert!(world.session.books.counts[Count::FinalizesRequested] < 20_000, "no bound");
    }
}

#[test]
fn transient_failures_are_tried_three_times_and_then_told() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.fail_dial(DialReason::Http5xx, Some(503));
    world.advance(Duration::from_millis(2_000));
    assert_eq!(world.dials, 2);
    world.fail_dial(DialReason::Tcp, None);
    world.advance(Duration::from_millis(1_999));
    assert_eq!(world.dials, 2, "the second wait is 2 s at least");
    world.advance(Duration::from_millis(1_001));
    assert_eq!(world.dials, 3);
    world.fail_dial(DialReason::Timeout, None);
    assert_eq!(world.error(), Some(ErrorCode::ConnectFailed));
    assert!(!world.is_opened() && !world.is_finished());
    assert!(world.session.is_closed());
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::ConnectFailed, Some(100)));
}

#[test]
fn deepgrams_last_word_is_not_asked_for_again() {
    for (reason, status) in [
        (DialReason::Http400, 400),
        (DialReason::Http401, 401),
        (DialReason::Http402, 402),
        (DialReason::Http403, 403),
        (DialReason::Http4xx, 404),
        (DialReason::Http3xx, 302),
    ] {
        let mut world = World::new(config());
        world.fail_dial(reason, Some(status));
        assert_eq!(world.error(), Some(ErrorCode::ConnectFailed), "{status}");
        assert_eq!(world.session.next_deadline(), None);
        assert!(world.session.is_closed());
    }
}

/// The message of the ERROR.
fn message(world: &World) -> &str {
    let error = world.delivered.iter().find_map(|(_, frame)| match frame {
        AppFrame::Error(refusal) => Some(refusal),
        _ => None,
    });
    &error.expect("it is refused").message
}

#[test]
fn the_error_counts_what_was_dialled_and_nothing_else() {
    let refused = "Deepgram refused the API key; check the sidecar's key";
    let mut world = World::new(config());
    world.withhold_dial(DialReason::Http401);
    let expected = format!("no connection to Deepgram: {refused}");
    assert_eq!(message(&world), expected);

    let mut world = World::new(config());
    world.fail_dial(DialReason::Http5xx, Some(503));
    world.advance(secs(2));
    world.withhold_dial(DialReason::Http401);
    let expected = format!("no connection to Deepgram, after 1 attempt: {refused}");
    assert_eq!(message(&world), expected);

    let mut world = World::new(config());
    world.fail_dial(DialReason::Http5xx, Some(503));
    world.advance(secs(2));
    world.fail_dial(DialReason::Http401, Some(401));
    let expected = format!("no connection to Deepgram, after 2 attempts: {refused}");
    assert_eq!(message(&world), expected);
}

#[test]
fn a_request_timeout_and_a_full_project_are_asked_again() {
    for (reason, status) in [(DialReason::Http4xx, 408), (DialReason::Http429, 429)] {
        let mut world = World::new(config());
        world.fail_dial(reason, Some(status));
        assert_eq!(world.error(), None, "{status}");
        world.advance(secs(2));
        assert_eq!(world.dials, 2);
    }
}

#[test]
fn everything_survives_all_attempts() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    world.fail_dial(DialReason::Http429, Some(429));
    world.advance(secs(2));
    world.fail_dial(DialReason::Http429, Some(429));
    world.advance(secs(3));
    world.connect();
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.audio.bytes_sent), (Outcome::Finished, 3_200));
}

#[test]
fn an_application_that_leaves_while_dialling_cancels_the_dial() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Eof);
    assert_eq!(world.hang_ups, 1);
    assert!(world.error().is_some(), "a half-closed application can still read why");
    assert!(world.session.is_closed());
    assert_eq!(world.summary().outcome, Outcome::Aborted);
}

#[test]
fn a_half_close_after_finish_leaves_the_dial_alone() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    world.app(AppInput::Finish);
    world.app(AppInput::Eof);
    world.connect();
    assert_eq!(world.summary().outcome, Outcome::Finished);
}

#[test]
fn a_breach_while_dialling_ends_with_one_error() {
    let mut world = World::new(config());
    let refusal = Refusal::new(ErrorCode::BadFrame, "bad");
    world.app(AppInput::Breach(Box::new(refusal)));
    assert_eq!(world.delivered.len(), 1);
    assert_eq!(world.error(), Some(ErrorCode::BadFrame));
    assert_eq!(world.hang_ups, 1);
    assert!(world.session.is_closed());
}

#[test]
fn a_connection_that_comes_too_late_is_hung_up() {
    let mut world = World::new(config());
    world.app(AppInput::Eof);
    let before = world.hang_ups;
    world.connect();
    assert_eq!(world.hang_ups, before + 1);
    assert!(!world.is_opened());
}

#[test]
fn what_was_kept_goes_out_a_batch_at_a_time_and_ahead_of_the_rest() {
    let mut world = World::new(config());
    for _ in 0..100 {
        world.app(AppInput::Audio(frame()));
    }
    world.upstream_writes = false;
    world.connect();
    assert_eq!(world.sent.len(), 21, "64 KiB, and the frame that reaches them");
    assert!(!world.session.wants_app_input());
    world.drain(secs(25));
    assert_eq!(world.count_sent(&Outgoing::CloseStream), 0, "not ahead of what was kept");
    world.upstream_writes = true;
    world.settle();
    assert_eq!(world.sent.len(), 101);
    assert_eq!(world.sent.last().unwrap().1, Outgoing::CloseStream);
    assert_eq!(world.summary().audio.bytes_sent, 100 * FRAME_BYTES as u64);
}
