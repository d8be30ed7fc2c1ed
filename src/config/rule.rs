//! What a key allows beyond its type.

use std::ops::RangeInclusive;

use serde_yaml::Value;

use super::setting::Setting;

/// A bound on one key's values.
pub(super) struct Rule<T> {
    /// The bound in words, for messages and the reference; empty where the type says it all.
    pub(super) allows: String,
    check: Box<dyn Fn(&T) -> Result<(), String>>,
}

/// Every value of the type.
pub(super) fn any<T>() -> Rule<T> {
    Rule { allows: String::new(), check: Box::new(|_| Ok(())) }
}

/// Values from the first to the last of `range`, both included.
pub(super) fn within<T: Setting + PartialOrd + 'static>(range: RangeInclusive<T>) -> Rule<T> {
    let allows = format!("{} to {}", plain(range.start()), plain(range.end()));
    let must = format!("must be {allows}");
    let check = move |value: &T| match range.contains(value) {
        true => Ok(()),
        false => Err(format!("{must}, not {}", plain(value))),
    };
    Rule { allows, check: Box::new(check) }
}

/// Values that `check` has no complaint about; `allows` says in words which those are.
pub(super) fn checked<T: 'static>(
    allows: &str,
    check: impl Fn(&T) -> Result<(), &'static str> + 'static,
) -> Rule<T> {
    let check = move |value: &T| check(value).map_err(str::to_owned);
    Rule { allows: allows.to_owned(), check: Box::new(check) }
}

/// The one value that this version can do.
pub(super) fn only<T: Setting + PartialEq + 'static>(available: T) -> Rule<T> {
    let word = plain(&available);
    let complaint = format!("is not available in this version; remove it or say {word}");
    let check = move |value: &T| match *value == available {
        true => Ok(()),
        false => Err(format!("{} {complaint}", plain(value))),
    };
    Rule { allows: format!("only {word} in this version"), check: Box::new(check) }
}

impl<T: 'static> Rule<T> {
    /// Judges a value; the complaint is a sentence for the operator.
    pub(super) fn check(&self, value: &T) -> Result<(), String> {
        (self.check)(value)
    }

    /// Adds the reason for the bound to the complaint.
    pub(super) fn because(self, reason: &'static str) -> Self {
        let check = self.check;
        let check = move |value: &T| check(value).map_err(|text| format!("{text}: {reason}"));
        Self { allows: self.allows, check: Box::new(check) }
    }

    /// Allows null as well.
    pub(super) fn or_null(self) -> Rule<Option<T>> {
        let check = self.check;
        let check = move |value: &Option<T>| value.as_ref().map_or(Ok(()), &check);
        Rule { allows: self.allows, check: Box::new(check) }
    }
}

/// A scalar as it would stand in the file, without quotes.
pub(super) fn plain<T: Setting>(value: &T) -> String {
    plain_value(&value.write())
}

/// The same for a value that is already YAML.
pub(super) fn plain_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other)
            .expect("a scalar can always be written")
            .trim_end()
            .to_owned(),
    }
}
