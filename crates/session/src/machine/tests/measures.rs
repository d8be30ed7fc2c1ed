//! What operators are told: figures and facts, each exactly when it should be.

use super::*;
use crate::Side;
use crate::death::Reason;
use crate::fact::{ConnectionEnd, GapLevel, StallOutcome};

impl World {
    /// The observations of one kind, with when they were made.
    fn observed<T>(&self, pick: impl Fn(&Observation) -> Option<T>) -> Vec<T> {
        self.observations.iter().filter_map(|(_, it)| pick(it)).collect()
    }

    pub(super) fn facts_of<T>(&self, pick: impl Fn(&Fact) -> Option<T>) -> Vec<T> {
        self.facts.iter().filter_map(pick).collect()
    }

    fn closes(&self) -> Vec<(u16, DgCode)> {
        self.facts_of(|fact| match fact {
            Fact::CloseReceived(close) => Some((close.code, close.dg_code)),
            _ => None,
        })
    }

    fn stall_ends(&self) -> Vec<(Duration, StallOutcome)> {
        self.facts_of(|fact| match fact {
            Fact::StallEnded(ended) => Some((ended.silent, ended.outcome)),
            _ => None,
        })
    }
}

#[test]
fn a_results_lag_is_the_audio_sent_less_its_end() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.speak(secs(3));
    let result = |end| MessageKind::Results {
        start: Duration::ZERO,
        is_final: false,
        from_finalize: false,
        end,
        channel: 0,
        channels: 1,
    };
    world.message(result(secs(1)));
    world.message(result(Duration::from_millis(2_750)));
    world.message(MessageKind::UtteranceEnd { end: secs(2) });
    let lags = world.observed(|it| match it {
        Observation::Message { lag, first_result, .. } => Some((*lag, *first_result)),
        _ => None,
    });
    let expected =
        [(Some(secs(2)), Some(secs(3))), (Some(Duration::from_millis(250)), None), (None, None)];
    assert_eq!(lags, expected, "the first result comes once");
    let counts = world.session.snapshot().counts;
    assert_eq!((counts[Count::CursorBytes], counts[Count::ResultEndMs]), (96_000, 2_750));
}

#[test]
fn silence_of_our_own_is_part_of_the_cursor() {
    let mut world = World::connected(SessionConfig { prime_silence: secs(1), ..config() });
    world.advance(secs(2));
    world.deepgram.mute = true;
    let end = secs(1);
    world.message(MessageKind::TurnInfo { end_of_turn: true, end });
    let lag = world.observed(|it| match it {
        Observation::Message { kind: MessageKind::TurnInfo { .. }, lag, .. } => Some(*lag),
        _ => None,
    });
    assert_eq!(lag, [Some(Duration::ZERO)]);
}

#[test]
fn what_waits_for_the_application_is_delivered_when_the_oldest_of_it_is() {
    let mut world = World::connected(config());
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.advance(Duration::from_millis(300));
    world.message(MessageKind::Other);
    world.advance(Duration::from_millis(200));
    world.app_writes = true;
    world.settle();
    let latencies = world.observed(|it| match it {
        Observation::Delivered { latency } => Some(*latency),
        _ => None,
    });
    assert_eq!(latencies, [Duration::from_millis(500)]);
}

#[test]
fn a_pongs_time_is_that_since_its_ping_and_a_ping_of_deepgrams_is_none() {
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.advance(secs(5));
    assert_eq!(world.count_sent(&Outgoing::Ping), 1);
    world.upstream(UpstreamInput::Ping);
    world.advance(Duration::from_millis(40));
    world.upstream(UpstreamInput::Pong);
    world.upstream(UpstreamInput::Pong);
    let round_trips = world.observed(|it| match it {
        Observation::PingAnswered { round_trip } => Some(*round_trip),
        _ => None,
    });
    assert_eq!(round_trips, [Duration::from_millis(40)]);
}

#[test]
fn only_pauses_are_gaps() {
    let mut world = World::connected(config());
    world.speak(secs(2));
    world.advance(Duration::from_millis(600));
    world.app(AppInput::Audio(frame()));
    world.advance(secs(5));
    let gaps = world.observed(|it| match it {
        Observation::SendGap { gap } => Some(gap.as_millis()),
        _ => None,
    });
    assert_eq!(gaps, [700, 5_000], "one frame's time and the pause, then a keepalive");
    assert!(!world.facts.iter().any(|it| matches!(it, Fact::KeepaliveGap(_))));
}

#[test]
fn a_gap_near_the_idle_window_is_told_and_one_beyond_it_is_a_breach() {
    for (pause_ms, level) in [
        (7_900, None),
        (8_000, Some(GapLevel::NearMiss)),
        (9_999, Some(GapLevel::NearMiss)),
        (10_000, Some(GapLevel::Breach)),
    ] {
        let mut world = World::connected(config());
        world.deepgram.mute = true;
        // Our own pause: the keepalive was due after 5 s.
        world.now += Duration::from_millis(pause_ms);
        world.app(AppInput::Audio(frame()));
        let told = world.facts_of(|fact| match fact {
            Fact::KeepaliveGap(gap) => Some((gap.gap, gap.level)),
            _ => None,
        });
        let expected = level.map(|level| (Duration::from_millis(pause_ms), level));
        assert_eq!(told, Vec::from_iter(expected));
    }
}

#[test]
fn a_gap_that_only_death_ends_is_told_and_one_after_close_stream_is_not() {
    let breaches =
        |world: &World| world.facts.iter().filter(|it| matches!(it, Fact::KeepaliveGap(_))).count();
    let mut world = World::connected(config());
    world.now += secs(11);
    world.close(Some(1011), "net0001");
    assert_eq!(breaches(&world), 1);
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.now += secs(9);
    world.close(Some(1011), "x");
    assert_eq!((breaches(&world), world.deaths().len()), (0, 1));
}

#[test]
fn blocked_time_is_told_for_the_side_that_blocked() {
    let mut world = World::connected(config());
    let blocked = |world: &World| {
        world.observed(|it| match it {
            Observation::Unblocked { side, duration } => Some((*side, duration.as_millis())),
            _ => None,
        })
    };
    world.deepgram.mute = true;
    world.upstream_writes = false;
    world.app(AppInput::Audio(frame()));
    world.upstream(UpstreamInput::WriteBlocked);
    world.advance(secs(2));
    world.upstream_writes = true;
    world.settle();
    assert_eq!(blocked(&world), [(Side::Upstream, 2_000)]);
    world.app_writes = false;
    world.message(MessageKind::Other);
    world.app(AppInput::WriteBlocked);
    world.advance(secs(3));
    world.app(AppInput::WriteFailed);
    assert_eq!(blocked(&world)[1..], [(Side::App, 3_000)], "an end counts as well");
}

#[test]
fn a_stall_ends_by_a_message_by_death_or_with_its_connection() {
    let stalled = || {
        let mut world = World::connected(config());
        world.deepgram.mute = true;
        for _ in 0..7 {
            world.speak(secs(3));
            world.upstream(UpstreamInput::Ping);
        }
        assert!(world.session.snapshot().is_stalled);
        world
    };
    let mut world = stalled();
    world.message(MessageKind::Other);
    assert_eq!(world.stall_ends(), [(secs(21), StallOutcome::Recovered)]);
    assert!(!world.session.snapshot().is_stalled);
    let mut world = stalled();
    world.close(Some(1011), "x");
    assert_eq!(world.stall_ends(), [(secs(21), StallOutcome::Died)]);
    let mut world = stalled();
    world.app(AppInput::Finish);
    world.advance(secs(10));
    assert_eq!(world.stall_ends(), [(secs(31), StallOutcome::Ended)]);
}

#[test]
fn every_way_in_which_deepgram_closes_is_counted_once() {
    let mut world = World::connected(config());
    world.close(Some(1011), "See https://dpgr.am/net0001");
    world.close(Some(1011), "x");
    assert_eq!(world.closes(), [(1011, DgCode::Net0001)], "a dead connection closes no more");
    let mut world = World::connected(config());
    world.close(None, "");
    assert_eq!(world.closes(), [(1005, DgCode::None)]);
    let mut world = World::connected(config());
    world.fail(Reason::EofWithoutClose, Trigger::Read);
    assert_eq!(world.closes(), [(1006, DgCode::None)]);
    let mut world = World::connected(config());
    world.fail(Reason::BrokenPipe, Trigger::AudioWrite);
    assert_eq!(world.closes(), [], "our own failed write is no close of theirs");
    let mut world = World::connected(config());
    world.app(AppInput::Finish);
    assert_eq!(world.closes(), [(1000, DgCode::None)]);
}

#[test]
fn a_connection_ends_in_exactly_one_fact() {
    let ends = |world: &World| {
        world.facts_of(|fact| match fact {
            Fact::ConnectionClosed(closed) => Some(Some((closed.end, closed.closing))),
            Fact::ConnectionDied(_) => Some(None),
            _ => None,
        })
    };
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.app(AppInput::Finish);
    assert_eq!(ends(&world), [Some((ConnectionEnd::Flushed, Some(Duration::ZERO)))]);
    let mut world = World::connected(config());
    world.deepgram.mute = true;
    world.app(AppInput::Finish);
    world.advance(secs(10));
    assert_eq!(ends(&world), [Some((ConnectionEnd::TimedOut, Some(secs(10))))]);
    let mut world = World::connected(config());
    world.deepgram.closes = false;
    world.drain(secs(3));
    world.advance(secs(3));
    assert_eq!(ends(&world), [Some((ConnectionEnd::Cut, Some(secs(3))))]);
    let mut world = World::connected(config());
    world.close(Some(1011), "x");
    world.app(AppInput::Finish);
    assert_eq!(ends(&world), [None]);
}

#[test]
fn a_dial_tells_how_long_it_took_and_what_has_waited() {
    let mut world = World::new(config());
    world.speak(secs(2));
    world.fail_dial(DialReason::Tcp, None);
    world.advance(secs(2));
    assert_eq!(world.dials, 2);
    world.advance(Duration::from_millis(500));
    world.connect();
    let failed = world.facts_of(|fact| match fact {
        Fact::DialFailed(failed) => Some(failed.duration),
        _ => None,
    });
    assert_eq!(failed, [secs(2)]);
    let up = world.facts_of(|fact| match fact {
        Fact::Connected(up) => Some((up.waited, up.buffered)),
        _ => None,
    });
    assert_eq!(up, [(Duration::from_millis(4_500), Some(secs(2)))]);
}

#[test]
fn a_segment_is_told_every_minute_and_the_rest_at_the_end() {
    let mut world = World::connected(config());
    world.speak(secs(70));
    world.advance(secs(60));
    world.app(AppInput::Finish);
    let segments = world.observed(|it| match it {
        Observation::Segment(segment) => Some(segment.as_ref().clone()),
        _ => None,
    });
    let lengths: Vec<_> = segments.iter().map(|it| it.duration.as_secs()).collect();
    assert_eq!(lengths, [60, 60, 10]);
    let sum = |of: fn(&crate::Segment) -> u64| segments.iter().map(of).sum::<u64>();
    let summary = world.summary();
    assert_eq!(sum(|it| it.bytes_received), summary.audio.bytes_received);
    assert_eq!(sum(|it| it.bytes_sent), summary.audio.bytes_sent);
    assert_eq!(sum(|it| it.keepalives), summary.keepalives);
    assert_eq!(sum(|it| it.messages), summary.messages.received);
    assert_eq!(sum(|it| it.finals), summary.messages.finals);
    assert_eq!(segments[0].send_gap_max, Duration::from_millis(100));
    assert_eq!(segments[1].send_gap_max, secs(5));
}

#[test]
fn a_parked_and_a_dead_session_still_have_segments() {
    let mut world = World::connected(config());
    world.close(Some(1011), "x");
    world.advance(secs(125));
    let count = world.observations.iter();
    let count = count.filter(|(_, it)| matches!(it, Observation::Segment(_))).count();
    assert_eq!(count, 2);
}

#[test]
fn the_end_of_a_drained_session_tells_how_long_shutdown_took() {
    let mut world = World::connected(config());
    world.speak(secs(1));
    world.deepgram.closes = false;
    world.drain(secs(25));
    world.advance(secs(4));
    world.deepgram.up = None;
    world.message(MessageKind::Metadata { processed: None });
    world.close(Some(1000), "");
    let drained = world.facts_of(|fact| match fact {
        Fact::SessionEnded(ended) => Some((ended.drained.map(|it| it.lasted), ended.audio)),
        _ => None,
    });
    assert_eq!(drained, [(Some(secs(4)), Some(secs(1)))]);
}

#[test]
fn a_finalize_is_in_flight_until_one_fact_settles_it() {
    let mut world = World::connected(config());
    world.deepgram.answers_finalize = false;
    for _ in 0..3 {
        world.app(AppInput::Finalize { channel: None });
    }
    let counts = world.session.snapshot().counts;
    assert_eq!((counts[Count::FinalizesRequested], counts[Count::FinalizesInFlight]), (3, 3));
    world.advance(secs(5));
    assert_eq!(world.session.snapshot().counts[Count::FinalizesInFlight], 0);
    world.close(Some(1011), "x");
    world.app(AppInput::Finalize { channel: None });
    let counts = world.session.snapshot().counts;
    assert_eq!((counts[Count::FinalizesRequested], counts[Count::FinalizesInFlight]), (4, 0));
}

#[test]
fn what_waits_for_deepgram_is_shown() {
    let mut world = World::new(config());
    world.app(AppInput::Audio(frame()));
    assert!(world.session.snapshot().counts[Count::UpstreamQueueBytes] >= FRAME_BYTES as u64);
    world.upstream_writes = false;
    world.connect();
    assert_eq!(world.session.snapshot().counts[Count::UpstreamQueueBytes], FRAME_BYTES as u64);
    world.upstream_writes = true;
    world.settle();
    assert_eq!(world.session.snapshot().counts[Count::UpstreamQueueBytes], 0);
}
