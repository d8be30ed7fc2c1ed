//! The members of an object in OPEN, taken one by one: what nobody took is unknown.

use serde_json::{Map, Value};

use session::{ErrorCode, Refusal};

/// Keys of the section `vad` that an application cannot set, but may well try to.
pub(super) const CONFIGURED: [&str; 5] =
    ["vad.threshold", "vad.preroll", "vad.hangover", "vad.finalize_after", "vad.price_per_minute"];

/// The members of an object that are still to be validated.
pub(super) struct Members {
    /// The object's own name; empty for OPEN itself.
    pub(super) path: &'static str,
    pub(super) object: Map<String, Value>,
    pub(super) null_is_absent: bool,
}

impl Members {
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let value = self.object.shift_remove(key)?;
        (!(self.null_is_absent && value.is_null())).then_some(value)
    }

    pub(super) fn take_object(&mut self, key: &'static str) -> Result<Option<Members>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Members { path: key, object, null_is_absent: false }))
            }
            Some(_) => Err(invalid(key, must_be_object(key))),
        }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Members that have not been taken are unknown.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.object.keys().next() {
            None => Ok(()),
            Some(key) => {
                let field = self.path_of(key);
                Err(invalid(&field, unknown(&field)))
            }
        }
    }
}

/// With an example, where something else is easily mistaken for it.
pub(in crate::ipc) fn must_be_object(key: &str) -> &'static str {
    match key {
        "vad" => "must be an object, for example {\"mode\": \"active\"}",
        "recovery" => "must be an object, for example {\"mode\": \"reconnect\"}",
        "prelude" => "must be an object, for example {}",
        _ => "must be an object",
    }
}

/// What to do about a member that there is not, by its path.
pub(in crate::ipc) fn unknown(field: &str) -> &'static str {
    match CONFIGURED.contains(&field) {
        true => "it is set in the sidecar's configuration alone; remove it",
        false => "unknown member; remove it",
    }
}

/// An `invalid_open` refusal because of this member.
pub(super) fn invalid(field: &str, message: &str) -> Refusal {
    Refusal::of_member(ErrorCode::InvalidOpen, field, message)
}
