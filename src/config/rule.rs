//! What a key allows beyond its type.

use std::ops::{Bound, RangeBounds};

use serde_yaml::Value;

use super::setting::Setting;

/// A bound on one key's values.
pub(super) struct Rule<T> {
    /// The bound in words, for messages and the reference; empty if the type is enough.
    pub(super) allows: String,
    check: Check<T>,
}

/// Checks a value; the error is a sentence for the operator.
type Check<T> = Box<dyn Fn(&T) -> Result<(), String>>;

/// Every value of the type.
pub(super) fn any<T>() -> Rule<T> {
    Rule { allows: String::new(), check: Box::new(|_| Ok(())) }
}

/// Values in `range`, which has a start and an end.
pub(super) fn within<T>(range: impl RangeBounds<T> + 'static) -> Rule<T>
where
    T: Setting + PartialOrd + 'static,
{
    let allows = range_text(&range);
    let must = format!("must be {allows}");
    let check = move |value: &T| match range.contains(value) {
        true => Ok(()),
        false => Err(format!("{must}, not {}", plain(value))),
    };
    Rule { allows, check: Box::new(check) }
}

fn range_text<T: Setting>(range: &impl RangeBounds<T>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(start), Bound::Included(end)) => {
            format!("{} to {}", edge(start), edge(end))
        }
        (Bound::Included(start), Bound::Excluded(end)) => {
            format!("{} to less than {}", edge(start), edge(end))
        }
        (Bound::Excluded(start), Bound::Included(end)) => {
            format!("over {} and at most {}", edge(start), edge(end))
        }
        (Bound::Excluded(start), Bound::Excluded(end)) => {
            format!("over {} and under {}", edge(start), edge(end))
        }
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => unreachable!("a range has two ends"),
    }
}

/// As people write it: 1, not 1.0.
fn edge<T: Setting>(value: &T) -> String {
    let text = plain(value);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Values that `check` accepts; `allows` describes them in words.
pub(super) fn checked<T: 'static>(
    allows: &str,
    check: impl Fn(&T) -> Result<(), &'static str> + 'static,
) -> Rule<T> {
    let check = move |value: &T| check(value).map_err(str::to_owned);
    Rule { allows: allows.to_owned(), check: Box::new(check) }
}

impl<T: 'static> Rule<T> {
    /// Checks a value; the error is a sentence for the operator.
    pub(super) fn check(&self, value: &T) -> Result<(), String> {
        (self.check)(value)
    }

    /// Adds the reason for the bound to the error.
    pub(super) fn because(self, reason: &'static str) -> Self {
        let check = self.check;
        let check = move |value: &T| check(value).map_err(|text| format!("{text}: {reason}"));
        Self { allows: self.allows, check: Box::new(check) }
    }

    /// Also allows null.
    pub(super) fn or_null(self) -> Rule<Option<T>> {
        let check = self.check;
        let check = move |value: &Option<T>| value.as_ref().map_or(Ok(()), &check);
        Rule { allows: self.allows, check: Box::new(check) }
    }
}

/// A scalar as in the file, without quotes.
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
