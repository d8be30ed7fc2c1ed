//! `/deaths` as HTML.

use maud::{Markup, html};

use super::super::deaths::{DeathView, Deaths};
use super::view::{death, row};
use super::{events, page, tags};
use crate::admin::quantity::counted;
use session::State;

/// The deaths, newest first, each with its session's flight recorder collapsed.
pub(in super::super) fn deaths(list: &Deaths<'_>) -> String {
    let forgotten = list.total.saturating_sub(list.deaths.len() as u64);
    let body = html! {
        p { (counted(list.total, "connection")) " died since the daemon started." }
        @for death in &list.deaths { (one(death)) }
        @if forgotten > 0 { p { (counted(forgotten, "earlier death")) " no longer listed." } }
    };
    page("Deaths", None, body)
}

fn one(view: &DeathView<'_>) -> Markup {
    let is_live = view.state != State::Ended;
    html! {
        h2 {
            (view.at) " "
            @if is_live { a href={ "/sessions/" (view.session_id) } { (view.session_id) } }
            @else { (view.session_id) }
        }
        table {
            (death(view.died))
            (row("endpoint", view.endpoint.path()))
            (row("session", view.state.as_str()))
            @if let Some(trace) = &view.trace_id { (row("trace", trace)) }
            @if let Some(request) = &view.request_id { (row("request", request)) }
            @if !view.tags.is_empty() { (row("tags", tags(view.tags))) }
        }
        details { summary { (counted(view.events.len(), "event")) } (events(&view.events)) }
    }
}
