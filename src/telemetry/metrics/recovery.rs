//! Recovery: connections that took over from dead ones.

use prometheus::{Counter, Histogram, IntCounter};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::RecoveryOutcome;
use session::fact::NotRecoverable;

/// Gaps between a death and the answer of another connection.
#[derive(Debug)]
pub(crate) struct RecoveryMetrics {
    pub(crate) reconnects: IntCounter,
    pub(crate) recoveries: Children<RecoveryOutcome, IntCounter>,
    pub(crate) unavailable: Children<NotRecoverable, IntCounter>,
    pub(crate) gap: Histogram,
    pub(crate) duration: Histogram,
    pub(crate) replayed: Counter,
}

impl RecoveryMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            reconnects: families.counter(
                "upstream_reconnects_total",
                "Dials for a connection that is to take over from a dead one.",
            ),
            recoveries: families.counters(
                "recoveries_total",
                "Gaps that ended: another connection has answered, or none could be opened.",
            ),
            unavailable: families.counters(
                "recovery_unavailable_total",
                "Sessions that asked for recovery and latch instead, by cause.",
            ),
            gap: families.histogram(
                "recovery_gap_seconds",
                "How long no connection was up, of gaps that were recovered from.",
                bounds::GAP,
            ),
            duration: families.histogram(
                "recovery_duration_seconds",
                "From a death to the answer of the connection that took over.",
                bounds::GAP,
            ),
            replayed: families.fraction(
                "recovery_replayed_seconds_total",
                "Audio sent again to connections that took over; Deepgram bills it again.",
            ),
        }
    }
}
