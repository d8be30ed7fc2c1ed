//! `/sessions` as HTML.

use maud::{Markup, html};

use super::super::query::Query;
use super::super::sessions::{List, Totals};
use super::super::view::View;
use super::{REFRESH, page, tags};
use crate::admin::column::{COLUMNS, Column, Tone};
use crate::admin::quantity::counted;
use session::State;

/// The sessions as a table, each with a link to its page.
pub(in super::super) fn sessions(list: &List<'_>, query: &Query) -> String {
    let left_out = list.total - list.sessions.len();
    let body = html! {
        p { (in_numbers(&list.summary)) }
        table {
            tr { @for column in &COLUMNS { (head(column, query)) } th { "tags" } }
            @for session in &list.sessions { (row(session)) }
        }
        @if list.total == 0 { p { "No matching live sessions." } }
        @if left_out > 0 { p { (left_out) " more beyond the limit." } }
    };
    page("Live sessions", Some(REFRESH), body)
}

fn in_numbers(summary: &Totals) -> Markup {
    let states = State::ALL.into_iter().zip(summary.states);
    html! {
        a href="/sessions" { (counted(summary.states.iter().sum::<usize>(), "session")) } ": "
        @for (state, count) in states.filter(|(_, count)| *count > 0) {
            a href={ "/sessions?state=" (state.as_str()) } { (count) " " (state.as_str()) } ", "
        }
        (summary.stalled) " stalled, " (counted(summary.keepalives, "keepalive")) "; "
        a href="/deaths" { (counted(summary.deaths, "death")) } " since the daemon started"
    }
}

/// A column's title, with a link that sorts by it.
fn head(column: &Column, query: &Query) -> Markup {
    let Some(sort) = column.sort_key() else {
        return html! { th class=[quantity(column)] { (column.title) } };
    };
    let arrow = if query.is_ascending { " ▲" } else { " ▼" };
    html! {
        th class=[quantity(column)] {
            a href=(query.sorted_by(sort)) { (column.title) }
            @if query.sort == sort { (arrow) }
        }
    }
}

/// The first cell links to the session's page; after the columns come the tags.
fn row(session: &View<'_>) -> Markup {
    let row = session.row();
    let [id, state, others @ ..] = &COLUMNS;
    html! {
        tr {
            td { a href={ "/sessions/" (session.session_id) } { (id.cell(&row)) } }
            td class=[tone(session)] { (state.cell(&row)) }
            @for column in others { td class=[quantity(column)] { (column.cell(&row)) } }
            td { (tags(session.tags)) }
        }
    }
}

fn quantity(column: &Column) -> Option<&'static str> {
    column.is_quantity().then_some("n")
}

/// The class that marks a session that needs attention.
pub(super) fn tone(session: &View<'_>) -> Option<&'static str> {
    match session.row().tone() {
        Tone::Calm => None,
        Tone::Warning => Some("warning"),
        Tone::Alarm => Some("alarm"),
    }
}
