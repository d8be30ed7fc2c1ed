//! `docs/metrics.md`: what stands there between the marks is made from the code, and a change of
//! one without the other fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use super::*;
use crate::telemetry::label::{Dropped, Label};
use session::counts::Count;
use session::gate::{GateSnapshot, GateState, VadMode};
use session::trace::TraceContext;

/// Families of a part of the daemon: its heading, and how their names begin.
const PARTS: [(&str, &[&str]); 12] = [
    ("Deaths", &["connection_deaths", "connection_age", "death_", "timer_lateness"]),
    ("Recovery", &["recoveries_", "recovery_", "session_reconnects", "upstream_reconnects"]),
    ("Sessions", &["session_", "sessions_"]),
    ("Keepalive", &["keepalive", "send_"]),
    ("Finalize", &["finalize"]),
    ("Audio", &["audio_", "dropped_"]),
    ("The VAD gate and preludes", &["vad_", "prelude"]),
    ("Transcripts", &["transcript_", "first_result", "stalled_"]),
    ("Connections to Deepgram", &["upstream_", "connect_", "api_key"]),
    ("Applications", &["app_"]),
    ("Queues and back-pressure", &["queue_", "backpressure_"]),
    ("The daemon", &["", "otlp_", "log_", "runtime_"]),
];

const BEGIN: &str = "<!-- made from the code: UPDATE_DOCS=1 cargo test --lib telemetry -->\n";
const END: &str = "<!-- end of what is made from the code -->\n";

fn page_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")
}

/// One family as the page shows it.
struct Family {
    name: String,
    kind: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
    bounds: Vec<String>,
}

/// All families of a page of metrics.
fn families_of(page: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            families.push(Family {
                name: name.to_owned(),
                kind: String::new(),
                help: help.to_owned(),
                labels: BTreeMap::new(),
                bounds: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            families.last_mut().unwrap().kind = rest.split(' ').nth(1).unwrap().to_owned();
        } else {
            read_labels(families.last_mut().unwrap(), line);
        }
    }
    families
}

fn read_labels(family: &mut Family, line: &str) {
    let Some((_, rest)) = line.split_once('{') else { return };
    let (labels, _) = rest.rsplit_once('}').unwrap();
    for label in labels.split("\",") {
        let (name, value) = label.split_once("=\"").unwrap();
        let value = value.trim_end_matches('"').to_owned();
        if name != "le" {
            family.labels.entry(name.to_owned()).or_default().insert(value);
        } else if value != "+Inf" && !family.bounds.contains(&value) {
            family.bounds.push(value);
        }
    }
}

fn unit(name: &str) -> &'static str {
    let base = name.trim_end_matches("_total");
    if base.ends_with("_seconds") {
        "seconds"
    } else if base.ends_with("_bytes") {
        "bytes"
    } else {
        ""
    }
}

/// Every label value is from a closed set; those of identity are not spelled out.
fn labels_text(family: &Family) -> String {
    let free = ["version", "revision", "session_id", "trace_id"];
    let label = |(name, values): (&String, &BTreeSet<String>)| {
        if free.contains(&name.as_str()) {
            return format!("`{name}`");
        }
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("`{name}`: {}", values.join(", "))
    };
    family.labels.iter().map(label).collect::<Vec<_>>().join("; ")
}

fn write_rows<'a>(page: &mut String, families: impl Iterator<Item = &'a Family>) {
    page.push_str(
        "| metric | type | what it tells | labels, buckets |\n| --- | --- | --- | --- |\n",
    );
    for family in families {
        let name = family.name.trim_start_matches("deepgram_sidecar_");
        let kind = [family.kind.as_str(), unit(name)].join(" ");
        let labels = labels_text(family);
        let bounds = family.bounds.join(" ");
        let extra = [labels, bounds].into_iter().filter(|it| !it.is_empty());
        let extra = extra.collect::<Vec<_>>().join("; ");
        let help = &family.help;
        writeln!(page, "| `{name}` | {} | {help} | {extra} |", kind.trim_end()).unwrap();
    }
}

/// The part with the longest fitting beginning.
fn part_of(name: &str) -> &'static str {
    let name = name.trim_start_matches("deepgram_sidecar_");
    let fitting = PARTS.iter().flat_map(|(part, begins)| begins.iter().map(move |it| (part, it)));
    let fitting = fitting.filter(|(_, begin)| name.starts_with(**begin));
    fitting.max_by_key(|(_, begin)| begin.len()).map(|(part, _)| *part).unwrap()
}

fn made() -> String {
    let telemetry = everything();
    let families = families_of(&telemetry.scrape(Format::Text, ReadinessSample::default()));
    let mut page = String::from(BEGIN);
    for (part, _) in PARTS {
        writeln!(page, "\n### {part}\n").unwrap();
        write_rows(&mut page, families.iter().filter(|it| part_of(&it.name) == part));
    }
    page.push_str("\n### `/metrics/sessions`\n\nEach begins with `deepgram_sidecar_`.\n\n");
    write_rows(&mut page, families_of(&telemetry.scrape_sessions(Format::Text)).iter());
    page.push('\n');
    page.push_str(END);
    page
}

/// A daemon in which every labelled series exists: each reason has killed once, one session is in
/// each state, and one has ended in each way.
fn everything() -> Telemetry {
    let telemetry = Telemetry::default();
    for (number, reason) in Reason::ALL.into_iter().enumerate() {
        for (place, trigger) in reason.triggers().iter().enumerate() {
            let live = live(&format!("death-{number}-{place}"));
            let handle = telemetry.session(live.clone());
            let Fact::ConnectionDied(mut fact) = died(reason) else { unreachable!() };
            fact.death.trigger = *trigger;
            handle.record(&Fact::ConnectionDied(fact.clone()));
            live.remember(clock::now(), Fact::ConnectionDied(fact));
            handle.record(&session_ended());
        }
    }
    for outcome in Outcome::ALL {
        let handle = telemetry.session(live(&format!("outcome-{}", outcome.as_str())));
        let Fact::SessionEnded(mut ended) = session_ended() else { unreachable!() };
        ended.summary.outcome = outcome;
        handle.record(&Fact::SessionEnded(ended));
    }
    for state in State::ALL {
        let live = live(&format!("state-{}", state.as_str()));
        live.counters.set(Count::LastSendMs, 1);
        live.counters.set(Count::LastReceiveMs, 1);
        live.counters.is_connected.store(true, std::sync::atomic::Ordering::Relaxed);
        let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        live.set_trace(TraceContext::parse(context).unwrap());
        live.set_state(state);
        // Each state of a gate, and both modes in which it listens.
        let gate = GateState::ALL[state as usize % GateState::ALL.len()];
        let mode = VadMode::ALL[1 + state as usize % 2];
        live.counters.set_gate(Some(GateSnapshot { mode, state: gate, has_failed: false }));
        let handle = telemetry.session(live);
        handle.record(&session_ended());
    }
    let format = AudioFormat::new("mulaw", 8_000, 1);
    let id = SessionId::parse("flux").unwrap();
    let flux = LiveSession::new(id, Endpoint::V2Listen, format, clock::now(), Vec::new());
    telemetry.session(flux).record(&session_ended());
    for sdk in Sdk::ALL {
        telemetry.session(live_with(sdk.as_str(), sdk)).record(&session_ended());
    }
    telemetry
}

#[test]
fn the_published_catalogue_is_what_the_code_exports() {
    let published = std::fs::read_to_string(page_file()).unwrap();
    let (before, rest) = published.split_once(BEGIN).expect("the page has the mark");
    let (_, after) = rest.split_once(END).expect("the page has the second mark");
    let current = format!("{before}{}{after}", made());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page_file(), &current).unwrap();
    } else {
        assert!(published == current, "stale: UPDATE_DOCS=1 cargo test --lib telemetry");
    }
}

#[test]
fn a_label_set_that_the_page_shows_is_the_whole_set() {
    let telemetry = everything();
    let families = families_of(&telemetry.scrape(Format::Text, ReadinessSample::default()));
    let dropped = families.iter().find(|it| it.name.ends_with("_dropped_total")).unwrap();
    let shown: usize = dropped.labels.values().map(BTreeSet::len).sum();
    let all: BTreeSet<_> = Dropped::all().into_iter().flat_map(Label::values).collect();
    assert_eq!(shown, dropped.labels["what"].len() + dropped.labels["cause"].len());
    let union: BTreeSet<_> = dropped.labels.values().flatten().map(String::as_str).collect();
    assert_eq!(union, all);
}
