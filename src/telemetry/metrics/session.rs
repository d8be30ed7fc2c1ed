//! Sessions: how many, how they end, and what was done for them.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::session::LossCause;
use crate::session::fact::{EndCause, SkipCause};
use crate::session::live::State;
use crate::session::summary::Outcome;
use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{
    Dropped, FinalizeError, KeepaliveError, KeepaliveKind, RejectReason,
};

/// Sessions, and their totals as histograms observed at their ends.
///
/// `opened = sum(ended) + cancelled + sum(active)` holds whenever nothing is just moving.
#[derive(Debug)]
pub(crate) struct SessionMetrics {
    pub(crate) active: Children<State, IntGauge>,
    pub(crate) limit: IntGauge,
    pub(crate) opened: IntCounter,
    pub(crate) rejected: Children<RejectReason, IntCounter>,
    pub(crate) ended: Children<Outcome, IntCounter>,
    pub(crate) aborted: Children<EndCause, IntCounter>,
    pub(crate) cancelled: IntCounter,
    pub(crate) parked: IntCounter,
    pub(crate) resumed: IntCounter,
    pub(crate) transcript_stalls: IntCounter,
    pub(crate) duration: Children<Outcome, Histogram>,
    pub(crate) keepalives: Histogram,
    pub(crate) send_gap_max: Children<Outcome, Histogram>,
    pub(crate) finalize_errors: Histogram,
}

impl SessionMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            active: families.gauges("sessions_active", "Live sessions, by state.", &["state"]),
            limit: families.gauge("sessions_limit", "Sessions that have room: ipc.max_sessions."),
            opened: families.counter("sessions_opened_total", "Sessions accepted."),
            rejected: families.counters(
                "sessions_rejected_total",
                "OPENs refused, by reason.",
                &["reason"],
            ),
            ended: families.counters(
                "sessions_ended_total",
                "Sessions ended, by outcome; each exactly once.",
                &["outcome"],
            ),
            aborted: families.counters(
                "sessions_aborted_total",
                "Sessions that the application's side aborted, by cause.",
                &["cause"],
            ),
            cancelled: families.counter(
                "sessions_cancelled_total",
                "Sessions whose task ended without their books: a forced exit, or a bug.",
            ),
            parked: families.counter(
                "sessions_parked_total",
                "Connections closed because keepalive.max_idle was spent.",
            ),
            resumed: families.counter("sessions_resumed_total", "Parked sessions that resumed."),
            transcript_stalls: families.counter(
                "transcript_stalls_total",
                "Episodes of audio going in and nothing coming out for liveness.stall_after.",
            ),
            duration: families.histograms(
                "session_duration_seconds",
                "Time from OPEN to the session's end, by outcome.",
                &["outcome"],
                bounds::LIFE,
            ),
            keepalives: families.histogram(
                "session_keepalives",
                "KeepAlives written per session, observed at its end.",
                bounds::COUNT,
            ),
            send_gap_max: families.histograms(
                "session_max_send_gap_seconds",
                "Longest silence towards Deepgram per session, by outcome.",
                &["outcome"],
                bounds::GAP,
            ),
            finalize_errors: families.histogram(
                "session_finalize_errors",
                "Finalizes failed or unanswered per session, observed at its end.",
                bounds::FEW,
            ),
        }
    }
}

/// Keepalives.
#[derive(Debug)]
pub(crate) struct KeepaliveMetrics {
    pub(crate) sent: Children<KeepaliveKind, IntCounter>,
    pub(crate) errors: Children<KeepaliveError, IntCounter>,
    pub(crate) lateness: Histogram,
    pub(crate) interval: Gauge,
}

impl KeepaliveMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            sent: families.counters("keepalives_sent_total", "Keepalives written.", &["kind"]),
            errors: families.counters(
                "keepalive_errors_total",
                "Keepalives due and not written, by reason.",
                &["reason"],
            ),
            lateness: families.histogram(
                "keepalive_lateness_seconds",
                "How much later than due a keepalive was asked for.",
                bounds::FAST,
            ),
            interval: families
                .gauge_fraction("keepalive_interval_seconds", "keepalive.interval, configured."),
        }
    }
}

/// Finalizes: `requests = answered + sum(errors) + sum(skipped)`, each counted when settled.
#[derive(Debug)]
pub(crate) struct FinalizeMetrics {
    pub(crate) requests: IntCounter,
    pub(crate) answered: IntCounter,
    pub(crate) errors: Children<FinalizeError, IntCounter>,
    pub(crate) skipped: Children<SkipCause, IntCounter>,
    pub(crate) latency: Histogram,
}

impl FinalizeMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            requests: families.counter(
                "finalize_requests_total",
                "Finalizes asked for, counted when settled or at the session's end.",
            ),
            answered: families
                .counter("finalizes_answered_total", "Finalizes that a result answered."),
            errors: families.counters(
                "finalize_errors_total",
                "Finalizes that failed on a live connection, by reason.",
                &["reason"],
            ),
            skipped: families.counters(
                "finalizes_skipped_total",
                "Finalizes without a live stream to flush, by reason; no errors.",
                &["reason"],
            ),
            latency: families.histogram(
                "finalize_latency_seconds",
                "Time from the oldest Finalize written to the result that answers it.",
                bounds::LAT,
            ),
        }
    }
}

/// Audio, moved at the session's end except for losses.
#[derive(Debug)]
pub(crate) struct AudioMetrics {
    pub(crate) frames_received: IntCounter,
    pub(crate) bytes_received: IntCounter,
    pub(crate) bytes_sent: IntCounter,
    pub(crate) lost: Children<LossCause, Counter>,
    pub(crate) lost_bytes: Children<LossCause, IntCounter>,
    pub(crate) dropped: Children<Dropped, IntCounter>,
}

impl AudioMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            frames_received: families.counter(
                "audio_frames_received_total",
                "AUDIO frames read, counted at the session's end.",
            ),
            bytes_received: families.counter(
                "audio_received_bytes_total",
                "Bytes of AUDIO frames read, counted at the session's end.",
            ),
            bytes_sent: families.counter(
                "audio_sent_bytes_total",
                "Bytes of audio written to Deepgram, counted at the session's end.",
            ),
            lost: families.fractions(
                "audio_lost_seconds_total",
                "Audio that never became text, by cause, where the encoding tells time.",
                &["cause"],
            ),
            lost_bytes: families.counters(
                "audio_lost_bytes_total",
                "Bytes of audio that never became text, by cause, for any encoding.",
                &["cause"],
            ),
            dropped: families.counters(
                "dropped_total",
                "Frames and messages that were dropped: what, and the reason.",
                &["what", "reason"],
            ),
        }
    }
}
