//! Changes to a running emulator: another script, and actions on open connections.

use std::sync::Arc;

use serde::Deserialize;

use super::{Action, Plans, RawConnection, Script, ScriptError, yes};
use crate::settings::Settings;

/// A change of an emulator's behaviour.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Plans for future requests, starting from the first; `None` keeps the current ones.
    script: Option<Script>,
    /// Actions to do immediately on open connections.
    now: Arc<[Action]>,
}

impl Change {
    /// Reads a change from YAML: a script, whose `connections` may be left out, and `now`, a list
    /// of actions.
    ///
    /// # Errors
    /// As for [`Script::from_yaml`].
    pub fn from_yaml(yaml: &str) -> Result<Self, ScriptError> {
        let raw: RawChange =
            serde_yaml::from_str(yaml).map_err(|error| ScriptError::Yaml(error.to_string()))?;
        let script = raw.connections.map(|connections| Script { connections, repeat: raw.repeat });
        let change = Self { script, now: raw.now.into_iter().map(|raw| raw.0).collect() };
        change.plans(&Settings::default())?;
        Ok(change)
    }

    /// The new plans, if there are any.
    pub(crate) fn plans(&self, settings: &Settings) -> Result<Option<Plans>, ScriptError> {
        self.script.as_ref().map(|script| script.plans(settings)).transpose()
    }

    pub(crate) fn now(&self) -> Arc<[Action]> {
        Arc::clone(&self.now)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    connections: Option<Vec<RawConnection>>,
    #[serde(default = "yes")]
    repeat: bool,
    #[serde(default)]
    now: Vec<RawAction>,
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct RawAction(
    #[serde(deserialize_with = "serde_yaml::with::singleton_map::deserialize")] Action,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Close, Opening};

    #[test]
    fn a_change_has_plans_or_actions_or_both() {
        let both = "connections: [{hang_handshake: true}]\nnow: [mute, {close: {code: 1011}}]";
        let both = Change::from_yaml(both).unwrap();
        let plans = both.plans(&Settings::default()).unwrap().unwrap();
        assert_eq!(plans.get(0).opening, Opening::Hang);
        let close = Close { code: Some(1011), reason: String::new() };
        assert_eq!(both.now()[..], [Action::Mute, Action::Close(close)]);
        let actions = Change::from_yaml("now: [reset]").unwrap();
        assert!(actions.plans(&Settings::default()).unwrap().is_none());
        let none = Change::from_yaml("connections: []").unwrap();
        assert_eq!(none.plans(&Settings::default()).unwrap().unwrap().len(), 0);
    }

    #[test]
    fn mistakes_are_named() {
        let refusal = |yaml| Change::from_yaml(yaml).unwrap_err().to_string();
        assert!(refusal("now: [explode]").contains("explode"));
        assert!(refusal("then: [{at: 1s, do: mute}]").contains("then"));
        assert!(refusal("connections: [{refuse: {status: 99}}]").contains("99"));
    }
}
