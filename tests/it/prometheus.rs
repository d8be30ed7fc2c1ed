//! What a real Prometheus reads off a daemon on which everything goes wrong: all of the catalogue,
//! the numbers that the sessions tell of themselves, and the way from a number to its trace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cast::{HOLDING, Played, Stage};
use crate::support::{Collector, Labels, Prometheus, assert_promtool_finds_nothing};

#[tokio::test]
async fn it_reads_the_whole_catalogue_and_to_the_unit_what_the_sessions_say_of_themselves() {
    let collector = Collector::start().await;
    let stage = Stage::start(&collector.endpoint()).await;
    let prometheus = Prometheus::scraping(stage.sidecar()).await;
    let played = stage.play().await;
    prometheus.scrape().await;

    assert_eq!(prometheus.number("count(min_over_time(up[1h]) == 1)").await, 2.0);
    assert_eq!(prometheus.number("$draining").await, 1.0);
    for page in ["/metrics", "/metrics/sessions"] {
        assert_promtool_finds_nothing(&played.sidecar.page(page).await.1).await;
    }
    assert_sessions_were_told_the_same(&played);
    assert_totals(&prometheus, &played.ends).await;
    assert_gates(&prometheus, &played.ends).await;
    assert_counts(&prometheus, &played.ends).await;
    assert_single_sessions(&prometheus, &played.ends).await;
    assert_exemplars(&prometheus, &collector, &played.ends).await;
    assert_catalogue(&prometheus.series().await);
}

/// FINISHED and the line in the log.
fn assert_sessions_were_told_the_same(played: &Played) {
    for summary in &played.summaries {
        let is_of = |end: &&Value| end["session_id"] == summary.session_id;
        let end = played.ends.iter().find(is_of).unwrap();
        let summary = serde_json::to_value(summary).unwrap();
        for (member, value) in summary.as_object().unwrap() {
            assert_eq!(end[member], *value, "{member} of {end}");
        }
    }
}

/// Queries, each with the member of which it is the sum over all sessions.
const TOTALS: [(&str, &str); 23] = [
    ("$audio_frames_received_total", "/audio/frames"),
    ("$audio_received_bytes_total", "/audio/bytes_received"),
    ("$audio_sent_bytes_total", "/audio/bytes_sent"),
    ("round($audio_seconds_total * 32000)", "/audio/bytes_sent"),
    ("round($session_audio_seconds_sum * 32000)", "/audio/bytes_received"),
    ("round($audio_ledger_seconds_total{account='accepted'} * 32000)", "/audio/bytes_received"),
    ("round($audio_ledger_seconds_total{account='gated'} * 32000)", "/audio/bytes_gated"),
    ("round($audio_ledger_seconds_total{account='lost'} * 1000)", "/lost_ms"),
    ("round(sum($audio_lost_seconds_total) * 1000)", "/lost_ms"),
    ("sum($dropped_total{what='audio'})", "/audio/frames_dropped"),
    ("$keepalives_sent_total{kind='text'}", "/keepalives"),
    ("$session_keepalives_sum", "/keepalives"),
    ("$upstream_messages_total{direction='sent', type='keepalive'}", "/keepalives"),
    ("$finalize_requests_total", "/finalizes_requested"),
    ("$upstream_messages_total{direction='sent', type='finalize'}", "/finalizes/sent"),
    ("$finalize_errors_total{reason='write_failed'}", "/finalizes/errors"),
    ("$finalize_errors_total{reason='timeout'}", "/finalizes/timeouts"),
    ("$session_finalize_errors_sum", "/finalizes/timeouts"),
    ("$finalizes_skipped_total{cause='dead'}", "/finalizes/skipped_dead"),
    ("sum($upstream_messages_total{direction='received'})", "/messages/received"),
    ("$upstream_messages_total{type='results_final'}", "/messages/finals"),
    ("round(sum($session_duration_seconds_sum) * 1000)", "/duration_ms"),
    ("sum($upstream_connect_attempts_total{result='ok'}) - sum($sessions_active)", "/connections"),
];

async fn assert_totals(prometheus: &Prometheus, ends: &[Value]) {
    for (query, member) in TOTALS {
        let values = ends.iter().map(|end| end.pointer(member).unwrap().as_u64().unwrap());
        let total: u64 = values.sum();
        assert_eq!(prometheus.number(query).await, total as f64, "{query} and {member}");
    }
    let opened = ends.len() + HOLDING;
    assert_eq!(prometheus.number("sum($sessions_opened_total)").await, opened as f64);
    assert_eq!(prometheus.number("sum($sessions_active)").await, HOLDING as f64);
    assert_eq!(prometheus.number("$sessions_cancelled_total + $panics_total").await, 0.0);
}

/// Queries, each with the member of `vad` of which it is the sum over all sessions that have a gate.
const OF_GATES: [(&str, &str); 4] = [
    ("$vad_opens_total", "opens"),
    ("$vad_finalizes_total", "finalizes"),
    ("round($vad_audio_seconds_total{gate_state='speech'} * 1000)", "speech_ms"),
    ("round($audio_ledger_seconds_total{account='gated'} * 1000)", "held_ms"),
];

async fn assert_gates(prometheus: &Prometheus, ends: &[Value]) {
    let gated: Vec<_> = ends.iter().filter(|end| end["vad"]["mode"] == "active").collect();
    let total =
        |member: &str| gated.iter().map(|end| end["vad"][member].as_u64().unwrap()).sum::<u64>();
    for (query, member) in OF_GATES {
        assert_eq!(prometheus.number(query).await, total(member) as f64, "{query} and {member}");
    }
    assert!(total("opens") > 0 && total("held_ms") > 0, "{gated:?}");
    let received: u64 = gated.iter().map(|end| end["audio_ms"].as_u64().unwrap()).sum();
    let judged = prometheus.number("round(sum($vad_audio_seconds_total) * 1000)").await;
    assert_eq!(judged, received as f64, "a gate judges all that it is sent");
}

/// Counters, each with the labels and the members whose values they are.
const COUNTS: [(&str, &[(&str, &str)]); 7] = [
    ("$sessions_ended_total", &[("outcome", "outcome")]),
    ("$session_duration_seconds_count", &[("outcome", "outcome")]),
    ("$sessions_aborted_total", &[("cause", "cause")]),
    (
        "$connection_deaths_total",
        &[("reason", "reason"), ("trigger", "trigger"), ("class", "class")],
    ),
    ("$connection_deaths_by_stage_total", &[("stage", "stage"), ("class", "class")]),
    ("$connection_age_at_death_seconds_count", &[("reason", "reason")]),
    ("$death_send_age_seconds_count", &[("reason", "reason")]),
];

async fn assert_counts(prometheus: &Prometheus, ends: &[Value]) {
    for (counter, labels) in COUNTS {
        let mut told: BTreeMap<Vec<&str>, f64> = BTreeMap::new();
        for end in ends {
            let values: Option<Vec<_>> =
                labels.iter().map(|(_, member)| end[member].as_str()).collect();
            if let Some(values) = values {
                *told.entry(values).or_default() += 1.0;
            }
        }
        assert!(!told.is_empty(), "{counter} has nothing to count");
        let series = prometheus.query(&format!("{counter} > 0")).await;
        let values = |of: &Labels| labels.iter().map(|(label, _)| of[*label].clone()).collect();
        let counted: BTreeMap<Vec<String>, f64> =
            series.iter().map(|(of, value)| (values(of), *value)).collect();
        let told: BTreeMap<Vec<String>, f64> = told
            .into_iter()
            .map(|(values, count)| (values.into_iter().map(str::to_owned).collect(), count))
            .collect();
        assert_eq!(counted, told, "{counter}");
    }
}

/// Queries with a series for each session, and the member that it shows.
const OF_SESSIONS: [(&str, &str); 6] = [
    ("$live_session_keepalives_sent_total", "/keepalives"),
    ("$live_session_messages_total", "/messages/received"),
    ("$live_session_finals_total", "/messages/finals"),
    ("$live_session_finalize_errors_total", "/finalizes/timeouts"),
    ("round($live_session_audio_seconds_total{account='lost'} * 1000)", "/lost_ms"),
    ("round($live_session_audio_seconds_total{account='accepted'} * 1000)", "/audio_ms"),
];

/// Labels of a session's series that is always 1, and the member that each shows.
const SHOWN: [(&str, &str, &str); 5] = [
    ("$live_session_info", "trace_id", "trace_id"),
    ("$live_session_end_info", "outcome", "outcome"),
    ("$live_session_death_info", "reason", "reason"),
    ("$live_session_death_info", "trigger", "trigger"),
    ("$live_session_death_info", "class", "class"),
];

async fn assert_single_sessions(prometheus: &Prometheus, ends: &[Value]) {
    for (query, member) in OF_SESSIONS {
        let series = prometheus.query(query).await;
        for end in ends {
            let shown = series.iter().find(|(labels, _)| end["session_id"] == labels["session_id"]);
            let told = end.pointer(member).unwrap().as_f64();
            assert_eq!(shown.map(|(_, value)| *value), told, "{query} of {end}");
        }
    }
    for (query, label, member) in SHOWN {
        let series = prometheus.query(query).await;
        for end in ends {
            let shown = series.iter().find(|(labels, _)| end["session_id"] == labels["session_id"]);
            let shown = shown.map(|(labels, _)| labels[label].as_str());
            assert_eq!(shown, end[member].as_str(), "{query} of {end}");
        }
    }
}

/// Every exemplar leads to a trace that the log names and the collector has; a death's to that of a
/// session that died so.
async fn assert_exemplars(prometheus: &Prometheus, collector: &Collector, ends: &[Value]) {
    let deaths = prometheus.exemplars("$connection_deaths_total").await;
    let reasons: BTreeSet<_> = deaths.iter().map(|(labels, _)| labels["reason"].as_str()).collect();
    let died: BTreeSet<_> = ends.iter().filter_map(|end| end["reason"].as_str()).collect();
    assert_eq!(reasons, died);
    for (labels, trace_id) in &deaths {
        let is_such =
            |end: &Value| end["trace_id"] == **trace_id && end["reason"] == labels["reason"];
        assert!(ends.iter().any(is_such), "{labels:?} leads to {trace_id}");
    }
    let finished = ends.iter().filter(|end| end["outcome"] == "finished").count();
    let spans = collector.spans_with(finished, "stt.session").await;
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    for family in [
        "$finalize_latency_seconds_bucket",
        "$transcript_latency_seconds_bucket",
        "$first_result_seconds_bucket",
    ] {
        let exemplars = prometheus.exemplars(family).await;
        assert!(!exemplars.is_empty(), "{family} has no exemplar");
        for (_, trace_id) in exemplars {
            assert!(ends.iter().any(|end| end["trace_id"] == trace_id), "{family}: {trace_id}");
            assert!(traces.contains(&trace_id), "{family}: no spans of {trace_id}");
        }
    }
}

/// A family as the published catalogue has it.
#[derive(Debug)]
struct Published {
    kind: String,
    /// The values that each label has; none for those of identity.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The tables of the page on metrics, by the names that families have in Prometheus.
fn published() -> BTreeMap<String, Published> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, catalogue) = page.split_once("<!-- made from the code").unwrap();
    let rows = catalogue.lines().filter_map(|line| line.strip_prefix("| `"));
    let family = |row: &str| {
        let cells: Vec<_> = row.split(" | ").collect();
        let name = cells[0].trim_end_matches('`');
        let is_ours = !name.starts_with("process_");
        let name = if is_ours { format!("deepgram_sidecar_{name}") } else { name.to_owned() };
        let kind = cells[1].split(' ').next().unwrap().to_owned();
        let labels = cells[3].trim_end_matches('|').split("; ").filter_map(label).collect();
        (name, Published { kind, labels })
    };
    rows.map(family).collect()
}

/// A label's name and values, as `name`: `value`, `value`; bounds of buckets are none.
fn label(cell: &str) -> Option<(String, BTreeSet<String>)> {
    let (name, values) = cell.trim().strip_prefix('`')?.split_once('`')?;
    let values = values.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((name.to_owned(), values))
}

/// The family of a series, and its labels without those that Prometheus adds.
fn family_of(mut series: Labels, published: &BTreeMap<String, Published>) -> (String, Labels) {
    let name = series.remove("__name__").unwrap();
    series.retain(|label, _| !["job", "instance", "le"].contains(&label.as_str()));
    let suffixes = ["_bucket", "_sum", "_count"];
    let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    let is_histogram =
        |base: &&str| published.get(*base).is_some_and(|family| family.kind == "histogram");
    (base.filter(is_histogram).unwrap_or(&name).to_owned(), series)
}

/// The families, labels and values are the published ones: none is missing, none is unknown.
/// Histograms by reason and single sessions show what has happened, so there all need not be there.
fn assert_catalogue(series: &[Labels]) {
    let published = published();
    let mut seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for series in series {
        let (family, labels) = family_of(series.clone(), &published);
        let family = seen.entry(family).or_default();
        for (label, value) in labels {
            family.entry(label).or_default().insert(value);
        }
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), published.keys().collect::<Vec<_>>());
    for (name, Published { kind, labels }) in &published {
        let names = |of: &BTreeMap<String, _>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&seen[name]), names(labels), "{name}");
        let shows_what_happened = kind == "histogram" || name.contains("_live_session_");
        for (label, values) in labels.iter().filter(|(_, values)| !values.is_empty()) {
            let seen = &seen[name][label];
            assert!(seen.is_subset(values), "{label} of {name}: {seen:?}");
            assert!(shows_what_happened || seen == values, "{label} of {name}: only {seen:?}");
        }
    }
}
