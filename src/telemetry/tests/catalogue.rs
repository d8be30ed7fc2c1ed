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
app_delivery_latency_seconds histogram
app_keepalives_total counter
app_protocol_errors_total counter code
app_requests_refused_total counter status
app_stalls_total counter
audio_frames_received_total counter
audio_in_flight_seconds gauge
audio_ledger_seconds_total counter account
audio_lost_bytes_total counter cause
audio_lost_seconds_total counter cause
audio_received_bytes_total counter
audio_seconds_total counter
audio_sent_bytes_total counter
backpressure_seconds_total counter side
build_info gauge revision,version
connect_buffered_audio_seconds histogram
connection_age_at_death_seconds histogram reason
connection_deaths_by_stage_total counter class,stage
connection_deaths_total counter class,reason,trigger
death_receive_age_seconds histogram reason
death_send_age_seconds histogram reason
draining gauge
dropped_total counter cause,what
finalize_errors_total counter reason
finalize_inflight gauge
finalize_latency_seconds histogram
finalize_requests_total counter
finalizes_answered_total counter
finalizes_skipped_total counter cause
first_result_seconds histogram
keepalive_deadline_seconds gauge
keepalive_errors_total counter reason
keepalive_gap_violations_total counter gap_level
keepalive_interval_seconds gauge
keepalive_lateness_seconds histogram
keepalives_sent_total counter kind
log_dropped_total counter
log_messages_total counter level
log_suppressed_total counter level
otlp_export_duration_seconds histogram
otlp_exports_total counter result
otlp_last_success_timestamp_seconds gauge
otlp_queue_limit_spans gauge
otlp_queue_spans gauge
otlp_spans_dropped_total counter reason
otlp_spans_exported_total counter result
panics_total counter
prelude_audio_seconds_total counter
prelude_duration_seconds histogram
preludes_total counter end
queue_bytes gauge queue
queue_limit_bytes gauge queue
queue_session_max_bytes gauge queue
ready gauge
recoveries_total counter outcome
recovery_duration_seconds histogram
recovery_gap_seconds histogram
recovery_replayed_seconds_total counter
recovery_unavailable_total counter cause
runtime_busy_seconds_total counter
runtime_lag_seconds histogram
runtime_tasks gauge
runtime_workers gauge
scrape_duration_seconds histogram page
send_age_max_seconds gauge
send_gap_seconds histogram
session_audio_seconds histogram
session_drain_seconds histogram
session_duration_seconds histogram outcome
session_finalize_errors histogram
session_keepalives histogram
session_max_send_gap_seconds histogram outcome
session_receipts_total counter flush,last_frame
session_reconnects histogram
session_series gauge
session_series_omitted gauge
session_series_refused_total counter
session_unflushed_seconds_total counter
sessions_aborted_total counter cause
sessions_active gauge state
sessions_cancelled_total counter
sessions_ended_total counter outcome
sessions_limit gauge
sessions_opened_total counter dialect,sdk
sessions_parked_total counter cause
sessions_rejected_total counter reason
sessions_resumed_total counter
stalled_sessions gauge
timer_lateness_seconds histogram
transcript_latency_seconds histogram kind
transcript_stalls_total counter outcome
upstream_bytes_total counter direction
upstream_closes_total counter code,dg_code
upstream_connect_attempts_total counter reason,result
upstream_connect_duration_seconds histogram phase
upstream_connections_active gauge
upstream_dials_held gauge blocker
upstream_dials_waiting gauge
upstream_dials_withheld_total counter reason
upstream_messages_total counter direction,type
upstream_ping_pending_max_seconds gauge
upstream_ping_rtt_seconds histogram
upstream_reconnects_total counter
upstream_voice_bytes_total counter endpoint
upstream_write_blocked_max_seconds gauge
vad_audio_seconds_total counter gate_state
vad_faults_total counter
vad_finalizes_total counter
vad_mode_changes_total counter by,to
vad_not_available_total counter cause
vad_open_max_seconds gauge mode
vad_opens_total counter
vad_price_usd_per_minute gauge
vad_sessions gauge mode
vad_unopened_max_seconds gauge mode
vad_would_gate_seconds_total counter
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
    let telemetry = Telemetry::default();
    // Histograms by reason appear with the first death.
    telemetry.session(live("s")).record(&died(Reason::ProviderError));
    let families: Vec<_> = telemetry.registry.gather().iter().filter_map(family_line).collect();
    let expected: Vec<_> = CATALOGUE.lines().collect();
    assert_eq!(families, expected);
}

#[test]
fn every_counter_and_gauge_exists_at_zero_from_the_start() {
    let series = series(&Telemetry::default());
    for (name, value) in &series {
        let expected = match name.split('{').next().unwrap() {
            "build_info" => 1.0,
            "keepalive_deadline_seconds" => 10.0,
            _ => 0.0,
        };
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
    let series = series(&Telemetry::default());
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
    let series = series(&Telemetry::default());
    let states: Vec<_> =
        series.keys().filter_map(|name| name.strip_prefix("sessions_active{state=")).collect();
    let expected =
        ["closing}", "connecting}", "dead}", "finalizing}", "open}", "parked}", "reconnecting}"];
    assert_eq!(states, expected);
}

/// Thousands of sessions with any names must not add a single series.
#[test]
fn sessions_add_no_series() {
    let telemetry = Telemetry::default();
    telemetry.session(live("first")).record(&session_ended());
    let before = series(&telemetry).len();
    for number in 0..1000 {
        telemetry.session(live(&format!("call-{number}"))).record(&session_ended());
    }
    assert_eq!(series(&telemetry).len(), before);
}

#[test]
fn the_page_is_text_that_ends_in_a_newline_and_has_help_for_each_family() {
    let page = Telemetry::default().scrape(Format::Text, ReadinessSample::default());
    assert!(page.ends_with('\n'));
    let with_help = page.lines().filter(|line| line.starts_with("# HELP ")).count();
    let with_type = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(with_help, with_type);
    assert!(page.contains("process_cpu_seconds_total "), "{page}");
}
