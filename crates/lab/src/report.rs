//! `docs/faults.md`, generated from a run of the matrix.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fault::Fault;
use super::matrix::Row;
use super::scale::Factor;

/// The page, with the seconds of this run.
///
/// # Panics
/// Never: writing into a string does not fail.
pub fn page(rows: &[Row], factor: Factor) -> String {
    let mut page = format!("{HEAD}\n");
    let factor = factor.get();
    page = page.replace("FACTOR", &factor.to_string());
    for row in rows {
        let Fault { name, does, sign, factor, .. } = &row.fault;
        let slower = factor.map(|factor| format!(" (rules {factor} times as fast)"));
        let does = format!("{does}{}", slower.unwrap_or_default());
        let sign = sign.as_ref().map_or_else(|| "nothing new".into(), |sign| format!("`{sign}`"));
        writeln!(page, "| `{name}` | {does} | {sign} | {} |", alerts(row)).expect("a string");
    }
    page += WITHOUT;
    for (alert, reason) in uninjected() {
        writeln!(page, "| {} | {reason} |", link(&alert)).expect("a string");
    }
    page
}

/// The same page without what differs from run to run.
pub fn without_seconds(page: &str) -> String {
    let mut parts = page.split(AFTER);
    let mut same = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_figure = |it: char| it.is_ascii_digit() || it == '.';
        same += part.trim_start_matches(is_figure).trim_start_matches(" s");
    }
    same
}

/// The alerts that no fault of the lab raises, and why not.
///
/// # Panics
/// Never: a test reads the same list.
pub fn uninjected() -> BTreeMap<String, String> {
    serde_yaml::from_str(UNINJECTED).expect("the list is part of this binary")
}

fn alerts(row: &Row) -> String {
    let one = |alert: &String| match row.seconds.get(alert) {
        Some(seconds) => format!("{}{AFTER}{seconds:.1} s", link(alert)),
        None => format!("{}, which Alertmanager inhibits", link(alert)),
    };
    let alerts: Vec<_> = row.fault.alerts.iter().map(one).collect();
    if alerts.is_empty() { "none".into() } else { alerts.join("<br>") }
}

fn link(alert: &str) -> String {
    format!("[{alert}](runbook.md#deepgramsidecar{})", alert.to_lowercase())
}

const AFTER: &str = " after ";

const UNINJECTED: &str = include_str!("fault/uninjected.yaml");

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 cargo test --test lab`, which runs every fault; edit crates/lab/src/fault/faults.yaml. -->
# Faults

What [the lab](lab.md) can do to a sidecar, what the sidecar reports, and which alerts fire. The tests run every line of
the first table in its own lab: exactly these alerts must fire in Prometheus and be delivered by Alertmanager, and no
others, for as long as the slowest rule would take to fire.

The rules run FACTOR times as fast as in production: all their ranges, offsets and `for` durations and Alertmanager's own waits
are divided by FACTOR. Prometheus scrapes at most once a second. Deepgram and the sidecar run in real time, with deadlines of a few
seconds. The seconds below are from one run, from injecting the fault to the delivery. If a fault only shows with slower
rules, the line says how fast they ran.

[fault-table.md](fault-table.md) has many more faults without alerts: the reason each is given, and whether sessions recover.

| fault | what happens | what the sidecar reports | alerts, each `DeepgramSidecar…` |
| --- | --- | --- | --- |";

const WITHOUT: &str = "
`RuntimeLag` is not checked: it depends on the machine that the lab runs on, and a busy one raises it whatever the fault.

## Alerts that the lab does not raise

| alert | why not |
| --- | --- |
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pages_that_differ_in_seconds_alone_are_the_same() {
        let row = |seconds: f64| Row {
            fault: Fault::named("http-401").unwrap(),
            seconds: [("UpstreamRefusing".to_owned(), seconds)].into(),
            problems: Vec::new(),
            lag: Duration::ZERO,
            first_problems: Vec::new(),
        };
        let page = |seconds| page(&[row(seconds)], Factor::new(60));
        assert!(page(3.21).contains("upstreamrefusing) after 3.2 s<br>"), "{}", page(3.21));
        assert_ne!(page(3.2), page(14.9));
        assert_eq!(without_seconds(&page(3.2)), without_seconds(&page(14.9)));
        assert_ne!(without_seconds(&page(3.2)), without_seconds(&page(3.2).replace("401", "402")));
    }

    #[test]
    fn no_alert_is_both_raised_and_said_not_to_be() {
        for fault in Fault::all() {
            for alert in &fault.alerts {
                assert!(!uninjected().contains_key(alert), "{alert}");
            }
        }
    }
}
