//! A batch of spans, encoded as one request body.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

/// Maximum encoded size of a span, in bytes. A collector accepts 20 MiB at once, and a batch has
/// 512 spans; an ordinary span has half a kilobyte.
const SPAN_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Batch {
    /// Cheap to clone, for resending.
    pub(super) body: Bytes,
    pub(super) spans: usize,
    /// Spans left out because they were too large.
    pub(super) oversize: usize,
}

impl Batch {
    /// Encodes spans of one resource.
    pub(super) fn encode(spans: Vec<SpanData>, resource: &ResourceAttributesWithSchema) -> Self {
        let given = spans.len();
        let mut resource_spans = group_spans_by_resource_and_scope(spans, resource);
        let mut kept = 0;
        for scope in resource_spans.iter_mut().flat_map(|it| &mut it.scope_spans) {
            scope.spans.retain(|span| span.encoded_len() <= SPAN_BYTES_MAX);
            kept += scope.spans.len();
        }
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
        Self { body, spans: kept, oversize: given - kept }
    }
}
