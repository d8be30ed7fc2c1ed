//! `/sessions`: the live sessions, filtered and sorted by the query.

use std::sync::Arc;
use std::time::Instant;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::query::Query;
use super::view::View;
use crate::live::LiveSession;
use session::State;
use session::counts::Count;

/// The response of `/sessions`.
#[derive(Debug, Serialize)]
pub(super) struct List<'a> {
    pub(super) sessions: Vec<View<'a>>,
    /// How many match the query, regardless of its limit.
    pub(super) total: usize,
    pub(super) summary: Totals,
}

/// Totals over all live sessions, regardless of the query.
#[derive(Debug, Default, Serialize)]
pub(super) struct Totals {
    #[serde(serialize_with = "as_object")]
    pub(super) states: [usize; State::ALL.len()],
    pub(super) stalled: usize,
    /// Sent so far.
    pub(super) keepalives: u64,
    /// Connections that died since the daemon started.
    pub(super) deaths: u64,
}

impl<'a> List<'a> {
    pub(super) fn of(
        sessions: &'a [Arc<LiveSession>],
        deaths: u64,
        query: &Query,
        now: Instant,
    ) -> Self {
        let mut sessions: Vec<_> = sessions.iter().map(|session| View::of(session, now)).collect();
        let summary = Totals::of(&sessions, deaths);
        let total = query.apply(&mut sessions);
        Self { sessions, total, summary }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all members are plain values")
    }
}

impl Totals {
    fn of(sessions: &[View<'_>], deaths: u64) -> Self {
        let mut summary = Self { deaths, ..Self::default() };
        for session in sessions {
            summary.states[session.state as usize] += 1;
            summary.stalled += usize::from(session.stalled);
            summary.keepalives =
                summary.keepalives.saturating_add(session.figures.count(Count::Keepalives));
        }
        summary
    }
}

fn as_object<S: Serializer>(
    states: &[usize; State::ALL.len()],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(states.len()))?;
    for (state, count) in State::ALL.into_iter().zip(states) {
        object.serialize_entry(state.as_str(), count)?;
    }
    object.end()
}
