//! Exports spans to an OpenTelemetry collector, as OTLP over HTTP with Protobuf.
//!
//! Ended spans go into a bounded queue; one task takes batches out and posts them. Anything full,
//! slow or broken costs spans, which are counted, but never delays a session. The SDK's own batch
//! processor is not used: it has a thread without a runtime, and counts nothing.

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

/// The instrumentation scope of the spans.
const SCOPE: &str = "deepgram-sidecar";

#[derive(Debug)]
pub(super) struct Tracers {
    /// Samples as the application decided, or otherwise the configured share of sessions.
    pub(super) live: SdkTracer,
    /// Keeps every span, for unsampled sessions that turn out to matter.
    pub(super) kept: SdkTracer,
    /// Deepgram's address, as attributes.
    pub(super) peer: Arc<[KeyValue]>,
}

/// Creates the tracers and the export task. Until [`SpanExport::run`] is awaited, spans are queued.
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

/// Deepgram's address, as span attributes.
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

/// The resource attributes of this process. The environment's take precedence over our own.
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
