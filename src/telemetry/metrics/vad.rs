//! The VAD gate, and preludes.

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use crate::telemetry::family::{Children, Families, bounds};
use crate::telemetry::label::{Listening, ModeChange};
use session::fact::PreludeEnd;
use session::gate::{GateState, VadMode, VadUnavailable};

/// The gate. What it held back for good is the account `gated` of the audio accounting.
#[derive(Debug)]
pub(crate) struct VadMetrics {
    pub(crate) sessions: Children<VadMode, IntGauge>,
    pub(crate) audio: Children<GateState, Counter>,
    pub(crate) would_gate: Counter,
    pub(crate) opens: IntCounter,
    pub(crate) finalizes: IntCounter,
    pub(crate) faults: IntCounter,
    pub(crate) not_available: Children<VadUnavailable, IntCounter>,
    pub(crate) mode_changes: Children<ModeChange, IntCounter>,
    pub(crate) open_max: Children<Listening, Gauge>,
    pub(crate) unopened_max: Children<Listening, Gauge>,
    pub(crate) price: Gauge,
}

impl VadMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            sessions: families.gauges(
                "vad_sessions",
                "Live sessions that have a VAD gate, by what it is set to.",
            ),
            audio: families.fractions(
                "vad_audio_seconds_total",
                "Audio that the VAD gate has judged, by the state that it was in.",
            ),
            would_gate: families.fraction(
                "vad_would_gate_seconds_total",
                "Audio sent that the VAD gate would have held back, had it been active instead of in shadow.",
            ),
            opens: families.counter(
                "vad_opens_total",
                "Times that the VAD gate opened, because someone spoke; in shadow as well.",
            ),
            finalizes: families.counter(
                "vad_finalizes_total",
                "Finalizes that the VAD gate asked for; finalize_requests_total has them too.",
            ),
            faults: families.counter(
                "vad_faults_total",
                "Sessions whose speech detector has failed: everything is sent from then on.",
            ),
            not_available: families.counters(
                "vad_not_available_total",
                "Sessions without the VAD gate that the configuration asks for, by cause.",
            ),
            mode_changes: families.counters(
                "vad_mode_changes_total",
                "Changes of the VAD gate's mode, by what it is now, and what has set it.",
            ),
            open_max: families.gauge_fractions(
                "vad_open_max_seconds",
                "Audio that has passed since the VAD gate opened, in the session with the most.",
            ),
            unopened_max: families.gauge_fractions(
                "vad_unopened_max_seconds",
                "Audio in which the VAD gate has never heard speech, in the session with the most.",
            ),
            price: families.gauge_fraction(
                "vad_price_usd_per_minute",
                "What a minute of audio costs, in US dollars: vad.price_per_minute; 0 if it is not set.",
            ),
        }
    }
}

/// Preludes: speech that goes ahead of the live stream.
#[derive(Debug)]
pub(crate) struct PreludeMetrics {
    pub(crate) ended: Children<PreludeEnd, IntCounter>,
    pub(crate) duration: Histogram,
    pub(crate) audio: Counter,
}

impl PreludeMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            ended: families
                .counters("preludes_total", "Preludes that are over, by how they ended."),
            duration: families.histogram(
                "prelude_duration_seconds",
                "From OPEN to the end of the prelude, however it ended.",
                bounds::GAP,
            ),
            audio: families.fraction(
                "prelude_audio_seconds_total",
                "Audio of PRELUDE frames, which Deepgram bills as well.",
            ),
        }
    }
}
