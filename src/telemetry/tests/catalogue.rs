//! The golden list of families: a change here is a change of the product, and stands in the change
//! log.

use std::collections::BTreeSet;

use super::*;
use crate::telemetry::label::{DeathLabels, Label};

/// Name, type and labels of every family of ours, sorted by name.
const CATALOGUE: &str = "\
api_key_reloads_total counter result
app_connections_active gauge
app_connections_total counter result
app_connections_unopened_total counter cause
app_protocol_errors_total counter code
app_stalls_total counter
audio_frames_received_total counter
audio_lost_bytes_total counter cause
audio_lost_seconds_total counter cause
audio_received_bytes_total counter
audio_sent_bytes_total counter
build_info gauge revision,version
connection_age_at_death_seconds histogram reason
connection_deaths_by_stage_total counter class,stage
connection_deaths_total counter class,reason,trigger
death_receive_age_seconds histogram reason
death_send_age_seconds histogram reason
draining gauge
dropped_total counter reason,what
finalize_errors_total counter reason
finalize_latency_seconds histogram
finalize_requests_total counter
finalizes_answered_total counter
finalizes_skipped_total counter reason
keepalive_errors_total counter reason
keepalive_interval_seconds gauge
keepalive_lateness_seconds histogram
keepalives_sent_total counter kind
log_messages_total counter level
log_suppressed_total counter level
panics_total counter
ready gauge
scrape_duration_seconds histogram page
session_duration_seconds histogram outcome
session_finalize_errors histogram
session_keepalives histogram
session_max_send_gap_seconds histogram outcome
sessions_aborted_total counter cause
sessions_active gauge state
sessions_cancelled_total counter
sessions_ended_total counter outcome
sessions_limit gauge
sessions_opened_total counter
sessions_parked_total counter
sessions_rejected_total counter reason
sessions_resumed_total counter
timer_lateness_seconds histogram
transcript_stalls_total counter
upstream_connect_attempts_total counter result
upstream_connect_duration_seconds histogram phase
upstream_connections_active gauge
";

fn family_line(family: &MetricFamily) -> Option<String> {
    let name = family.name().strip_prefix("deepgram_sidecar_")?;
    let kind = format!("{:?}", family.get_field_type()).to_lowercase();
    let labels: Vec<_> =
        family.get_metric()[0].get_label().iter().map(|label| label.name()).collect();
    Some(format!("{name} {kind} {}", labels.join(",")).trim_end().to_owned())
}

#[test]
fn the_families_are_those_of_the_catalogue() {
    let telemetry = Telemetry::new();
    // Histograms by reason appear with the first death.
    telemetry.session(live("s")).record(&died(Reason::ProviderError));
    let families: Vec<_> = telemetry.registry.gather().iter().filter_map(family_line).collect();
    let expected: Vec<_> = CATALOGUE.lines().collect();
    assert_eq!(families, expected);
}

#[test]
fn every_counter_and_gauge_exists_at_zero_from_the_start() {
    let series = series(&Telemetry::new());
    for (name, value) in &series {
        let expected = if name.starts_with("build_info") { 1.0 } else { 0.0 };
        assert_eq!(*value, expected, "{name}");
    }
    let counters = CATALOGUE.lines().filter(|line| !line.contains(" histogram"));
    for line in counters {
        let name = line.split(' ').next().unwrap();
        let is_child = |series: &&String| series.split('{').next() == Some(name);
        assert!(series.keys().any(|series| is_child(&series)), "{name} has no child at start");
    }
}

#[test]
fn exactly_the_valid_deaths_exist_from_the_start() {
    let series = series(&Telemetry::new());
    let exported: BTreeSet<_> = series
        .keys()
        .filter(|name| name.starts_with("connection_deaths_total{"))
        .cloned()
        .collect();
    let valid: BTreeSet<_> = DeathLabels::all()
        .into_iter()
        .map(|label| {
            let [reason, trigger, class] = label.values()[..] else { unreachable!() };
            format!("connection_deaths_total{{class={class},reason={reason},trigger={trigger}}}")
        })
        .collect();
    assert_eq!(exported, valid);
    assert!(exported.len() > Reason::ALL.len());
}

#[test]
fn an_ended_session_has_no_state() {
    let series = series(&Telemetry::new());
    let states: Vec<_> =
        series.keys().filter_map(|name| name.strip_prefix("sessions_active{state=")).collect();
    assert_eq!(states, ["closing}", "connecting}", "dead}", "finalizing}", "open}", "parked}"]);
}

/// Thousands of sessions with any names must not add a single series.
#[test]
fn sessions_add_no_series() {
    let telemetry = Telemetry::new();
    telemetry.session(live("first")).record(&session_ended());
    let before = series(&telemetry).len();
    for number in 0..1000 {
        telemetry.session(live(&format!("call-{number}"))).record(&session_ended());
    }
    assert_eq!(series(&telemetry).len(), before);
}

#[test]
fn the_page_is_text_that_ends_in_a_newline_and_has_help_for_each_family() {
    let page = Telemetry::new().scrape(ReadinessSample::default());
    assert!(page.ends_with('\n'));
    let with_help = page.lines().filter(|line| line.starts_with("# HELP ")).count();
    let with_type = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(with_help, with_type);
    assert!(page.contains("process_cpu_seconds_total "), "{page}");
}
