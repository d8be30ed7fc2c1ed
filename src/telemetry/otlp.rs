//! Spans on their way to an OpenTelemetry collector, as OTLP over HTTP with Protobuf.
//!
//! A span that ends goes into a bounded queue; one task takes batches out and posts them. What is
//! full, slow or broken costs spans, which are counted, and never a session's time. The SDK's own
//! batch processor is not used: it has a thread without a runtime, and counts nothing.

mod batch;
mod client;
mod export;
mod queue;

#[cfg(test)]
mod tests;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use uuid::Uuid;

use super::{Telemetry, VERSION};
use crate::config::Collector;
pub use export::SpanExport;
use queue::SpanQueue;

/// The name of what makes the spans.
const SCOPE: &str = "deepgram-sidecar";

/// Makers of spans. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracers {
    /// Samples as the application decided, or else the configured share of sessions.
    pub live: SdkTracer,
    /// Keeps every span: for what turns out to matter after it was not sampled.
    pub kept: SdkTracer,
}

/// Makes the two ends of the way to a collector. Until [`SpanExport::run`] is awaited, spans wait.
///
/// `sample_ratio` is the share of sessions whose application has not decided, from 0 to 1.
pub fn open(
    collector: Collector,
    sample_ratio: f64,
    telemetry: &Telemetry,
) -> (Tracers, SpanExport) {
    let resource = resource(&collector);
    let (queue, spans) = SpanQueue::new(telemetry);
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample_ratio)));
    let tracer = |sampler: Sampler| {
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue.clone())
            .with_sampler(sampler)
            .with_resource(resource.clone())
            .build();
        provider
            .tracer_with_scope(InstrumentationScope::builder(SCOPE).with_version(VERSION).build())
    };
    let tracers = Tracers { live: tracer(sampler), kept: tracer(Sampler::AlwaysOn) };
    let export = SpanExport::new(collector, &resource, queue, spans, telemetry.clone());
    (tracers, export)
}

/// What all spans say of this process. What the environment says goes before our own words.
fn resource(collector: &Collector) -> Resource {
    let given = collector.attributes.iter();
    let given = given.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", VERSION))
        .with_attribute(KeyValue::new("service.instance.id", Uuid::new_v4().to_string()))
        .with_attributes(given)
        .with_service_name(collector.service_name.clone())
        .build()
}
