//! `/sessions/{id}` as HTML.

use std::fmt::Display;

use maud::{Markup, html};

use super::super::view::{ConnectionView, Detail, View};
use super::sessions::tone;
use super::{REFRESH, events, page, tags};
use crate::admin::column::spoken;
use crate::admin::quantity::{counted, time, time_or_dash};
use session::Sdk;
use session::counts::Count;
use session::fact::ConnectionDied;

/// One session: identity, counters, timers and events.
pub(in super::super) fn session(detail: &Detail<'_>) -> String {
    let view = &detail.view;
    let body = html! {
        table {
            tr { th { "state" } td class=[tone(view)] { (view.row().condition()) } }
            @if let Some(died) = &view.death { (death(died)) }
            (identity(view))
            (connection(detail))
            @for (name, value) in view.figures.rows() { (row(name, value)) }
        }
        h2 { "Timers" }
        @if !detail.responsive {
            p.alarm { "Its task did not respond in time, so its timers are unknown." }
        }
        table {
            @for timer in &detail.timers {
                tr { th { (timer.timer) } td.n { "in " (time(timer.due_in_ms)) } }
            }
        }
        h2 { "Events" }
        (events(&detail.events))
        @if !detail.vad_events.is_empty() {
            h2 { "VAD gate" }
            (events(&detail.vad_events))
        }
    };
    page(view.session_id.as_str(), Some(REFRESH), body)
}

pub(super) fn death(died: &ConnectionDied) -> Markup {
    let death = &died.death;
    let [reason, class, trigger] =
        [death.reason.as_str(), death.class.as_str(), death.trigger.as_str()];
    let [sent, received] = [death.send_age_ms, death.receive_age_ms].map(time);
    let age = time(session::millis(died.age));
    let stage = died.stage.as_str();
    html! {
        (row("death", format_args!("{reason} ({class}), detected by {trigger}: {}", death.detail)))
        (row("", format_args!(
            "connection {}, {age} old, {stage}; last sent {sent} and last received {received} before",
            death.connection
        )))
    }
}

fn identity(view: &View<'_>) -> Markup {
    html! {
        (row("endpoint", view.endpoint.path()))
        (row("dialect", spoken(view.dialect.as_str(), view.sdk.map(Sdk::as_str), view.user_agent)))
        @if let Some(trace) = &view.trace_id { (row("trace", trace)) }
        (row("age", time(view.figures.age_ms)))
        @if !view.tags.is_empty() { (row("tags", tags(view.tags))) }
    }
}

fn connection(detail: &Detail<'_>) -> Markup {
    let sent = time_or_dash(detail.view.figures.send_age_ms);
    let received = time_or_dash(detail.view.figures.receive_age_ms);
    let so_far = counted(detail.view.figures.count(Count::Connections), "connection");
    html! {
        @match &detail.connection {
            Some(ConnectionView { number, age_ms, .. }) => {
                (row("connection", format_args!("number {number}, up for {}", time(*age_ms))))
            }
            None => {
                (row("connection", format_args!("not connected ({so_far} so far)")))
            }
        }
        @if let Some(request) = &detail.request_id { (row("request", request)) }
        (row("traffic", format_args!("last sent {sent} ago, last received {received} ago")))
    }
}

pub(super) fn row(name: &str, value: impl Display) -> Markup {
    html! { tr { th { (name) } td { (value.to_string()) } } }
}
