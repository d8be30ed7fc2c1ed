//! Spans as the body of one request.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

/// Largest span, encoded, in bytes. A collector takes 20 MiB at once, and a batch has 512 spans;
/// an ordinary one has half a kilobyte.
const SPAN_BYTES_MAX: usize = 64 << 10;

/// One request.
#[derive(Debug)]
pub(super) struct Batch {
    /// Cheap to clone, so that it can be sent again.
    pub(super) body: Bytes,
    /// Spans in it.
    pub(super) spans: usize,
    /// Spans that were too large, and are not in it.
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
