//! Live sessions as the daemon's pages show them.
//!
//! Missing or unknown members are not errors: command and daemon may have different versions.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::plain;
use crate::admin::column::{Column, Row, Tone};
use crate::admin::figures::Figures;

/// `/sessions`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<Session>,
    /// How many match the query, regardless of its limit.
    pub(super) total: u64,
    pub(super) summary: Totals,
}

/// Totals over all live sessions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    /// Sessions per state, in the daemon's order.
    pub(super) states: Map<String, Value>,
    pub(super) stalled: u64,
    /// Sent so far.
    pub(super) keepalives: u64,
    /// Since the daemon started, including ended sessions.
    pub(super) deaths: u64,
}

/// One session; only `/sessions/{id}` has the last members.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    pub(super) session_id: String,
    pub(super) endpoint: String,
    pub(super) dialect: String,
    pub(super) sdk: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) state: String,
    pub(super) trace_id: Option<String>,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) stalled: bool,
    pub(super) death: Option<FirstDeath>,
    pub(super) tags: Map<String, Value>,
    /// Deepgram's `dg-request-id` of the latest connection.
    pub(super) request_id: Option<String>,
    pub(super) connection: Option<ConnectionView>,
    pub(super) timers: Vec<Timer>,
    pub(super) events: Vec<Event>,
    /// The latest turns of its VAD gate.
    pub(super) vad_events: Vec<Event>,
    pub(super) responsive: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct FirstDeath {
    pub(super) reason: String,
    pub(super) trigger: String,
    pub(super) class: String,
    pub(super) detail: String,
}

/// The connection to Deepgram that is up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionView {
    pub(super) number: u64,
    pub(super) age_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Timer {
    pub(super) timer: String,
    pub(super) due_in_ms: u64,
}

/// One entry of the flight recorder.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) at_ms: u64,
    pub(super) event: String,
    /// When the last one of a run happened.
    pub(super) until_ms: Option<u64>,
    /// How many there were in a row.
    pub(super) count: Option<u64>,
    /// The event's own members.
    #[serde(flatten)]
    pub(super) fields: Map<String, Value>,
}

impl Session {
    fn row(&self) -> Row<'_> {
        Row {
            session_id: &self.session_id,
            endpoint: &self.endpoint,
            state: &self.state,
            death: self.death.as_ref().map(|death| &*death.reason),
            is_stalled: self.stalled,
            sdk: self.sdk.as_deref(),
            figures: &self.figures,
        }
    }

    pub(super) fn tone(&self) -> Tone {
        self.row().tone()
    }

    /// Its state, and what is or was wrong with it, made safe for a terminal.
    pub(super) fn condition(&self) -> String {
        plain::line(&self.row().condition())
    }

    /// Its value in a column, made safe for a terminal.
    pub(super) fn cell(&self, column: &Column) -> String {
        plain::line(&column.cell(&self.row()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::column::COLUMNS;

    /// Two sessions, one well and one dead, as the daemon tells them.
    pub(in crate::commands) fn sessions() -> Sessions {
        let well = json!({
            "session_id": "call-7", "endpoint": "/v1/listen", "state": "open",
            "age_ms": 754_000, "send_age_ms": 1_200, "receive_age_ms": 300,
            "transcript_lag_ms": 850, "connections": 1,
            "audio": {"frames": 400, "bytes_received": 1_280_000, "accepted_ms": 40_000},
            "keepalives": 128, "finalizes": {"sent": 12, "errors": 1, "timeouts": 2},
            "queue_bytes": {"to_upstream": 3_200, "to_app": 0}, "stalled": false, "death": null,
            "vad": {"mode": "active", "gate_state": "speech", "held_ms": 9_000, "open_ms": 2_500},
            "dialect": "compatible", "sdk": "python_legacy",
        });
        let dead = json!({
            "session_id": "call-8", "state": "dead", "age_ms": 31_000, "send_age_ms": 12_000,
            "receive_age_ms": null, "keepalives": 2,
            "death": {"reason": "net_0001_idle", "trigger": "read", "class": "provider"},
        });
        serde_json::from_value(json!({
            "sessions": [well, dead], "total": 5,
            "summary": {"states": {"open": 4, "dead": 1}, "stalled": 1, "keepalives": 130, "deaths": 3},
        }))
        .unwrap()
    }

    #[test]
    fn a_daemon_of_another_version_is_understood() {
        let old = json!({"sessions": [{"session_id": "a", "state": "open", "new_member": [1]}]});
        let sessions: Sessions = serde_json::from_value(old).unwrap();
        assert_eq!(sessions.sessions[0].session_id, "a");
        assert_eq!(sessions.sessions[0].responsive, None);
    }

    #[test]
    fn an_event_keeps_the_fields_that_it_has_of_its_own() {
        let event = json!({"at_ms": 5, "event": "dial_failed", "attempt": 2, "reason": "tcp"});
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(Value::Object(event.fields), json!({"attempt": 2, "reason": "tcp"}));
    }

    #[test]
    fn a_row_tells_a_session_in_a_line() {
        let sessions = sessions();
        let row = |index: usize| COLUMNS.each_ref().map(|it| sessions.sessions[index].cell(it));
        let well = ["call-7", "open", "12m34s", "1.2s", "0.3s", "0.8s", "3.12 KiB", "128", "40.0s"];
        assert_eq!(row(0)[..9], well);
        let rest = ["12, 3 failed", "python_legacy", "active: speech", "2.5s", "9.0s"];
        assert_eq!(row(0)[9..], rest);
        assert_eq!(row(1)[1..4], ["dead: net_0001_idle", "31.0s", "12.0s"]);
        assert_eq!(row(1)[4..], ["-", "-", "0 B", "2", "-", "0", "-", "-", "-", "-"]);
    }
}
