//! The files in `alerts/`: rules, and the tests that promtool runs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sources::{self, Source};

/// A rule: an alert or a recording.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) alert: Option<String>,
    pub(crate) record: Option<String>,
    pub(crate) expr: String,
    #[serde(rename = "for")]
    pub(crate) delay: Option<String>,
    #[serde(rename = "keep_firing_for")]
    _linger: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Rule {
    pub(crate) fn name(&self) -> &str {
        self.alert.as_ref().or(self.record.as_ref()).expect("a rule has a name")
    }
}

/// All rules, file by file.
pub(crate) fn all() -> Vec<Rule> {
    let rules: Vec<_> = files("alerts/").flat_map(|file| rules_of(&file)).collect();
    assert!(rules.len() > 30, "where are they?");
    rules
}

/// The alerts among them.
pub(crate) fn alerts() -> Vec<Rule> {
    all().into_iter().filter(|rule| rule.alert.is_some()).collect()
}

/// What promtool runs.
pub(crate) fn tests() -> Vec<Test> {
    let files = files("alerts/tests/");
    files.flat_map(|file| parsed::<TestFile>(&file).tests).collect()
}

/// One of its tests: series, and what they lead to at certain times.
#[derive(Debug, Deserialize)]
pub(crate) struct Test {
    #[serde(rename = "promql_expr_test")]
    pub(crate) moments: Vec<Moment>,
    #[serde(default, rename = "alert_rule_test")]
    pub(crate) notices: Vec<Notice>,
}

/// All that is pending or firing at one time.
#[derive(Debug, Deserialize)]
pub(crate) struct Moment {
    pub(crate) expr: String,
    #[serde(default)]
    pub(crate) exp_samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    pub(crate) labels: String,
}

/// An alert that fires, in full.
#[derive(Debug, Deserialize)]
pub(crate) struct Notice {
    pub(crate) alertname: String,
    pub(crate) exp_alerts: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Expected {
    pub(crate) exp_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(rename = "interval")]
    _interval: String,
    rules: Vec<Rule>,
}

/// A file has one group, named as the file.
fn rules_of(file: &Source) -> Vec<Rule> {
    let [group] = <[Group; 1]>::try_from(parsed::<RuleFile>(file).groups)
        .unwrap_or_else(|_| panic!("{}: one group", file.path));
    let domain = file.path.trim_start_matches("alerts/").trim_end_matches(".yaml");
    assert_eq!(group.name, format!("deepgram-sidecar.{domain}"));
    group.rules
}

fn parsed<T: DeserializeOwned>(file: &Source) -> T {
    serde_yaml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

/// The YAML files in a directory itself, but for examples.
fn files(directory: &str) -> impl Iterator<Item = Source> {
    let is_here = move |path: &str| {
        let name = path.strip_prefix(directory);
        name.is_some_and(|name| name.ends_with(".yaml") && !name.contains('/'))
    };
    let files = sources::of_project().into_iter();
    files.filter(move |it| is_here(&it.path) && !it.path.ends_with(".example.yaml"))
}
