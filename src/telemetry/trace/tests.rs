//! Sessions' spans, as they would be exported.

mod document;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanProcessor};
use tokio::time::advance;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::telemetry::tests::{connected, died, drained, live, live_with, session_ended};
use crate::telemetry::{SessionTelemetry, Telemetry};
use session::death::Reason;
use session::dial::{DialFailure, DialReason};
use session::drain::Drained;
use session::fact::*;
use session::summary::Outcome;
use session::{Observation, Sdk};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// The spans that ended, in that order.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Exported {
    fn on_start(&self, _span: &mut opentelemetry_sdk::trace::Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exported {
    fn all(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|span| span.name.into_owned()).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> SpanData {
        let mut found: Vec<_> = self.all().into_iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name} in {:?}", self.names());
        found.pop().unwrap()
    }
}

/// A daemon's telemetry whose spans the test sees.
struct Setup {
    telemetry: Telemetry,
    exported: Exported,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Setup {
    /// With a share of the sessions sampled whose application has not decided.
    fn new(sample_ratio: f64) -> Self {
        let exported = Exported::default();
        let of_others = Box::new(Sampler::TraceIdRatioBased(sample_ratio));
        let tracer = |sampler| {
            let provider = SdkTracerProvider::builder().with_span_processor(exported.clone());
            provider.with_sampler(sampler).build().tracer("test")
        };
        let tracers = Tracers {
            live: tracer(Sampler::ParentBased(of_others)),
            kept: tracer(Sampler::AlwaysOn),
            peer: [KeyValue::new("server.address", "api.deepgram.com")].into(),
        };
        let subscriber = tracing_subscriber::registry().with(layer(&tracers));
        let subscriber = tracing::subscriber::set_default(subscriber);
        let telemetry = Telemetry { tracers: Some(Arc::new(tracers)), ..Telemetry::default() };
        Self { telemetry, exported, _subscriber: subscriber }
    }

    fn session(&self, app: Option<&str>) -> Told {
        let live = live_with("call-7", Sdk::Javascript).with_model(Some("nova-3".to_owned()));
        let app = app.map(|text| TraceContext::parse(text).unwrap());
        Told { telemetry: self.telemetry.session_within(live.clone(), app), live }
    }
}

/// A session that is told as its driver tells it.
struct Told {
    telemetry: SessionTelemetry,
    live: Arc<LiveSession>,
}

impl Told {
    async fn after(&self, wait: Duration, fact: Fact) {
        advance(wait).await;
        self.telemetry.record(&fact);
        self.live.remember(clock::now(), fact);
    }
}

fn dial_failed(attempt: u32) -> Fact {
    let failure = DialFailure::before_answer(DialReason::Tcp, "refused");
    Fact::DialFailed(DialFailed { attempt, failure, duration: MS(700), retry_in: Some(S(1)) })
}

fn ended(outcome: Outcome, death: bool) -> Fact {
    let Fact::SessionEnded(mut ended) = session_ended() else { unreachable!() };
    ended.summary.outcome = outcome;
    ended.summary.death.take_if(|_| !death);
    ended.drained = None;
    Fact::SessionEnded(ended)
}

fn closing(to_park: bool) -> Fact {
    Fact::StreamClosing(StreamClosing { to_park })
}

fn closed(age: Duration) -> Fact {
    let end = ConnectionEnd::Flushed;
    Fact::ConnectionClosed(ConnectionClosed { connection: 1, age, closing: Some(S(2)), end })
}

#[track_caller]
fn value(span: &SpanData, key: &str) -> Value {
    let found = span.attributes.iter().find(|it| it.key.as_str() == key);
    found.unwrap_or_else(|| panic!("{key} in {span:?}")).value.clone()
}

fn lasted(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap()
}

/// When a span began, after another.
fn after(span: &SpanData, other: &SpanData) -> Duration {
    span.start_time.duration_since(other.start_time).unwrap()
}

fn is_child(span: &SpanData, parent: &SpanData) -> bool {
    span.parent_span_id == parent.span_context.span_id()
        && span.span_context.trace_id() == parent.span_context.trace_id()
}

#[tokio::test(start_paused = true)]
async fn a_sessions_life_is_told_by_spans_with_their_own_times() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    session.after(MS(700), dial_failed(1)).await;
    session.after(S(1), Fact::Connected(connected())).await;
    session
        .after(S(9), Fact::FinalizeAnswered(FinalizeAnswered { latency: MS(250), count: 2 }))
        .await;
    session.after(S(4), closing(false)).await;
    session.after(S(2), closed(S(15))).await;
    session.after(S(0), ended(Outcome::Finished, false)).await;
    let names = [
        "deepgram.connect",
        "deepgram.connect",
        "stt.session.open",
        "deepgram.finalize",
        "deepgram.connection",
        "stt.session.close",
        "stt.session",
    ];
    assert_eq!(setup.exported.names(), names);
    let all = setup.exported.all();
    let (open, root) = (&all[2], &all[6]);
    let [refused, up, finalize, connection, close] = [&all[0], &all[1], &all[3], &all[4], &all[5]];
    assert!([open, finalize, connection, close].iter().all(|span| is_child(span, root)));
    assert!([refused, up].iter().all(|span| is_child(span, open)));
    // The root's start is taken a moment before the clock that all others share.
    assert!(root.start_time <= open.start_time);
    let times = |span| (after(span, open).as_millis(), lasted(span).as_millis());
    assert_eq!(times(open), (0, 1_700));
    assert_eq!(times(refused), (0, 700));
    assert_eq!(times(up), (1_690, 10));
    assert_eq!(times(finalize), (10_450, 250));
    assert_eq!(times(connection), (1_700, 15_000));
    assert_eq!(times(close), (14_700, 2_000));
    assert_eq!(lasted(root).as_secs(), 16);
    assert_eq!((&root.span_kind, &open.span_kind), (&SpanKind::Server, &SpanKind::Internal));
    assert_eq!(up.span_kind, SpanKind::Client);
    assert_eq!(value(up, "server.address"), "api.deepgram.com".into());
    assert_eq!(value(root, "session.id"), "call-7".into());
    assert_eq!(value(root, "stt.tag.tenant"), "ac\"me\n".into());
    assert_eq!(value(root, "stt.dialect"), "compatible".into());
    assert_eq!(value(root, "stt.sdk"), "javascript".into());
    assert_eq!(value(root, "user_agent.original"), "javascript/1.2.3".into());
    assert_eq!(value(root, "stt.outcome"), "finished".into());
    assert_eq!(value(refused, "error.type"), "tcp".into());
    assert_eq!(refused.status, Status::error("refused"));
    assert_eq!(root.status, Status::Unset);
}

#[tokio::test(start_paused = true)]
async fn the_applications_trace_goes_on_and_the_session_names_its_own_span() {
    let setup = Setup::new(0.0);
    let session = setup.session(Some(SAMPLED));
    let own = session.live.trace().unwrap();
    assert_eq!(own.trace_id_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(own.is_sampled);
    session.after(S(1), ended(Outcome::Finished, false)).await;
    let root = setup.exported.one("stt.session");
    assert_eq!(root.parent_span_id, SpanId::from(0x00f0_67aa_0ba9_02b7));
    assert!(root.parent_span_is_remote);
    assert_eq!(root.span_context.span_id(), SpanId::from(own.span_id));
    drop(session);
    assert_eq!(setup.exported.all().iter().filter(|span| span.name == "stt.session").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stretch_is_seen_while_the_session_lasts() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    advance(S(60)).await;
    let segment = Segment { duration: S(60), keepalives: 11, ..Segment::default() };
    session.telemetry.observe(&Observation::Segment(Box::new(segment)));
    let span = setup.exported.one("stt.segment");
    assert_eq!(lasted(&span), S(60));
    assert_eq!(value(&span, "stt.keepalives"), 11.into());
    assert_eq!(setup.exported.names(), ["stt.segment"]);
}

#[tokio::test(start_paused = true)]
async fn a_death_makes_the_connection_and_the_session_errors() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    session.after(S(1), Fact::Connected(connected())).await;
    session.after(S(42), died(Reason::ProviderError)).await;
    let (reason, trigger) = (Reason::BrokenPipe, session::death::Trigger::AudioWrite);
    let detail = "late".to_owned();
    session.after(S(1), Fact::LateEvidence(LateEvidence { reason, trigger, detail })).await;
    session.after(S(1), ended(Outcome::Dead, true)).await;
    let root = setup.exported.one("stt.session");
    let connection = setup.exported.one("deepgram.connection");
    assert_eq!(lasted(&connection), S(42));
    for span in [&root, &connection] {
        assert_eq!(value(span, "error.type"), "provider_error".into());
        assert_eq!(value(span, "deepgram.death.reason"), "provider_error".into());
        assert!(matches!(span.status, Status::Error { .. }));
    }
    let evidence = setup.exported.one("deepgram.late_evidence");
    assert_eq!(value(&evidence, "deepgram.death.reason"), "broken_pipe".into());
    assert!(is_child(&evidence, &root));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_recovered_is_no_error_unless_it_died_in_the_end() {
    for (outcome, is_error) in [(Outcome::Finished, false), (Outcome::Dead, true)] {
        let setup = Setup::new(1.0);
        let session = setup.session(None);
        let Fact::SessionEnded(mut end) = ended(outcome, true) else { unreachable!() };
        end.summary.recoveries = 1;
        session.after(S(60), Fact::SessionEnded(end)).await;
        let root = setup.exported.one("stt.session");
        assert_eq!(root.status != Status::Unset, is_error, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_sampled_is_told_once_it_dies() {
    for app in [None, Some(NOT_SAMPLED)] {
        let setup = Setup::new(0.0);
        let session = setup.session(app);
        let own = session.live.trace().unwrap();
        assert!(!own.is_sampled);
        session.after(MS(700), dial_failed(1)).await;
        session.after(S(1), Fact::Connected(connected())).await;
        assert_eq!(setup.exported.names(), [""; 0]);
        session.after(S(42), died(Reason::PingTimeout)).await;
        let so_far =
            ["deepgram.connect", "deepgram.connect", "stt.session.open", "deepgram.connection"];
        assert_eq!(setup.exported.names(), so_far);
        session.after(S(1), ended(Outcome::Dead, true)).await;
        let root = setup.exported.one("stt.session");
        assert_eq!(root.parent_span_id, SpanId::INVALID);
        assert_eq!(lasted(&root), MS(44_700));
        let linked = &root.links.links[0].span_context;
        assert_eq!(linked.trace_id(), TraceId::from(own.trace_id));
        let expected = app.map_or(own.span_id, |_| 0x00f0_67aa_0ba9_02b7);
        assert_eq!(linked.span_id(), SpanId::from(expected));
        assert_ne!(root.span_context.trace_id(), linked.trace_id());
        let connection = setup.exported.one("deepgram.connection");
        assert!(is_child(&connection, &root));
        assert_eq!(after(&connection, &root), MS(1_700));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_sampled_is_told_when_it_never_got_a_connection() {
    let setup = Setup::new(0.0);
    let session = setup.session(Some(NOT_SAMPLED));
    session.after(S(1), dial_failed(1)).await;
    session.after(S(1), dial_failed(2)).await;
    assert_eq!(setup.exported.names(), [""; 0]);
    session.after(S(0), ended(Outcome::ConnectFailed, false)).await;
    let told = ["deepgram.connect", "deepgram.connect", "stt.session.open", "stt.session"];
    assert_eq!(setup.exported.names(), told);
    let root = setup.exported.one("stt.session");
    assert_eq!(value(&root, "error.type"), "connect_failed".into());
    assert_eq!((root.parent_span_id, root.links.links.len()), (SpanId::INVALID, 1));
    let open = setup.exported.one("stt.session.open");
    assert_eq!(value(&open, "error.type"), "connect_failed".into());
    assert!(is_child(&setup.exported.all()[0], &open));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_sampled_and_does_not_die_makes_no_span() {
    let setup = Setup::new(0.0);
    let session = setup.session(None);
    session.after(S(1), Fact::Connected(connected())).await;
    session.after(S(5), closed(S(5))).await;
    session.after(S(0), ended(Outcome::Finished, false)).await;
    drop(session);
    assert_eq!(setup.exported.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn exemplars_point_at_the_trace_that_is_exported() {
    let setup = Setup::new(0.0);
    let session = setup.session(None);
    assert_eq!(session.telemetry.trace_id(), None);
    session.after(S(1), died(Reason::PingTimeout)).await;
    session.after(S(1), ended(Outcome::Dead, true)).await;
    let kept = setup.exported.one("stt.session").span_context.trace_id();
    assert_eq!(session.telemetry.trace_id(), Some(number(kept)));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_any_connection_is_an_error_of_its_opening() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    session.after(S(1), dial_failed(1)).await;
    session.after(S(1), dial_failed(2)).await;
    session.after(S(0), ended(Outcome::ConnectFailed, false)).await;
    let open = setup.exported.one("stt.session.open");
    assert_eq!(value(&open, "error.type"), "connect_failed".into());
    assert_eq!(lasted(&open), S(2));
    assert_eq!(value(&setup.exported.one("stt.session"), "error.type"), "connect_failed".into());
}

#[tokio::test(start_paused = true)]
async fn parking_is_no_end_and_its_redial_no_opening() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    session.after(S(1), Fact::Connected(connected())).await;
    session.after(S(600), closing(true)).await;
    session.after(S(1), closed(S(601))).await;
    session
        .after(S(0), Fact::SessionParked(SessionParked { idle: S(600), cause: ParkCause::Idle }))
        .await;
    session.after(S(300), Fact::SessionResumed(SessionResumed { idle: S(900) })).await;
    session.after(S(1), dial_failed(1)).await;
    session.after(S(1), Fact::Connected(Connected { connection: 2, ..connected() })).await;
    session.after(S(1), ended(Outcome::Aborted, false)).await;
    let names = setup.exported.names();
    let expected = [
        "deepgram.connect",
        "stt.session.open",
        "deepgram.connection",
        "stt.session.parked",
        "deepgram.connect",
        "deepgram.connect",
        "stt.session",
    ];
    assert_eq!(names, expected);
    let root = setup.exported.one("stt.session");
    assert!(setup.exported.all()[3..6].iter().all(|span| is_child(span, &root)));
    assert_eq!(lasted(&setup.exported.one("stt.session.parked")), S(300));
}

#[tokio::test(start_paused = true)]
async fn shutdown_is_a_span_of_each_session_that_it_ended() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    let Fact::SessionEnded(mut fact) = ended(Outcome::Drained, false) else { unreachable!() };
    fact.drained = Some(Drained { lasted: S(3), ..drained() });
    session.after(S(10), Fact::SessionEnded(fact)).await;
    let drain = setup.exported.one("stt.session.drain");
    assert_eq!(lasted(&drain), S(3));
    assert_eq!(value(&drain, "stt.drain.flush"), "incomplete".into());
    assert_eq!(value(&drain, "stt.drain.unflushed_ms"), 700.into());
    assert_eq!(drain.end_time, setup.exported.one("stt.session").end_time);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_session_still_ends_its_span() {
    let setup = Setup::new(1.0);
    let session = setup.session(None);
    session.after(S(1), Fact::Connected(connected())).await;
    drop(session);
    let root = setup.exported.one("stt.session");
    assert_eq!(value(&root, "error.type"), "cancelled".into());
}

/// Sixty finalizes are told, and the flight recorder holds fewer entries.
#[tokio::test(start_paused = true)]
async fn what_the_recorder_forgot_is_not_made_up() {
    let setup = Setup::new(0.0);
    let session = setup.session(None);
    session.after(S(1), Fact::Connected(connected())).await;
    for _ in 0..60 {
        session.after(S(1), Fact::TimerLate(TimerLate { lateness: S(1) })).await;
    }
    session.after(S(1), dial_failed(1)).await;
    session.after(S(1), died(Reason::PingTimeout)).await;
    let names = setup.exported.names();
    assert!(!names.contains(&"stt.session.open".to_owned()), "{names:?}");
    assert!(names.contains(&"deepgram.connect".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn no_other_span_and_no_event_is_exported() {
    let setup = Setup::new(1.0);
    let session = setup.session(Some(SAMPLED));
    tracing::error_span!("other").in_scope(|| tracing::error!("an event"));
    tracing::error_span!(target: "hyper", "other").in_scope(|| {});
    session.after(S(1), dial_failed(1)).await;
    session.after(S(1), ended(Outcome::ConnectFailed, false)).await;
    drop(session);
    assert_eq!(setup.exported.names(), ["deepgram.connect", "stt.session.open", "stt.session"]);
    assert!(setup.exported.all().iter().all(|span| span.events.events.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn without_the_layer_there_are_no_spans_and_no_ids() {
    let Setup { telemetry, exported, _subscriber } = Setup::new(1.0);
    drop(_subscriber);
    let live = live("call-7");
    let session = telemetry.session_within(live.clone(), TraceContext::parse(SAMPLED));
    session.record(&died(Reason::PingTimeout));
    assert_eq!((live.trace(), exported.names().len()), (None, 0));
}
