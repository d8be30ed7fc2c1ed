//! What was seen of a session, in a few words.

use serde_json::Value;

use super::program::Lines;

/// How a session ended for its user, as in the tables of docs/sdks.md.
pub(super) fn ending(lines: &Lines) -> String {
    let quiet = ["open", "message", "end"];
    let ending = lines.iter().filter(|line| !quiet.iter().any(|seen| line["seen"] == *seen));
    ending.map(words).collect::<Vec<_>>().join(", then ")
}

fn words(line: &Value) -> String {
    // What was seen, its type, its number and its reason: each SDK has other names for them.
    let keys =
        [&["seen"][..], &["type"], &["status", "code", "err_msg", "text"], &["reason", "message"]];
    let error = &line["error"];
    let find = |names: &&[&str]| {
        let found = names.iter().find_map(|name| line.get(name).or(error.get(name)))?;
        found.as_str().map(str::to_owned).or_else(|| Some(found.to_string()))
    };
    let mut words: Vec<_> = keys.iter().filter_map(find).collect();
    words.extend(error["description"].as_str().map(str::to_owned));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}
