//! Totals from the counters of live sessions: each scrape and each session's end adds the increase
//! since the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::Record;
use crate::live::{Counters, LiveSession};
use crate::telemetry::label::{Account, Direction, Queue, WireMessage};
use crate::telemetry::metrics::Metrics;
use session::State;

/// The part of a session's counters that is already in the totals.
#[derive(Debug, Default)]
pub(super) struct Harvested {
    frames: AtomicU64,
    frames_sent: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_finalized: AtomicU64,
    bytes_lost: AtomicU64,
    keepalives: AtomicU64,
    finalizes_sent: AtomicU64,
    finalizes_requested: AtomicU64,
    texts_sent: AtomicU64,
    close_streams_sent: AtomicU64,
    pings_sent: AtomicU64,
    wire_bytes_sent: AtomicU64,
    wire_bytes_received: AtomicU64,
}

/// The increase since the last time. Concurrent calls count it once: the counters only grow, so
/// the one that sees the larger value gets it.
fn fresh(counter: &AtomicU64, harvested: &AtomicU64) -> u64 {
    let now = counter.load(Relaxed);
    now.saturating_sub(harvested.fetch_max(now, Relaxed))
}

impl Record {
    /// Updates the totals with this session.
    pub(super) fn harvest(&self, metrics: &Metrics) {
        let (counters, harvested) = (&self.live.counters, &self.harvested);
        let requested = fresh(&counters.finalizes_requested, &harvested.finalizes_requested);
        metrics.finalize.requests.inc_by(requested);
        self.harvest_audio(metrics);
        self.harvest_wire(metrics);
    }

    fn harvest_audio(&self, metrics: &Metrics) {
        let (counters, harvested) = (&self.live.counters, &self.harvested);
        let received = fresh(&counters.bytes_received, &harvested.bytes_received);
        let sent = fresh(&counters.bytes_sent, &harvested.bytes_sent);
        let finalized = fresh(&counters.bytes_finalized, &harvested.bytes_finalized);
        let lost = fresh(&counters.bytes_lost, &harvested.bytes_lost);
        let audio = &metrics.audio;
        audio.frames_received.inc_by(fresh(&counters.frames, &harvested.frames));
        audio.bytes_received.inc_by(received);
        audio.bytes_sent.inc_by(sent);
        if let Some(format) = self.live.audio {
            let seconds = |bytes| format.duration(bytes).as_secs_f64();
            audio.seconds_sent.inc_by(seconds(sent));
            audio.ledger[Account::Accepted].inc_by(seconds(received));
            audio.ledger[Account::Finalized].inc_by(seconds(finalized));
            audio.ledger[Account::Lost].inc_by(seconds(lost));
        }
    }

    fn harvest_wire(&self, metrics: &Metrics) {
        let (counters, harvested) = (&self.live.counters, &self.harvested);
        let upstream = &metrics.upstream;
        let bytes = [
            (Direction::Sent, &counters.wire_bytes_sent, &harvested.wire_bytes_sent),
            (Direction::Received, &counters.wire_bytes_received, &harvested.wire_bytes_received),
        ];
        for (direction, counter, harvested) in bytes {
            upstream.bytes[direction].inc_by(fresh(counter, harvested));
        }
        use WireMessage::{
            AudioSent, CloseStreamSent, FinalizeSent, KeepaliveSent, PingSent, TextSent,
        };
        let messages = [
            (AudioSent, &counters.frames_sent, &harvested.frames_sent),
            (KeepaliveSent, &counters.keepalives, &harvested.keepalives),
            (FinalizeSent, &counters.finalizes_sent, &harvested.finalizes_sent),
            (TextSent, &counters.texts_sent, &harvested.texts_sent),
            (CloseStreamSent, &counters.close_streams_sent, &harvested.close_streams_sent),
            (PingSent, &counters.pings_sent, &harvested.pings_sent),
        ];
        for (message, counter, harvested) in messages {
            upstream.messages[message].inc_by(fresh(counter, harvested));
        }
    }
}

/// Sets the gauges that are sums or maxima over live sessions.
pub(super) fn set_gauges(records: &[Arc<Record>], now: Instant, metrics: &Metrics) {
    let live = || {
        let live = records.iter().map(|record| &*record.live);
        live.filter(|session| session.state() != State::Ended)
    };
    let send_age_max = live().filter_map(|session| send_age(session, now)).max();
    metrics.keepalive.send_age_max.set(send_age_max.unwrap_or_default().as_secs_f64());
    let in_flight: Duration = live().map(in_flight).sum();
    metrics.audio.in_flight.set(in_flight.as_secs_f64());
    let finalizes = live().map(|it| it.counters.finalizes_in_flight.load(Relaxed)).sum::<u64>();
    metrics.finalize.inflight.set(gauge_of(finalizes));
    for (queue, counter) in QUEUES {
        let bytes = || live().map(|session| counter(&session.counters).load(Relaxed));
        metrics.flow.queued[queue].set(gauge_of(bytes().sum()));
        metrics.flow.queued_max[queue].set(gauge_of(bytes().max().unwrap_or(0)));
    }
}

type QueueCounter = (Queue, fn(&Counters) -> &AtomicU64);

pub(super) const QUEUES: [QueueCounter; 2] = [
    (Queue::ToUpstream, |counters| &counters.upstream_queue_bytes),
    (Queue::ToApp, |counters| &counters.app_queue_bytes),
];

fn gauge_of(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Since the last send on the live connection; a closing one owes no keepalive.
fn send_age(session: &LiveSession, now: Instant) -> Option<Duration> {
    let is_up = session.counters.is_connected.load(Relaxed);
    let is_kept = is_up && session.state() != State::Closing;
    is_kept.then(|| age(&session.counters.last_send_ms, session, now)).flatten()
}

/// Time since a moment, given in milliseconds since OPEN; `None` for never.
pub(super) fn age(moment_ms: &AtomicU64, session: &LiveSession, now: Instant) -> Option<Duration> {
    let moment = Duration::from_millis(moment_ms.load(Relaxed));
    let lived = now.saturating_duration_since(session.opened_at);
    (!moment.is_zero()).then(|| lived.saturating_sub(moment))
}

/// Audio that is neither final nor lost.
fn in_flight(session: &LiveSession) -> Duration {
    let counters = &session.counters;
    let settled = counters.bytes_finalized.load(Relaxed) + counters.bytes_lost.load(Relaxed);
    let bytes = counters.bytes_received.load(Relaxed).saturating_sub(settled);
    session.audio.map_or(Duration::ZERO, |format| format.duration(bytes))
}
