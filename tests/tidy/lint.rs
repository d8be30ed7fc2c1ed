//! The lint of PromQL in rules and in the runbook: what parses, and is wrong all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, LabelModifier};

use crate::catalogue;
use crate::promql::{self, World};
use crate::rules::{self, Rule};
use crate::sources;

type Check = fn(&Expr, &World) -> Vec<String>;

const CHECKS: [(&str, Check); 6] = [
    ("exists", names_what_exists),
    ("counter", reads_counters_as_increases),
    ("range", looks_at_four_scrapes),
    ("sides", has_the_same_labels_on_both_sides),
    ("bucket", compares_quantiles_with_bounds_of_buckets),
    ("regexp", matches_patterns_only_where_needed),
];

/// What a rule may do all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 10] = [
    ("DeepgramSidecarPanicked", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarKeepaliveTimeoutDeaths", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarKeepaliveGap", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarUpstreamRefusing", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarAudioLost", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarVadDetectorFailed", "counter", BEFORE_THE_FIRST_SCRAPE),
    ("DeepgramSidecarUpstreamRefusing", "sides", DIALLED_OR_NOT),
    ("DeepgramSidecarUpstreamRateLimited", "sides", DIALLED_OR_NOT),
    ("DeepgramSidecarConnectFailures", "sides", DIALLED_OR_NOT),
    ("DeepgramSidecarOutOfResources", "sides", DIALLED_OR_NOT),
];

const BEFORE_THE_FIRST_SCRAPE: &str =
    "a counter of a process younger than the window is the increase that increase() cannot see";

const DIALLED_OR_NOT: &str =
    "a sum over attempts that were dialled and those that were not wants all series of both";

/// Scrapes may be a minute apart, and one may fail.
const RANGE_MIN: Duration = Duration::from_secs(4 * 60);

#[test]
fn every_rule_passes_every_check_or_has_a_reason() {
    let world = world();
    let mut failed = Vec::new();
    for rule in rules::all() {
        let expr = promql::parse(&rule.expr);
        for (check, find) in CHECKS {
            if let Some(problem) = find(&expr, &world).pop() {
                failed.push((rule.name().to_owned(), check, problem));
            }
        }
    }
    for (rule, check, reason) in EXCEPTIONS {
        let before = failed.len();
        failed.retain(|(name, failed, _)| (&**name, *failed) != (rule, check));
        assert!(failed.len() < before, "{rule} needs no exception to {check}: {reason}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_check_finds_its_mistake() {
    let mistakes = [
        ("exists", "deepgram_sidecar_sessions"),
        ("exists", "deepgram_sidecar_sessions_active{status=\"open\"}"),
        ("exists", "deepgram_sidecar_sessions_active{state=\"opened\"}"),
        ("exists", "deepgram_sidecar_sessions_active{state=~\"open|opened\"}"),
        ("exists", "sum by (status) (deepgram_sidecar_sessions_active)"),
        ("counter", "deepgram_sidecar_panics_total > 0"),
        ("counter", "increase(deepgram_sidecar_ready[5m])"),
        ("range", "increase(deepgram_sidecar_panics_total[3m])"),
        ("sides", "deepgram_sidecar_sessions_active / deepgram_sidecar_sessions_limit"),
        ("bucket", "histogram_quantile(0.9, deepgram_sidecar_runtime_lag_seconds_bucket) > 0.3"),
        ("regexp", "deepgram_sidecar_sessions_active{state=~\"open\"}"),
        ("regexp", "deepgram_sidecar_sessions_active{state=~\"^(open|closing)$\"}"),
    ];
    let world = world();
    for (check, mistake) in mistakes {
        let (_, find) = CHECKS.into_iter().find(|(name, _)| *name == check).unwrap();
        assert!(!find(&promql::parse(mistake), &world).is_empty(), "{check} passes {mistake}");
    }
}

#[test]
fn every_query_of_the_runbook_names_what_exists() {
    let world = world();
    let runbook = sources::read("docs/runbook.md").text + &sources::read("alerts/README.md").text;
    let blocks = runbook.split("```promql\n").skip(1).filter_map(|it| it.split("```").next());
    let prose = runbook.lines().filter(|line| !line.contains("```"));
    let spans = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
    let spans = spans.filter(|it| it.contains("deepgram_sidecar_") || it.starts_with("process_"));
    // Prose names a histogram without the ends of its series.
    let spans = spans.filter(|it| !world.exported.contains_key(&format!("{it}_bucket")));
    for query in blocks.chain(spans) {
        let problems = names_what_exists(&promql::parse(query), &world);
        assert!(problems.is_empty(), "{query}: {problems:?}");
    }
}

#[test]
fn every_alert_is_quiet_while_all_is_well() {
    for rule in rules::alerts() {
        assert!(promql::can_be_quiet(&promql::parse(&rule.expr)), "{} always fires", rule.name());
    }
}

#[test]
fn every_alert_keeps_the_labels_that_its_texts_use() {
    let world = world();
    for Rule { alert, expr, labels, annotations, .. } in rules::alerts() {
        let mut there = promql::labels(&promql::parse(&expr), &world);
        there.extend(labels.into_keys());
        for text in annotations.values() {
            for label in text.split("$labels.").skip(1).map(|it| it.split(' ').next().unwrap()) {
                assert!(there.contains(label), "{alert:?} has no label {label}, only {there:?}");
            }
        }
    }
}

#[test]
fn no_rule_stands_twice() {
    let mut seen = BTreeMap::new();
    for rule in rules::all() {
        let key = (rule.name().to_owned(), rule.labels.clone());
        assert!(seen.insert(key, ()).is_none(), "{} {:?}", rule.name(), rule.labels);
    }
}

fn world() -> World {
    let mut world = World { exported: catalogue::read(), recorded: BTreeMap::new() };
    for rule in rules::all() {
        if let Some(record) = rule.record {
            let labels = promql::labels(&promql::parse(&rule.expr), &world);
            world.recorded.insert(record, labels);
        }
    }
    world
}

fn names_what_exists(expr: &Expr, world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    for selector in promql::selectors(expr) {
        let name = promql::name(selector);
        let exists = world.exported.contains_key(name) || world.recorded.contains_key(name);
        if !exists {
            problems.push(format!("there is no {name}"));
            continue;
        }
        let labels = promql::labels(&Expr::VectorSelector(selector.clone()), world);
        for matcher in &selector.matchers.matchers {
            if !labels.contains(&matcher.name) {
                problems.push(format!("{name} has no label {}", matcher.name));
            } else if let Some(value) = strange_value(matcher, name, world) {
                problems.push(format!("{name} has no {}={value}", matcher.name));
            }
        }
    }
    problems.extend(strange_groups(expr, world));
    problems
}

/// A value that a label never has; in a pattern, one of its alternatives.
fn strange_value<'a>(matcher: &'a Matcher, name: &str, world: &World) -> Option<&'a str> {
    let known = world.exported.get(name)?.labels.get(&matcher.name)?;
    let is_pattern = matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_));
    let parts = matcher.value.split(|it| is_pattern && it == '|');
    parts.into_iter().find(|&value| !known.is_empty() && !known.contains(value))
}

/// Labels that an aggregation groups by, and that what it aggregates does not have.
fn strange_groups(expr: &Expr, world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    for node in promql::nodes(expr) {
        let Expr::Aggregate(aggregation) = node else { continue };
        let Some(LabelModifier::Include(by)) = &aggregation.modifier else { continue };
        let labels = promql::labels(&aggregation.expr, world);
        let strange = by.labels.iter().filter(|label| !labels.contains(*label));
        problems.extend(strange.map(|label| format!("grouped by {label}, which is not there")));
    }
    problems
}

fn reads_counters_as_increases(expr: &Expr, world: &World) -> Vec<String> {
    let is_counter = |name: &str| world.exported.get(name).is_some_and(|it| it.is_counter);
    let mut problems = Vec::new();
    for node in promql::nodes(expr) {
        match node {
            Expr::VectorSelector(it) if is_counter(promql::name(it)) => {
                problems.push(format!("{} only grows; take its increase", promql::name(it)));
            }
            Expr::Call(call) if ["rate", "increase"].contains(&call.func.name) => {
                let gauges = promql::selectors(node).into_iter().map(promql::name);
                let gauges = gauges.filter(|name| !is_counter(name));
                problems.extend(gauges.map(|name| format!("{name} is no counter")));
            }
            _ => {}
        }
    }
    problems
}

fn looks_at_four_scrapes(expr: &Expr, _: &World) -> Vec<String> {
    let short = |node: &&Expr| matches!(node, Expr::MatrixSelector(it) if it.range < RANGE_MIN);
    promql::nodes(expr).into_iter().filter(short).map(|it| format!("{it} is too short")).collect()
}

/// Without `on` or `ignoring` series meet that agree in every label, and nobody else does.
fn has_the_same_labels_on_both_sides(expr: &Expr, world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    for node in promql::nodes(expr) {
        let Expr::Binary(it) = node else { continue };
        let is_matched = it.modifier.as_ref().is_some_and(|it| it.matching.is_some());
        if is_matched || !promql::is_vector(&it.lhs) || !promql::is_vector(&it.rhs) {
            continue;
        }
        let [left, right] = [&it.lhs, &it.rhs].map(|side| promql::labels(side, world));
        if left != right {
            problems.push(format!("{left:?} {} {right:?}", it.op));
        }
    }
    problems
}

/// Between two bounds a quantile is a guess.
fn compares_quantiles_with_bounds_of_buckets(expr: &Expr, world: &World) -> Vec<String> {
    let mut problems = Vec::new();
    for node in promql::nodes(expr) {
        let Expr::Binary(it) = node else { continue };
        let (Expr::Call(call), Expr::NumberLiteral(limit)) = (&*it.lhs, &*it.rhs) else { continue };
        if call.func.name != "histogram_quantile" {
            continue;
        }
        for bucket in promql::selectors(&it.lhs).into_iter().map(promql::name) {
            let mut bounds = world.exported[bucket].labels["le"].iter();
            if !bounds.any(|bound| bound.parse() == Ok(limit.val)) {
                problems.push(format!("{} is no bound of {bucket}", limit.val));
            }
        }
    }
    problems
}

/// Prometheus anchors every pattern itself.
fn matches_patterns_only_where_needed(expr: &Expr, _: &World) -> Vec<String> {
    let selectors = promql::selectors(expr).into_iter();
    let matchers = selectors.flat_map(|it| &it.matchers.matchers);
    let patterns = matchers.filter(|it| matches!(it.op, MatchOp::Re(_) | MatchOp::NotRe(_)));
    let needless = patterns.map(|it| &it.value).filter(|value| {
        let has_anchor = value.starts_with('^') || value.ends_with('$');
        has_anchor || !value.contains(['|', '.', '*', '+', '[', '('])
    });
    needless.map(|value| format!("the pattern {value} is plain text, or has an anchor")).collect()
}
