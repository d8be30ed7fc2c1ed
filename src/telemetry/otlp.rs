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

use std::sync::Arc;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use url::Url;
use uuid::Uuid;

use super::{Telemetry, VERSION};
use crate::config::{Collector, Config};
pub use export::SpanExport;
use queue::SpanQueue;

/// The name of what makes the spans.
const SCOPE: &str = "deepgram-sidecar";

/// Makers of spans.
#[derive(Debug)]
pub(super) struct Tracers {
    /// Samples as the application decided, or else the configured share of sessions.
    pub(super) live: SdkTracer,
    /// Keeps every span: for what turns out to matter after it was not sampled.
    pub(super) kept: SdkTracer,
    /// Deepgram's address, as attributes.
    pub(super) peer: Arc<[KeyValue]>,
}

/// Makes the two ends of the way to a collector. Until [`SpanExport::run`] is awaited, spans wait.
pub(super) fn open(
    collector: Collector,
    config: &Config,
    telemetry: &Telemetry,
) -> (Tracers, SpanExport) {
    let resource = resource(&collector);
    let (queue, spans) = SpanQueue::new(telemetry);
    let of_others = Sampler::TraceIdRatioBased(config.telemetry.otlp.sample_ratio);
    let sampler = Sampler::ParentBased(Box::new(of_others));
    let tracer = |sampler: Sampler| {
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue.clone())
            .with_sampler(sampler)
            .with_resource(resource.clone())
            .build();
        provider
            .tracer_with_scope(InstrumentationScope::builder(SCOPE).with_version(VERSION).build())
    };
    let peer = peer(&config.upstream.url).into();
    let tracers = Tracers { live: tracer(sampler), kept: tracer(Sampler::AlwaysOn), peer };
    let export = SpanExport::new(collector, &resource, queue, spans, telemetry.clone());
    (tracers, export)
}

/// What spans that wait for Deepgram say of it.
fn peer(url: &Url) -> [KeyValue; 3] {
    let host = url.host_str().unwrap_or_default().to_owned();
    [
        KeyValue::new("server.address", host),
        KeyValue::new("server.port", i64::from(url.port().unwrap_or(default_port(url)))),
        KeyValue::new("network.protocol.name", "websocket"),
    ]
}

fn default_port(url: &Url) -> u16 {
    if url.scheme() == "wss" { 443 } else { 80 }
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
