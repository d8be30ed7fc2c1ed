//! `/sessions/{id}` as HTML.

use std::fmt::Display;

use maud::{Markup, html};

use super::super::view::{Connection, Detail, View};
use super::sessions::{alarm, state};
use super::{REFRESH, events, page, tags};
use crate::admin::quantity::{bytes, counted, time, time_or_dash};
use session::fact::ConnectionDied;

/// One session: identity, counters, timers and events.
pub(in super::super) fn session(detail: &Detail<'_>) -> String {
    let view = &detail.view;
    let body = html! {
        table {
            tr { th { "state" } td class=[alarm(view)] { (state(view)) } }
            @if let Some(died) = &view.death { (death(died)) }
            (identity(view))
            (connection(detail))
            (counters(view))
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
        @if let Some(trace) = &view.trace_id { (row("trace", trace)) }
        (row("age", time(view.age_ms)))
        @if !view.tags.is_empty() { (row("tags", tags(view.tags))) }
    }
}

fn connection(detail: &Detail<'_>) -> Markup {
    let sent = time_or_dash(detail.view.send_age_ms);
    let received = time_or_dash(detail.view.receive_age_ms);
    html! {
        @match &detail.connection {
            Some(Connection { number, age_ms, .. }) => {
                (row("connection", format_args!("number {number}, up for {}", time(*age_ms))))
            }
            None => {
                (row("connection", format_args!(
                    "not connected ({} so far)", counted(detail.view.connections, "connection")
                )))
            }
        }
        @if let Some(request) = &detail.request_id { (row("request", request)) }
        (row("traffic", format_args!("last sent {sent} ago, last received {received} ago")))
    }
}

fn counters(view: &View<'_>) -> Markup {
    let audio = &view.audio;
    let [accepted, finalized, in_flight, lost] =
        [audio.accepted_ms, audio.finalized_ms, audio.in_flight_ms, audio.lost_ms]
            .map(time_or_dash);
    let [received, sent, dropped] =
        [audio.bytes_received, audio.bytes_sent, audio.bytes_dropped].map(bytes);
    let finalizes = &view.finalizes;
    let queues = &view.queue_bytes;
    html! {
        (row("audio", format_args!(
            "{accepted} accepted: {finalized} final, {in_flight} in flight, {lost} lost"
        )))
        (row("", format_args!(
            "{}, {received}: {sent} sent, {dropped} dropped", counted(audio.frames, "frame")
        )))
        (row("lag", time_or_dash(view.transcript_lag_ms)))
        (row("waiting", format_args!(
            "{} for Deepgram, {} for the application",
            bytes(queues.to_upstream), bytes(queues.to_app)
        )))
        (row("keepalives", view.keepalives))
        (row("finalizes", format_args!(
            "{} requested: {} sent, {} in flight, {} timed out, {} failed, {} skipped",
            finalizes.requested, finalizes.sent, finalizes.in_flight, finalizes.timeouts,
            finalizes.errors, finalizes.skipped_dead
        )))
        (row("messages", format_args!(
            "{}, {} final", view.messages.received, view.messages.finals
        )))
    }
}

pub(super) fn row(name: &str, value: impl Display) -> Markup {
    html! { tr { th { (name) } td { (value.to_string()) } } }
}
