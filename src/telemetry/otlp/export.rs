//! The task that takes spans from the queue and posts them.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::Batch;
use super::client::{Answer, Client, SendError};
use super::queue::SpanQueue;
use crate::config::Collector;

use crate::telemetry::Telemetry;
use crate::telemetry::event::{
    Emit, ExportFailed, OtlpFailing, OtlpRecovered, SpansExported, SpansFailed,
};
use crate::telemetry::label::{ExportResult, Label, SpanDrop};

/// Maximum spans per request: the SDK's default.
const BATCH_SPANS_MAX: usize = 512;

/// How long the first span of a batch waits for others. Spans of a session that has just opened
/// should be visible within a second.
const BATCH_DELAY: Duration = Duration::from_millis(500);

/// The backoff after a failure doubles from the first to the last of these, plus up to half as
/// jitter: sidecars that failed together must not retry together.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(250);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// A batch that fails for this long is dropped in favour of newer ones, as collectors do.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Time for the last spans once shutdown has ended all sessions.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// The export task, not yet running.
#[derive(Debug)]
pub struct SpanExport {
    collector: Collector,
    resource: ResourceAttributesWithSchema,
    queue: SpanQueue,
    spans: mpsc::Receiver<SpanData>,
    /// Taken from the queue, not yet sent.
    taken: Vec<SpanData>,
    /// Spans of the current request.
    sending: usize,
    telemetry: Telemetry,
    failing: Option<Failing>,
}

/// An episode of failures.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    /// Spans lost before it started.
    lost_before: u64,
}

impl SpanExport {
    pub(super) fn new(
        collector: Collector,
        resource: &Resource,
        queue: SpanQueue,
        spans: mpsc::Receiver<SpanData>,
        telemetry: Telemetry,
    ) -> Self {
        let resource = resource.into();
        Self {
            collector,
            resource,
            queue,
            spans,
            taken: Vec::new(),
            sending: 0,
            telemetry,
            failing: None,
        }
    }

    /// Whether [`SpanExport::run`] needs a TLS client.
    pub fn is_https(&self) -> bool {
        self.collector.url.scheme() == "https"
    }

    /// Certificates to trust in addition to the system's.
    pub fn ca_file(&self) -> Option<&Path> {
        self.collector.ca_file.as_deref()
    }

    /// Exports until `stop`, then flushes for at most 3 s.
    pub async fn run(mut self, tls: Option<ClientConfig>, stop: CancellationToken) {
        let client = Client::new(&self.collector, tls);
        let overdue = async {
            stop.cancelled().await;
            sleep(FLUSH_MAX).await;
        };
        tokio::select! {
            () = self.export(&client, &stop) => {}
            () = overdue => {}
        }
        client.close().await;
        self.give_up_rest();
    }

    async fn export(&mut self, client: &Client, stop: &CancellationToken) {
        while self.take_spans(stop).await {
            self.deliver(client, stop).await;
        }
    }

    /// Waits for spans; `false` once shutdown has started and none are left.
    async fn take_spans(&mut self, stop: &CancellationToken) -> bool {
        let _ = stop.run_until_cancelled(self.fill()).await;
        while self.taken.len() < BATCH_SPANS_MAX
            && let Ok(span) = self.spans.try_recv()
        {
            self.taken.push(span);
        }
        !self.taken.is_empty()
    }

    /// Waits for a first span, then for others while there is room in the batch.
    async fn fill(&mut self) {
        let room = BATCH_SPANS_MAX - self.taken.len();
        self.spans.recv_many(&mut self.taken, room).await;
        let due = clock::now() + BATCH_DELAY;
        while self.taken.len() < BATCH_SPANS_MAX {
            let room = BATCH_SPANS_MAX - self.taken.len();
            let more = timeout_at(due.into(), self.spans.recv_many(&mut self.taken, room));
            if more.await.is_err() {
                return;
            }
        }
    }

    /// Sends the batch until the collector accepts it or it is given up.
    async fn deliver(&mut self, client: &Client, stop: &CancellationToken) {
        let batch = self.encode();
        let begun = clock::now();
        let mut delay = RETRY_DELAY_MIN;
        while self.sending > 0 {
            let Err(error) = self.send(client, &batch).await else { return };
            let is_stale = clock::now().duration_since(begun) >= RETRY_MAX;
            if is_stale || !error.is_passing() {
                return self.refused();
            }
            let wait = error.retry_after().unwrap_or_default().max(with_jitter(delay));
            pause(wait, stop).await;
            delay = (2 * delay).min(RETRY_DELAY_MAX);
        }
    }

    fn encode(&mut self) -> Batch {
        let batch = Batch::encode(std::mem::take(&mut self.taken), &self.resource);
        self.sending = batch.spans;
        self.queue.drop_spans(SpanDrop::Oversize, batch.oversize);
        batch
    }

    async fn send(&mut self, client: &Client, batch: &Batch) -> Result<(), SendError> {
        let begun = clock::now();
        let result = client.send(batch.body.clone()).await;
        let duration = clock::now().duration_since(begun);
        match result {
            Ok(answer) => {
                self.exported(&answer, duration);
                Ok(())
            }
            Err(error) => {
                ExportFailed { duration }.emit(&self.telemetry);
                self.begin_failing(&error);
                Err(error)
            }
        }
    }

    fn exported(&mut self, answer: &Answer, duration: Duration) {
        let spans = self.sending as u64;
        let rejected = answer.rejected.min(spans);
        if rejected > 0 {
            self.begin_failing(&format_args!("the collector rejected {rejected} spans"));
        } else {
            self.end_failing();
        }
        let accepted = spans - rejected;
        SpansExported { accepted, rejected, duration }.emit(&self.telemetry);
        self.settle();
    }

    fn refused(&mut self) {
        SpansFailed { count: self.sending as u64 }.emit(&self.telemetry);
        self.settle();
    }

    /// Ends the current request, once its spans are counted.
    fn settle(&mut self) {
        self.queue.release(std::mem::take(&mut self.sending));
    }

    fn begin_failing(&mut self, error: &impl Display) {
        if self.failing.is_none() {
            self.failing = Some(Failing { since: clock::now(), lost_before: self.lost() });
            OtlpFailing { url: &self.collector.url, error }.emit(&self.telemetry);
        }
    }

    fn end_failing(&mut self) {
        if let Some(Failing { since, lost_before }) = self.failing.take() {
            let failing = clock::now().duration_since(since);
            OtlpRecovered { failing, lost: self.lost() - lost_before }.emit(&self.telemetry);
        }
    }

    /// Spans lost so far.
    fn lost(&self) -> u64 {
        let otlp = &self.telemetry.metrics.otlp;
        let dropped: u64 = SpanDrop::all().into_iter().map(|it| otlp.spans_dropped[it].get()).sum();
        dropped + otlp.spans_exported[ExportResult::Failure].get()
    }

    /// Counts what the flush did not deliver. Spans that end after this count themselves.
    fn give_up_rest(mut self) {
        self.spans.close();
        let mut left = self.sending + self.taken.len();
        while self.spans.try_recv().is_ok() {
            left += 1;
        }
        self.queue.drop_spans(SpanDrop::Shutdown, left);
    }
}

/// Waits before the next attempt. Shutdown ends the wait, and shortens later ones.
async fn pause(wait: Duration, stop: &CancellationToken) {
    if stop.is_cancelled() {
        sleep(wait.min(RETRY_DELAY_MIN)).await;
    } else {
        let _ = stop.run_until_cancelled(sleep(wait)).await;
    }
}

fn with_jitter(delay: Duration) -> Duration {
    let chance = Uuid::new_v4().as_u64_pair().0 as f64 / u64::MAX as f64;
    delay + delay.mul_f64(chance / 2.0)
}
