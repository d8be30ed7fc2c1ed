//! What happens outside of sessions moves its series and no other.

use serde_json::Value;

use super::*;
use crate::config::{LogLevel, Logs};
use crate::telemetry::event::*;
use crate::telemetry::label::{KeyReload, Label, UnopenedCause};
use crate::telemetry::log::tests::logged;
use session::dial::{Blocker, DialFailure, DialReason, ProxyFault, Release};
use session::drain::{LastFrame, Receipt, Tally};
use session::fact::{DialFailed, Fact};
use session::{Dialect, ErrorCode, Refusal};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Emits one event, and asserts what that alone moved.
#[track_caller]
fn assert_event(event: impl Emit, expected: &[(&str, f64)]) {
    let telemetry = Telemetry::default();
    assert_moved(&telemetry, expected, || event.emit(&telemetry));
}

#[test]
fn events_of_applications() {
    let telemetry = Telemetry::default();
    let mut guard = None;
    let accepted =
        [("app_connections_active", 1.0), ("app_connections_total{result=accepted}", 1.0)];
    assert_moved(&telemetry, &accepted, || guard = Some(telemetry.app_connection()));
    assert_moved(&telemetry, &[("app_connections_active", -1.0)], || drop(guard));

    let refusal = Refusal::new(ErrorCode::PeerNotAllowed, "no");
    assert_event(
        AppRejected(natively(&refusal)),
        &[
            ("app_connections_total{result=rejected_peer}", 1.0),
            ("app_protocol_errors_total{code=peer_not_allowed}", 1.0),
        ],
    );
    assert_event(
        AppRejected(over_http(&refusal, "port", 403)),
        &[
            ("app_connections_total{result=rejected_peer}", 1.0),
            ("app_protocol_errors_total{code=peer_not_allowed}", 1.0),
            ("app_requests_refused_total{status=403}", 1.0),
        ],
    );
    let error = std::io::Error::other("no descriptors");
    assert_event(
        AcceptFailed { error: &error, failures: 0 },
        &[("app_connections_total{result=accept_failed}", 1.0)],
    );
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
            SessionRejected { rejected: natively(&refusal), is_repeated: false },
            &[
                (&format!("sessions_rejected_total{{reason={reason}}}"), 1.0),
                (&format!("app_protocol_errors_total{{code={}}}", code.as_str()), 1.0),
            ],
        );
        let rejected = over_http(&refusal, "socket", 409);
        assert_event(
            SessionRejected { rejected, is_repeated: false },
            &[
                (&format!("sessions_rejected_total{{reason={reason}}}"), 1.0),
                (&format!("app_protocol_errors_total{{code={}}}", code.as_str()), 1.0),
                ("app_requests_refused_total{status=409}", 1.0),
            ],
        );
    }
    for code in ErrorCode::ALL {
        let refusal = Refusal::new(code, "no");
        let series = format!("app_protocol_errors_total{{code={}}}", code.as_str());
        let dialect = Dialect::Compatible;
        for http_status in [None, Some(502)] {
            let refused = FrameRefused { refusal: &refusal, dialect, http_status };
            assert_event(refused, &[(&series, 1.0)]);
        }
    }
}

/// A refusal that was told in the native dialect.
fn natively(refusal: &Refusal) -> Rejected<'_> {
    Rejected { refusal, door: "socket", status: None, path: None, user_agent: None }
}

/// One of a request.
fn over_http<'a>(refusal: &'a Refusal, door: &'static str, status: u16) -> Rejected<'a> {
    let (path, user_agent) = (Some("/v1/lisen"), Some("deepgram-sdk/7"));
    Rejected { refusal, door, status: Some(status), path, user_agent }
}

#[test]
fn a_refusal_is_logged_with_the_door_and_what_was_answered() {
    let refusal = Refusal::new(ErrorCode::BadFrame, "there is nothing here");
    let lines = logged(Logs::default(), |telemetry, _| {
        AppRejected(natively(&refusal)).emit(telemetry);
        let rejected = over_http(&refusal, "port", 404);
        SessionRejected { rejected, is_repeated: false }.emit(telemetry);
    });
    let [native, http] = &lines.lines()[..] else { panic!("two refusals") };
    assert_eq!(native["event"], "app_rejected");
    assert_eq!((&native["door"], &native["http_status"]), (&"socket".into(), &Value::Null));
    assert_eq!(http["event"], "session_rejected");
    assert_eq!((&http["door"], &http["http_status"]), (&"port".into(), &404.into()));
    let from = |line: &Value| ["path", "user_agent"].map(|it| line.get(it).cloned());
    assert_eq!(from(native), [None, None]);
    assert_eq!(from(http), [Some("/v1/lisen".into()), Some("deepgram-sdk/7".into())]);
}

#[test]
fn a_sessions_refusal_is_logged_as_the_application_gets_it() {
    let refusal = Refusal::new(ErrorCode::ConnectFailed, "no");
    let lines = logged(Logs::default(), |telemetry, _| {
        for (dialect, http_status) in
            [(Dialect::Native, None), (Dialect::Compatible, Some(502)), (Dialect::Compatible, None)]
        {
            FrameRefused { refusal: &refusal, dialect, http_status }.emit(telemetry);
        }
    });
    let told = lines.lines().into_iter().map(|line| {
        assert_eq!(line["event"], "session_error");
        (line["msg"].as_str().unwrap().to_owned(), line["http_status"].as_u64())
    });
    let expected = [
        ("ERROR sent to the application", None),
        ("HTTP refusal sent to the application", Some(502)),
        ("refusal sent to the application in its close frame", None),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(it, status)| (it.to_owned(), status)));
}

#[test]
fn events_of_the_daemon() {
    let config = ConfigLoaded {
        file: None,
        sessions_max: 7,
        keepalive_interval: MS(5000),
        frame_bytes_max: 1 << 20,
        price_per_minute: Some(0.0077),
    };
    assert_event(
        config,
        &[
            ("sessions_limit", 7.0),
            ("keepalive_interval_seconds", 5.0),
            ("vad_price_usd_per_minute", 0.0077),
            ("queue_limit_bytes{queue=to_upstream}", 2_097_152.0),
            ("queue_limit_bytes{queue=ring}", 10_485_760.0),
            ("queue_limit_bytes{queue=to_app}", 4_259_840.0),
        ],
    );
    assert_event(KeyReplaced, &[("api_key_reloads_total{result=replaced}", 1.0)]);
    let failed = format!("api_key_reloads_total{{result={}}}", KeyReload::Failed.as_str());
    assert_event(KeyReloadFailed { error: &"gone" }, &[(&failed, 1.0)]);
    let socket = std::path::Path::new("sidecar.sock");
    assert_event(Listening { socket, tcp: None, admin: None }, &[]);
    assert_event(LogLevelChanged { from: LogLevel::Info, to: LogLevel::Debug }, &[]);
    assert_event(HangupIgnored, &[]);
    assert_event(DrainBegun { sessions: 2, deadline: MS(25_000), linger: MS(5_000) }, &[]);
    assert_event(DrainEnded { duration: MS(3), cut: 1, tally: Tally::default() }, &[]);
    assert_event(ShutdownComplete { forced: false }, &[]);
}

#[test]
fn receipts() {
    for (flush, last_frame) in <(Flush, LastFrame)>::all() {
        let drained = Drained { flush, ..drained() };
        let receipt = Receipt { outcome: Outcome::Drained, drained, last_frame };
        let (flush, last_frame) = (flush.as_str(), last_frame.as_str());
        let series = format!("session_receipts_total{{flush={flush},last_frame={last_frame}}}");
        assert_event(SessionReceipt { receipt: &receipt }, &[(&series, 1.0)]);
    }
}

#[test]
fn events_of_exports() {
    let (accepted, rejected, duration) = (5, 2, MS(250));
    let telemetry = Telemetry::default();
    let mut moved = moved(&telemetry, || {
        SpansExported { accepted, rejected, duration }.emit(&telemetry);
    });
    assert!(moved.remove("otlp_last_success_timestamp_seconds").unwrap() > 1e9);
    let expected = [
        ("otlp_export_duration_seconds_count", 1.0),
        ("otlp_export_duration_seconds_sum", 0.25),
        ("otlp_exports_total{result=success}", 1.0),
        ("otlp_spans_exported_total{result=failure}", 2.0),
        ("otlp_spans_exported_total{result=success}", 5.0),
    ];
    assert_eq!(moved, expected.map(|(name, change)| (name.to_owned(), change)).into());
    let failed = [
        ("otlp_export_duration_seconds_count", 1.0),
        ("otlp_export_duration_seconds_sum", 0.25),
        ("otlp_exports_total{result=failure}", 1.0),
    ];
    assert_event(ExportFailed { duration }, &failed);
    let lost = [("otlp_spans_exported_total{result=failure}", 3.0)];
    assert_event(SpansFailed { count: 3 }, &lost);
    let url = "http://collector".parse().unwrap();
    assert_event(OtlpFailing { url: &url, error: &"refused" }, &[]);
    assert_event(OtlpRecovered { failing: duration, lost: 3 }, &[]);
}

#[test]
fn a_scrape_moves_only_its_own_cost_and_what_it_was_told() {
    let telemetry = Telemetry::default();
    let sample = ReadinessSample { ready: true, draining: true };
    let moved = moved(&telemetry, || drop(telemetry.scrape(Format::Text, sample)));
    let names: Vec<_> =
        moved.keys().map(String::as_str).filter(|name| !name.contains("_sum")).collect();
    assert_eq!(names, ["draining", "ready", "scrape_duration_seconds_count{page=metrics}"]);
}

/// Another test's panic may be counted while the hook is in place, so at least one.
#[test]
fn a_panic_is_counted() {
    let telemetry = Telemetry::default();
    let previous = std::panic::take_hook();
    telemetry.install_panic_hook();
    let panicked = std::thread::spawn(|| panic!("for the test")).join();
    std::panic::set_hook(previous);
    assert!(panicked.is_err());
    assert!(series(&telemetry)["panics_total"] >= 1.0);
}

#[test]
fn what_holds_dials_back_is_one_thing_at_a_time() {
    let telemetry = Telemetry::default();
    let failure = DialFailure::before_answer(DialReason::Http429, "full");
    let held = |blocker| held(&failure, blocker, true);
    let moved = [("upstream_dials_held{blocker=upstream_busy}", 1.0)];
    assert_moved(&telemetry, &moved, || held(Blocker::UpstreamBusy).emit(&telemetry));
    let moved = [
        ("upstream_dials_held{blocker=upstream_busy}", -1.0),
        ("upstream_dials_held{blocker=credential_refused}", 1.0),
    ];
    assert_moved(&telemetry, &moved, || held(Blocker::CredentialRefused).emit(&telemetry));
    let released = released(Release::Lapsed);
    let moved = [("upstream_dials_held{blocker=credential_refused}", -1.0)];
    assert_moved(&telemetry, &moved, || released.emit(&telemetry));
    let moved = [("upstream_dials_waiting", 7.0)];
    assert_moved(&telemetry, &moved, || telemetry.dials_waiting(7));
}

fn held(failure: &DialFailure, blocker: Blocker, is_news: bool) -> DialsHeld<'_> {
    DialsHeld { failure, blocker, hold: MS(1000), probes: 0, is_news }
}

fn released(release: Release) -> DialsReleased {
    DialsReleased { release, blocker: Blocker::CredentialRefused, held: MS(2000) }
}

/// The level of the line of this name that comes of it.
fn level_of(name: &str, happen: impl FnOnce(&Telemetry)) -> String {
    let config = Logs { level: LogLevel::Debug, ..Logs::default() };
    let lines = logged(config, |telemetry, _| happen(telemetry)).lines();
    let line = lines.into_iter().find(|line| line["event"] == name).expect("it is logged");
    line["level"].as_str().unwrap().to_owned()
}

#[test]
fn what_holds_dials_back_is_logged_when_it_is_news_and_not_with_each_probe() {
    let failure = DialFailure::before_answer(DialReason::Http429, "full");
    let level = |blocker, is_news| {
        level_of("dials_held", |telemetry| held(&failure, blocker, is_news).emit(telemetry))
    };
    for blocker in Blocker::ALL {
        let expected = match blocker {
            Blocker::CredentialRefused | Blocker::OwnResources => "error",
            Blocker::UpstreamBusy | Blocker::UpstreamBroken => "warn",
        };
        assert_eq!(level(blocker, true), expected);
        assert_eq!(level(blocker, false), "debug");
    }
}

#[test]
fn that_nobody_dials_is_no_good_news() {
    let level = |release| level_of("dials_released", |telemetry| released(release).emit(telemetry));
    assert_eq!(level(Release::Lifted), "info");
    assert_eq!(level(Release::Lapsed), "debug");
}

#[test]
fn what_a_proxy_refuses_needs_somebody_as_a_refused_key_does() {
    let level = |proxy| {
        let failure = DialFailure::before_answer(DialReason::Tcp, "407");
        let failure = DialFailure { proxy, ..failure };
        let fact = DialFailed { attempt: 1, failure, duration: MS(0), retry_in: None };
        level_of("dial_failed", |telemetry| {
            telemetry.session(live("s")).record(&Fact::DialFailed(fact));
        })
    };
    assert_eq!(level(Some(ProxyFault::Refused)), "error");
    assert_eq!(level(Some(ProxyFault::Failed)), "warn");
    assert_eq!(level(None), "warn");
}

#[test]
fn an_attempt_that_was_not_dialled_counts_as_withheld_and_not_as_an_attempt_to_connect() {
    let failure = DialFailure::before_answer(DialReason::Http401, "refused");
    let failure = DialFailure { withheld: true, ..failure };
    let fact = DialFailed { attempt: 1, failure, duration: MS(0), retry_in: None };
    let telemetry = Telemetry::default();
    let session = telemetry.session(live("s"));
    let moved = [("upstream_dials_withheld_total{reason=http_401}", 1.0)];
    assert_moved(&telemetry, &moved, || session.record(&Fact::DialFailed(fact)));
}

#[test]
fn fewer_sessions_than_configured_are_the_limit_that_operators_see() {
    let capped = SessionsCapped { sessions: 9, wanted: 2_000, limit: 64 };
    assert_event(capped, &[("sessions_limit", 9.0)]);
}
