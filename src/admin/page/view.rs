//! One session, as the pages show it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tokio::time::timeout;

use crate::json;
use crate::live::{Entry, Inspection, LiveSession};
use session::State;
use session::fact::ConnectionDied;
use session::summary::MessageSummary;
use session::{Endpoint, SessionId, millis};

/// Timeout for a session's task. It responds between two inputs, so within a millisecond unless it
/// hangs.
const INSPECTION_MAX: Duration = Duration::from_secs(1);

/// One session. Members that FINISHED also has mean the same there.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    #[serde(serialize_with = "json::display")]
    pub(super) session_id: &'a SessionId,
    #[serde(serialize_with = "json::display")]
    pub(super) endpoint: Endpoint,
    #[serde(serialize_with = "json::word")]
    pub(super) state: State,
    pub(super) stalled: bool,
    /// The first one, over all its connections.
    #[serde(serialize_with = "json::members_if_any")]
    pub(super) death: Option<ConnectionDied>,
    pub(super) trace_id: Option<String>,
    pub(super) age_ms: u64,
    /// `None` before the first send.
    pub(super) send_age_ms: Option<u64>,
    /// `None` before anything was received.
    pub(super) receive_age_ms: Option<u64>,
    /// `None` without a connection, or if the encoding has no known duration.
    pub(super) transcript_lag_ms: Option<u64>,
    pub(super) connections: u64,
    pub(super) audio: Audio,
    pub(super) keepalives: u64,
    pub(super) finalizes: Finalizes,
    #[serde(serialize_with = "json::members")]
    pub(super) messages: MessageSummary,
    pub(super) queue_bytes: Queues,
    #[serde(serialize_with = "as_object")]
    pub(super) tags: &'a [(String, String)],
}

/// The audio accounting. Durations are `None` if the encoding has no known duration.
#[derive(Debug, Serialize)]
pub(super) struct Audio {
    pub(super) frames: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_dropped: u64,
    pub(super) accepted_ms: Option<u64>,
    pub(super) finalized_ms: Option<u64>,
    pub(super) in_flight_ms: Option<u64>,
    pub(super) lost_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Finalizes {
    pub(super) requested: u64,
    pub(super) sent: u64,
    pub(super) in_flight: u64,
    pub(super) errors: u64,
    pub(super) timeouts: u64,
    pub(super) skipped_dead: u64,
}

/// Bytes waiting, by the side they are for.
#[derive(Debug, Serialize)]
pub(super) struct Queues {
    pub(super) to_upstream: u64,
    pub(super) to_app: u64,
}

impl<'a> View<'a> {
    pub(super) fn of(session: &'a LiveSession, now: Instant) -> Self {
        let counters = &session.counters;
        let age_ms = millis(now.saturating_duration_since(session.opened_at));
        Self {
            session_id: &session.id,
            endpoint: session.endpoint,
            state: session.state(),
            stalled: counters.is_stalled.load(Relaxed),
            death: session.first_death(),
            trace_id: session.trace().map(|trace| trace.trace_id_text()),
            age_ms,
            send_age_ms: age_since(&counters.last_send_ms, age_ms),
            receive_age_ms: age_since(&counters.last_receive_ms, age_ms),
            transcript_lag_ms: session.transcript_lag().map(millis),
            connections: counters.connections.load(Relaxed),
            audio: Audio::of(session),
            keepalives: counters.keepalives.load(Relaxed),
            finalizes: Finalizes::of(session),
            messages: MessageSummary {
                received: counters.messages.load(Relaxed),
                finals: counters.finals.load(Relaxed),
            },
            queue_bytes: Queues {
                to_upstream: counters.upstream_queue_bytes.load(Relaxed),
                to_app: counters.app_queue_bytes.load(Relaxed),
            },
            tags: &session.tags,
        }
    }
}

impl Audio {
    fn of(session: &LiveSession) -> Self {
        let counters = &session.counters;
        let bytes_received = counters.bytes_received.load(Relaxed);
        let finalized = counters.bytes_finalized.load(Relaxed);
        let lost = counters.bytes_lost.load(Relaxed);
        // The counters are stored one by one, so they may not balance between two stores.
        let in_flight = bytes_received.saturating_sub(finalized).saturating_sub(lost);
        let time = |bytes| session.audio.map(|format| millis(format.duration(bytes)));
        Self {
            frames: counters.frames.load(Relaxed),
            bytes_received,
            bytes_sent: counters.bytes_sent.load(Relaxed),
            bytes_dropped: counters.bytes_dropped.load(Relaxed),
            accepted_ms: time(bytes_received),
            finalized_ms: time(finalized),
            in_flight_ms: time(in_flight),
            lost_ms: time(lost),
        }
    }
}

impl Finalizes {
    fn of(session: &LiveSession) -> Self {
        let counters = &session.counters;
        Self {
            requested: counters.finalizes_requested.load(Relaxed),
            sent: counters.finalizes_sent.load(Relaxed),
            in_flight: counters.finalizes_in_flight.load(Relaxed),
            errors: counters.finalize_errors.load(Relaxed),
            timeouts: counters.finalize_timeouts.load(Relaxed),
            skipped_dead: counters.finalizes_skipped_dead.load(Relaxed),
        }
    }
}

impl Queues {
    pub(super) fn sum(&self) -> u64 {
        self.to_upstream.saturating_add(self.to_app)
    }
}

/// One session in full.
#[derive(Debug, Serialize)]
pub(super) struct Detail<'a> {
    #[serde(flatten)]
    pub(super) view: View<'a>,
    /// Whether its task responded in time; otherwise connection and timers are unknown.
    pub(super) responsive: bool,
    /// Deepgram's `dg-request-id` of the latest connection, live or not; their support asks for it.
    pub(super) request_id: Option<String>,
    pub(super) connection: Option<Connection>,
    /// Soonest first.
    pub(super) timers: Vec<TimerView>,
    /// The flight recorder, oldest first.
    pub(super) events: Vec<Entry>,
}

/// The connection that is up.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    pub(super) number: u32,
    pub(super) age_ms: u64,
    pub(super) send_age_ms: u64,
    pub(super) receive_age_ms: u64,
    /// Deepgram's `dg-request-id`.
    pub(super) request_id: Option<String>,
}

/// A running timer.
#[derive(Debug, Serialize)]
pub(super) struct TimerView {
    pub(super) timer: &'static str,
    pub(super) due_in_ms: u64,
}

impl<'a> Detail<'a> {
    /// Asks the session's task for what the counters do not have.
    pub(super) async fn of(session: &'a LiveSession) -> Self {
        let answer = timeout(INSPECTION_MAX, session.inspect()).await;
        let inspection = answer.ok().and_then(Result::ok);
        let inspection = inspection.as_ref();
        Self {
            view: View::of(session, clock::now()),
            responsive: inspection.is_some(),
            request_id: session.request_id(),
            connection: inspection.and_then(|it| Connection::of(session, it)),
            timers: inspection.map(timers).unwrap_or_default(),
            events: session.events(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all members are plain values")
    }
}

impl Connection {
    fn of(session: &LiveSession, inspection: &Inspection) -> Option<Self> {
        let connection = inspection.snapshot.connection?;
        let age = |moment| millis(inspection.at.saturating_duration_since(moment));
        Some(Self {
            number: connection.number,
            age_ms: age(connection.up_since),
            send_age_ms: age(connection.last_send),
            receive_age_ms: age(connection.last_receive),
            request_id: session.request_id(),
        })
    }
}

fn timers(inspection: &Inspection) -> Vec<TimerView> {
    let timers = inspection.deadlines.iter().map(|(timer, deadline)| TimerView {
        timer: timer.as_str(),
        due_in_ms: millis(deadline.saturating_duration_since(inspection.at)),
    });
    let mut timers: Vec<_> = timers.collect();
    timers.sort_by_key(|timer| timer.due_in_ms);
    timers
}

/// Time since a moment; zero means never, because nothing happens before a dial.
fn age_since(moment_ms: &AtomicU64, age_ms: u64) -> Option<u64> {
    let moment_ms = moment_ms.load(Relaxed);
    (moment_ms > 0).then(|| age_ms.saturating_sub(moment_ms))
}

/// Tags as JSON.
pub(super) fn as_object<S: Serializer>(
    tags: &&[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(tags.len()))?;
    for (key, value) in *tags {
        object.serialize_entry(key, value)?;
    }
    object.end()
}
