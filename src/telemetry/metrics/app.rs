//! The applications' side.

use prometheus::{IntCounter, IntGauge};

use crate::telemetry::family::{Children, Families};
use crate::telemetry::label::{ConnectionResult, ProtocolError, RefusedStatus, UnopenedCause};

/// Connections from applications, and errors in their input.
#[derive(Debug)]
pub(crate) struct AppMetrics {
    pub(crate) connections_active: IntGauge,
    pub(crate) connections: Children<ConnectionResult, IntCounter>,
    pub(crate) unopened: Children<UnopenedCause, IntCounter>,
    pub(crate) protocol_errors: Children<ProtocolError, IntCounter>,
    pub(crate) requests_refused: Children<RefusedStatus, IntCounter>,
    pub(crate) keepalives: IntCounter,
    pub(crate) stalls: IntCounter,
}

impl AppMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            connections_active: families
                .gauge("app_connections_active", "Open connections from applications."),
            connections: families.counters(
                "app_connections_total",
                "Connections from applications, by result at accept.",
            ),
            unopened: families.counters(
                "app_connections_unopened_total",
                "Accepted connections that ended without an OPEN, by cause.",
            ),
            protocol_errors: families.counters(
                "app_protocol_errors_total",
                "ERRORs told to applications, in either dialect, by code; and malformed traceparents.",
            ),
            requests_refused: families.counters(
                "app_requests_refused_total",
                "Requests for a WebSocket that the sidecar itself refused, by HTTP status.",
            ),
            keepalives: families.counter(
                "app_keepalives_total",
                "KeepAlives of the applications' own, which are not passed on.",
            ),
            stalls: families.counter(
                "app_stalls_total",
                "Sessions ended because the application did not read its socket, or answered no Ping.",
            ),
        }
    }
}
