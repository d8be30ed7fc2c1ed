//! One session in full.

use std::fmt::{self, Display};

use serde_json::{Map, Value};

use super::table::bare;
use crate::admin::column::spoken;
use crate::admin::quantity;
use crate::commands::live::{ConnectionView, Event, FirstDeath, Session, Timer};
use crate::commands::plain;
use session::counts::Count;

/// Names and values, then the timers, then the events, then the turns of the VAD gate.
pub(super) fn of(session: &Session) -> String {
    Sheet(session).to_string().trim_end().to_owned()
}

struct Sheet<'a>(&'a Session);

impl Display for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        identity(f, self.0)?;
        connection(f, self.0)?;
        for (name, value) in self.0.figures.rows() {
            row(f, name, value)?;
        }
        if self.0.responsive == Some(false) {
            writeln!(f, "\nIts task did not respond in time, so its timers are unknown.")?;
        }
        timers(f, &self.0.timers)?;
        events(f, "EVENT", &self.0.events)?;
        events(f, "GATE", &self.0.vad_events)
    }
}

fn identity(f: &mut fmt::Formatter<'_>, session: &Session) -> fmt::Result {
    row(f, "session", plain::line(&session.session_id))?;
    row(f, "state", session.condition())?;
    if let Some(FirstDeath { reason, trigger, class, detail }) = &session.death {
        let [reason, trigger, class] = [reason, trigger, class].map(|word| plain::line(word));
        let detail = plain::line(detail);
        row(f, "death", format_args!("{reason} ({class}), detected by {trigger}: {detail}"))?;
    }
    row(f, "endpoint", plain::line(&session.endpoint))?;
    let (sdk, user_agent) = (session.sdk.as_deref(), session.user_agent.as_deref());
    row(f, "dialect", plain::line(&spoken(&session.dialect, sdk, user_agent)))?;
    if let Some(trace) = &session.trace_id {
        row(f, "trace", plain::line(trace))?;
    }
    row(f, "age", quantity::time(session.figures.age_ms))?;
    if session.tags.is_empty() { Ok(()) } else { row(f, "tags", pairs(&session.tags)) }
}

fn connection(f: &mut fmt::Formatter<'_>, session: &Session) -> fmt::Result {
    let sent = quantity::time_or_dash(session.figures.send_age_ms);
    let received = quantity::time_or_dash(session.figures.receive_age_ms);
    match &session.connection {
        Some(ConnectionView { number, age_ms }) => {
            let age = quantity::time(*age_ms);
            row(f, "connection", format_args!("number {number}, up for {age}"))?;
        }
        None => {
            let connections =
                quantity::counted(session.figures.count(Count::Connections), "connection");
            row(f, "connection", format_args!("not connected ({connections} so far)"))?;
        }
    }
    if let Some(request) = &session.request_id {
        row(f, "request", plain::line(request))?;
    }
    row(f, "traffic", format_args!("last sent {sent} ago, last received {received} ago"))
}

fn timers(f: &mut fmt::Formatter<'_>, timers: &[Timer]) -> fmt::Result {
    if timers.is_empty() {
        return Ok(());
    }
    let mut table = bare(["TIMER", "DUE IN"]);
    for timer in timers {
        table.add_row([plain::line(&timer.timer), quantity::time(timer.due_in_ms)]);
    }
    writeln!(f, "\n{}", table.trim_fmt())
}

fn events(f: &mut fmt::Formatter<'_>, title: &str, events: &[Event]) -> fmt::Result {
    if events.is_empty() {
        return Ok(());
    }
    let mut table = bare(["AT", title, "COUNT", ""]);
    for event in events {
        table.add_row([
            period(event),
            plain::line(&event.event),
            event.count.unwrap_or(1).to_string(),
            pairs(&event.fields),
        ]);
    }
    writeln!(f, "\n{}", table.trim_fmt())
}

/// When it happened; for a run, from the first to the last.
fn period(event: &Event) -> String {
    let at = quantity::time(event.at_ms);
    match event.until_ms.filter(|until| *until > event.at_ms) {
        Some(until) => format!("{at} to {}", quantity::time(until)),
        None => at,
    }
}

/// `name=value` for each; single words unquoted, anything else as JSON.
fn pairs(fields: &Map<String, Value>) -> String {
    let pair = |(name, value): (&String, &Value)| {
        let word = value.as_str().filter(|text| !text.contains(' '));
        let value = word.map_or_else(|| value.to_string(), str::to_owned);
        plain::line(&format!("{name}={value}"))
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(" ")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{name:<12}{value}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_told_with_its_timers_and_events() {
        let session = json!({
            "session_id": "call-7", "endpoint": "/v1/listen", "state": "open",
            "dialect": "compatible", "sdk": "go", "user_agent": "@deepgram/sdk go\u{1b}/1",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "age_ms": 61_000,
            "send_age_ms": 1_200, "tags": {"tenant": "ac\u{1b}me"}, "connections": 1,
            "audio": {"frames": 2, "bytes_received": 6_400, "bytes_sent": 6_400, "accepted_ms": 200,
                      "finalized_ms": 100, "in_flight_ms": 100},
            "connection": {"number": 1, "age_ms": 60_000}, "request_id": "abc",
            "timers": [{"timer": "keepalive", "due_in_ms": 3_800}, {"timer": "ping", "due_in_ms": 4_000}],
            "events": [{"at_ms": 900, "event": "upstream_up", "count": 1, "attempt": 1,
                        "detail": "two words"},
                       {"at_ms": 5_900, "until_ms": 55_900, "event": "keepalive_sent", "count": 11}],
            "vad": {"mode": "active", "gate_state": "silence", "held_ms": 3_000, "speech_ms": 2_500,
                    "opens": 1, "finalizes": 1},
            "vad_events": [{"at_ms": 1_200, "event": "vad_opened", "held_ms": 800}],
        });
        let sheet = of(&serde_json::from_value(session).unwrap());
        let expected = "\
session     call-7
state       open
endpoint    /v1/listen
dialect     compatible, go (@deepgram/sdk go\\u{1b}/1)
trace       4bf92f3577b34da6a3ce929d0e0e4736
age         1m01s
tags        tenant=ac\\u{1b}me
connection  number 1, up for 1m00s
request     abc
traffic     last sent 1.2s ago, last received - ago
audio       0.2s accepted: 0.1s final, 0.1s in flight, - gated, - lost, - unknown
            2 frames, 6.25 KiB: 6.25 KiB sent, 0 B dropped, 0 B gated
lag         -
waiting     0 B for Deepgram, 0 B for the application, 0 B kept for recovery
recoveries  0
keepalives  0
finalizes   0 requested: 0 sent, 0 in flight, 0 timed out, 0 failed, 0 skipped
messages    0, 0 final
gate        active: silence
            3.0s held back, - would have been in shadow; 2.5s of speech; opened 1 time, 1 Finalize

TIMER      DUE IN
keepalive  3.8s
ping       4.0s

AT             EVENT           COUNT
0.9s           upstream_up     1      attempt=1 detail=\"two words\"
5.9s to 55.9s  keepalive_sent  11

AT    GATE        COUNT
1.2s  vad_opened  1      held_ms=800";
        assert_eq!(sheet, expected, "\n{sheet}\n");
    }

    #[test]
    fn a_death_is_told_with_who_must_act() {
        let session = json!({
            "session_id": "x", "state": "dead", "responsive": false,
            "death": {"reason": "net_0001_idle", "trigger": "read", "class": "provider",
                      "detail": "1011 \r\nnet0001"},
        });
        let sheet = of(&serde_json::from_value(session).unwrap());
        let death = "death       net_0001_idle (provider), detected by read: 1011 \\r\\nnet0001\n";
        assert!(sheet.contains(death), "{sheet}");
        assert!(sheet.contains("state       dead: net_0001_idle\n"), "{sheet}");
        assert!(sheet.contains("did not respond in time"), "{sheet}");
    }

    #[test]
    fn a_session_that_has_recovered_says_so() {
        let session = json!({
            "session_id": "x", "state": "open", "recoveries": 1,
            "death": {"reason": "ping_timeout", "trigger": "ping", "class": "network"},
        });
        let sheet = of(&serde_json::from_value(session).unwrap());
        assert!(sheet.contains("state       open, 1 recovered\n"), "{sheet}");
    }
}
