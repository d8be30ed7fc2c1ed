//! The project's alert rules and Alertmanager example, as the lab runs them: faster, and delivered
//! to the lab.

use std::net::SocketAddr;

use anyhow::Context;
use serde_yaml::{Mapping, Value};

use super::asset::{ALERTMANAGER, Asset, RULES};
use super::scale::Factor;

/// A rule file, scaled.
#[derive(Debug)]
pub(super) struct RuleFile {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// The project's rule files, scaled.
///
/// # Errors
/// An invalid duration in one of them.
pub(super) fn scaled(factor: Factor) -> anyhow::Result<Vec<RuleFile>> {
    RULES.iter().map(|file| scale(*file, factor)).collect()
}

fn scale((name, text): Asset, factor: Factor) -> anyhow::Result<RuleFile> {
    let in_file = || format!("in {name}");
    let mut rules: Value = serde_yaml::from_str(text).with_context(in_file)?;
    factor.rules(&mut rules).with_context(in_file)?;
    Ok(RuleFile { name, text: serde_yaml::to_string(&rules)? })
}

/// Alertmanager's example configuration with shorter waits, and with the lab as all its receivers:
/// the lab learns which of them an alert went to.
///
/// # Errors
/// An invalid duration in it.
pub(super) fn alertmanager(factor: Factor, control: SocketAddr) -> anyhow::Result<String> {
    delivered_to(control, factor, ALERTMANAGER).context("in Alertmanager's configuration")
}

fn delivered_to(control: SocketAddr, factor: Factor, example: &str) -> anyhow::Result<String> {
    let mut config: Value = serde_yaml::from_str(example)?;
    factor.route(config.get_mut("route").context("no route")?)?;
    let receivers = config.get_mut("receivers").and_then(Value::as_sequence_mut);
    for receiver in receivers.context("no receivers")? {
        let name =
            receiver.get("name").and_then(Value::as_str).context("a receiver has no name")?;
        *receiver = webhook(name, control)?;
    }
    // External settings that the example's own receivers would need.
    config
        .as_mapping_mut()
        .context("not a mapping")?
        .retain(|key, _| !key.as_str().is_some_and(|key| ["global", "templates"].contains(&key)));
    Ok(serde_yaml::to_string(&config)?)
}

fn webhook(receiver: &str, control: SocketAddr) -> anyhow::Result<Value> {
    let yaml = format!("{{url: 'http://{control}/webhook', send_resolved: true}}");
    let mut webhook = Mapping::new();
    webhook.insert("name".into(), receiver.into());
    webhook.insert("webhook_configs".into(), Value::Sequence(vec![serde_yaml::from_str(&yaml)?]));
    Ok(Value::Mapping(webhook))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_are_scaled() {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: 'x[5m] > 1', for: 1m}]}]";
        let RuleFile { name, text } = scale(("a.yaml", rules), Factor::new(60)).unwrap();
        assert_eq!(name, "a.yaml");
        assert!(text.contains("x[5s] > 1") && text.contains("for: 1s"), "{text}");
    }

    #[test]
    fn every_rule_file_of_the_project_can_be_scaled() {
        assert_eq!(scaled(Factor::new(60)).unwrap().len(), RULES.len());
    }

    #[test]
    fn every_receiver_becomes_the_lab_and_keeps_its_name() {
        let example = "global: {smtp_smarthost: x}\nroute: {receiver: page, group_wait: 30s}\n\
            receivers: [{name: page, pagerduty_configs: [{routing_key: k}]}, {name: tickets}]\n\
            inhibit_rules: []\n";
        let control = "127.0.0.1:80".parse().unwrap();
        let config = delivered_to(control, Factor::new(60), example).unwrap();
        assert!(!config.contains("pagerduty") && !config.contains("smtp"), "{config}");
        assert!(config.contains("group_wait: 500ms") && config.contains("inhibit_rules"));
        let webhooks = config.matches("http://127.0.0.1:80/webhook").count();
        assert_eq!((webhooks, config.contains("name: tickets")), (2, true));
    }
}
