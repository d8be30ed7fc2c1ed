//! The series that the daemon exports, as docs/metrics.md lists them; a test of the library keeps that
//! page equal to the code.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources;

/// What Prometheus adds to every series of a target.
pub(crate) const TARGET_LABELS: [&str; 4] = ["job", "namespace", "pod", "instance"];

/// One series name, such as a histogram's `_bucket`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// Its own labels with their values; none listed means that any may come.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    /// Whether it only grows.
    pub(crate) is_counter: bool,
}

/// Every series by its full name.
pub(crate) fn read() -> BTreeMap<String, Series> {
    let page = sources::read("docs/metrics.md").text;
    let mut catalogue = BTreeMap::from([("up".to_owned(), Series::default())]);
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        if let [_, metric, kind, _, details, _] = &*cells(row) {
            catalogue.extend(series_of(metric.trim_matches('`'), kind, details));
        }
    }
    assert!(catalogue.len() > 100, "docs/metrics.md has lost its tables");
    catalogue
}

/// The parts between the bars, with an empty one before the first and after the last.
fn cells(row: &str) -> Vec<&str> {
    row.split('|').map(str::trim).collect()
}

fn series_of(metric: &str, kind: &str, details: &str) -> Vec<(String, Series)> {
    let is_standard = metric.starts_with("process_");
    let name = if is_standard { metric.to_owned() } else { format!("deepgram_sidecar_{metric}") };
    let (labels, bounds) = labels_and_bounds(details);
    let whole = Series { labels, is_counter: !kind.starts_with("gauge") };
    if !kind.starts_with("histogram") {
        return vec![(name, whole)];
    }
    let mut buckets = whole.clone();
    buckets.labels.insert("le".to_owned(), bounds);
    vec![
        (format!("{name}_bucket"), buckets),
        (format!("{name}_sum"), whole.clone()),
        (format!("{name}_count"), whole),
    ]
}

/// The last column: labels with their values, then the bounds of buckets.
fn labels_and_bounds(details: &str) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let mut labels = BTreeMap::new();
    let mut bounds = BTreeSet::from(["+Inf".to_owned()]);
    for part in details.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        match part.strip_prefix('`').and_then(|part| part.split_once('`')) {
            Some((label, values)) => {
                let values = values.split('`').skip(1).step_by(2);
                labels.insert(label.to_owned(), values.map(str::to_owned).collect());
            }
            None => bounds.extend(part.split(' ').map(str::to_owned)),
        }
    }
    (labels, bounds)
}
