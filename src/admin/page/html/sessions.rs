//! `/sessions` as HTML.

use maud::{Markup, html};

use super::super::query::{Query, Sort};
use super::super::sessions::{List, Summary};
use super::super::view::View;
use super::{REFRESH, page, tags};
use crate::admin::quantity::{bytes, counted, time, time_or_dash};
use session::State;
use session::counts::Count;

/// The sessions as a table, each with a link to its page.
pub(in super::super) fn sessions(list: &List<'_>, query: &Query) -> String {
    let left_out = list.total - list.sessions.len();
    let body = html! {
        p { (in_numbers(&list.summary)) }
        table {
            tr { @for column in COLUMNS { (column.head(query)) } }
            @for session in &list.sessions { (row(session)) }
        }
        @if list.total == 0 { p { "No matching live sessions." } }
        @if left_out > 0 { p { (left_out) " more beyond the limit." } }
    };
    page("Live sessions", Some(REFRESH), body)
}

fn in_numbers(summary: &Summary) -> Markup {
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

/// A column's title, and what it sorts by.
struct Column(&'static str, Option<Sort>);

const COLUMNS: [Column; 11] = [
    Column("session", None),
    Column("state", None),
    Column("age", Some(Sort::Age)),
    Column("sent", Some(Sort::SendAge)),
    Column("received", Some(Sort::ReceiveAge)),
    Column("lag", Some(Sort::Lag)),
    Column("queue", Some(Sort::Queue)),
    Column("keepalives", Some(Sort::Keepalives)),
    Column("audio", None),
    Column("finalizes", None),
    Column("tags", None),
];

impl Column {
    fn head(&self, query: &Query) -> Markup {
        let Self(title, Some(sort)) = *self else {
            return html! { th { (self.0) } };
        };
        let arrow = if query.is_ascending { " ▲" } else { " ▼" };
        html! {
            th.n {
                a href=(query.sorted_by(sort)) { (title) }
                @if query.sort == sort { (arrow) }
            }
        }
    }
}

fn row(session: &View<'_>) -> Markup {
    html! {
        tr {
            td { a href={ "/sessions/" (session.session_id) } { (session.session_id) } }
            td class=[alarm(session)] { (state(session)) }
            td.n { (time(session.figures.age_ms)) }
            td.n { (time_or_dash(session.figures.send_age_ms)) }
            td.n { (time_or_dash(session.figures.receive_age_ms)) }
            td.n { (time_or_dash(session.figures.transcript_lag_ms)) }
            td.n { (bytes(session.figures.queued_bytes())) }
            td.n { (session.figures.count(Count::Keepalives)) }
            td { (time_or_dash(session.figures.accepted_ms())) }
            td { (finalizes(session)) }
            td { (tags(session.tags)) }
        }
    }
}

pub(super) fn alarm(session: &View<'_>) -> Option<&'static str> {
    (session.state == State::Dead || session.stalled).then_some("alarm")
}

/// Its state, and what is wrong with it.
pub(super) fn state(session: &View<'_>) -> String {
    let state = session.state.as_str();
    match &session.death {
        Some(died) => format!("{state}: {}", died.death.reason.as_str()),
        None if session.stalled => format!("{state}, stalled"),
        None => state.into(),
    }
}

fn finalizes(session: &View<'_>) -> String {
    let count = |count| session.figures.count(count);
    let sent = count(Count::FinalizesSent);
    match count(Count::FinalizeErrors) + count(Count::FinalizeTimeouts) {
        0 => sent.to_string(),
        failed => format!("{sent}, {failed} failed"),
    }
}
