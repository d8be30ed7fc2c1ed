//! Messages as JSON, and the liberties that a test may want the server to take with it.

use serde::Serialize;
use serde_json::Value;

use super::settings::FieldNoise;

/// Any message as compact JSON.
pub(super) fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message)
        .expect("these messages are plain structs, which always serialise")
}

/// Writes the messages of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    noise: FieldNoise,
    /// Members that the specification lets a server leave out.
    optional: &'static [&'static str],
}

impl Pen {
    pub(super) fn new(noise: FieldNoise, optional: &'static [&'static str]) -> Self {
        Self { noise, optional }
    }

    pub(super) fn write(self, message: &impl Serialize) -> String {
        let text = to_json(message);
        if self.noise == FieldNoise::default() { text } else { self.disturb(&text) }
    }

    /// A message of a type that nobody knows, where the noise asks for one.
    pub(super) fn unknown(self) -> Option<String> {
        let wanted = self.noise.unknown_types;
        wanted.then(|| r#"{"type":"Weather","sky":"clear","degrees":[21.5,null]}"#.to_owned())
    }

    /// Takes the liberties on every level.
    fn disturb(self, text: &str) -> String {
        let mut value: Value =
            serde_json::from_str(text).expect("it was JSON that we wrote ourselves");
        self.disturb_value(&mut value);
        value.to_string()
    }

    fn disturb_value(self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.disturb_value(item)),
            Value::Object(members) => {
                members.values_mut().for_each(|member| self.disturb_value(member));
                if self.noise.missing_optional {
                    members.retain(|name, _| !self.optional.contains(&name.as_str()));
                }
                if self.noise.extra_fields {
                    members.insert("x_unheard_of".into(), serde_json::json!({"depth": [1, {}]}));
                }
                if self.noise.reordered {
                    *members = std::mem::take(members).into_iter().rev().collect();
                }
            }
            _ => {}
        }
    }
}
