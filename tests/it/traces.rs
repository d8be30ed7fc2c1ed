//! Spans as a real OpenTelemetry collector receives them.

use std::collections::BTreeSet;

use client::OpenRequest;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::support::{App, Collector, Config, Emulator, Sidecar, Span, eventually, listen};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const APP_SPAN: &str = "00f067aa0ba902b7";

/// How long a test's clock and a span's may lie apart by rounding.
const ROUNDING_NANOS: u64 = 2_000_000;

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{APP_SPAN}-{flags}")
}

async fn traced(emulator: &Emulator, collector: &Collector) -> Sidecar {
    let config = Config::dialing(emulator).set("keepalive.interval", "9900ms");
    config.set("telemetry.otlp.endpoint", collector.endpoint()).start().await
}

/// The only span of this name.
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(named.len(), 1, "{name} in {spans:#?}");
    named[0]
}

fn kinds_below<'a>(spans: &'a [Span], parent: &Span) -> BTreeSet<(&'a str, u8)> {
    let below = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
    below.map(|span| (span.name.as_str(), span.kind)).collect()
}

/// The words in the first column of the tables of the page on traces.
fn documented() -> BTreeSet<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/traces.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(word, _)| word.to_owned()).collect()
}

fn assert_documented(spans: &[Span]) {
    let page = documented();
    for span in spans {
        assert!(page.contains(&span.name), "{} is not on the page", span.name);
        for key in span.keys() {
            let is_there = page.contains(key) || key.starts_with("stt.tag.");
            assert!(is_there, "{key} of {} is not on the page", span.name);
        }
    }
}

/// Spans lie within their session's, and none ends before it begins.
fn assert_nested(spans: &[Span], session: &Span) {
    for span in spans {
        let (whole, part) = (session.lasted(), span.lasted());
        assert!(part.start() <= part.end(), "{span:?}");
        let is_within = *part.start() + ROUNDING_NANOS >= *whole.start()
            && *part.end() <= *whole.end() + ROUNDING_NANOS;
        assert!(is_within, "{span:?} is not within {session:?}");
    }
}

fn nanos(span: &Span) -> u128 {
    u128::from(span.lasted().end() - span.lasted().start())
}

#[tokio::test]
async fn a_session_arrives_below_the_span_of_its_application_with_all_that_happened_in_it() {
    let (emulator, collector) = (Emulator::start().await, Collector::start().await);
    let sidecar = traced(&emulator, &collector).await;
    let begun = clock::now();
    let request = listen("traced").traceparent(traceparent("01")).tag("tenant", "acme");
    let request = request.param("model", "nova-3");
    let mut app = App::dial(&sidecar, &request).await;
    let opened = app.opened().await;
    app.speak(20).await;
    app.sender.finalize(None).await.unwrap();
    app.message().await;
    let summary = app.finish().await;
    sidecar.session_end("traced").await;
    let lived = begun.elapsed().as_nanos();

    let spans = collector.spans_with(1, "stt.session").await;
    let session = only(&spans, "stt.session");
    assert!(
        spans.iter().all(|span| span.trace_id == TRACE && span.error().is_none()),
        "{spans:#?}"
    );
    assert_eq!((session.parent_span_id.as_str(), session.kind), (APP_SPAN, 2));
    assert_eq!(opened.traceparent, Some(format!("00-{TRACE}-{}-01", session.span_id)));
    let (client, internal) = (3, 1);
    let open = only(&spans, "stt.session.open");
    assert_eq!(kinds_below(&spans, open), BTreeSet::from([("deepgram.connect", client)]));
    let below = BTreeSet::from([
        ("stt.session.open", internal),
        ("deepgram.finalize", client),
        ("deepgram.connection", client),
        ("stt.session.close", internal),
        ("stt.segment", internal),
    ]);
    assert_eq!(kinds_below(&spans, session), below);

    assert_documented(&spans);
    assert_nested(&spans, session);
    let least = u128::from(summary.duration_ms) * 1_000_000;
    assert!((least..lived).contains(&nanos(session)), "{session:?} of {least} to {lived} ns");
    assert_eq!(session.attribute("session.id"), "traced");
    assert_eq!(session.attribute("stt.tag.tenant"), "acme");
    assert_eq!(session.attribute("deepgram.model"), "nova-3");
    assert_eq!(session.attribute("stt.outcome"), "finished");
    assert_eq!(session.attribute("stt.audio.sent_bytes"), summary.audio.bytes_sent.to_string());
    assert_eq!(session.attribute("stt.messages"), summary.messages.received.to_string());
    let connect = only(&spans, "deepgram.connect");
    assert_eq!(connect.attribute("server.port"), emulator.addr().port().to_string());
    assert_eq!(Some(connect.attribute("deepgram.request_id")), opened.request_id);
}

#[tokio::test]
async fn a_death_is_an_error_of_the_connection_and_of_its_session() {
    let close = "{after_audio: 100ms, do: {close: {code: 1011, reason: 'service restart'}}}";
    let emulator = Emulator::scripted(&[&format!("{{then: [{close}]}}")]).await;
    let collector = Collector::start().await;
    let sidecar = traced(&emulator, &collector).await;
    let mut app = App::open(&sidecar, &listen("mortal").traceparent(traceparent("01"))).await;
    app.speak(1).await;
    app.event("dead").await;
    app.finish().await;

    let spans = collector.spans_with(1, "stt.session").await;
    let errors = spans.iter().filter_map(|span| Some((span.name.as_str(), span.error()?)));
    let errors: BTreeSet<_> = errors.collect();
    let died = "provider_error".to_owned();
    let expected = BTreeSet::from([
        ("stt.session", died.clone()),
        ("deepgram.connection", died.clone()),
        ("stt.audio_lost", "dead".to_owned()),
    ]);
    assert_eq!(errors, expected);
    let connection = only(&spans, "deepgram.connection");
    assert_eq!(connection.status.message, "close 1011: service restart");
    assert_eq!(connection.attribute("deepgram.connection.end"), "died");
    assert_eq!(connection.attribute("deepgram.death.trigger"), "read");
    assert_eq!(only(&spans, "stt.session").attribute("deepgram.death.class"), "provider");
    assert_documented(&spans);
}

/// Waits until nothing waits for the collector.
async fn delivered(sidecar: &Sidecar) {
    eventually("an empty queue", async || {
        (sidecar.metrics().await.sum("otlp_queue_spans", &[]) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_sessions_that_were_not_sampled_the_one_that_died_arrives_as_a_linked_root() {
    let emulator = Emulator::scripted(&["{}", "{then: [{after_audio: 100ms, do: reset}]}"]).await;
    let collector = Collector::start().await;
    let sidecar = traced(&emulator, &collector).await;
    for id in ["well", "mortal"] {
        let mut app = App::open(&sidecar, &listen(id).traceparent(traceparent("00"))).await;
        app.speak(1).await;
        app.finish().await;
    }
    collector.spans_with(1, "stt.session").await;
    delivered(&sidecar).await;

    let spans = collector.spans();
    let session = only(&spans, "stt.session");
    assert_eq!(session.attribute("session.id"), "mortal");
    assert_eq!(session.error().as_deref(), Some("connection_reset"));
    assert_eq!(session.parent_span_id, "");
    assert_ne!(session.trace_id, TRACE);
    assert!(spans.iter().all(|span| span.trace_id == session.trace_id), "{spans:#?}");
    let [link] = session.links.as_slice() else { panic!("{session:?}") };
    assert_eq!((link.trace_id.as_str(), link.span_id.as_str()), (TRACE, APP_SPAN));
    assert_nested(&spans, session);
}

/// More than the queue of spans holds, at the five spans of each.
const SESSIONS_OF_OUTAGE: usize = 450;

/// As many at a time.
const AT_ONCE: usize = 50;

/// Runs sessions that say one word each. All must end well.
async fn run_sessions(sidecar: &Sidecar, count: usize) {
    let session = async || {
        let mut app = App::open(sidecar, &OpenRequest::new()).await;
        app.speak(1).await;
        let summary = app.finish().await;
        assert_eq!((summary.outcome.as_str(), &summary.death), ("finished", &None));
    };
    let mut running = FuturesUnordered::new();
    for _ in 0..count {
        if running.len() == AT_ONCE {
            running.next().await;
        }
        running.push(session());
    }
    while running.next().await.is_some() {}
}

/// The spans that the daemon has made: each is exported, dropped or waits.
async fn spans_made(sidecar: &Sidecar) -> f64 {
    let metrics = sidecar.metrics().await;
    let fates = ["otlp_spans_exported_total", "otlp_spans_dropped_total", "otlp_queue_spans"];
    fates.map(|fate| metrics.sum(fate, &[])).iter().sum()
}

#[tokio::test]
async fn a_collector_that_is_killed_costs_the_spans_beyond_the_queue_and_nothing_else() {
    let (emulator, mut collector) = (Emulator::start().await, Collector::start().await);
    let sidecar = traced(&emulator, &collector).await;
    run_sessions(&sidecar, 1).await;
    collector.spans_with(1, "stt.session").await;
    delivered(&sidecar).await;
    let of_one = collector.spans().len() as f64;

    collector.kill().await;
    run_sessions(&sidecar, 1).await;
    sidecar.process.log().event("otlp_failing").await;
    run_sessions(&sidecar, SESSIONS_OF_OUTAGE).await;
    assert_eq!(sidecar.page("/readyz").await.0, 200);
    let ended = (1 + 1 + SESSIONS_OF_OUTAGE) as f64 * of_one;
    assert_eq!(spans_made(&sidecar).await, ended);
    let metrics = sidecar.metrics().await;
    let limit = metrics.sum("otlp_queue_limit_spans", &[]);
    assert_eq!(metrics.sum("otlp_queue_spans", &[]), limit);
    let lost = metrics.sum("otlp_spans_dropped_total", &[("reason", "queue_full")]);
    assert_eq!(lost, ended - of_one - limit);

    collector.restart().await;
    delivered(&sidecar).await;
    run_sessions(&sidecar, 1).await;
    delivered(&sidecar).await;
    assert_eq!(spans_made(&sidecar).await, ended + of_one);
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("otlp_spans_dropped_total", &[]), lost);
    let exported = metrics.sum("otlp_spans_exported_total", &[("result", "success")]);
    assert_eq!(exported, ended + of_one - lost);
    eventually("every span that was taken", async || {
        (collector.spans().len() as f64 == exported).then_some(())
    })
    .await;
    let recovered = sidecar.process.log().event("otlp_recovered").await;
    assert_eq!(recovered["spans_lost"].as_f64(), Some(lost));
}
