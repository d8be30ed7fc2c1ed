//! Each fact as the flight recorder shows it: what `/sessions/{id}`, `/deaths` and the log have of
//! it. `facts.jsonl` has one line for each of [`one_of_each`].

use super::facts::one_of_each;
use super::*;
use crate::live::Entry;

const FACTS: &str = include_str!("facts.jsonl");

#[test]
fn every_fact_is_remembered_as_it_has_always_been() {
    let mut lines = FACTS.lines();
    for fact in one_of_each() {
        let (at, until) = (Duration::from_millis(3), Duration::from_millis(5));
        let entry = Entry { at, until, count: 2, fact };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(Some(text.as_str()), lines.next(), "{entry:?}");
    }
    assert_eq!(lines.next(), None, "a line without a fact");
}
