//! `/deaths`: recent connection deaths, with the evidence.

use serde::Serialize;

use super::view::as_object;
use crate::json;
use crate::live::Entry;
use crate::telemetry::{DeathRecord, Telemetry};
use session::State;
use session::fact::ConnectionDied;
use session::{Endpoint, SessionId};

/// The response of `/deaths`.
#[derive(Debug, Serialize)]
pub(super) struct Deaths<'a> {
    /// Newest first.
    pub(super) deaths: Vec<DeathView<'a>>,
    /// Since the daemon started, including those no longer listed.
    pub(super) total: u64,
}

/// One death, and its session.
#[derive(Debug, Serialize)]
pub(super) struct DeathView<'a> {
    /// RFC 3339.
    pub(super) at: String,
    #[serde(serialize_with = "json::display")]
    pub(super) session_id: &'a SessionId,
    #[serde(serialize_with = "json::display")]
    pub(super) endpoint: Endpoint,
    /// The session's current state; `ended` once it is over.
    #[serde(serialize_with = "json::word")]
    pub(super) state: State,
    pub(super) trace_id: Option<String>,
    /// Deepgram's `dg-request-id` of the session's latest connection.
    pub(super) request_id: Option<String>,
    #[serde(flatten, serialize_with = "json::members")]
    pub(super) died: &'a ConnectionDied,
    #[serde(serialize_with = "as_object")]
    pub(super) tags: &'a [(String, String)],
    /// The session's flight recorder, oldest first, including events after the death.
    pub(super) events: Vec<Entry>,
}

impl<'a> Deaths<'a> {
    pub(super) fn of(records: &'a [DeathRecord], telemetry: &Telemetry) -> Self {
        let deaths = records.iter().map(DeathView::of).collect();
        Self { deaths, total: telemetry.deaths_total() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all members are plain values")
    }
}

impl<'a> DeathView<'a> {
    fn of(record: &'a DeathRecord) -> Self {
        let session = &*record.session;
        Self {
            at: humantime::format_rfc3339_millis(record.at).to_string(),
            session_id: &session.id,
            endpoint: session.endpoint,
            state: session.state(),
            trace_id: session.trace().map(|trace| trace.trace_id_text()),
            request_id: record.request_id.clone(),
            died: &record.died,
            tags: &session.tags,
            events: session.events(),
        }
    }
}
