//! One session, as the pages show it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tokio::time::timeout;

use crate::admin::column::Row;
use crate::admin::figures::Figures;
use crate::json;
use crate::live::{Entry, Inspection, LiveSession};
use session::State;
use session::fact::ConnectionDied;
use session::{Dialect, Endpoint, Sdk, SessionId, millis};

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
    pub(super) dialect: Dialect,
    /// `None` in the native dialect.
    #[serde(serialize_with = "json::word_if_any")]
    pub(super) sdk: Option<Sdk>,
    pub(super) user_agent: Option<&'a str>,
    #[serde(serialize_with = "json::word")]
    pub(super) state: State,
    pub(super) stalled: bool,
    /// The first one, over all its connections.
    #[serde(serialize_with = "json::members_if_any")]
    pub(super) death: Option<ConnectionDied>,
    pub(super) trace_id: Option<String>,
    #[serde(flatten)]
    pub(super) figures: Figures,
    #[serde(serialize_with = "as_object")]
    pub(super) tags: &'a [(String, String)],
}

impl<'a> View<'a> {
    pub(super) fn of(session: &'a LiveSession, now: Instant) -> Self {
        Self {
            session_id: &session.id,
            endpoint: session.endpoint,
            dialect: session.speaker.dialect,
            sdk: session.speaker.sdk,
            user_agent: session.speaker.user_agent(),
            state: session.state(),
            stalled: session.counters.is_stalled.load(Relaxed),
            death: session.first_death(),
            trace_id: session.trace().map(|trace| trace.trace_id_text()),
            figures: Figures::of(session, now),
            tags: &session.tags,
        }
    }

    pub(super) fn row(&self) -> Row<'_> {
        Row {
            session_id: self.session_id.as_str(),
            endpoint: self.endpoint.as_str(),
            state: self.state.as_str(),
            death: self.death.as_ref().map(|died| died.death.reason.as_str()),
            is_stalled: self.stalled,
            sdk: self.sdk.map(Sdk::as_str),
            figures: &self.figures,
        }
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
    pub(super) connection: Option<ConnectionView>,
    /// Soonest first.
    pub(super) timers: Vec<TimerView>,
    /// The flight recorder, oldest first.
    pub(super) events: Vec<Entry>,
    /// The latest turns of its VAD gate, likewise.
    pub(super) vad_events: Vec<Entry>,
}

/// The connection that is up.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionView {
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
            connection: inspection.and_then(|it| ConnectionView::of(session, it)),
            timers: inspection.map(timers).unwrap_or_default(),
            events: session.events(),
            vad_events: session.vad_events(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all members are plain values")
    }
}

impl ConnectionView {
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
