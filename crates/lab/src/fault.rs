//! The faults that the lab can inject: a table, read from `fault/faults.yaml`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use super::load::Profile;
use emulator::Change;

const TABLE: &str = include_str!("fault/faults.yaml");

/// The fault `none`: all is well.
pub(super) const NONE: &str = "none";

/// Something that goes wrong on purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub name: String,
    /// What happens, in a sentence.
    pub does: String,
    /// What the sidecar reports: a series of its metrics, without the prefix.
    pub sign: Option<String>,
    /// The alerts that fire, without the prefix that all of them have.
    #[serde(default)]
    pub alerts: Vec<String>,
    /// Those of them that another alert inhibits.
    #[serde(default)]
    pub inhibited: Vec<String>,
    /// How much faster than production the rules may run to see it, where that is less than usual.
    pub factor: Option<u32>,
    /// What the emulator does; see [`Change`].
    pub(super) emulator: Option<serde_yaml::Value>,
    /// Configuration keys of the sidecar, which is drained and restarted for them.
    #[serde(default)]
    pub(super) sidecar: BTreeMap<String, String>,
    /// The load, if the usual one would not show the fault.
    pub(super) load: Option<Profile>,
    /// How long to let all this settle before something is done to the process.
    #[serde(default, deserialize_with = "duration")]
    pub(super) settle: Duration,
    /// What is done to the sidecar's process.
    #[serde(default, deserialize_with = "serde_yaml::with::singleton_map::deserialize")]
    pub(super) process: Option<Process>,
    /// Whether the collector goes away.
    #[serde(default)]
    pub(super) collector_down: bool,
    /// Whether Prometheus forgets the sidecar.
    #[serde(default)]
    pub(super) unscraped: bool,
}

/// What can be done to the sidecar's process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Process {
    /// It is paused for this long.
    #[serde(deserialize_with = "duration")]
    Pause(Duration),
    /// It is killed and stays down.
    Kill,
    /// It is killed and restarted, this many times.
    CrashLoop(u32),
    /// It is drained, and restarted once it has exited.
    Drain,
}

impl Fault {
    /// All of them, in a sensible order for learning them.
    ///
    /// # Panics
    /// Never: a test reads the same table.
    pub fn all() -> Vec<Self> {
        serde_yaml::from_str(TABLE).expect("the table of faults is part of this binary")
    }

    /// The one of this name.
    ///
    /// # Errors
    /// Unknown name; lists the known ones.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let all = Self::all();
        let names: Vec<_> = all.iter().map(|fault| fault.name.clone()).collect();
        all.into_iter()
            .find(|fault| fault.name == name)
            .with_context(|| format!("unknown fault {name}; use one of {}", names.join(", ")))
    }

    /// What the emulator is told.
    pub(super) fn change(&self) -> anyhow::Result<Option<Change>> {
        let Some(change) = &self.emulator else { return Ok(None) };
        Ok(Some(Change::from_yaml(&serde_yaml::to_string(change)?)?))
    }

    /// The alerts that are delivered.
    pub fn delivered(&self) -> impl Iterator<Item = &String> {
        self.alerts.iter().filter(|alert| !self.inhibited.contains(alert))
    }
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    use serde::de::Error;
    humantime::parse_duration(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_can_be_read_and_every_change_of_the_emulator_played() {
        for fault in Fault::all() {
            fault.change().unwrap_or_else(|error| panic!("{}: {error}", fault.name));
        }
    }

    #[test]
    fn names_are_unique_and_none_comes_first() {
        let all = Fault::all();
        let names: BTreeSet<_> = all.iter().map(|fault| &fault.name).collect();
        assert_eq!((names.len(), all[0].name.as_str()), (all.len(), NONE));
        assert!(all[0].alerts.is_empty());
    }

    #[test]
    fn what_is_inhibited_fires_and_something_else_is_delivered() {
        for fault in Fault::all() {
            let fires = |alert: &String| fault.alerts.contains(alert);
            assert!(fault.inhibited.iter().all(fires), "{}", fault.name);
            let delivers = fault.delivered().next().is_some();
            assert!(delivers || fault.alerts.is_empty(), "{}", fault.name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = Fault::named("net0002").unwrap_err().to_string();
        assert!(error.contains("net0002") && error.contains("net0001, "), "{error}");
    }
}
