//! A session's traffic: keepalives, Finalizes, audio, transcripts.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::telemetry::exemplar::Traced;
use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{Account, Dropped, FinalizeError, KeepaliveError, ResultKind};
use session::fact::{GapLevel, SkipCause, StallOutcome};
use session::{KeepaliveKind, LossCause};

/// Keepalives.
#[derive(Debug)]
pub(crate) struct KeepaliveMetrics {
    pub(crate) sent: Children<KeepaliveKind, IntCounter>,
    pub(crate) errors: Children<KeepaliveError, IntCounter>,
    pub(crate) lateness: Histogram,
    pub(crate) interval: Gauge,
    pub(crate) send_gap: Histogram,
    pub(crate) gap_violations: Children<GapLevel, IntCounter>,
    pub(crate) send_age_max: Gauge,
}

impl KeepaliveMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        families
            .gauge_fraction(
                "keepalive_deadline_seconds",
                "How long Deepgram waits for a message before it closes a connection.",
            )
            .set(GapLevel::DEADLINE.as_secs_f64());
        Self {
            sent: families.counters("keepalives_sent_total", "Keepalives written."),
            errors: families.counters(
                "keepalive_errors_total",
                "Keepalives due but not written, by reason.",
            ),
            lateness: families.histogram(
                "keepalive_lateness_seconds",
                "How late keepalives were issued.",
                bounds::FAST,
            ),
            interval: families
                .gauge_fraction("keepalive_interval_seconds", "Configured keepalive.interval."),
            send_gap: families.histogram(
                "send_gap_seconds",
                "Pauses of at least 0.5 s between two sends on a connection, observed when they end.",
                bounds::GAP,
            ),
            gap_violations: families.counters(
                "keepalive_gap_violations_total",
                "Pauses that reached 80 % of Deepgram's idle timeout, or exceeded it, by level.",
            ),
            send_age_max: families.gauge_fraction(
                "send_age_max_seconds",
                "Time since the last send, for the connection that has been silent longest.",
            ),
        }
    }
}

/// Finalizes: `requests = answered + sum(errors) + sum(skipped) + inflight` in every scrape during
/// which nothing is changing.
#[derive(Debug)]
pub(crate) struct FinalizeMetrics {
    pub(crate) requests: IntCounter,
    pub(crate) answered: IntCounter,
    pub(crate) errors: Children<FinalizeError, IntCounter>,
    pub(crate) skipped: Children<SkipCause, IntCounter>,
    pub(crate) latency: Traced<Histogram>,
    pub(crate) inflight: IntGauge,
}

impl FinalizeMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            requests: families.counter(
                "finalize_requests_total",
                "Finalizes requested, by applications or the VAD gate.",
            ),
            answered: families
                .counter("finalizes_answered_total", "Finalizes answered by a result."),
            errors: families.counters(
                "finalize_errors_total",
                "Finalizes that failed on a live connection, by reason.",
            ),
            skipped: families.counters(
                "finalizes_skipped_total",
                "Finalizes without a live stream to flush, by cause; not errors.",
            ),
            latency: families.traced_histogram(
                "finalize_latency_seconds",
                "Time from the oldest Finalize written to the result that answers it.",
                bounds::LAT,
            ),
            inflight: families
                .gauge("finalize_inflight", "Finalizes requested that have no outcome yet."),
        }
    }
}

/// Audio. What is not an event is updated at each scrape and at each session's end.
#[derive(Debug)]
pub(crate) struct AudioMetrics {
    pub(crate) frames_received: IntCounter,
    pub(crate) bytes_received: IntCounter,
    pub(crate) bytes_sent: IntCounter,
    pub(crate) seconds_sent: Counter,
    pub(crate) ledger: Children<Account, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) lost: Children<LossCause, Counter>,
    pub(crate) lost_bytes: Children<LossCause, IntCounter>,
    pub(crate) dropped: Children<Dropped, IntCounter>,
}

impl AudioMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            frames_received: families.counter("audio_frames_received_total", "AUDIO frames read."),
            bytes_received: families
                .counter("audio_received_bytes_total", "Bytes of AUDIO frames read."),
            bytes_sent: families
                .counter("audio_sent_bytes_total", "Bytes of audio written to Deepgram."),
            seconds_sent: families.fraction(
                "audio_seconds_total",
                "Audio written to Deepgram, if the encoding has a known duration.",
            ),
            ledger: families.fractions(
                "audio_ledger_seconds_total",
                "Audio accounting: accepted = finalized + gated + lost + unknown + in flight.",
            ),
            in_flight: families.gauge_fraction(
                "audio_in_flight_seconds",
                "Audio accepted that is neither final nor gated nor lost yet.",
            ),
            lost: families.fractions(
                "audio_lost_seconds_total",
                "Audio that never became text, by cause, if the encoding has a known duration.",
            ),
            lost_bytes: families.counters(
                "audio_lost_bytes_total",
                "Bytes of audio that never became text, by cause, for any encoding.",
            ),
            dropped: families
                .counters("dropped_total", "Dropped frames and messages, by kind and cause."),
        }
    }
}

/// Deepgram's results.
#[derive(Debug)]
pub(crate) struct TranscriptMetrics {
    pub(crate) latency: Children<ResultKind, Traced<Histogram>>,
    pub(crate) first_result: Traced<Histogram>,
    pub(crate) stalled: IntGauge,
    pub(crate) stalls: Children<StallOutcome, IntCounter>,
}

impl TranscriptMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            latency: families.traced_histograms(
                "transcript_latency_seconds",
                "How far results are behind the audio sent, if the encoding has a known duration.",
                bounds::LAT,
            ),
            first_result: families.traced_histogram(
                "first_result_seconds",
                "Time from writing a session's first audio to its first result.",
                bounds::LAT,
            ),
            stalled: families
                .gauge("stalled_sessions", "Sessions that send audio but get no results."),
            stalls: families.counters(
                "transcript_stalls_total",
                "Stalls that have ended (no results for liveness.stall_after), by outcome.",
            ),
        }
    }
}
