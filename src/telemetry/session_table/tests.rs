//! Who is on the page of single sessions, for how long, and what it says of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::telemetry::tests::{died, live_with, session_ended};
use crate::telemetry::{Format, SessionTelemetry, Telemetry};
use session::State;
use session::audio::AudioFormat;
use session::counts::Count;
use session::death::Reason;
use session::fact::{Fact, Observer};
use session::gate::{GateSnapshot, GateState, VadMode};
use session::trace::TraceContext;
use session::{Endpoint, Sdk, SessionId};

/// What `docs/metrics.md` promises.
const SERIES_PER_SESSION_MAX: usize = 23;

fn telemetry(sessions_max: usize, linger: Duration) -> Telemetry {
    Telemetry::new(SeriesLimits { sessions_max, linger })
}

fn live(id: &str) -> Arc<LiveSession> {
    let format = AudioFormat::new("linear16", 16_000, 1);
    let id = SessionId::parse(id).unwrap();
    let opened_at = clock::now() - Duration::from_secs(100);
    let tags = vec![("tenant".to_owned(), "a\"}\n".to_owned())];
    LiveSession::new(id, Endpoint::V1Listen, format, opened_at, tags)
}

fn open(telemetry: &Telemetry, count: usize) -> Vec<SessionTelemetry> {
    (0..count).map(|number| telemetry.session(live(&format!("s{number}")))).collect()
}

/// One that gave its name up and still flushes, and the next one of that name.
#[test]
fn a_name_that_was_given_up_is_on_the_page_once() {
    let telemetry = telemetry(8, Duration::from_secs(60));
    let flushing = telemetry.session(live("same"));
    let next = telemetry.session(live("same"));
    flushing.record(&died(Reason::ConnectionReset));
    assert_eq!(listed(&telemetry), ["same"]);
    flushing.record(&session_ended());
    drop(flushing);
    assert_eq!(listed(&telemetry), ["same"], "it does not linger beside its successor");
    next.record(&session_ended());
    drop(next);
    assert_eq!(listed(&telemetry), ["same"]);
}

/// The ids on the page, by what the info series say.
fn listed(telemetry: &Telemetry) -> Vec<String> {
    let page = telemetry.scrape_sessions(Format::Text);
    let infos = page
        .lines()
        .filter_map(|line| line.strip_prefix("deepgram_sidecar_live_session_info{session_id=\""));
    infos.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Gauges and counter: sessions on the page, live ones left out, ones that were refused a place.
fn counts(telemetry: &Telemetry) -> (i64, i64, u64) {
    telemetry.sessions.harvest(&telemetry.metrics);
    let session = &telemetry.metrics.session;
    (session.series.get(), session.series_omitted.get(), session.series_refused.get())
}

#[test]
fn the_cap_leaves_sessions_out_and_counts_them() {
    let telemetry = telemetry(10, Duration::from_secs(60));
    let sessions = open(&telemetry, 15);
    assert_eq!(listed(&telemetry).len(), 9, "a tenth is kept for anomalies");
    assert_eq!(counts(&telemetry), (9, 6, 6));
    drop(sessions);
    assert_eq!(counts(&telemetry), (0, 0, 6));
}

#[test]
fn a_place_is_kept_although_others_come_and_go() {
    let telemetry = telemetry(5, Duration::ZERO);
    let first = open(&telemetry, 4);
    for _ in 0..20 {
        drop(telemetry.session(live("passing")));
    }
    let late = telemetry.session(live("late"));
    assert_eq!(listed(&telemetry), ["s0", "s1", "s2", "s3", "late"]);
    drop(first);
    assert_eq!(listed(&telemetry), ["late"]);
    drop(late);
}

#[test]
fn the_reserve_is_for_sessions_that_something_happens_to() {
    let telemetry = telemetry(10, Duration::ZERO);
    let sessions = open(&telemetry, 20);
    sessions[15].record(&died(Reason::ProviderError));
    assert!(listed(&telemetry).contains(&"s15".to_owned()));
    sessions[16].record(&died(Reason::ProviderError));
    assert!(!listed(&telemetry).contains(&"s16".to_owned()), "the reserve is one");
    assert_eq!(counts(&telemetry).0, 10, "the cap holds");
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_lingers_with_its_last_values_and_its_end() {
    let telemetry = telemetry(10, Duration::from_secs(60));
    let session = live("gone");
    let handle = telemetry.session(session.clone());
    session.counters.set(Count::Keepalives, 11);
    session.counters.set(Count::LastSendMs, 95_000);
    handle.record(&died(Reason::Net0001Idle));
    session.remember(clock::now(), died(Reason::Net0001Idle));
    session.set_state(State::Ended);
    handle.record(&session_ended());
    drop(handle);
    tokio::time::advance(Duration::from_secs(59)).await;
    let series = samples(&telemetry);
    assert_eq!(series["keepalives_sent_total{session_id=gone}"], 11.0);
    assert_eq!(series["age_seconds{session_id=gone}"].floor(), 100.0, "it ages no more");
    assert_eq!(series["send_age_seconds{session_id=gone}"].floor(), 5.0);
    assert_eq!(series["end_info{session_id=gone,outcome=aborted}"], 1.0);
    let death = "death_info{session_id=gone,reason=net_0001_idle,trigger=read,class=provider}";
    assert_eq!(series[death], 1.0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(listed(&telemetry), [""; 0]);
    assert_eq!(counts(&telemetry), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_in_use_again_has_one_set_of_series() {
    let telemetry = telemetry(10, Duration::from_secs(60));
    let first = telemetry.session(live("again"));
    first.record(&session_ended());
    drop(first);
    let _second = telemetry.session(live("again"));
    assert_eq!(listed(&telemetry), ["again"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_place_does_not_linger() {
    let telemetry = telemetry(0, Duration::from_secs(60));
    let handle = telemetry.session(live("unlisted"));
    handle.record(&session_ended());
    drop(handle);
    assert!(telemetry.sessions.records().is_empty());
}

/// Ten thousand sessions that come and go must not grow anything.
#[tokio::test(start_paused = true)]
async fn churn_is_bounded() {
    let telemetry = telemetry(100, Duration::from_secs(60));
    let mut ids = HashSet::new();
    for number in 0..10_000 {
        let handle = telemetry.session(live(&format!("call-{number}")));
        handle.record(&session_ended());
        drop(handle);
        if number % 100 == 0 {
            ids.extend(listed(&telemetry));
            tokio::time::advance(Duration::from_secs(6)).await;
        }
        assert!(telemetry.sessions.records().len() <= 100);
    }
    // 600 s, and a place is taken for 60 s at least.
    assert!(ids.len() <= 100 * 11, "{} ids", ids.len());
}

#[test]
fn every_series_of_a_live_session_says_what_its_counter_says() {
    let telemetry = telemetry(10, Duration::ZERO);
    let session = live("s");
    let _handle = telemetry.session(session.clone());
    let counters = &session.counters;
    counters.set(Count::BytesReceived, 96_000);
    counters.set(Count::BytesFinalized, 32_000);
    counters.set(Count::BytesLost, 16_000);
    counters.set(Count::BytesGated, 8_000);
    counters.set(Count::VadOpenBytes, 40_000);
    let (mode, state) = (VadMode::Active, GateState::Speech);
    counters.set_gate(Some(GateSnapshot { mode, state, has_failed: false }));
    counters.set(Count::Messages, 7);
    counters.set(Count::Finals, 3);
    counters.set(Count::Recoveries, 1);
    counters.set(Count::FinalizeErrors, 1);
    counters.set(Count::FinalizeTimeouts, 2);
    counters.set(Count::UpstreamQueueBytes, 5);
    counters.set(Count::AppQueueBytes, 6);
    counters.is_stalled.store(true, Relaxed);
    counters.is_connected.store(true, Relaxed);
    counters.set(Count::CursorBytes, 64_000);
    counters.set(Count::ResultEndMs, 1_250);
    session.set_state(State::Finalizing);
    let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    session.set_trace(TraceContext::parse(context).unwrap());
    let series = samples(&telemetry);
    let trace = "trace_id=4bf92f3577b34da6a3ce929d0e0e4736";
    for (name, value) in [
        (
            &*format!("info{{session_id=s,endpoint=/v1/listen,dialect=native,sdk=none,{trace}}}"),
            1.0,
        ),
        ("state{session_id=s,state=finalizing}", 1.0),
        ("audio_seconds_total{session_id=s,account=accepted}", 3.0),
        ("audio_seconds_total{session_id=s,account=finalized}", 1.0),
        ("audio_seconds_total{session_id=s,account=gated}", 0.25),
        ("audio_seconds_total{session_id=s,account=lost}", 0.5),
        ("vad_state{session_id=s,mode=active,gate_state=speech}", 1.0),
        ("vad_open_seconds{session_id=s}", 1.25),
        ("messages_total{session_id=s}", 7.0),
        ("finals_total{session_id=s}", 3.0),
        ("finalize_errors_total{session_id=s}", 3.0),
        ("queue_bytes{session_id=s,queue=to_upstream}", 5.0),
        ("queue_bytes{session_id=s,queue=to_app}", 6.0),
        ("transcript_lag_seconds{session_id=s}", 0.75),
        ("stalled{session_id=s}", 1.0),
        ("keepalives_sent_total{session_id=s}", 0.0),
        ("recoveries_total{session_id=s}", 1.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name} in {series:#?}");
    }
    session.remember(clock::now(), died(Reason::ProviderError));
    counters.set(Count::LastSendMs, 1);
    counters.set(Count::LastReceiveMs, 1);
    assert_eq!(samples(&telemetry).len(), SERIES_PER_SESSION_MAX, "it has died and recovered");
}

#[test]
fn a_session_shows_what_its_application_speaks() {
    let telemetry = telemetry(10, Duration::ZERO);
    let _handle = telemetry.session(live_with("s", Sdk::Go));
    let info = "info{session_id=s,endpoint=/v1/listen,dialect=compatible,sdk=go,trace_id=}";
    assert_eq!(samples(&telemetry).get(info), Some(&1.0));
}

#[test]
fn a_session_that_has_said_nothing_has_no_ages_of_it() {
    let telemetry = telemetry(10, Duration::ZERO);
    let _handle = telemetry.session(live("s"));
    let series = samples(&telemetry);
    assert!(!series.keys().any(|name| name.contains("send_age") || name.contains("lag")));
}

/// The page's samples without the prefix and without quotes.
fn samples(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    let page = telemetry.scrape_sessions(Format::Text);
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let series = series.strip_prefix("deepgram_sidecar_live_session_").unwrap();
        (series.replace('"', ""), value.parse().unwrap())
    });
    samples.collect()
}

#[test]
fn facts_are_no_series() {
    let telemetry = telemetry(10, Duration::ZERO);
    let handle = telemetry.session(live("s"));
    let before = samples(&telemetry).len();
    for _ in 0..100 {
        handle.record(&Fact::AppStalled(session::fact::AppStalled));
    }
    assert_eq!(samples(&telemetry).len(), before);
}
