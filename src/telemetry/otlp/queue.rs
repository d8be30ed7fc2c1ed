//! The queue of spans for the collector.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Status;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use crate::telemetry::Telemetry;
use crate::telemetry::label::SpanDrop;
use crate::telemetry::metrics::Metrics;

/// Maximum spans queued, including those of the current request; further ones are dropped. The
/// SDK's default.
pub(super) const SPANS_MAX: usize = 2048;

/// Maximum text of an attribute, in bytes; longer text is truncated. Deepgram's error messages may
/// be far longer, without saying more.
const TEXT_BYTES_MAX: usize = 4096;

/// Queues ended spans without ever blocking. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    /// Free slots. Not the channel's: spans taken out still count until their outcome is known.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl SpanQueue {
    /// An empty queue, and its other end.
    pub(super) fn new(telemetry: &Telemetry) -> (Self, mpsc::Receiver<SpanData>) {
        let metrics = telemetry.metrics.clone();
        metrics.otlp.queue_limit.set(SPANS_MAX as i64);
        let (spans, receiver) = mpsc::channel(SPANS_MAX);
        (Self { spans, places: Arc::new(Semaphore::new(SPANS_MAX)), metrics }, receiver)
    }

    /// Frees the slots of spans whose outcome was counted.
    pub(super) fn release(&self, count: usize) {
        self.metrics.otlp.queue.sub(count as i64);
        self.places.add_permits(count);
    }

    /// Counts spans that took a slot but will not be sent, and frees the slots.
    pub(super) fn drop_spans(&self, reason: SpanDrop, count: usize) {
        self.metrics.otlp.spans_dropped[reason].inc_by(count as u64);
        self.release(count);
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        let Ok(place) = self.places.try_acquire() else {
            self.metrics.otlp.spans_dropped[SpanDrop::QueueFull].inc();
            return;
        };
        place.forget();
        self.metrics.otlp.queue.inc();
        shorten(&mut span);
        match self.spans.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.drop_spans(SpanDrop::QueueFull, 1),
            Err(TrySendError::Closed(_)) => self.drop_spans(SpanDrop::Shutdown, 1),
        }
    }

    /// The export task is stopped and awaited through its own handle.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Bounds a span's texts, so that the queue's memory is bounded.
fn shorten(span: &mut SpanData) {
    for KeyValue { value, .. } in &mut span.attributes {
        if let Value::String(text) = value
            && text.as_str().len() > TEXT_BYTES_MAX
        {
            *value = start_of(text.as_str()).into();
        }
    }
    if let Status::Error { description } = &mut span.status
        && description.len() > TEXT_BYTES_MAX
    {
        *description = start_of(description).into();
    }
}

fn start_of(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
