//! Each fact of a session moves its series and no other; so does each observation.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use super::*;
use session::close::DgCode;
use session::death::Trigger;
use session::dial::{DialFailure, DialReason};
use session::fact::*;
use session::gate::{VadMode, VadUnavailable};
use session::{LossCause, MessageKind, Observation, ReconnectReason, Segment, Side};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// How many kinds of facts there are.
const FACT_KINDS: usize = Fact::NAMES.len();

type Moves = Vec<(&'static str, f64)>;

/// Records the fact in a fresh session, and asserts what that alone moved.
#[track_caller]
fn assert_fact(fact: &Fact, expected: &[(&str, f64)]) {
    let telemetry = Telemetry::default();
    let session = telemetry.session(live("s"));
    assert_moved(&telemetry, expected, || session.record(fact));
}

/// One fact of each kind.
pub(in crate::telemetry) fn one_of_each() -> Vec<Fact> {
    let failure = DialFailure::before_answer(DialReason::Tcp, "refused");
    let (reason, trigger, detail) = (Reason::BrokenPipe, Trigger::AudioWrite, String::new());
    vec![
        Fact::DialFailed(DialFailed { attempt: 1, failure, duration: MS(7), retry_in: None }),
        Fact::Connected(connected()),
        Fact::KeepaliveSent(KeepaliveSent { endpoint: Endpoint::V1Listen, lateness: MS(5) }),
        Fact::KeepaliveBlocked(KeepaliveBlocked),
        Fact::KeepaliveGap(KeepaliveGap { gap: MS(9_000), level: GapLevel::NearMiss }),
        Fact::FinalizeAnswered(FinalizeAnswered { latency: MS(250), count: 2 }),
        Fact::FinalizeTimedOut(FinalizeTimedOut { waited: MS(5_000), count: 3 }),
        Fact::FinalizeFailed(FinalizeFailed { count: 1 }),
        Fact::FinalizeSkipped(FinalizeSkipped { count: 4, cause: SkipCause::Dead }),
        Fact::StreamClosing(StreamClosing { to_park: false }),
        Fact::UpstreamError(UpstreamError {
            code: Some("SchemaError".into()),
            description: "unknown field".into(),
        }),
        Fact::CloseReceived(CloseReceived { code: 1011, dg_code: DgCode::Net0001 }),
        Fact::ConnectionClosed(ConnectionClosed {
            connection: 1,
            age: MS(9),
            closing: Some(MS(3)),
            end: ConnectionEnd::Flushed,
        }),
        died(Reason::Net0001Idle),
        Fact::LateEvidence(LateEvidence { reason, trigger, detail }),
        Fact::TimerLate(TimerLate { lateness: MS(800) }),
        Fact::TranscriptStalled(TranscriptStalled { silent: MS(20_000) }),
        Fact::StallEnded(StallEnded { silent: MS(23_000), outcome: StallOutcome::Recovered }),
        Fact::SessionParked(SessionParked { idle: MS(600_000), cause: ParkCause::Idle }),
        Fact::SessionResumed(SessionResumed { idle: MS(900_000) }),
        Fact::RecoveryUnavailable(RecoveryUnavailable { cause: NotRecoverable::Callback }),
        Fact::ResultsElsewhere(ResultsElsewhere),
        Fact::Reconnecting(Reconnecting {
            attempt: 1,
            delay: MS(0),
            reason: ReconnectReason::Death(Reason::ProviderError),
        }),
        Fact::Recovered(Recovered {
            connection: 2,
            attempts: 1,
            gap: MS(500),
            took: MS(1_500),
            replayed: MS(2_500),
            lost: MS(0),
        }),
        Fact::RecoveryFailed(RecoveryFailed {
            attempts: 10,
            reconnects: 10,
            lasted: MS(150_000),
            reason: ReconnectReason::Dial(DialReason::Tcp),
        }),
        Fact::VadNotAvailable(VadNotAvailable { cause: VadUnavailable::SampleRate }),
        Fact::VadModeChanged(VadModeChanged {
            from: VadMode::Shadow,
            to: VadMode::Active,
            by: VadModeSource::Prelude,
        }),
        Fact::VadOpened(VadOpened { held: MS(5_200) }),
        Fact::VadClosed(VadClosed { passed: MS(7_300) }),
        Fact::VadFailed(VadFailed { mode: VadMode::Active }),
        Fact::PreludeSent(PreludeSent { prelude: MS(8_000), padding: MS(500), took: MS(3_100) }),
        Fact::PreludeEnded(prelude_ended(PreludeEnd::Moved)),
        Fact::AudioLost(lost(LossCause::Dead)),
        Fact::AppStalled(AppStalled),
        Fact::BinaryDropped(BinaryDropped { bytes: 9 }),
        session_ended(),
    ]
}

fn prelude_ended(end: PreludeEnd) -> PreludeEnded {
    PreludeEnded { end, prelude: MS(8_000), took: MS(4_500) }
}

fn lost(cause: LossCause) -> AudioLost {
    AudioLost { frames: 5, bytes: 16_000, duration: MS(500), cause }
}

/// What each of them moves. No wildcard: a new kind of fact has to say what it moves.
fn moves_of(fact: &Fact) -> Moves {
    match fact {
        Fact::DialFailed(_) => {
            vec![("upstream_connect_attempts_total{reason=tcp,result=failed}", 1.0)]
        }
        Fact::Connected(_) => connected_moves(),
        Fact::KeepaliveSent(_) => vec![
            ("keepalives_sent_total{kind=text}", 1.0),
            ("keepalive_lateness_seconds_count", 1.0),
            ("keepalive_lateness_seconds_sum", 0.005),
        ],
        Fact::KeepaliveBlocked(_) => vec![("keepalive_errors_total{reason=write_blocked}", 1.0)],
        Fact::KeepaliveGap(_) => vec![("keepalive_gap_violations_total{gap_level=near_miss}", 1.0)],
        Fact::FinalizeAnswered(_) => vec![
            ("finalizes_answered_total", 2.0),
            ("finalize_latency_seconds_count", 1.0),
            ("finalize_latency_seconds_sum", 0.25),
        ],
        Fact::FinalizeTimedOut(_) => vec![("finalize_errors_total{reason=timeout}", 3.0)],
        Fact::FinalizeFailed(_) => vec![("finalize_errors_total{reason=write_failed}", 1.0)],
        Fact::FinalizeSkipped(_) => vec![("finalizes_skipped_total{cause=dead}", 4.0)],
        Fact::CloseReceived(_) => {
            vec![("upstream_closes_total{code=1011,dg_code=net_0001}", 1.0)]
        }
        Fact::ConnectionDied(_) => death_moves(),
        Fact::TimerLate(_) => {
            vec![("timer_lateness_seconds_count", 1.0), ("timer_lateness_seconds_sum", 0.8)]
        }
        Fact::TranscriptStalled(_) => vec![("stalled_sessions", 1.0)],
        Fact::StallEnded(_) => {
            vec![("stalled_sessions", -1.0), ("transcript_stalls_total{outcome=recovered}", 1.0)]
        }
        Fact::SessionParked(_) => vec![("sessions_parked_total{cause=idle}", 1.0)],
        Fact::SessionResumed(_) => vec![("sessions_resumed_total", 1.0)],
        Fact::RecoveryUnavailable(_) => vec![("recovery_unavailable_total{cause=callback}", 1.0)],
        Fact::Reconnecting(_) => vec![("upstream_reconnects_total", 1.0)],
        Fact::Recovered(_) => vec![
            ("recoveries_total{outcome=recovered}", 1.0),
            ("recovery_gap_seconds_count", 1.0),
            ("recovery_gap_seconds_sum", 0.5),
            ("recovery_duration_seconds_count", 1.0),
            ("recovery_duration_seconds_sum", 1.5),
            ("recovery_replayed_seconds_total", 2.5),
        ],
        Fact::RecoveryFailed(_) => vec![("recoveries_total{outcome=failed}", 1.0)],
        Fact::VadNotAvailable(_) => vec![("vad_not_available_total{cause=sample_rate}", 1.0)],
        Fact::VadModeChanged(_) => vec![("vad_mode_changes_total{by=prelude,to=active}", 1.0)],
        Fact::VadFailed(_) => vec![("vad_faults_total", 1.0)],
        Fact::PreludeEnded(_) => vec![
            ("preludes_total{end=moved}", 1.0),
            ("prelude_duration_seconds_count", 1.0),
            ("prelude_duration_seconds_sum", 4.5),
        ],
        Fact::AudioLost(_) => vec![
            ("audio_lost_seconds_total{cause=dead}", 0.5),
            ("audio_lost_bytes_total{cause=dead}", 16_000.0),
            ("dropped_total{cause=dead,what=audio}", 5.0),
        ],
        Fact::AppStalled(_) => vec![("app_stalls_total", 1.0)],
        Fact::BinaryDropped(_) => {
            vec![("dropped_total{cause=unsupported,what=binary_message}", 1.0)]
        }
        Fact::SessionEnded(_) => end_moves(),
        // A scrape counts how often gates have opened: see `harvest`.
        Fact::VadOpened(_) | Fact::VadClosed(_) => vec![],
        // They are lines and spans alone; what they count is counted by another fact.
        Fact::UpstreamError(_)
        | Fact::PreludeSent(_)
        | Fact::ResultsElsewhere(_)
        | Fact::StreamClosing(_)
        | Fact::ConnectionClosed(_)
        | Fact::LateEvidence(_) => vec![],
    }
}

fn connected_moves() -> Moves {
    vec![
        ("upstream_connect_attempts_total{reason=none,result=ok}", 1.0),
        ("upstream_connections_active", 1.0),
        ("upstream_connect_duration_seconds_count{phase=queued}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=queued}", 0.005),
        ("upstream_connect_duration_seconds_count{phase=dns}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=dns}", 0.001),
        ("upstream_connect_duration_seconds_count{phase=tcp}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=tcp}", 0.002),
        ("upstream_connect_duration_seconds_count{phase=tls}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=tls}", 0.003),
        ("upstream_connect_duration_seconds_count{phase=upgrade}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=upgrade}", 0.004),
        ("upstream_connect_duration_seconds_count{phase=total}", 1.0),
        ("upstream_connect_duration_seconds_sum{phase=total}", 0.01),
        ("connect_buffered_audio_seconds_count", 1.0),
        ("connect_buffered_audio_seconds_sum", 0.3),
    ]
}

fn death_moves() -> Moves {
    vec![
        ("connection_deaths_total{class=provider,reason=net_0001_idle,trigger=read}", 1.0),
        ("connection_deaths_by_stage_total{class=provider,stage=idle}", 1.0),
        ("connection_age_at_death_seconds_count{reason=net_0001_idle}", 1.0),
        ("connection_age_at_death_seconds_sum{reason=net_0001_idle}", 42.0),
        ("death_send_age_seconds_count{reason=net_0001_idle}", 1.0),
        ("death_send_age_seconds_sum{reason=net_0001_idle}", 1.5),
        ("death_receive_age_seconds_count{reason=net_0001_idle}", 1.0),
        ("death_receive_age_seconds_sum{reason=net_0001_idle}", 2.5),
    ]
}

fn end_moves() -> Moves {
    vec![
        ("sessions_ended_total{outcome=aborted}", 1.0),
        ("sessions_aborted_total{cause=app_left}", 1.0),
        ("session_duration_seconds_count{outcome=aborted}", 1.0),
        ("session_duration_seconds_sum{outcome=aborted}", 310.0),
        ("session_max_send_gap_seconds_count{outcome=aborted}", 1.0),
        ("session_max_send_gap_seconds_sum{outcome=aborted}", 5.001),
        ("session_keepalives_count", 1.0),
        ("session_keepalives_sum", 11.0),
        ("session_finalize_errors_count", 1.0),
        ("session_finalize_errors_sum", 3.0),
        ("session_reconnects_count", 1.0),
        ("session_audio_seconds_count", 1.0),
        ("session_audio_seconds_sum", 3.0),
        ("session_drain_seconds_count", 1.0),
        ("session_drain_seconds_sum", 1.5),
        ("session_unflushed_seconds_total", 0.7),
        ("dropped_total{cause=empty,what=audio}", 1.0),
        ("dropped_total{cause=session_over,what=text}", 2.0),
        ("dropped_total{cause=session_over,what=update}", 3.0),
        ("dropped_total{cause=session_over,what=prelude}", 5.0),
        ("dropped_total{cause=app_gone,what=message}", 4.0),
    ]
}

#[test]
fn each_kind_of_fact_moves_its_series_and_no_other() {
    let facts = one_of_each();
    let kinds: HashSet<Discriminant<Fact>> = facts.iter().map(discriminant).collect();
    assert_eq!((kinds.len(), facts.len()), (FACT_KINDS, FACT_KINDS), "one of each kind");
    facts.iter().for_each(|fact| assert_fact(fact, &moves_of(fact)));
}

#[test]
fn a_keepalive_is_counted_under_its_endpoints_kind() {
    let fact = KeepaliveSent { endpoint: Endpoint::V2Listen, lateness: MS(5) };
    assert_fact(
        &Fact::KeepaliveSent(fact),
        &[
            ("keepalives_sent_total{kind=ping}", 1.0),
            ("keepalive_lateness_seconds_count", 1.0),
            ("keepalive_lateness_seconds_sum", 0.005),
        ],
    );
}

#[test]
fn every_word_of_a_vocabulary_has_its_own_series() {
    for cause in LossCause::ALL {
        let word = cause.as_str();
        assert_fact(
            &Fact::AudioLost(lost(cause)),
            &[
                (&format!("audio_lost_seconds_total{{cause={word}}}"), 0.5),
                (&format!("audio_lost_bytes_total{{cause={word}}}"), 16_000.0),
                (&format!("dropped_total{{cause={word},what=audio}}"), 5.0),
            ],
        );
    }
    for cause in SkipCause::ALL {
        let series = format!("finalizes_skipped_total{{cause={}}}", cause.as_str());
        assert_fact(&Fact::FinalizeSkipped(FinalizeSkipped { count: 1, cause }), &[(&series, 1.0)]);
    }
    for cause in VadUnavailable::ALL {
        let series = format!("vad_not_available_total{{cause={}}}", cause.as_str());
        assert_fact(&Fact::VadNotAvailable(VadNotAvailable { cause }), &[(&series, 1.0)]);
    }
    for to in VadMode::ALL {
        for by in VadModeSource::ALL {
            let (mode, source) = (to.as_str(), by.as_str());
            let series = format!("vad_mode_changes_total{{by={source},to={mode}}}");
            let fact = VadModeChanged { from: VadMode::Off, to, by };
            assert_fact(&Fact::VadModeChanged(fact), &[(&series, 1.0)]);
        }
    }
    for end in PreludeEnd::ALL {
        let series = format!("preludes_total{{end={}}}", end.as_str());
        let expected = [
            (&*series, 1.0),
            ("prelude_duration_seconds_count", 1.0),
            ("prelude_duration_seconds_sum", 4.5),
        ];
        assert_fact(&Fact::PreludeEnded(prelude_ended(end)), &expected);
    }
    for level in GapLevel::ALL {
        let series = format!("keepalive_gap_violations_total{{gap_level={}}}", level.as_str());
        assert_fact(&Fact::KeepaliveGap(KeepaliveGap { gap: MS(1), level }), &[(&series, 1.0)]);
    }
    for code in (1000..1020).chain([4000, 0, u16::MAX]) {
        let fact = CloseReceived { code, dg_code: DgCode::Other };
        let known = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1014];
        let word = if known.contains(&code) { code.to_string() } else { "other".to_owned() };
        let series = format!("upstream_closes_total{{code={word},dg_code=other}}");
        assert_fact(&Fact::CloseReceived(fact), &[(&series, 1.0)]);
    }
}

#[test]
fn a_keepalive_that_finds_the_socket_broken_is_a_keepalive_error_too() {
    let Fact::ConnectionDied(mut fact) = died(Reason::BrokenPipe) else { unreachable!() };
    fact.death.trigger = Trigger::KeepaliveWrite;
    let telemetry = Telemetry::default();
    let session = telemetry.session(live("s"));
    let moved = moved(&telemetry, || session.record(&Fact::ConnectionDied(fact)));
    assert_eq!(moved["keepalive_errors_total{reason=socket_error}"], 1.0);
}

/// One of each kind of observation and of message, with what it moves.
fn observations() -> Vec<(Observation, Moves)> {
    let (lag, first_result) = (Some(MS(300)), None);
    let message = |kind| Observation::Message { kind, lag: None, first_result: None };
    let results = |is_final| MessageKind::Results {
        start: Duration::ZERO,
        is_final,
        from_finalize: false,
        end: Duration::from_secs(1),
        channel: 0,
        channels: 1,
    };
    let turn = |end_of_turn| MessageKind::TurnInfo { end_of_turn, end: Duration::from_secs(1) };
    vec![
        (
            Observation::Message { kind: results(false), lag, first_result: Some(MS(900)) },
            vec![
                ("upstream_messages_total{direction=received,type=results_interim}", 1.0),
                ("transcript_latency_seconds_count{kind=interim}", 1.0),
                ("transcript_latency_seconds_sum{kind=interim}", 0.3),
                ("first_result_seconds_count", 1.0),
                ("first_result_seconds_sum", 0.9),
            ],
        ),
        (
            Observation::Message { kind: results(true), lag, first_result },
            vec![
                ("upstream_messages_total{direction=received,type=results_final}", 1.0),
                ("transcript_latency_seconds_count{kind=final}", 1.0),
                ("transcript_latency_seconds_sum{kind=final}", 0.3),
            ],
        ),
        (
            Observation::Message { kind: turn(true), lag, first_result },
            vec![
                ("upstream_messages_total{direction=received,type=turn_info}", 1.0),
                ("transcript_latency_seconds_count{kind=final}", 1.0),
                ("transcript_latency_seconds_sum{kind=final}", 0.3),
            ],
        ),
        (
            message(turn(false)),
            vec![("upstream_messages_total{direction=received,type=turn_info}", 1.0)],
        ),
        (
            message(MessageKind::Metadata { processed: None }),
            vec![("upstream_messages_total{direction=received,type=metadata}", 1.0)],
        ),
        (
            message(MessageKind::SpeechStarted { at: Duration::ZERO }),
            vec![("upstream_messages_total{direction=received,type=speech_started}", 1.0)],
        ),
        (
            message(MessageKind::UtteranceEnd { end: Duration::ZERO }),
            vec![("upstream_messages_total{direction=received,type=utterance_end}", 1.0)],
        ),
        (
            message(MessageKind::Error),
            vec![("upstream_messages_total{direction=received,type=error}", 1.0)],
        ),
        (
            message(MessageKind::Other),
            vec![("upstream_messages_total{direction=received,type=other}", 1.0)],
        ),
        (
            Observation::Delivered { latency: MS(2) },
            vec![
                ("app_delivery_latency_seconds_count", 1.0),
                ("app_delivery_latency_seconds_sum", 0.002),
            ],
        ),
        (
            Observation::SendGap { gap: MS(700) },
            vec![("send_gap_seconds_count", 1.0), ("send_gap_seconds_sum", 0.7)],
        ),
        (
            Observation::PingAnswered { round_trip: MS(12) },
            vec![
                ("upstream_ping_rtt_seconds_count", 1.0),
                ("upstream_ping_rtt_seconds_sum", 0.012),
            ],
        ),
        (
            Observation::Unblocked { side: Side::App, duration: MS(1500) },
            vec![("backpressure_seconds_total{side=app}", 1.5)],
        ),
        (
            Observation::Unblocked { side: Side::Upstream, duration: MS(2500) },
            vec![("backpressure_seconds_total{side=upstream}", 2.5)],
        ),
        (Observation::Segment(Box::<Segment>::default()), vec![]),
    ]
}

#[test]
fn each_observation_moves_its_series_and_no_other() {
    for (observation, expected) in observations() {
        let telemetry = Telemetry::default();
        let session = telemetry.session(live("s"));
        assert_moved(&telemetry, &expected, || session.observe(&observation));
    }
}

#[test]
fn deaths_of_every_pair_are_counted_under_their_own_labels() {
    for reason in Reason::ALL {
        for trigger in reason.triggers() {
            let Fact::ConnectionDied(mut fact) = died(reason) else { unreachable!() };
            fact.death.trigger = *trigger;
            let telemetry = Telemetry::default();
            let session = telemetry.session(live("s"));
            let moved = moved(&telemetry, || session.record(&Fact::ConnectionDied(fact)));
            let (reason, class) = (reason.as_str(), reason.class().as_str());
            let trigger = trigger.as_str();
            let series = format!(
                "connection_deaths_total{{class={class},reason={reason},trigger={trigger}}}"
            );
            assert_eq!(moved[&series], 1.0);
        }
    }
}
