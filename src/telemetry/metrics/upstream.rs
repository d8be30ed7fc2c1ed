//! Deepgram's side: dials, connections, deaths.

use prometheus::{Gauge, Histogram, IntCounter, IntGauge};

use crate::telemetry::exemplar::Traced;
use crate::telemetry::family::{Children, ChildrenOnDemand, Families, bounds};
use crate::telemetry::label::{
    CloseCode, ConnectResult, DeathLabels, DialPhase, Direction, KeyReload, WireMessage,
};
use session::Endpoint;
use session::close::DgCode;
use session::death::{Class, Reason};
use session::dial::{Blocker, DialReason};
use session::fact::Stage;

/// Dials and connections.
#[derive(Debug)]
pub(crate) struct UpstreamMetrics {
    pub(crate) connections_active: IntGauge,
    pub(crate) connect_attempts: Children<ConnectResult, IntCounter>,
    pub(crate) dials_waiting: IntGauge,
    pub(crate) dials_held: Children<Blocker, IntGauge>,
    pub(crate) dials_withheld: Children<DialReason, IntCounter>,
    pub(crate) connect_duration: Children<DialPhase, Histogram>,
    pub(crate) buffered: Histogram,
    pub(crate) closes: Children<(CloseCode, DgCode), IntCounter>,
    pub(crate) bytes: Children<Direction, IntCounter>,
    pub(crate) messages: Children<WireMessage, IntCounter>,
    pub(crate) voice_bytes: Children<Endpoint, IntCounter>,
    pub(crate) ping_rtt: Histogram,
    pub(crate) ping_pending_max: Gauge,
    pub(crate) write_blocked_max: Gauge,
    pub(crate) key_reloads: Children<KeyReload, IntCounter>,
}

impl UpstreamMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            connections_active: families
                .gauge("upstream_connections_active", "Live connections to Deepgram."),
            connect_attempts: families.counters(
                "upstream_connect_attempts_total",
                "Attempts to connect to Deepgram, by result, and by reason if they failed.",
            ),
            dials_waiting: families.gauge(
                "upstream_dials_waiting",
                "Sessions that wait for their turn to dial Deepgram.",
            ),
            dials_held: families.gauges(
                "upstream_dials_held",
                "1 while nothing is dialled but single probes, by what holds dials back.",
            ),
            dials_withheld: families.counters(
                "upstream_dials_withheld_total",
                "Attempts that ended without a dial, with what other sessions had just been told.",
            ),
            connect_duration: families.histograms(
                "upstream_connect_duration_seconds",
                "Duration of each phase of successful dials; the time in the queue before them is not in the total.",
                bounds::CONN,
            ),
            buffered: families.histogram(
                "connect_buffered_audio_seconds",
                "Audio waiting for a connection when it came up.",
                bounds::LAT,
            ),
            closes: families.counters(
                "upstream_closes_total",
                "Connections closed by Deepgram, requested or not, by close code and Deepgram's own code.",
            ),
            bytes: families.counters(
                "upstream_bytes_total",
                "Bytes on the wire to and from Deepgram, TLS included.",
            ),
            messages: families.counters(
                "upstream_messages_total",
                "Messages to and from Deepgram, by type.",
            ),
            voice_bytes: families.counters(
                "upstream_voice_bytes_total",
                "Bytes of Deepgram's binary messages, which are its voice, by endpoint.",
            ),
            ping_rtt: families.histogram(
                "upstream_ping_rtt_seconds",
                "Time from writing a ping to its pong.",
                bounds::FAST,
            ),
            ping_pending_max: families.gauge_fraction(
                "upstream_ping_pending_max_seconds",
                "Time that the oldest ping without a pong has waited; a death after liveness.ping_timeout.",
            ),
            write_blocked_max: families.gauge_fraction(
                "upstream_write_blocked_max_seconds",
                "Time that the kernel has refused data for Deepgram, on the connection where it is longest; \
                 a death after upstream.write_timeout without progress.",
            ),
            key_reloads: families.counters(
                "api_key_reloads_total",
                "Reloads of a changed API key file, by result.",
            ),
        }
    }
}

/// Deaths of connections, counted the moment they are detected, once per connection.
#[derive(Debug)]
pub(crate) struct DeathMetrics {
    pub(crate) total: Children<DeathLabels, Traced<IntCounter>>,
    pub(crate) by_stage: Children<(Stage, Class), IntCounter>,
    pub(crate) age: ChildrenOnDemand<Reason>,
    pub(crate) send_age: ChildrenOnDemand<Reason>,
    pub(crate) receive_age: ChildrenOnDemand<Reason>,
    pub(crate) timer_lateness: Histogram,
}

impl DeathMetrics {
    pub(crate) fn register(families: &Families<'_>) -> Self {
        Self {
            total: families.traced_counters(
                "connection_deaths_total",
                "Deaths of Deepgram connections, by root cause, what detected it, and who must act.",
            ),
            by_stage: families.counters(
                "connection_deaths_by_stage_total",
                "Deaths of Deepgram connections, by the stage of their life.",
            ),
            age: families.histograms_on_demand(
                "connection_age_at_death_seconds",
                "Age of connections when they died, by reason.",
                bounds::LIFE,
            ),
            send_age: families.histograms_on_demand(
                "death_send_age_seconds",
                "Time since the last successful send when a connection died, by reason.",
                bounds::GAP,
            ),
            receive_age: families.histograms_on_demand(
                "death_receive_age_seconds",
                "Time since the last receive when a connection died, by reason.",
                bounds::GAP,
            ),
            timer_lateness: families.histogram(
                "timer_lateness_seconds",
                "Deadlines noticed too late to prove anything about Deepgram, because we were paused.",
                bounds::CONN,
            ),
        }
    }
}
