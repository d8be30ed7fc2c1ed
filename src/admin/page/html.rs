//! The HTML pages: tables without scripts or external resources.
//!
//! The template library escapes everything, because ids, tags and a death's detail are untrusted.

mod deaths;
mod sessions;
mod view;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::index::Page;
use crate::admin::quantity::time;
use crate::live::Entry;
use crate::telemetry::VERSION;
use session::millis;

pub(super) use deaths::deaths;
pub(super) use sessions::sessions;
pub(super) use view::session;

/// Refresh interval of live pages, in seconds.
const REFRESH: u8 = 2;

/// The list of pages, as links.
pub(super) fn index() -> String {
    let body = html! {
        p { "Version " (VERSION) }
        table {
            @for page in Page::ALL {
                @let path = page.path();
                tr {
                    td { @if page == Page::Session { (path) } @else { a href=(path) { (path) } } }
                    td { (page.title()) }
                }
            }
        }
    };
    page("deepgram-sidecar", None, body)
}

/// A whole page, which refreshes after this many seconds.
fn page(title: &str, refresh: Option<u8>, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                nav {
                    a href="/sessions" { "sessions" }
                    a href="/deaths" { "deaths" }
                    a href="/" { "all pages" }
                }
                h1 { (title) }
                (body)
            }
        }
    };
    page.into_string()
}

/// A flight recorder's entries.
fn events(events: &[Entry]) -> Markup {
    html! {
        table {
            tr { th { "at" } th { "event" } th.n { "times" } th { "" } }
            @for entry in events { (event(entry)) }
        }
    }
}

fn event(entry: &Entry) -> Markup {
    let mut fields = match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let name = fields.shift_remove("event");
    for shown in ["at_ms", "until_ms", "count"] {
        fields.shift_remove(shown);
    }
    html! {
        tr {
            td { (period(entry)) }
            td { (name.as_ref().and_then(Value::as_str).unwrap_or_default()) }
            td.n { (entry.count) }
            td { @for (name, value) in &fields { (name) "=" (text(value)) " " } }
        }
    }
}

/// When it happened; for a run, from the first to the last.
fn period(entry: &Entry) -> String {
    let [at, until] = [entry.at, entry.until].map(|moment| time(millis(moment)));
    if entry.count > 1 { format!("{at} to {until}") } else { at }
}

/// Text unquoted, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn tags(tags: &[(String, String)]) -> String {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:14px system-ui,sans-serif;margin:1rem}\
h1{font-size:1.2rem}h2{font-size:1rem}nav a{margin-right:1rem}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.15rem .6rem;text-align:left;border-bottom:1px solid #8884;vertical-align:top}\
td.n,th.n{text-align:right}\
td{overflow-wrap:anywhere}\
.alarm{color:#d33;font-weight:bold}\
.warning{color:#b70;font-weight:bold}";
