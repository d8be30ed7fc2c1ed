//! The alerts: complete, explained in the runbook, and each followed through its states by a test.

use std::collections::BTreeSet;

use crate::rules::{self, Rule, Test};
use crate::sources;

const RUNBOOK: &str =
    "https://github.com/deepgram-sidecar/deepgram-sidecar/blob/main/docs/runbook.md";

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

const DASHBOARDS: [&str; 4] = ["fleet", "pod", "session", "deepgram"];

/// What the tests ask for at each moment: all that is pending or firing.
const STATES: &str = "count by (alertname, alertstate, long) (ALERTS)";

/// Their value says nothing beyond that they fire.
const WITHOUT_VALUE: [&str; 3] =
    ["DeepgramSidecarDown", "DeepgramSidecarAbsent", "DeepgramSidecarNotReady"];

#[test]
fn every_alert_says_what_it_is_about_and_where_to_go() {
    for Rule { alert, labels, annotations, .. } in &rules::alerts() {
        let name = alert.as_deref().unwrap();
        assert!(name.starts_with("DeepgramSidecar"), "{name}");
        assert!(SEVERITIES.contains(&&*labels["severity"]), "{name}: {}", labels["severity"]);
        let there: Vec<_> = annotations.keys().map(String::as_str).collect();
        assert_eq!(there, ["dashboard_url", "description", "runbook_url", "summary"], "{name}");
        assert!(annotations.values().all(|text| !text.trim().is_empty()), "{name}");
        let has_value = annotations["description"].contains("{{ $value");
        assert_eq!(has_value, !WITHOUT_VALUE.contains(&name), "{name}");
        assert_eq!(annotations["runbook_url"], format!("{RUNBOOK}#{}", name.to_lowercase()));
        let dashboard = &annotations["dashboard_url"];
        let leads = |page: &&str| {
            dashboard
                .starts_with(&format!("/d/deepgram-sidecar-{page}?var-job={{{{ $labels.job }}}}"))
        };
        assert!(DASHBOARDS.iter().any(leads), "{name}: {dashboard}");
    }
}

#[test]
fn the_runbook_has_a_section_for_every_alert_and_for_no_other() {
    let runbook = sources::read("docs/runbook.md").text;
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: Vec<_> = sections.filter(|it| it.starts_with("DeepgramSidecar")).collect();
    let distinct: BTreeSet<_> = sections.iter().map(|&it| it.to_owned()).collect();
    assert_eq!(sections.len(), distinct.len(), "a section stands twice");
    assert_eq!(distinct, names());
}

#[test]
fn every_section_of_the_runbook_answers_the_same_questions() {
    let runbook = sources::read("docs/runbook.md").text;
    for section in runbook.split("\n## ").filter(|it| it.starts_with("DeepgramSidecar")) {
        let name = section.lines().next().unwrap();
        // What users notice, the first query, the table of causes, and how it ends.
        let parts = ["\n**Users**", "\n```promql\n", "\n| --- |", "\n**Fixed**"];
        assert_eq!(parts.iter().find(|part| !section.contains(**part)), None, "{name}");
    }
}

#[test]
fn the_runbooks_table_has_every_alert_with_its_severities() {
    let runbook = sources::read("docs/runbook.md").text;
    for name in names() {
        let row = format!("| [{name}](#{}) | ", name.to_lowercase());
        let row = runbook.lines().find_map(|line| line.strip_prefix(&row));
        let (severities, _) = row.and_then(|row| row.split_once(" | ")).expect(&name);
        let told: BTreeSet<_> = severities.split(", ").map(str::to_owned).collect();
        let rules = rules::alerts().into_iter().filter(|rule| rule.name() == name);
        let real: BTreeSet<_> = rules.map(|rule| rule.labels["severity"].clone()).collect();
        assert_eq!(told, real, "{name}");
    }
}

#[test]
fn every_alert_is_followed_through_its_states() {
    let tests = rules::tests();
    for rule in &rules::alerts() {
        let expected: &[State] = match rule.delay {
            Some(_) => &[State::Quiet, State::Pending, State::Firing, State::Quiet],
            None => &[State::Quiet, State::Firing, State::Quiet],
        };
        let is_followed = |test: &&Test| is_subsequence(expected, &timeline(rule, test));
        let test = tests.iter().filter(is_followed).find(|test| is_spelled_out(rule, test));
        assert!(test.is_some(), "no test follows {} ({:?})", rule.name(), rule.labels);
    }
}

#[test]
fn alertmanagers_example_names_alerts_that_exist() {
    let example = sources::read("alerts/alertmanager.example.yaml").text;
    let is_word = |it: char| it.is_alphanumeric();
    let words = example.split(|it| !is_word(it)).filter(|it| it.starts_with("DeepgramSidecar"));
    // A pattern has the prefix, then what may follow.
    let follows = example.split("DeepgramSidecar(").skip(1);
    let follows = follows.flat_map(|it| it.split(')').next().unwrap().split('|'));
    let named = words.filter(|&it| it != "DeepgramSidecar").map(str::to_owned);
    for name in named.chain(follows.map(|it| format!("DeepgramSidecar{it}"))) {
        assert!(names().contains(&name), "{name}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Quiet,
    Pending,
    Firing,
}

fn names() -> BTreeSet<String> {
    rules::alerts().into_iter().filter_map(|rule| rule.alert).collect()
}

/// What a test expects of an alert, moment by moment. Alerts of one name differ by `long`.
fn timeline(rule: &Rule, test: &Test) -> Vec<State> {
    let name = format!("alertname=\"{}\"", rule.name());
    let long = rule.labels.get("long").map(|long| format!("long=\"{long}\""));
    let is_about = |labels: &str| {
        labels.contains(&name) && long.as_ref().is_none_or(|long| labels.contains(long))
    };
    let state = |labels: &str| match labels.contains("alertstate=\"firing\"") {
        true => State::Firing,
        false => State::Pending,
    };
    let moments = test.moments.iter().inspect(|moment| assert_eq!(moment.expr, STATES));
    let samples = moments.map(|moment| moment.exp_samples.iter().map(|it| &*it.labels));
    samples.map(|mut it| it.find(|it| is_about(it)).map_or(State::Quiet, state)).collect()
}

fn is_subsequence(expected: &[State], seen: &[State]) -> bool {
    let mut seen = seen.iter();
    expected.iter().all(|state| seen.any(|it| it == state))
}

/// Whether a test has the labels and annotations of the alert as it fires.
fn is_spelled_out(rule: &Rule, test: &Test) -> bool {
    let notices = test.notices.iter().filter(|notice| notice.alertname == rule.name());
    let mut labels = notices.flat_map(|it| &it.exp_alerts).map(|it| &it.exp_labels);
    labels.any(|labels| rule.labels.iter().all(|(name, value)| labels.get(name) == Some(value)))
}
