//! The query of a stream request, by name, and its refusal.

use std::collections::HashMap;
use std::str::FromStr;

/// A 400: its `err_code` and `err_msg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadQuery {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl BadQuery {
    /// A parameter that cannot be read.
    pub(super) fn parameter(cause: impl AsRef<str>) -> Self {
        let message = format!("Failed to deserialize query parameters: {}", cause.as_ref());
        Self { code: "INVALID_QUERY_PARAMETER", message }
    }

    /// Parameters that can be read, but not granted.
    pub(super) fn request(cause: &str) -> Self {
        Self { code: "Bad Request", message: format!("Bad Request: {cause}") }
    }
}

/// The parameters by name, in order.
pub(super) struct Query(HashMap<String, Vec<String>>);

impl Query {
    /// Reads a raw query string.
    pub(super) fn read(query: &str) -> Self {
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            by_name.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self(by_name)
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// Refuses a parameter that is not among the `known`.
    pub(super) fn refuse_unknown(&self, known: &[&str]) -> Result<(), BadQuery> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(BadQuery::parameter(format!("unknown field `{name}`"))),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, BadQuery> {
        match self.last(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(BadQuery::parameter(format!(
                "{name}: provided string `{other}` was not `true` or `false`"
            ))),
        }
    }

    pub(super) fn any_flag(&self, names: &[&str]) -> Result<bool, BadQuery> {
        names.iter().try_fold(false, |any, name| Ok(any | self.flag(name)?))
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, BadQuery> {
        let number = |text: &str| {
            text.parse().map_err(|_| {
                BadQuery::parameter(format!("{name}: invalid digit found in `{text}`"))
            })
        };
        self.last(name).map(number).transpose()
    }
}
