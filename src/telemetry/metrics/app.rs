//! The applications' side.

use prometheus::{IntCounter, IntGauge};

use crate::telemetry::family::{Children, Families};
use crate::telemetry::label::{ConnectionResult, ProtocolError, UnopenedCause};

/// Connections of applications and what was wrong with their input.
#[derive(Debug)]
pub(crate) struct AppMetrics {
    pub(crate) connections_active: IntGauge,
    pub(crate) connections: Children<ConnectionResult, IntCounter>,
    pub(crate) unopened: Children<UnopenedCause, IntCounter>,
    pub(crate) protocol_errors: Children<ProtocolError, IntCounter>,
    pub(crate) stalls: IntCounter,
}

impl AppMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            connections_active: families
                .gauge("app_connections_active", "Connections of applications that are open."),
            connections: families.counters(
                "app_connections_total",
                "Connections of applications, by what became of them at accept.",
                &["result"],
            ),
            unopened: families.counters(
                "app_connections_unopened_total",
                "Accepted connections that ended without an OPEN, by cause.",
                &["cause"],
            ),
            protocol_errors: families.counters(
                "app_protocol_errors_total",
                "ERROR frames sent to applications, by code; and malformed traceparents.",
                &["code"],
            ),
            stalls: families.counter(
                "app_stalls_total",
                "Sessions ended because the application left its socket unread.",
            ),
        }
    }
}
