//! Every alert has a fault, or a reason why not.

use std::collections::BTreeSet;
use std::fs;

use lab::{Fault, uninjected};

use super::root;

#[test]
fn every_alert_is_raised_by_a_fault_or_it_is_said_why_not() {
    let raised = Fault::all().into_iter().flat_map(|fault| fault.alerts);
    let told: BTreeSet<String> = raised.chain(uninjected().into_keys()).collect();
    assert_eq!(told, alerts());
}

/// The names in the rule files, without their prefix.
fn alerts() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("alerts")).unwrap().map(|file| file.unwrap().path());
    let texts = files.filter(|file| file.is_file()).map(|file| fs::read_to_string(file).unwrap());
    texts.flat_map(|text| names(&text)).collect()
}

fn names(rules: &str) -> Vec<String> {
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(|name| name.trim_start_matches("DeepgramSidecar").to_owned()).collect()
}
