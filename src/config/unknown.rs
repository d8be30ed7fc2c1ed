//! Unknown keys, and what may have been meant.

use std::collections::HashSet;

use super::document::{Node, Trail};
use super::finding::{Finding, Origin};
use super::schema::Key;

/// Finds unknown and duplicate keys, and values in place of sections.
pub(super) fn find(root: &Node, keys: &[Key], findings: &mut Vec<Finding>) {
    let mut search = Search { keys, findings };
    search.look(root, &[], &Trail::new());
}

/// An environment variable with our prefix that belongs to no key.
pub(super) fn variable(name: &str, keys: &[Key]) -> Finding {
    let variables: Vec<_> = keys.iter().map(Key::variable).collect();
    let hint = hint(nearest(name, variables.iter().map(String::as_str)));
    let message = format!("not a known variable{hint}");
    Finding { origin: Origin::Variable(name.to_owned()), key: String::new(), message }
}

/// An unknown key on the command line.
pub(super) fn argument(path: &str, keys: &[Key]) -> Finding {
    let paths: Vec<_> = keys.iter().map(Key::path).collect();
    let hint = hint(nearest(path, paths.iter().map(String::as_str)));
    Finding {
        origin: Origin::CommandLine,
        key: printable(path),
        message: format!("unknown key{hint}"),
    }
}

struct Search<'a> {
    keys: &'a [Key],
    findings: &'a mut Vec<Finding>,
}

impl Search<'_> {
    /// Checks the section whose path is `names`.
    fn look(&mut self, node: &Node, names: &[&str], trail: &Trail) {
        let entries = match node {
            // A section whose keys are all commented out is null.
            Node::Null => return,
            Node::Map(entries) => entries,
            _ => return self.tell(names, trail, self.wants_keys(names)),
        };
        let mut seen = HashSet::new();
        for (index, (name, value)) in entries.iter().enumerate() {
            let names: Vec<_> = names.iter().copied().chain([name.as_str()]).collect();
            let trail = trail.iter().copied().chain([index]).collect();
            if !seen.insert(name) {
                self.tell(&names, &trail, "appears twice in this section; keep one".into());
            } else if self.is_section(&names) {
                self.look(value, &names, &trail);
            } else if !self.is_key(&names) {
                self.tell(&names, &trail, self.unknown(&names));
            }
        }
    }

    fn tell(&mut self, names: &[&str], trail: &Trail, message: String) {
        let key = printable(&names.join("."));
        self.findings.push(Finding { origin: Origin::Document(trail.clone()), key, message });
    }

    fn is_key(&self, names: &[&str]) -> bool {
        self.keys.iter().any(|key| key.names == names)
    }

    fn is_section(&self, names: &[&str]) -> bool {
        self.keys.iter().any(|key| key.sections().starts_with(names))
    }

    fn wants_keys(&self, names: &[&str]) -> String {
        let children = self.children(names).join(", ");
        match names {
            [] => {
                format!("the file must contain sections ({children}), each with its keys below it")
            }
            _ => format!("must contain keys ({children}), not a value"),
        }
    }

    /// The names that a section may contain, each once.
    fn children(&self, section: &[&str]) -> Vec<&'static str> {
        let inside = self.keys.iter().filter(|key| key.names.starts_with(section));
        let mut names: Vec<_> = inside.map(|key| key.names[section.len()]).collect();
        names.dedup();
        names
    }

    fn unknown(&self, names: &[&str]) -> String {
        let (name, section) = names.split_last().expect("an entry has a name");
        let meant = nearest(name, self.children(section).into_iter()).map(str::to_owned);
        let meant = meant.or_else(|| {
            // The right key in the wrong section, or with its sections in front of it.
            let leaf = name.rsplit('.').next()?;
            Some(self.keys.iter().find(|key| key.name() == leaf)?.path())
        });
        format!("unknown key{}", hint(meant.as_deref()))
    }
}

fn hint(meant: Option<&str>) -> String {
    match meant {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}

/// The candidate that `name` is most likely a typo of: at most a third of it differs.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance is quadratic in length, and no key is this long.
    let name = name.get(..name.len().min(100))?.to_lowercase().replace('-', "_");
    let measured =
        candidates.map(|other| (strsim::damerau_levenshtein(&name, &other.to_lowercase()), other));
    let (distance, meant) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= meant.len()).then_some(meant)
}

/// A name from a file, made safe for a terminal and a log line.
fn printable(name: &str) -> String {
    const CHARS_MAX: usize = 100;
    let text: String = name.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if name.chars().nth(CHARS_MAX).is_some() { format!("{text}...") } else { text }
}
