//! What was seen of a session, compared with what was seen of another.

use serde_json::{Value, json};

use super::program::Lines;

/// What Deepgram says in a refusal's head. The rest is of the server that sends it.
const HEADERS: [&str; 5] =
    ["content-type", "content-length", "dg-error", "dg-request-id", "retry-after"];

/// The first line that differs, where the two are not alike.
pub(super) fn difference(expected: &Lines, seen: &Lines) -> Option<String> {
    let normalised = |lines: &Lines| lines.iter().map(normalise).collect::<Vec<_>>();
    let (expected, seen) = (normalised(expected), normalised(seen));
    let longer = expected.len().max(seen.len());
    let at = (0..longer).find(|at| expected.get(*at) != seen.get(*at))?;
    let text = |line: Option<&Value>| line.map_or("nothing".to_owned(), Value::to_string);
    let [expected, seen] = [expected.get(at), seen.get(at)].map(text);
    Some(format!("line {at}:\n  directly    {expected}\n  the sidecar {seen}"))
}

/// The same without what is another one for each session.
fn normalise(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), member(name, value))).collect()
        }
        Value::Array(items) => items.iter().map(normalise).collect(),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("request_id" | "created" | "dg-request-id", Value::String(_)) => json!("its own"),
        ("headers", Value::Object(headers)) => {
            let mut headers = headers.clone();
            headers.retain(|name, _| HEADERS.contains(&name.as_str()));
            normalise(&Value::Object(headers))
        }
        // Deepgram's, as JSON where it is.
        ("body", Value::String(body)) => {
            serde_json::from_str(body).map_or_else(|_| value.clone(), |body| normalise(&body))
        }
        _ => normalise(value),
    }
}

/// Deepgram's ids in what was seen, wherever they stand.
pub(super) fn request_ids(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| ids_of(name, value)).collect()
        }
        Value::Array(items) => items.iter().flat_map(request_ids).collect(),
        _ => Vec::new(),
    }
}

fn ids_of(name: &str, value: &Value) -> Vec<Value> {
    match (name, value) {
        ("request_id" | "dg-request-id", Value::String(_)) => vec![value.clone()],
        ("body", Value::String(body)) => {
            serde_json::from_str(body).map_or_else(|_| Vec::new(), |body| request_ids(&body))
        }
        _ => request_ids(value),
    }
}
