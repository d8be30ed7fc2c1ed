//! Where spans wait for the collector.

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

/// Spans that may wait, those of the request under way included; a further one is dropped. The
/// SDK's own default.
pub(super) const SPANS_MAX: usize = 2048;

/// Longest text of an attribute, in bytes; the rest is cut off. What Deepgram says of an error may
/// be far longer, and tells nothing more.
const TEXT_BYTES_MAX: usize = 4096;

/// Takes the spans that end, without ever waiting. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    /// Free places. Not those of the channel: spans that were taken out count until their fate is
    /// known.
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

    /// Gives back the places of spans whose fate is known, and was counted.
    pub(super) fn release(&self, count: usize) {
        self.metrics.otlp.queue.sub(count as i64);
        self.places.add_permits(count);
    }

    /// Counts spans that took a place and will not be sent, and gives the places back.
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

    /// The task that exports is asked, and awaited, through its own handle.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Bounds the texts of a span, so that the queue's memory is bounded.
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
