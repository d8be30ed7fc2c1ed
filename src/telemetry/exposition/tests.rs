//! The bytes of a page. That Prometheus reads them as they are meant is tested with Prometheus.

use std::time::Duration;

use prometheus::Registry;

use super::*;
use crate::telemetry::family::Families;
use session::fact::GapLevel;

/// A page of one counter with labels, one without, and a histogram; two observations are traced.
fn page(format: Format) -> String {
    let registry = Registry::new();
    let families = Families::new(&registry);
    let gaps = families.traced_counters::<GapLevel>("gaps_total", "Gaps \\ in\nlines.");
    let latency = families.traced_histogram("latency_seconds", "How \"late\".", &[0.5, 1.0]);
    gaps[GapLevel::Breach].inc(Some(0xab));
    latency.observe_duration(Duration::from_millis(750), Some(0xcd));
    latency.observe_duration(Duration::from_secs(3), None);
    let exemplars = families.into_exemplars();
    let mut page = Page::new(format);
    write(&mut page, &registry.gather(), &exemplars);
    page.finish()
}

/// The page without the times of its exemplars.
fn untimed(page: &str) -> String {
    let cut = |line: &str| match line.rsplit_once(' ') {
        Some((before, _)) if line.contains(" # {") => before.to_owned(),
        _ => line.to_owned(),
    };
    page.lines().map(|line| cut(line) + "\n").collect()
}

#[test]
fn text_is_prometheus_own_form() {
    let expected = r#"# HELP deepgram_sidecar_gaps_total Gaps \\ in\nlines.
# TYPE deepgram_sidecar_gaps_total counter
deepgram_sidecar_gaps_total{gap_level="breach"} 1
deepgram_sidecar_gaps_total{gap_level="near_miss"} 0
# HELP deepgram_sidecar_latency_seconds How "late".
# TYPE deepgram_sidecar_latency_seconds histogram
deepgram_sidecar_latency_seconds_bucket{le="0.5"} 0
deepgram_sidecar_latency_seconds_bucket{le="1.0"} 1
deepgram_sidecar_latency_seconds_bucket{le="+Inf"} 2
deepgram_sidecar_latency_seconds_sum 3.75
deepgram_sidecar_latency_seconds_count 2
"#;
    assert_eq!(page(Format::Text), expected);
}

#[test]
fn open_metrics_has_exemplars_and_an_end() {
    let expected = r#"# HELP deepgram_sidecar_gaps Gaps \\ in\nlines.
# TYPE deepgram_sidecar_gaps counter
deepgram_sidecar_gaps_total{gap_level="breach"} 1 # {trace_id="000000000000000000000000000000ab"} 1
deepgram_sidecar_gaps_total{gap_level="near_miss"} 0
# HELP deepgram_sidecar_latency_seconds How "late".
# TYPE deepgram_sidecar_latency_seconds histogram
deepgram_sidecar_latency_seconds_bucket{le="0.5"} 0
deepgram_sidecar_latency_seconds_bucket{le="1.0"} 1 # {trace_id="000000000000000000000000000000cd"} 0.75
deepgram_sidecar_latency_seconds_bucket{le="+Inf"} 2
deepgram_sidecar_latency_seconds_sum 3.75
deepgram_sidecar_latency_seconds_count 2
# EOF
"#;
    assert_eq!(untimed(&page(Format::OpenMetrics)), expected);
}

#[test]
fn label_values_cannot_break_out_of_their_quotes() {
    let mut page = Page::new(Format::Text);
    let hostile = "a\"} 7\nb{c=\"\\";
    page.sample("a", [("x", hostile), ("y", "\u{1f600}\u{0}")], f64::INFINITY);
    let page = page.finish();
    assert_eq!(page, "a{x=\"a\\\"} 7\\nb{c=\\\"\\\\\",y=\"\u{1f600}\u{0}\"} +Inf\n");
}

#[test]
fn open_metrics_is_for_those_who_name_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0,\
                      application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
    for accept in [None, Some("*/*"), Some("text/plain"), Some("application/openmetrics-text;q=0")]
    {
        assert_eq!(Format::accepted(accept), Format::Text, "{accept:?}");
    }
}
