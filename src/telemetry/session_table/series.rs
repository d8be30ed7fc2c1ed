//! Per-session series, with their own prefix and page: written straight from the table, because
//! thousands of sessions in the registry would make each scrape a hundred times as expensive.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Record;
use super::harvest::{QUEUES, age};
use crate::telemetry::exposition::{Kind, Page};
use crate::telemetry::label::{Account, Spoken};
use session::counts::Count;
use session::gate::VadMode;
use session::{Dialect, Sdk, Vocabulary};

const PREFIX: &str = "deepgram_sidecar_live_session";

/// The counters of a session: name, help, and the counts that it adds up.
const COUNTERS: [(&str, &str, &[Count]); 5] = [
    ("keepalives_sent_total", "Keepalives written.", &[Count::Keepalives]),
    ("messages_total", "Text messages from Deepgram.", &[Count::Messages]),
    ("finals_total", "Final results from Deepgram.", &[Count::Finals]),
    (
        "finalize_errors_total",
        "Finalizes that failed or timed out.",
        &[Count::FinalizeErrors, Count::FinalizeTimeouts],
    ),
    ("recoveries_total", "Deaths recovered from.", &[Count::Recoveries]),
];

/// The ages of a session: name, help, and the moment that it is measured from.
const AGES: [(&str, &str, Count); 2] = [
    ("send_age_seconds", "Time since the last send to Deepgram.", Count::LastSendMs),
    ("receive_age_seconds", "Time since the last receive from Deepgram.", Count::LastReceiveMs),
];

/// The accounts of the books, each with its count.
const ACCOUNTS: [(Account, Count); 5] = [
    (Account::Accepted, Count::BytesReceived),
    (Account::Finalized, Count::BytesFinalized),
    (Account::Gated, Count::BytesGated),
    (Account::Lost, Count::BytesLost),
    (Account::Unknown, Count::BytesUnknown),
];

/// Writes all series of these sessions.
pub(super) fn write(page: &mut Page, records: &[Arc<Record>], now: Instant) {
    write_identity(page, records);
    write_ages(page, records, now);
    for (name, help, counts) in COUNTERS {
        let value = |record: &Record| {
            let counters = &record.live.counters;
            Some(counts.iter().map(|count| counters.get(*count)).sum::<u64>() as f64)
        };
        write_family(page, name, Kind::Counter, help, records, value);
    }
    write_ledger(page, records);
    write_gates(page, records);
    write_queues(page, records);
    let help = "How far the latest result is behind the audio sent, while connected.";
    write_family(page, "transcript_lag_seconds", Kind::Gauge, help, records, |record| {
        record.live.transcript_lag().map(|lag| lag.as_secs_f64())
    });
    let help = "1 while the session sends audio but gets no results.";
    write_family(page, "stalled", Kind::Gauge, help, records, |record| {
        Some(f64::from(u8::from(record.live.counters.is_stalled.load(Relaxed))))
    });
    write_ends(page, records);
}

/// A family with one sample for each session that has a value.
fn write_family(
    page: &mut Page,
    name: &str,
    kind: Kind,
    help: &str,
    records: &[Arc<Record>],
    value: impl Fn(&Record) -> Option<f64>,
) {
    let name = format!("{PREFIX}_{name}");
    page.family(&name, kind, help);
    for record in records {
        if let Some(value) = value(record) {
            page.sample(&name, [id_of(record)], value);
        }
    }
}

fn id_of(record: &Record) -> (&'static str, &str) {
    ("session_id", record.live.id.as_str())
}

fn label<V: Vocabulary>(word: V) -> (&'static str, &'static str) {
    (V::KEY, word.word())
}

fn write_identity(page: &mut Page, records: &[Arc<Record>]) {
    let name = format!("{PREFIX}_info");
    let help = "The session's endpoint, what its application speaks, and its trace; always 1.";
    page.family(&name, Kind::Gauge, help);
    for record in records {
        let trace = record.live.trace().map(|trace| trace.trace_id_text()).unwrap_or_default();
        let endpoint = label(record.live.endpoint);
        let spoken = Spoken::of(&record.live.speaker);
        let (dialect, sdk) = ((Dialect::KEY, spoken.dialect()), (Sdk::KEY, spoken.sdk()));
        let labels = [id_of(record), endpoint, dialect, sdk, ("trace_id", &trace)];
        page.sample(&name, labels, 1.0);
    }
    let name = format!("{PREFIX}_state");
    page.family(&name, Kind::Gauge, "The session's state: the current one is 1.");
    for record in records {
        page.sample(&name, [id_of(record), label(record.live.state())], 1.0);
    }
}

/// The ages of an ended session stay as they were when it ended.
fn write_ages(page: &mut Page, records: &[Arc<Record>], now: Instant) {
    let now_of = |record: &Record| record.end.get().map_or(now, |end| end.at);
    write_family(page, "age_seconds", Kind::Gauge, "Time since OPEN.", records, |record| {
        let age = now_of(record).saturating_duration_since(record.live.opened_at);
        Some(age.as_secs_f64())
    });
    for (name, help, moment) in AGES {
        write_family(page, name, Kind::Gauge, help, records, |record| {
            let age = age(moment, &record.live, now_of(record));
            age.map(|age| age.as_secs_f64())
        });
    }
}

fn write_ledger(page: &mut Page, records: &[Arc<Record>]) {
    let name = format!("{PREFIX}_audio_seconds_total");
    let help = "The audio's books, where the encoding tells time: accepted = finalized + gated + \
                lost + unknown + in flight.";
    page.family(&name, Kind::Counter, help);
    for record in records {
        let Some(format) = record.live.audio else { continue };
        for (account, count) in ACCOUNTS {
            let labels = [id_of(record), label(account)];
            let bytes = record.live.counters.get(count);
            page.sample(&name, labels, format.duration(bytes).as_secs_f64());
        }
    }
}

/// Only of gates that listen: the others have no state.
fn write_gates(page: &mut Page, records: &[Arc<Record>]) {
    let gate_of = |record: &Record| {
        let gate = record.live.counters.gate()?;
        (gate.mode != VadMode::Off && !gate.has_failed).then_some(gate)
    };
    let name = format!("{PREFIX}_vad_state");
    page.family(&name, Kind::Gauge, "What the session's VAD gate is set to, and its state: 1.");
    for record in records {
        let Some(gate) = gate_of(record) else { continue };
        page.sample(&name, [id_of(record), label(gate.mode), label(gate.state)], 1.0);
    }
    let help = "Audio that has passed since the VAD gate opened; 0 while it is closed.";
    write_family(page, "vad_open_seconds", Kind::Gauge, help, records, |record| {
        let open = gate_of(record).and_then(|_| record.live.audio_of(Count::VadOpenBytes));
        open.map(|open| open.as_secs_f64())
    });
}

fn write_queues(page: &mut Page, records: &[Arc<Record>]) {
    let name = format!("{PREFIX}_queue_bytes");
    page.family(&name, Kind::Gauge, "Bytes that wait to be written or, in the ring, to be final.");
    for record in records {
        for (queue, count) in QUEUES {
            let labels = [id_of(record), label(queue)];
            page.sample(&name, labels, record.live.counters.get(count) as f64);
        }
    }
}

fn write_ends(page: &mut Page, records: &[Arc<Record>]) {
    let name = format!("{PREFIX}_death_info");
    page.family(&name, Kind::Gauge, "The first death of a connection in the session; always 1.");
    for record in records {
        let Some(died) = record.live.first_death() else { continue };
        let death = died.death;
        let labels = [id_of(record), label(death.reason), label(death.trigger), label(death.class)];
        page.sample(&name, labels, 1.0);
    }
    let name = format!("{PREFIX}_end_info");
    page.family(&name, Kind::Gauge, "How the session ended; always 1.");
    for record in records {
        let Some(end) = record.end.get() else { continue };
        page.sample(&name, [id_of(record), label(end.outcome)], 1.0);
    }
}
