//! What flows in sessions: keepalives, Finalizes, audio, transcripts.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::telemetry::exemplar::Traced;
use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{
    Account, Dropped, FinalizeError, KeepaliveError, KeepaliveKind, ResultKind,
};
use session::LossCause;
use session::fact::{GapLevel, SkipCause, StallOutcome};

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
            send_gap: families.histogram(
                "send_gap_seconds",
                "Pauses of half a second or more between two sends on a connection, at their end.",
                bounds::GAP,
            ),
            gap_violations: families.counters(
                "keepalive_gap_violations_total",
                "Pauses that came near Deepgram's idle window (80 %) or broke it, by level.",
                &["level"],
            ),
            send_age_max: families.gauge_fraction(
                "send_age_max_seconds",
                "Time since the last send on the connection that has been silent for longest.",
            ),
        }
    }
}

/// Finalizes: `requests = answered + sum(errors) + sum(skipped) + inflight` in every scrape in
/// which nothing is just moving.
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
            requests: families
                .counter("finalize_requests_total", "Finalizes asked for by applications."),
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
            latency: families.traced_histogram(
                "finalize_latency_seconds",
                "Time from the oldest Finalize written to the result that answers it.",
                bounds::LAT,
            ),
            inflight: families
                .gauge("finalize_inflight", "Finalizes asked for of which nothing is known yet."),
        }
    }
}

/// Audio. What is not an event is brought up to date at each scrape and at each session's end.
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
                "Audio written to Deepgram, where the encoding tells time.",
            ),
            ledger: families.fractions(
                "audio_ledger_seconds_total",
                "The audio's books: accepted = finalized + lost + in flight.",
                &["account"],
            ),
            in_flight: families.gauge_fraction(
                "audio_in_flight_seconds",
                "Audio accepted that is neither final nor lost yet.",
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

/// Deepgram's answers to audio.
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
                "How far results are behind the audio that was sent, where the encoding tells time.",
                &["kind"],
                bounds::LAT,
            ),
            first_result: families.traced_histogram(
                "first_result_seconds",
                "Time from a session's first audio written to its first result.",
                bounds::LAT,
            ),
            stalled: families.gauge(
                "stalled_sessions",
                "Sessions whose audio goes in while nothing comes out.",
            ),
            stalls: families.counters(
                "transcript_stalls_total",
                "Stalls that are over: nothing had come out for liveness.stall_after, by outcome.",
                &["outcome"],
            ),
        }
    }
}
