//! Each event moves its series and no other.

use super::*;
use crate::session::death::Trigger;
use crate::session::dial::{DialFailure, DialPhases, DialReason};
use crate::session::fact::*;
use crate::session::{ErrorCode, LossCause, Refusal};
use crate::telemetry::event::*;
use crate::telemetry::label::{KeyReload, UnopenedCause};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Records the fact in a fresh session, and asserts what that alone moved.
#[track_caller]
fn assert_fact(fact: Fact, expected: &[(&str, f64)]) {
    let telemetry = Telemetry::new();
    let session = telemetry.session(live("s"));
    assert_moved(&telemetry, expected, || session.record(&fact));
}

#[test]
fn facts_of_dialling() {
    let failure = DialFailure::before_answer(DialReason::Tcp, "refused");
    assert_fact(
        Fact::DialFailed(DialFailed { attempt: 1, failure, retry_in: None }),
        &[("upstream_connect_attempts_total{result=tcp}", 1.0)],
    );
    let phases = DialPhases { dns: MS(1), tcp: MS(2), tls: MS(3), upgrade: MS(4) };
    assert_fact(
        Fact::Connected(Connected { connection: 1, attempt: 1, phases, request_id: None }),
        &[
            ("upstream_connect_attempts_total{result=ok}", 1.0),
            ("upstream_connections_active", 1.0),
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
        ],
    );
}

#[test]
fn facts_of_keepalives() {
    for (endpoint, series) in [
        (Endpoint::V1Listen, "keepalives_sent_total{kind=text}"),
        (Endpoint::V2Listen, "keepalives_sent_total{kind=ping}"),
    ] {
        assert_fact(
            Fact::KeepaliveSent(KeepaliveSent { endpoint, lateness: MS(5) }),
            &[
                (series, 1.0),
                ("keepalive_lateness_seconds_count", 1.0),
                ("keepalive_lateness_seconds_sum", 0.005),
            ],
        );
    }
    assert_fact(
        Fact::KeepaliveBlocked(KeepaliveBlocked),
        &[("keepalive_errors_total{reason=write_blocked}", 1.0)],
    );
}

#[test]
fn facts_of_finalizes() {
    assert_fact(
        Fact::FinalizeAnswered(FinalizeAnswered { latency: MS(250), count: 2 }),
        &[
            ("finalize_requests_total", 2.0),
            ("finalizes_answered_total", 2.0),
            ("finalize_latency_seconds_count", 1.0),
            ("finalize_latency_seconds_sum", 0.25),
        ],
    );
    assert_fact(
        Fact::FinalizeTimedOut(FinalizeTimedOut { count: 3 }),
        &[("finalize_requests_total", 3.0), ("finalize_errors_total{reason=timeout}", 3.0)],
    );
    assert_fact(
        Fact::FinalizeFailed(FinalizeFailed { count: 1 }),
        &[("finalize_requests_total", 1.0), ("finalize_errors_total{reason=write_failed}", 1.0)],
    );
    assert_fact(
        Fact::FinalizeSkipped(FinalizeSkipped { count: 4, cause: SkipCause::Dead }),
        &[("finalize_requests_total", 4.0), ("finalizes_skipped_total{reason=dead}", 4.0)],
    );
    assert_fact(
        Fact::FinalizeSkipped(FinalizeSkipped { count: 1, cause: SkipCause::Superseded }),
        &[("finalize_requests_total", 1.0), ("finalizes_skipped_total{reason=superseded}", 1.0)],
    );
}

#[test]
fn facts_of_deaths() {
    assert_fact(
        died(Reason::Net0001Idle),
        &[
            ("connection_deaths_total{class=provider,reason=net_0001_idle,trigger=read}", 1.0),
            ("connection_deaths_by_stage_total{class=provider,stage=idle}", 1.0),
            ("connection_age_at_death_seconds_count{reason=net_0001_idle}", 1.0),
            ("connection_age_at_death_seconds_sum{reason=net_0001_idle}", 42.0),
            ("death_send_age_seconds_count{reason=net_0001_idle}", 1.0),
            ("death_send_age_seconds_sum{reason=net_0001_idle}", 1.5),
            ("death_receive_age_seconds_count{reason=net_0001_idle}", 1.0),
            ("death_receive_age_seconds_sum{reason=net_0001_idle}", 2.5),
        ],
    );
    let detail = String::new();
    let (reason, trigger) = (Reason::BrokenPipe, Trigger::AudioWrite);
    assert_fact(Fact::LateEvidence(LateEvidence { reason, trigger, detail }), &[]);
    assert_fact(
        Fact::TimerLate(TimerLate { lateness: MS(800) }),
        &[("timer_lateness_seconds_count", 1.0), ("timer_lateness_seconds_sum", 0.8)],
    );
}

#[test]
fn a_keepalive_that_finds_the_socket_broken_is_a_keepalive_error_too() {
    let Fact::ConnectionDied(mut fact) = died(Reason::BrokenPipe) else { unreachable!() };
    fact.death.trigger = Trigger::KeepaliveWrite;
    let telemetry = Telemetry::new();
    let session = telemetry.session(live("s"));
    let moved = moved(&telemetry, || session.record(&Fact::ConnectionDied(fact)));
    assert_eq!(moved["keepalive_errors_total{reason=socket_error}"], 1.0);
}

#[test]
fn facts_of_lives() {
    assert_fact(
        Fact::TranscriptStalled(TranscriptStalled { silent: MS(20_000) }),
        &[("transcript_stalls_total", 1.0)],
    );
    assert_fact(
        Fact::SessionParked(SessionParked { idle: MS(600_000) }),
        &[("sessions_parked_total", 1.0)],
    );
    assert_fact(
        Fact::SessionResumed(SessionResumed { idle: MS(900_000) }),
        &[("sessions_resumed_total", 1.0)],
    );
    assert_fact(Fact::AppStalled(AppStalled), &[("app_stalls_total", 1.0)]);
    assert_fact(
        Fact::BinaryDropped(BinaryDropped { bytes: 9 }),
        &[("dropped_total{reason=unsupported,what=binary_message}", 1.0)],
    );
}

#[test]
fn facts_of_losses() {
    for cause in LossCause::ALL {
        let word = cause.as_str();
        let duration = MS(500);
        assert_fact(
            Fact::AudioLost(AudioLost { frames: 5, bytes: 16_000, duration, cause }),
            &[
                (&format!("audio_lost_seconds_total{{cause={word}}}"), 0.5),
                (&format!("audio_lost_bytes_total{{cause={word}}}"), 16_000.0),
                (&format!("dropped_total{{reason={word},what=audio}}"), 5.0),
            ],
        );
    }
}

#[test]
fn the_end_of_a_session() {
    let expected = [
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
        ("finalize_requests_total", 10.0),
        ("audio_frames_received_total", 30.0),
        ("audio_received_bytes_total", 96_000.0),
        ("audio_sent_bytes_total", 64_000.0),
        ("dropped_total{reason=empty,what=audio}", 1.0),
        ("dropped_total{reason=session_over,what=text}", 2.0),
        ("dropped_total{reason=session_over,what=update}", 3.0),
        ("dropped_total{reason=app_gone,what=message}", 4.0),
    ];
    assert_fact(session_ended(), &expected);
}

#[test]
fn a_finalize_is_requested_once_however_it_is_settled() {
    let telemetry = Telemetry::new();
    let session = telemetry.session(live("s"));
    session.record(&Fact::FinalizeAnswered(FinalizeAnswered { latency: MS(1), count: 6 }));
    session.record(&Fact::FinalizeTimedOut(FinalizeTimedOut { count: 2 }));
    session.record(&session_ended());
    assert_eq!(series(&telemetry)["finalize_requests_total"], 10.0);
}

#[test]
fn a_session_is_active_in_one_state_at_a_time() {
    let telemetry = Telemetry::new();
    let session = live("s");
    let mut handle = None;
    assert_moved(
        &telemetry,
        &[("sessions_opened_total", 1.0), ("sessions_active{state=connecting}", 1.0)],
        || handle = Some(telemetry.session(session.clone())),
    );
    let handle = handle.unwrap();
    let to_open =
        [("sessions_active{state=connecting}", -1.0), ("sessions_active{state=open}", 1.0)];
    assert_moved(&telemetry, &to_open, || {
        handle.state_changed(session.set_state(State::Open), State::Open);
    });
    handle.record(&session_ended());
    assert_moved(&telemetry, &[("sessions_active{state=open}", -1.0)], || {
        handle.state_changed(session.set_state(State::Ended), State::Ended);
    });
    assert_moved(&telemetry, &[], || drop(handle));
}

#[test]
fn a_cancelled_session_leaves_no_gauge_behind() {
    let telemetry = Telemetry::new();
    let session = telemetry.session(live("s"));
    let phases = DialPhases::default();
    session.record(&Fact::Connected(Connected {
        connection: 1,
        attempt: 1,
        phases,
        request_id: None,
    }));
    let expected = [
        ("sessions_cancelled_total", 1.0),
        ("sessions_active{state=connecting}", -1.0),
        ("upstream_connections_active", -1.0),
    ];
    assert_moved(&telemetry, &expected, || drop(session));
}

#[test]
fn a_connection_is_counted_down_once_whatever_ends_it() {
    let parked = Fact::SessionParked(SessionParked { idle: MS(1) });
    for ends in [vec![died(Reason::ProviderError), session_ended()], vec![parked, session_ended()]]
    {
        let telemetry = Telemetry::new();
        let session = telemetry.session(live("s"));
        let phases = DialPhases::default();
        session.record(&Fact::Connected(Connected {
            connection: 1,
            attempt: 1,
            phases,
            request_id: None,
        }));
        ends.iter().for_each(|fact| session.record(fact));
        assert_eq!(series(&telemetry)["upstream_connections_active"], 0.0);
        drop(session);
        assert_eq!(series(&telemetry)["upstream_connections_active"], 0.0);
    }
}

/// Emits one event, and asserts what that alone moved.
#[track_caller]
fn assert_event(event: impl Emit, expected: &[(&str, f64)]) {
    let telemetry = Telemetry::new();
    assert_moved(&telemetry, expected, || event.emit(&telemetry));
}

#[test]
fn events_of_applications() {
    let telemetry = Telemetry::new();
    let mut guard = None;
    let accepted =
        [("app_connections_active", 1.0), ("app_connections_total{result=accepted}", 1.0)];
    assert_moved(&telemetry, &accepted, || guard = Some(telemetry.app_connection()));
    assert_moved(&telemetry, &[("app_connections_active", -1.0)], || drop(guard));

    let refusal = Refusal::new(ErrorCode::PeerNotAllowed, "no");
    assert_event(
        AppRejected { refusal: &refusal },
        &[
            ("app_connections_total{result=rejected_peer}", 1.0),
            ("app_protocol_errors_total{code=peer_not_allowed}", 1.0),
        ],
    );
    let error = std::io::Error::other("no descriptors");
    assert_event(AcceptFailed { error: &error }, &[("app_connections_total{result=error}", 1.0)]);
    assert_event(
        OpenMissed { cause: UnopenedCause::Timeout },
        &[("app_connections_unopened_total{cause=timeout}", 1.0)],
    );
    assert_event(TraceparentMalformed, &[("app_protocol_errors_total{code=bad_traceparent}", 1.0)]);
}

#[test]
fn events_of_refusals() {
    for (code, reason) in [
        (ErrorCode::TooManySessions, "limit"),
        (ErrorCode::Draining, "draining"),
        (ErrorCode::PeerNotAllowed, "peer"),
        (ErrorCode::InvalidOpen, "invalid_request"),
        (ErrorCode::SessionIdInUse, "invalid_request"),
    ] {
        let refusal = Refusal::new(code, "no");
        assert_event(
            SessionRejected { refusal: &refusal },
            &[
                (&format!("sessions_rejected_total{{reason={reason}}}"), 1.0),
                (&format!("app_protocol_errors_total{{code={}}}", code.as_str()), 1.0),
            ],
        );
    }
    for code in ErrorCode::ALL {
        let refusal = Refusal::new(code, "no");
        let series = format!("app_protocol_errors_total{{code={}}}", code.as_str());
        assert_event(FrameRefused { refusal: &refusal }, &[(&series, 1.0)]);
    }
}

#[test]
fn events_of_the_daemon() {
    let config = ConfigLoaded { file: None, sessions_max: 7, keepalive_interval: MS(5000) };
    assert_event(config, &[("sessions_limit", 7.0), ("keepalive_interval_seconds", 5.0)]);
    assert_event(KeyReplaced, &[("api_key_reloads_total{result=replaced}", 1.0)]);
    let failed = format!("api_key_reloads_total{{result={}}}", KeyReload::Failed.as_str());
    assert_event(KeyReloadFailed { error: &"gone" }, &[(&failed, 1.0)]);
    let socket = std::path::Path::new("sidecar.sock");
    assert_event(Listening { socket, admin: None }, &[]);
    assert_event(DrainBegun { sessions: 2, deadline: MS(25_000) }, &[]);
    assert_event(DrainEnded { duration: MS(3), cut: 1 }, &[]);
    assert_event(ShutdownComplete { forced: false }, &[]);
}

#[test]
fn a_scrape_moves_only_its_own_cost_and_what_it_was_told() {
    let telemetry = Telemetry::new();
    let sample = ReadinessSample { ready: true, draining: true };
    let moved = moved(&telemetry, || drop(telemetry.scrape(sample)));
    let names: Vec<_> =
        moved.keys().map(String::as_str).filter(|name| !name.contains("_sum")).collect();
    assert_eq!(names, ["draining", "ready", "scrape_duration_seconds_count{page=metrics}"]);
}

/// Another test's panic may be counted while the hook is in place, so at least one.
#[test]
fn a_panic_is_counted() {
    let telemetry = Telemetry::new();
    let previous = std::panic::take_hook();
    telemetry.install_panic_hook();
    let panicked = std::thread::spawn(|| panic!("for the test")).join();
    std::panic::set_hook(previous);
    assert!(panicked.is_err());
    assert!(series(&telemetry)["panics_total"] >= 1.0);
}
