//! What holds whatever happens in whatever order.

use proptest::prelude::*;

use super::*;
use crate::RecoveryConfig;
use crate::death::Reason;

/// Something that can happen to a session.
#[derive(Clone, Debug)]
enum Step {
    App(AppInput),
    Upstream(UpstreamInput),
    Advance(u64),
    Pause(u64),
    Connect,
    UpstreamWrites(bool),
    AppWrites(bool),
    AppSilent(bool),
    Drain(u64, u64),
}

fn failure() -> impl Strategy<Value = UpstreamInput> {
    let closed =
        (prop::sample::select(vec![None, Some(1000), Some(1011), Some(1008)]), any::<bool>())
            .prop_map(|(code, idle)| {
                let detail = if idle { "net0001" } else { "" }.to_owned();
                let frame = CloseFrame { code, text: detail.clone() };
                let (reason, dg_code) = (reason_of_close(code, &detail), dg_code_of(&detail));
                UpstreamInput::Closed { frame, reason, dg_code, detail, says_why: false }
            });
    let pairs: Vec<_> = Reason::ALL
        .into_iter()
        .flat_map(|reason| reason.triggers().iter().map(move |trigger| (reason, *trigger)))
        .collect();
    let failed = prop::sample::select(pairs).prop_map(|(reason, trigger)| UpstreamInput::Failed {
        reason,
        trigger,
        detail: "x".to_owned(),
    });
    prop_oneof![closed, failed]
}

fn step() -> impl Strategy<Value = Step> {
    let message = (any::<bool>(), any::<bool>(), 0..50_000_u64, 0..3_u32).prop_map(
        |(is_final, from_finalize, end, channel)| UpstreamInput::Message {
            text: Bytes::from_static(b"{}"),
            kind: MessageKind::Results {
                start: Duration::ZERO,
                is_final,
                from_finalize,
                end: Duration::from_millis(end),
                channel,
                channels: 2,
            },
        },
    );
    let metadata = UpstreamInput::Message {
        text: Bytes::from_static(b"{}"),
        kind: MessageKind::Metadata { processed: None },
    };
    prop_oneof![
        8 => (0..4_000_usize).prop_map(|n| Step::App(AppInput::Audio(vec![0; n].into()))),
        2 => Just(Step::App(AppInput::Finalize { channel: None })),
        1 => Just(Step::App(AppInput::Text(Bytes::from_static(b"{}")))),
        1 => Just(Step::App(AppInput::Finish)),
        1 => Just(Step::App(AppInput::Eof)),
        1 => Just(Step::App(AppInput::WriteFailed)),
        1 => Just(Step::App(AppInput::WriteBlocked)),
        1 => Just(Step::App(AppInput::WriteProgress)),
        1 => Just(Step::App(AppInput::Breach(Box::new(Refusal::new(ErrorCode::BadFrame, "x"))))),
        3 => message.prop_map(Step::Upstream),
        1 => Just(Step::Upstream(metadata)),
        1 => Just(Step::Upstream(UpstreamInput::Pong)),
        1 => Just(Step::Upstream(UpstreamInput::WriteBlocked)),
        1 => Just(Step::Upstream(UpstreamInput::WriteProgress)),
        1 => failure().prop_map(Step::Upstream),
        1 => (0..3_usize).prop_map(|n| {
            let reason = [DialReason::Http429, DialReason::Http401, DialReason::Tcp][n];
            Step::Upstream(UpstreamInput::DialFailed(DialFailure::before_answer(reason, "x")))
        }),
        6 => (0..20_000_u64).prop_map(Step::Advance),
        1 => (0..700_000_u64).prop_map(Step::Advance),
        1 => (0..60_000_u64).prop_map(Step::Pause),
        4 => Just(Step::Connect),
        2 => any::<bool>().prop_map(Step::UpstreamWrites),
        2 => any::<bool>().prop_map(Step::AppWrites),
        2 => any::<bool>().prop_map(Step::AppSilent),
        1 => (prop_oneof![Just(0), 0..10_000_u64], 0..30_000_u64)
            .prop_map(|(linger, timeout)| Step::Drain(linger, timeout)),
    ]
}

fn run(world: &mut World, step: Step) {
    match step {
        // As the driver does: what is not wanted is not read.
        Step::App(
            input @ (AppInput::Audio(_)
            | AppInput::Text(_)
            | AppInput::Finalize { .. }
            | AppInput::Finish),
        ) => {
            if world.session.wants_app_input() {
                world.app(input);
            }
        }
        Step::App(input) => world.app(input),
        Step::Upstream(input) => world.upstream(input),
        Step::Advance(ms) => world.advance(Duration::from_millis(ms)),
        Step::Pause(ms) => {
            world.now += Duration::from_millis(ms);
            world.timeout();
        }
        Step::Connect if world.session.route() == Route::Dialing => world.connect(),
        Step::Connect => {}
        Step::UpstreamWrites(works) => {
            world.upstream_writes = works;
            world.settle();
        }
        Step::AppWrites(works) => {
            world.app_writes = works;
            world.settle();
        }
        Step::AppSilent(silent) => {
            world.app_silent = silent;
            world.settle();
        }
        Step::Drain(linger, timeout) => {
            world.drain_lingering(Duration::from_millis(linger), Duration::from_millis(timeout));
        }
    }
}

/// With a ring that is too small for most outages, or one that is not.
fn recovery() -> impl Strategy<Value = Option<RecoveryConfig>> {
    let with_ring = |seconds| RecoveryConfig {
        ring: secs(seconds),
        max_reconnects: 10,
        reconnects_per_minute: 4,
    };
    prop::option::of(prop::sample::select(vec![with_ring(1), with_ring(30)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No panic, balanced books after every step (`settle` checks them), nothing after the last
    /// frame (`perform` checks it), no deadline in the past (`timeout` checks it).
    #[test]
    fn any_order_of_inputs_leaves_the_session_sound(
        steps in prop::collection::vec(step(), 1..120),
        prime in any::<bool>(),
        kill_stalled in any::<bool>(),
        recovery in recovery(),
    ) {
        let prime_silence = if prime { secs(2) } else { Duration::ZERO };
        let mut world = World::new(SessionConfig { prime_silence, kill_stalled, recovery, ..config() });
        let mut at_ms_before = 0;
        for step in steps {
            run(&mut world, step);
            let (_, waiting) = world.session.backlog.audio();
            prop_assert!(waiting <= 324_000, "the connect buffer is 10 s and one frame at most");
        }
        for (_, frame) in &world.delivered {
            if let AppFrame::Event { at_ms, .. } = frame {
                prop_assert!(*at_ms >= at_ms_before);
                at_ms_before = *at_ms;
            }
        }
        let died = world.facts.iter().filter(|it| matches!(it, Fact::ConnectionDied(_))).count();
        let told = world.deaths().len();
        prop_assert!(told <= died);
        prop_assert!(died <= 1 || recovery.is_some(), "in latch mode a session has one death");
    }

    /// Every session ends, with one last frame and one summary, once the application is gone.
    #[test]
    fn every_session_ends(
        steps in prop::collection::vec(step(), 0..60),
        recovery in recovery(),
    ) {
        let mut world = World::new(SessionConfig { recovery, ..config() });
        for step in steps {
            run(&mut world, step);
        }
        world.app_writes = true;
        world.settle();
        world.app(AppInput::WriteFailed);
        world.app(AppInput::Eof);
        if world.session.route() == Route::Dialing {
            world.connect();
        }
        world.advance(secs(60));
        prop_assert!(world.session.is_closed(), "{:?}", world.session.route());
        world.summary();
        prop_assert_eq!(world.session.snapshot().counts[Count::FinalizesInFlight], 0, "each is settled by one fact");
        let count = |is_it: fn(&Fact) -> bool| world.facts.iter().filter(|it| is_it(it)).count();
        let up = count(|it| matches!(it, Fact::Connected(_)));
        let over = count(|it| matches!(it, Fact::ConnectionClosed(_) | Fact::ConnectionDied(_)));
        prop_assert_eq!(up, over, "each connection ends in one fact");
        let begun = count(|it| matches!(it, Fact::TranscriptStalled(_)));
        prop_assert_eq!(begun, count(|it| matches!(it, Fact::StallEnded(_))), "each stall ends once");
    }

    /// The first reason wins in every order, and every later symptom is only evidence.
    #[test]
    fn the_first_reason_wins(failures in prop::collection::vec(failure(), 1..8), speech in 0..30_u64) {
        let mut world = World::connected(config());
        world.speak(FRAME * speech as u32);
        let first = match &failures[0] {
            UpstreamInput::Closed { reason, .. } | UpstreamInput::Failed { reason, .. } => *reason,
            _ => unreachable!("the strategy makes failures alone"),
        };
        let later = failures.len() - 1;
        for failure in failures {
            world.upstream(failure);
        }
        world.advance(secs(60));
        prop_assert_eq!(world.deaths().len(), 1);
        prop_assert_eq!(world.deaths()[0].reason, first);
        let evidence = world.facts.iter().filter(|it| matches!(it, Fact::LateEvidence(_))).count();
        prop_assert_eq!(evidence, later);
        world.app(AppInput::Finish);
        prop_assert_eq!(world.summary().death.unwrap().reason, first);
    }
}
