//! The query of `/sessions`: which sessions, and in what order.

use std::cmp::Ordering;

use url::form_urlencoded;

use super::view::View;
use crate::admin::column::SortKey;
use session::State;

/// A parsed query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Only sessions in this state.
    pub(super) state: Option<State>,
    pub(super) sort: SortKey,
    /// Smallest first instead of largest.
    pub(super) is_ascending: bool,
    /// Maximum number of sessions.
    pub(super) limit: Option<usize>,
}

/// All sessions, oldest first.
impl Default for Query {
    fn default() -> Self {
        Self { state: None, sort: SortKey::Age, is_ascending: false, limit: None }
    }
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// A sentence that lists the valid options.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "state" => query.state = Some(word(&value, "state", &State::ALL, State::as_str)?),
                "sort" => query.sort = word(&value, "sort", &SortKey::ALL, SortKey::as_str)?,
                "order" => query.is_ascending = word(&value, "order", &[false, true], order)?,
                "limit" => {
                    let limit = value.parse();
                    query.limit = Some(limit.map_err(|_| "limit must be a whole number")?);
                }
                other => {
                    let known = "state, sort, order, limit";
                    return Err(format!("unknown parameter {other:?}: use {known}"));
                }
            }
        }
        Ok(query)
    }

    /// Filters and sorts; returns how many match, regardless of the limit. Sessions without a value
    /// to sort by come last either way.
    pub(super) fn apply(&self, sessions: &mut Vec<View<'_>>) -> usize {
        sessions.retain(|session| self.state.is_none_or(|state| session.state == state));
        sessions.sort_by(|a, b| match (self.sort.of(&a.figures), self.sort.of(&b.figures)) {
            (Some(a), Some(b)) if self.is_ascending => a.cmp(&b),
            (Some(a), Some(b)) => b.cmp(&a),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        let total = sessions.len();
        sessions.truncate(self.limit.unwrap_or(usize::MAX));
        total
    }

    /// The link that sorts by this; in reverse, if it already does.
    pub(super) fn sorted_by(&self, sort: SortKey) -> String {
        let is_ascending = self.sort == sort && !self.is_ascending;
        let mut link = format!("/sessions?sort={}&order={}", sort.as_str(), order(is_ascending));
        if let Some(state) = self.state {
            link += &format!("&state={}", state.as_str());
        }
        if let Some(limit) = self.limit {
            link += &format!("&limit={limit}");
        }
        link
    }
}

fn order(is_ascending: bool) -> &'static str {
    if is_ascending { "asc" } else { "desc" }
}

/// One of a few words.
fn word<T: Copy>(
    value: &str,
    name: &str,
    known: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, String> {
    known.iter().copied().find(|it| as_str(*it) == value).ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|it| as_str(*it)).collect();
        format!("{name} cannot be {value:?}: use {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        for state in State::ALL {
            let query = Query::parse(&format!("state={}", state.as_str())).unwrap();
            assert_eq!(query, Query { state: Some(state), ..Query::default() });
        }
        for sort in SortKey::ALL {
            let query = Query::parse(&format!("sort={}&order=asc&limit=7", sort.as_str())).unwrap();
            assert_eq!(query, Query { state: None, sort, is_ascending: true, limit: Some(7) });
        }
        assert_eq!(Query::parse("").unwrap(), Query::default());
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let refusal = |text: &str| Query::parse(text).unwrap_err();
        assert_eq!(
            refusal("stat=open"),
            "unknown parameter \"stat\": use state, sort, order, limit"
        );
        assert_eq!(
            refusal("sort=size"),
            "sort cannot be \"size\": use age, send_age, receive_age, lag, queue, keepalives, gate_open, saving"
        );
        assert_eq!(refusal("order=up"), "order cannot be \"up\": use desc, asc");
        assert_eq!(refusal("limit=-1"), "limit must be a whole number");
        assert!(
            refusal("state=OPEN")
                .ends_with("connecting, open, finalizing, closing, dead, parked, ended")
        );
        assert!(refusal("%0d%0a%1b=1").contains(r#""\r\n\u{1b}""#));
    }

    #[test]
    fn a_link_sorts_and_turns_around() {
        let query = Query::parse("state=dead&limit=5").unwrap();
        assert_eq!(
            query.sorted_by(SortKey::Age),
            "/sessions?sort=age&order=asc&state=dead&limit=5"
        );
        assert_eq!(
            query.sorted_by(SortKey::Lag),
            "/sessions?sort=lag&order=desc&state=dead&limit=5"
        );
    }
}
