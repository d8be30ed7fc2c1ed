//! Totals from the counters of live sessions: each scrape and each session's end adds the increase
//! since the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::Record;
use crate::live::LiveSession;
use crate::telemetry::label::{Account, Direction, Listening, Queue, WireMessage};
use crate::telemetry::metrics::Metrics;
use session::counts::Count;
use session::gate::{GateSnapshot, GateState, VadMode};
use session::{Endpoint, State};

/// The queues, each with its count.
pub(super) const QUEUES: [(Queue, Count); 3] = [
    (Queue::ToUpstream, Count::UpstreamQueueBytes),
    (Queue::Ring, Count::RingBytes),
    (Queue::ToApp, Count::AppQueueBytes),
];

/// The totals, each with the count that feeds it.
const FEEDS: [(Count, Feed); 26] = [
    (Count::FinalizesRequested, |to, it| to.finalize.requests.inc_by(it.count)),
    (Count::Frames, |to, it| to.audio.frames_received.inc_by(it.count)),
    (Count::BytesReceived, |to, it| {
        to.audio.bytes_received.inc_by(it.count);
        account(to, Account::Accepted, it);
    }),
    (Count::BytesSent, |to, it| {
        to.audio.bytes_sent.inc_by(it.count);
        to.audio.seconds_sent.inc_by(it.seconds.unwrap_or_default());
    }),
    (Count::BytesFinalized, |to, it| account(to, Account::Finalized, it)),
    (Count::BytesGated, |to, it| account(to, Account::Gated, it)),
    (Count::BytesLost, |to, it| account(to, Account::Lost, it)),
    (Count::BytesUnknown, |to, it| account(to, Account::Unknown, it)),
    (Count::WireBytesSent, |to, it| to.upstream.bytes[Direction::Sent].inc_by(it.count)),
    (Count::WireBytesReceived, |to, it| to.upstream.bytes[Direction::Received].inc_by(it.count)),
    (Count::FramesSent, |to, it| messages(to, WireMessage::AudioSent, it)),
    (Count::Keepalives, |to, it| messages(to, WireMessage::KeepaliveSent, it)),
    (Count::FinalizesSent, |to, it| messages(to, WireMessage::FinalizeSent, it)),
    (Count::TextsSent, |to, it| messages(to, WireMessage::TextSent, it)),
    (Count::CloseStreamsSent, |to, it| messages(to, WireMessage::CloseStreamSent, it)),
    (Count::PingsSent, |to, it| messages(to, WireMessage::PingSent, it)),
    (Count::AppKeepalives, |to, it| to.app.keepalives.inc_by(it.count)),
    (Count::BinaryMessages, |to, it| messages(to, WireMessage::BinaryReceived, it)),
    (Count::BinaryBytes, |to, it| to.upstream.voice_bytes[it.endpoint].inc_by(it.count)),
    (Count::VadOpens, |to, it| to.vad.opens.inc_by(it.count)),
    (Count::VadFinalizes, |to, it| to.vad.finalizes.inc_by(it.count)),
    (Count::VadSilenceBytes, |to, it| judged(to, GateState::Silence, it)),
    (Count::VadSpeechBytes, |to, it| judged(to, GateState::Speech, it)),
    (Count::VadHangoverBytes, |to, it| judged(to, GateState::Hangover, it)),
    (Count::BytesWouldGate, |to, it| to.vad.would_gate.inc_by(it.seconds.unwrap_or_default())),
    (Count::PreludeBytes, |to, it| to.prelude.audio.inc_by(it.seconds.unwrap_or_default())),
];

/// Moves a total by what has come.
type Feed = fn(&Metrics, Fresh);

/// What has come to a session's count since the last time.
#[derive(Clone, Copy)]
struct Fresh {
    count: u64,
    endpoint: Endpoint,
    /// The same as time, if it is bytes of audio; `None` where the encoding tells no time.
    seconds: Option<f64>,
}

fn account(metrics: &Metrics, account: Account, fresh: Fresh) {
    metrics.audio.ledger[account].inc_by(fresh.seconds.unwrap_or_default());
}

fn judged(metrics: &Metrics, state: GateState, fresh: Fresh) {
    metrics.vad.audio[state].inc_by(fresh.seconds.unwrap_or_default());
}

fn messages(metrics: &Metrics, message: WireMessage, fresh: Fresh) {
    metrics.upstream.messages[message].inc_by(fresh.count);
}

/// What of a session's counts the totals hold already, in the order of the feeds.
#[derive(Debug, Default)]
pub(super) struct Harvested([AtomicU64; FEEDS.len()]);

impl Record {
    /// Brings the totals up to date with this session. Two that harvest at once get the difference
    /// once: the counts only grow, so whichever saw the larger value gets it.
    pub(super) fn harvest(&self, metrics: &Metrics) {
        for ((count, feed), harvested) in FEEDS.iter().zip(&self.harvested.0) {
            let now = self.live.counters.get(*count);
            let count = now.saturating_sub(harvested.fetch_max(now, Relaxed));
            let seconds = self.live.audio.map(|format| format.duration(count).as_secs_f64());
            feed(metrics, Fresh { count, endpoint: self.live.endpoint, seconds });
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
    let oldest = |moment| {
        let ages = live().filter(|it| it.counters.is_connected.load(Relaxed));
        let oldest = ages.filter_map(|session| age(moment, session, now)).max();
        oldest.unwrap_or_default().as_secs_f64()
    };
    metrics.upstream.ping_pending_max.set(oldest(Count::PingPendingMs));
    metrics.upstream.write_blocked_max.set(oldest(Count::WriteBlockedMs));
    let in_flight: Duration = live().map(in_flight).sum();
    metrics.audio.in_flight.set(in_flight.as_secs_f64());
    let gates = live().filter_map(|session| Some((session, session.counters.gate()?)));
    set_gates(&gates.collect::<Vec<_>>(), metrics);
    let finalizes = live().map(|it| it.counters.get(Count::FinalizesInFlight)).sum::<u64>();
    metrics.finalize.inflight.set(gauge_of(finalizes));
    for (queue, count) in QUEUES {
        let bytes = || live().map(|session| session.counters.get(count));
        metrics.flow.queued[queue].set(gauge_of(bytes().sum()));
        metrics.flow.queued_max[queue].set(gauge_of(bytes().max().unwrap_or(0)));
    }
}

/// A gate whose detector has failed judges nothing any more, so it has no maxima.
fn set_gates(gates: &[(&LiveSession, GateSnapshot)], metrics: &Metrics) {
    for mode in VadMode::ALL {
        let sessions = gates.iter().filter(|(_, gate)| gate.mode == mode).count();
        metrics.vad.sessions[mode].set(gauge_of(sessions as u64));
    }
    for mode in Listening::ALL {
        let listens =
            |gate: &GateSnapshot| !gate.has_failed && Listening::of(gate.mode) == Some(mode);
        let longest = |count| {
            let gates = gates.iter().filter(|(_, gate)| listens(gate));
            let longest = gates.filter_map(|(session, _)| session.audio_of(count)).max();
            longest.unwrap_or_default().as_secs_f64()
        };
        metrics.vad.open_max[mode].set(longest(Count::VadOpenBytes));
        metrics.vad.unopened_max[mode].set(longest(Count::VadUnopenedBytes));
    }
}

fn gauge_of(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Since the last send on the live connection; a closing one owes no keepalive.
fn send_age(session: &LiveSession, now: Instant) -> Option<Duration> {
    let is_up = session.counters.is_connected.load(Relaxed);
    let is_kept = is_up && session.state() != State::Closing;
    is_kept.then(|| age(Count::LastSendMs, session, now)).flatten()
}

/// Time since a moment, given in milliseconds since OPEN; `None` for never.
pub(super) fn age(moment: Count, session: &LiveSession, now: Instant) -> Option<Duration> {
    let moment = Duration::from_millis(session.counters.get(moment));
    let lived = now.saturating_duration_since(session.opened_at);
    (!moment.is_zero()).then(|| lived.saturating_sub(moment))
}

/// Audio that is neither final, gated nor lost, nor unknown.
fn in_flight(session: &LiveSession) -> Duration {
    let counters = &session.counters;
    let settled = [Count::BytesFinalized, Count::BytesGated, Count::BytesLost, Count::BytesUnknown];
    let settled: u64 = settled.into_iter().map(|count| counters.get(count)).sum();
    let bytes = counters.get(Count::BytesReceived).saturating_sub(settled);
    session.audio.map_or(Duration::ZERO, |format| format.duration(bytes))
}

#[cfg(test)]
mod tests {
    use session::counts::Kind;

    use super::*;

    #[test]
    fn totals_are_fed_by_what_only_grows() {
        for (count, _) in FEEDS {
            assert!([Kind::Counted, Kind::Total].contains(&count.kind()), "{count:?}");
        }
    }
}
