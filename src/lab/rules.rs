//! The project's alert rules and Alertmanager example, as the lab runs them: faster, and delivered
//! to the lab.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_yaml::{Mapping, Value};

use super::scale::Factor;

/// A rule file, scaled.
#[derive(Debug)]
pub(super) struct RuleFile {
    pub(super) name: OsString,
    pub(super) text: String,
}

/// The rule files in `alerts`, scaled.
///
/// # Errors
/// No rule files, one that cannot be read, or a duration in it that is none.
pub(super) fn scaled(alerts: &Path, factor: Factor) -> anyhow::Result<Vec<RuleFile>> {
    let mut scaled = Vec::new();
    for file in files(alerts)? {
        let in_file = || format!("in {}", file.display());
        let mut rules = read(&file)?;
        if rules.get("groups").is_none() {
            continue;
        }
        factor.rules(&mut rules).with_context(in_file)?;
        let name = file.file_name().with_context(in_file)?.to_owned();
        scaled.push(RuleFile { name, text: serde_yaml::to_string(&rules)? });
    }
    if scaled.is_empty() {
        bail!(
            "no rule files in {}: run this in the project's root, or give --root",
            alerts.display()
        );
    }
    Ok(scaled)
}

/// Alertmanager's example configuration with shorter waits, all of whose receivers are the lab:
/// it is told to which of them an alert went.
///
/// # Errors
/// It cannot be read, or a wait in it is no duration.
pub(super) fn alertmanager(
    alerts: &Path,
    factor: Factor,
    desk: SocketAddr,
) -> anyhow::Result<String> {
    let file = alerts.join("alertmanager.example.yaml");
    let in_file = || format!("in {}", file.display());
    let mut config = read(&file)?;
    let route = config.get_mut("route").with_context(in_file)?;
    factor.route(route).with_context(in_file)?;
    let receivers = config.get_mut("receivers").and_then(Value::as_sequence_mut);
    for receiver in receivers.with_context(in_file)? {
        let name = receiver.get("name").and_then(Value::as_str).with_context(in_file)?;
        *receiver = webhook(name, desk)?;
    }
    // What the example's own receivers would need of the outside world.
    config
        .as_mapping_mut()
        .with_context(in_file)?
        .retain(|key, _| !key.as_str().is_some_and(|key| ["global", "templates"].contains(&key)));
    Ok(serde_yaml::to_string(&config)?)
}

fn webhook(receiver: &str, desk: SocketAddr) -> anyhow::Result<Value> {
    let yaml = format!("{{url: 'http://{desk}/webhook', send_resolved: true}}");
    let mut webhook = Mapping::new();
    webhook.insert("name".into(), receiver.into());
    webhook.insert("webhook_configs".into(), Value::Sequence(vec![serde_yaml::from_str(&yaml)?]));
    Ok(Value::Mapping(webhook))
}

fn files(alerts: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(alerts).with_context(|| {
        format!(
            "no alert rules in {}: run this in the project's root, or give --root",
            alerts.display()
        )
    })?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_yaml::from_str(&text).with_context(|| format!("in {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_are_scaled_and_other_yaml_is_left_out() {
        let alerts = tempfile::tempdir().unwrap();
        let rules = "groups: [{name: g, rules: [{alert: A, expr: 'x[5m] > 1', for: 1m}]}]";
        fs::write(alerts.path().join("a.yaml"), rules).unwrap();
        fs::write(alerts.path().join("alertmanager.example.yaml"), "route: {}").unwrap();
        let scaled = scaled(alerts.path(), Factor::new(60)).unwrap();
        let [RuleFile { name, text }] = &scaled[..] else { panic!("{scaled:?}") };
        assert_eq!(name, "a.yaml");
        assert!(text.contains("x[5s] > 1") && text.contains("for: 1s"), "{text}");
    }

    #[test]
    fn a_directory_without_rules_is_said_with_what_to_do() {
        let alerts = tempfile::tempdir().unwrap();
        for from in [alerts.path().to_owned(), alerts.path().join("none")] {
            let error = scaled(&from, Factor::new(60)).unwrap_err().to_string();
            assert!(error.contains("give --root"), "{error}");
        }
    }

    #[test]
    fn every_receiver_becomes_the_lab_and_keeps_its_name() {
        let alerts = tempfile::tempdir().unwrap();
        let example = "global: {smtp_smarthost: x}\nroute: {receiver: page, group_wait: 30s}\n\
            receivers: [{name: page, pagerduty_configs: [{routing_key: k}]}, {name: tickets}]\n\
            inhibit_rules: []\n";
        fs::write(alerts.path().join("alertmanager.example.yaml"), example).unwrap();
        let desk = "127.0.0.1:80".parse().unwrap();
        let config = alertmanager(alerts.path(), Factor::new(60), desk).unwrap();
        assert!(!config.contains("pagerduty") && !config.contains("smtp"), "{config}");
        assert!(config.contains("group_wait: 500ms") && config.contains("inhibit_rules"));
        let webhooks = config.matches("http://127.0.0.1:80/webhook").count();
        assert_eq!((webhooks, config.contains("name: tickets")), (2, true));
    }
}
