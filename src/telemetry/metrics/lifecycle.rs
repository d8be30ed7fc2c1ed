//! Sessions: how many, how they end, and their totals.

use prometheus::{Counter, Histogram, IntCounter, IntGauge};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{RejectReason, Spoken};
use session::State;
use session::drain::{Flush, LastFrame};
use session::fact::ParkCause;
use session::summary::EndCause;
use session::summary::Outcome;

/// Sessions, and their totals as histograms observed when they end.
///
/// `opened = sum(ended) + cancelled + sum(active)` holds whenever nothing is changing.
#[derive(Debug)]
pub(crate) struct SessionMetrics {
    pub(crate) active: Children<State, IntGauge>,
    pub(crate) limit: IntGauge,
    pub(crate) opened: Children<Spoken, IntCounter>,
    pub(crate) rejected: Children<RejectReason, IntCounter>,
    pub(crate) ended: Children<Outcome, IntCounter>,
    pub(crate) aborted: Children<EndCause, IntCounter>,
    pub(crate) cancelled: IntCounter,
    pub(crate) parked: Children<ParkCause, IntCounter>,
    pub(crate) resumed: IntCounter,
    pub(crate) duration: Children<Outcome, Histogram>,
    pub(crate) keepalives: Histogram,
    pub(crate) send_gap_max: Children<Outcome, Histogram>,
    pub(crate) finalize_errors: Histogram,
    pub(crate) recoveries: Histogram,
    pub(crate) audio: Histogram,
    pub(crate) drain: Histogram,
    pub(crate) receipts: Children<(Flush, LastFrame), IntCounter>,
    pub(crate) unflushed: Counter,
    pub(crate) series: IntGauge,
    pub(crate) series_omitted: IntGauge,
    pub(crate) series_refused: IntCounter,
}

impl SessionMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            active: families.gauges("sessions_active", "Live sessions, by state."),
            limit: families.gauge("sessions_limit", "Maximum concurrent sessions: ipc.max_sessions."),
            opened: families.counters(
                "sessions_opened_total",
                "Sessions accepted, by the dialect that the application speaks and, in the compatible one, its SDK.",
            ),
            rejected: families.counters(
                "sessions_rejected_total",
                "OPENs, and requests for a WebSocket, that were refused a session, by reason.",
            ),
            ended: families.counters(
                "sessions_ended_total",
                "Sessions ended, by outcome; each exactly once.",
            ),
            aborted: families.counters(
                "sessions_aborted_total",
                "Sessions aborted by the application's side, by cause.",
            ),
            cancelled: families.counter(
                "sessions_cancelled_total",
                "Sessions whose task ended without a summary: a forced exit, or a bug.",
            ),
            parked: families.counters(
                "sessions_parked_total",
                "Sessions parked, by cause: their next audio opens another connection.",
            ),
            resumed: families.counter("sessions_resumed_total", "Parked sessions that resumed."),
            duration: families.histograms(
                "session_duration_seconds",
                "Time from OPEN to the session's end, by outcome.",
                bounds::LIFE,
            ),
            keepalives: families.histogram(
                "session_keepalives",
                "KeepAlives written per session, observed at its end.",
                bounds::COUNT,
            ),
            send_gap_max: families.histograms(
                "session_max_send_gap_seconds",
                "Longest pause in sending to Deepgram per session, by outcome.",
                bounds::GAP,
            ),
            finalize_errors: families.histogram(
                "session_finalize_errors",
                "Finalizes failed or unanswered per session, observed at its end.",
                bounds::FEW,
            ),
            recoveries: families.histogram(
                "session_reconnects",
                "Deaths recovered from per session, observed at its end.",
                bounds::FEW,
            ),
            audio: families.histogram(
                "session_audio_seconds",
                "Audio received per session, observed at its end, if the encoding has a known duration.",
                bounds::LIFE,
            ),
            drain: families.histogram(
                "session_drain_seconds",
                "Time from the start of shutdown to a session's end.",
                bounds::DRAIN,
            ),
            receipts: families.counters(
                "session_receipts_total",
                "Sessions ended by shutdown, by what became of their audio and whether the application read its last frame.",
            ),
            unflushed: families.fraction(
                "session_unflushed_seconds_total",
                "Audio read before a shutdown's CloseStream that never became text, if the encoding has a known duration.",
            ),
            series: families.gauge(
                "session_series",
                "Sessions on /metrics/sessions: live ones, and ended ones that linger.",
            ),
            series_omitted: families.gauge(
                "session_series_omitted",
                "Live sessions omitted from /metrics/sessions because metrics.per_session_max is reached.",
            ),
            series_refused: families.counter(
                "session_series_refused_total",
                "Sessions accepted while /metrics/sessions was full.",
            ),
        }
    }
}
