//! Reads the layers into values, and collects all mistakes.

use super::contradiction::Contradiction;
use super::document::Node;
use super::finding::{Finding, Origin};
use super::layers::{Given, Layers};
use super::rule::Rule;
use super::schema::{Section, Walk, takes};
use super::sections::Config;
use super::setting::{Setting, Wrong};

/// The configuration that results from the layers. A wrong value is replaced by the default, and
/// reported in the findings.
pub(super) fn read(layers: &Layers, findings: &mut Vec<Finding>) -> Config {
    let mut config = Config::default();
    config.walk(&mut Reader { layers, findings, names: Vec::new() });
    for Contradiction { keys, message } in config.contradictions() {
        // Only valid values are compared: a contradiction with a substitute is nobody's mistake.
        if keys.iter().any(|names| is_mistaken(names, findings)) {
            continue;
        }
        let given = |names: &&&[&str]| layers.given(names).last().map(|(origin, _)| origin);
        let (names, origin) = keys
            .iter()
            .find_map(|names| Some((names, given(&names)?)))
            .expect("the defaults do not contradict each other");
        let key = names.join(".");
        // The key stands before the message anyway.
        let message = message.strip_prefix(&key).map_or(message, str::trim_start).to_owned();
        findings.push(Finding { origin, key, message });
    }
    config
}

fn is_mistaken(names: &[&str], findings: &[Finding]) -> bool {
    let key = names.join(".");
    findings.iter().any(|finding| finding.key == key)
}

struct Reader<'a> {
    layers: &'a Layers,
    findings: &'a mut Vec<Finding>,
    /// The sections that are being walked, outermost first.
    names: Vec<&'static str>,
}

impl Walk for Reader<'_> {
    fn section<S: Section>(&mut self, name: &'static str, section: &mut S) {
        self.names.push(name);
        section.walk(self);
        self.names.pop();
    }

    fn key<T: Setting + 'static>(
        &mut self,
        name: &'static str,
        _about: &'static str,
        value: &mut T,
        rule: Rule<T>,
    ) {
        self.names.push(name);
        let layers = self.layers;
        let names = self.names.clone();
        for (origin, given) in layers.given(&names) {
            // A weaker layer's mistake is reported too: one day nothing will override it.
            match read_value(&given, &rule) {
                Ok(sound) => *value = sound,
                Err(complaints) => self.complain(&origin, complaints),
            }
        }
        self.names.pop();
    }
}

impl Reader<'_> {
    fn complain(&mut self, origin: &Origin, complaints: Vec<Complaint>) {
        for Complaint { item, message } in complaints {
            let mut origin = origin.clone();
            let mut key = self.names.join(".");
            if let Some(index) = item {
                key.push_str(&format!("[{index}]"));
                if let Origin::Document(trail) = &mut origin {
                    trail.push(index);
                }
            }
            self.findings.push(Finding { origin, key, message });
        }
    }
}

/// A mistake in one value.
struct Complaint {
    /// The index of the list item, from 0.
    item: Option<usize>,
    message: String,
}

fn read_value<T: Setting + 'static>(
    given: &Given<'_>,
    rule: &Rule<T>,
) -> Result<T, Vec<Complaint>> {
    let whole = |message| vec![Complaint { item: None, message }];
    let value = match given {
        Given::Yaml(node) => T::read(node).map_err(|wrong| mistyped(node, wrong, rule))?,
        Given::Text(text) => {
            T::parse(text).ok_or_else(|| whole(must_be(&takes(rule), &shown_text::<T>(text))))?
        }
    };
    rule.check(&value).map_err(whole)?;
    Ok(value)
}

fn mistyped<T: Setting>(node: &Node, wrong: Wrong, rule: &Rule<T>) -> Vec<Complaint> {
    match (wrong, node) {
        (Wrong::Items(indices), Node::List(items)) => {
            let complaint = |index: usize| Complaint {
                item: Some(index),
                message: must_be(&T::wants_item(), &shown::<T>(&items[index])),
            };
            indices.into_iter().map(complaint).collect()
        }
        _ => vec![Complaint { item: None, message: must_be(&takes(rule), &shown::<T>(node)) }],
    }
}

fn must_be(wanted: &str, found: &str) -> String {
    format!("must be {wanted}, not {found}")
}

/// A value as messages show it, where a `T` was expected.
fn shown<T: Setting>(node: &Node) -> String {
    match node {
        Node::Null => "null".into(),
        Node::Bool(value) => value.to_string(),
        Node::Integer(value) => value.to_string(),
        Node::Float(value) => value.to_string(),
        Node::Text(text) => shown_text::<T>(text),
        Node::List(_) => "a list".into(),
        Node::Map(_) => "a mapping".into(),
        Node::Tagged => "a value with a tag".into(),
    }
}

/// Longer texts are not shown: an API key has 40 characters, and one that slipped into the wrong
/// place must not reach a terminal or a log from here.
fn shown_text<T: Setting>(text: &str) -> String {
    const CHARS_MAX: usize = 24;
    if !T::IS_PRIVATE && text.chars().count() <= CHARS_MAX {
        format!("{text:?}")
    } else {
        "the given text".into()
    }
}
