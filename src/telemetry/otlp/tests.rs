//! Both ends of the way to a collector, in one runtime and over real sockets.

mod receiver;

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{self, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use super::queue::SPANS_MAX;
use super::*;
use crate::config::Proxy;
use crate::telemetry::label::{ExportResult, SpanDrop};
use receiver::{Act, LONG, Receiver, text};

/// The sidecar's end.
struct Setup {
    telemetry: Telemetry,
    tracers: Tracers,
    export: Option<SpanExport>,
    running: JoinSet<()>,
    stop: CancellationToken,
    ended: u64,
}

impl Setup {
    fn new(url: &str) -> Self {
        Self::with(collector(url), 1.0)
    }

    fn with(collector: Collector, sample_ratio: f64) -> Self {
        let telemetry = Telemetry::default();
        let mut config = Config::default();
        config.telemetry.otlp.sample_ratio = sample_ratio;
        let (tracers, export) = open(collector, &config, &telemetry);
        let (running, stop) = (JoinSet::new(), CancellationToken::new());
        Self { telemetry, tracers, export: Some(export), running, stop, ended: 0 }
    }

    fn run(&mut self, tls: Option<ClientConfig>) {
        let export = self.export.take().unwrap();
        self.running.spawn(export.run(tls, self.stop.clone()));
    }

    fn running(url: &str) -> Self {
        let mut setup = Self::new(url);
        setup.run(None);
        setup
    }

    fn end_spans(&mut self, count: u64) {
        self.ended += count;
        (0..count).for_each(|_| drop(self.tracers.live.start("stt.session")));
    }

    /// Drains, and checks that no span got lost uncounted.
    async fn finish(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        assert_eq!(self.metrics().queue.get(), 0);
        self.assert_balanced();
    }

    fn assert_balanced(&self) {
        let exported = self.exported(ExportResult::Success) + self.exported(ExportResult::Failure);
        let dropped = [SpanDrop::QueueFull, SpanDrop::Oversize, SpanDrop::Shutdown];
        let dropped: u64 = dropped.into_iter().map(|reason| self.dropped(reason)).sum();
        let queued = self.metrics().queue.get() as u64;
        assert_eq!(self.ended, exported + dropped + queued);
    }

    fn metrics(&self) -> &crate::telemetry::metrics::otlp::OtlpMetrics {
        &self.telemetry.metrics.otlp
    }

    fn exported(&self, result: ExportResult) -> u64 {
        self.metrics().spans_exported[result].get()
    }

    fn dropped(&self, reason: SpanDrop) -> u64 {
        self.metrics().spans_dropped[reason].get()
    }

    fn exports(&self) -> [u64; 2] {
        [ExportResult::Success, ExportResult::Failure].map(|it| self.metrics().exports[it].get())
    }
}

/// The names and texts of events, as they are emitted.
struct Lines {
    names: mpsc::Receiver<&'static str>,
    texts: Arc<Mutex<String>>,
}

struct LineLayer {
    names: mpsc::Sender<&'static str>,
    texts: Arc<Mutex<String>>,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _context: layer::Context<'_, S>) {
        if event.metadata().target().starts_with("deepgram_sidecar") {
            write!(self.texts.lock().unwrap(), "{event:?}").unwrap();
            self.names.try_send(event.metadata().name()).unwrap();
        }
    }
}

impl Lines {
    fn capture() -> (Self, DefaultGuard) {
        let (sender, receiver) = mpsc::channel(64);
        let texts = Arc::new(Mutex::new(String::new()));
        let layer = LineLayer { names: sender, texts: texts.clone() };
        let guard = tracing::subscriber::set_default(Registry::default().with(layer));
        (Self { names: receiver, texts }, guard)
    }

    async fn next(&mut self) -> &'static str {
        self.names.recv().await.unwrap()
    }

    fn rest(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.names.try_recv().ok()).collect()
    }

    fn text(&self) -> String {
        self.texts.lock().unwrap().clone()
    }
}

fn collector(url: &str) -> Collector {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=very-secret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=app-0"),
    ];
    let environment = environment.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Collector::find(&Default::default(), &environment).unwrap().unwrap()
}

fn app_context(flags: TraceFlags) -> Context {
    let (trace, span) = (TraceId::from(7), SpanId::from(8));
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    Context::new().with_remote_span_context(context)
}

#[tokio::test]
async fn a_span_arrives_with_its_parent_its_attributes_and_its_process() {
    let mut receiver = Receiver::start(&[]).await;
    let mut setup = Setup::running(&receiver.url());
    let builder = setup.tracers.live.span_builder("stt.session");
    let builder = builder.with_attributes([KeyValue::new("session.id", "call-7")]);
    let parent = app_context(TraceFlags::SAMPLED);
    drop(setup.tracers.live.build_with_context(builder, &parent));
    setup.ended = 1;
    let received = receiver.next().await;
    assert_eq!(received.path, "/v1/traces");
    assert_eq!(received.headers["content-type"], "application/x-protobuf");
    assert_eq!(received.headers["api-key"], "very-secret");
    assert_eq!(received.resource("service.name"), Some("deepgram-sidecar"));
    assert_eq!(received.resource("service.version"), Some(VERSION));
    assert_eq!(received.resource("k8s.pod.name"), Some("app-0"));
    assert_eq!(received.resource("service.instance.id").unwrap().len(), 36);
    let span = received.spans()[0];
    assert_eq!(span.trace_id, TraceId::from(7).to_bytes());
    assert_eq!(span.parent_span_id, SpanId::from(8).to_bytes());
    assert_eq!(text(&span.attributes, "session.id"), Some("call-7"));
    setup.finish().await;
    assert_eq!(setup.exported(ExportResult::Success), 1);
    assert!(setup.metrics().last_success.get() > 1e9);
    assert_eq!(setup.metrics().export_duration.get_sample_count(), 1);
}

#[tokio::test]
async fn a_span_arrives_through_a_proxy_that_looks_the_collectors_name_up() {
    let mut receiver = Receiver::start(&[]).await;
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}", proxy.local_addr().unwrap()).parse().unwrap();
    let target = receiver.addr;
    let mut tunnels = JoinSet::new();
    tunnels.spawn(async move {
        let (mut near, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(near.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"CONNECT collector.test:4318 "));
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let proxy = Some(Proxy { uri, variable: "HTTP_PROXY".to_owned(), authorization: None });
    let collector = Collector { proxy, ..collector("http://collector.test:4318") };
    let mut setup = Setup::with(collector, 1.0);
    setup.run(None);
    setup.end_spans(1);
    assert_eq!(receiver.next().await.spans().len(), 1);
    setup.finish().await;
}

#[tokio::test]
async fn passing_failures_cost_no_span_and_each_batch_arrives_once() {
    let acts = [Act::HangUp, Act::Babble, Act::Status(503, Some("0"))];
    let mut receiver = Receiver::start(&acts).await;
    let mut setup = Setup::running(&receiver.url());
    setup.end_spans(3);
    assert_eq!(receiver.next().await.spans().len(), 3, "refused with 503");
    assert_eq!(receiver.next().await.spans().len(), 3);
    setup.finish().await;
    assert_eq!(receiver.rest().len(), 0);
    assert_eq!(setup.exports(), [1, 3]);
    assert_eq!(setup.exported(ExportResult::Success), 3);
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_what_waited() {
    let (mut lines, _guard) = Lines::capture();
    // Bound and not listening: connections are refused, and the port stays ours.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let mut setup = Setup::running(&format!("http://{}", socket.local_addr().unwrap()));
    setup.end_spans(5);
    assert_eq!(lines.next().await, "otlp_failing");
    let mut receiver = Receiver::serve(socket.listen(8).unwrap(), &[], None);
    assert_eq!(receiver.next().await.spans().len(), 5);
    assert_eq!(lines.next().await, "otlp_recovered");
    setup.finish().await;
    assert_eq!(setup.exported(ExportResult::Success), 5);
}

#[tokio::test]
async fn an_episode_of_failures_has_one_line_at_each_end() {
    let (mut lines, _guard) = Lines::capture();
    let unavailable = Act::Status(503, Some("0"));
    let acts = [unavailable.clone(), unavailable, Act::Status(400, None), Act::Reject(1)];
    let mut receiver = Receiver::start(&acts).await;
    let mut setup = Setup::running(&receiver.url());
    for request in 0..5 {
        // The first two are about the same spans.
        if request != 1 && request != 2 {
            setup.end_spans(2);
        }
        receiver.next().await;
    }
    setup.finish().await;
    assert_eq!(lines.rest(), ["otlp_failing", "otlp_recovered"]);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated() {
    for status in [400, 401, 404, 413, 500, 301] {
        let mut receiver = Receiver::start(&[Act::Status(status, Some("1"))]).await;
        let mut setup = Setup::running(&receiver.url());
        setup.end_spans(2);
        receiver.next().await;
        setup.finish().await;
        assert_eq!(receiver.rest().len(), 0, "{status}");
        assert_eq!(setup.exported(ExportResult::Failure), 2);
        assert_eq!(setup.exports(), [0, 1]);
    }
}

#[tokio::test]
async fn spans_that_the_collector_rejects_are_counted_as_failed() {
    for (rejected, failed) in [(1, 1), (3, 3), (99, 3), (-1, 0)] {
        let mut receiver = Receiver::start(&[Act::Reject(rejected)]).await;
        let mut setup = Setup::running(&receiver.url());
        setup.end_spans(3);
        receiver.next().await;
        setup.finish().await;
        assert_eq!(setup.exported(ExportResult::Failure), failed);
        assert_eq!(setup.exports(), [1, 0]);
    }
}

#[tokio::test]
async fn a_success_with_an_answer_that_nobody_understands_is_a_success() {
    let mut receiver = Receiver::start(&[Act::TakeAndBabble]).await;
    let mut setup = Setup::running(&receiver.url());
    setup.end_spans(1);
    receiver.next().await;
    setup.finish().await;
    assert_eq!((receiver.rest().len(), setup.exports()), (0, [1, 0]));
}

#[tokio::test]
async fn a_request_that_stays_unanswered_is_sent_again() {
    let mut receiver = Receiver::start(&[Act::Stay]).await;
    let timeout = Duration::from_millis(400);
    let mut setup = Setup::with(Collector { timeout, ..collector(&receiver.url()) }, 1.0);
    setup.run(None);
    setup.end_spans(1);
    receiver.next().await;
    receiver.next().await;
    setup.finish().await;
    assert_eq!(setup.exports()[0], 1);
    assert!(setup.exports()[1] >= 1);
}

#[tokio::test]
async fn what_ends_while_the_queue_is_full_is_dropped_and_the_rest_goes_in_batches() {
    let mut receiver = Receiver::start(&[]).await;
    let mut setup = Setup::new(&receiver.url());
    setup.end_spans(SPANS_MAX as u64 + 7);
    assert_eq!(setup.dropped(SpanDrop::QueueFull), 7);
    assert_eq!(setup.metrics().queue.get(), setup.metrics().queue_limit.get());
    setup.assert_balanced();
    setup.run(None);
    for _ in 0..4 {
        assert_eq!(receiver.next().await.spans().len(), 512);
    }
    setup.finish().await;
    assert_eq!(setup.exported(ExportResult::Success), SPANS_MAX as u64);
}

/// Spans that were taken out of the queue still have their places.
#[tokio::test]
async fn the_request_under_way_counts_as_queued() {
    let mut receiver = Receiver::start(&[Act::Stay]).await;
    let mut setup = Setup::with(Collector { timeout: LONG, ..collector(&receiver.url()) }, 1.0);
    setup.end_spans(600);
    setup.run(None);
    receiver.next().await;
    setup.end_spans(SPANS_MAX as u64);
    assert_eq!(setup.metrics().queue.get(), SPANS_MAX as i64);
    assert_eq!(setup.dropped(SpanDrop::QueueFull), 600);
    setup.assert_balanced();
}

#[tokio::test]
async fn shutdown_sends_what_waits_at_once() {
    let mut receiver = Receiver::start(&[]).await;
    let mut setup = Setup::new(&receiver.url());
    setup.end_spans(700);
    setup.stop.cancel();
    setup.run(None);
    setup.finish().await;
    let sizes: Vec<_> = receiver.rest().iter().map(|it| it.spans().len()).collect();
    assert_eq!(sizes, [512, 188]);
}

#[tokio::test]
async fn what_shutdown_cannot_deliver_is_counted() {
    let mut receiver = Receiver::start(&[Act::Stay]).await;
    let mut setup = Setup::with(Collector { timeout: LONG, ..collector(&receiver.url()) }, 1.0);
    setup.run(None);
    setup.end_spans(600);
    receiver.next().await;
    setup.finish().await;
    assert_eq!(setup.dropped(SpanDrop::Shutdown), 600);
    setup.end_spans(1);
    assert_eq!(setup.dropped(SpanDrop::Shutdown), 601);
    setup.assert_balanced();
}

#[tokio::test]
async fn long_texts_are_cut_and_a_span_that_is_still_too_large_is_dropped() {
    let mut receiver = Receiver::start(&[]).await;
    let mut setup = Setup::running(&receiver.url());
    let long = "ä".repeat(40_000);
    let with_texts = |count: usize| {
        let texts = (0..count).map(|it| KeyValue::new(format!("text{it}"), long.clone()));
        setup.tracers.live.span_builder("stt.session").with_attributes(texts)
    };
    drop(setup.tracers.live.build(with_texts(20)));
    drop(setup.tracers.live.build(with_texts(1)));
    setup.ended = 2;
    let received = receiver.next().await;
    assert_eq!(received.spans().len(), 1);
    let cut = text(&received.spans()[0].attributes, "text0").unwrap();
    assert_eq!((cut.len(), cut), (4096, &long[..4096]));
    setup.finish().await;
    assert_eq!(setup.dropped(SpanDrop::Oversize), 1);
}

#[tokio::test]
async fn the_application_decides_about_its_trace_and_the_ratio_about_others() {
    let receiver = Receiver::start(&[]).await;
    let setup = Setup::with(collector(&receiver.url()), 0.0);
    let Tracers { live, kept, .. } = &setup.tracers;
    drop(live.start("root"));
    drop(live.start_with_context("child", &app_context(TraceFlags::NOT_SAMPLED)));
    assert_eq!(setup.metrics().queue.get(), 0);
    drop(live.start_with_context("child", &app_context(TraceFlags::SAMPLED)));
    drop(kept.start_with_context("child", &app_context(TraceFlags::NOT_SAMPLED)));
    assert_eq!(setup.metrics().queue.get(), 2);
}

/// Not even that of the failure.
#[tokio::test]
async fn no_line_tells_a_header() {
    let (mut lines, _guard) = Lines::capture();
    let receiver = Receiver::start(&[Act::Status(401, None)]).await;
    let mut setup = Setup::running(&receiver.url());
    let shown = format!("{:?}", setup.export);
    setup.end_spans(1);
    assert_eq!(lines.next().await, "otlp_failing");
    setup.finish().await;
    assert!(!format!("{shown} {}", lines.text()).contains("very-secret"));
}

#[tokio::test]
async fn a_collector_with_tls_is_reached_by_those_who_trust_it() {
    let (acceptor, client) = receiver::tls();
    let mut receiver = Receiver::start_tls(acceptor).await;
    let url = format!("https://localhost:{}", receiver.addr.port());
    let mut trusting = Setup::new(&url);
    trusting.run(Some(client));
    trusting.end_spans(1);
    assert_eq!(receiver.next().await.spans().len(), 1);
    trusting.finish().await;
    let mut other = Setup::running(&url);
    other.end_spans(1);
    other.finish().await;
    assert_eq!(other.dropped(SpanDrop::Shutdown), 1);
    assert!(other.exports()[1] > 0);
}
