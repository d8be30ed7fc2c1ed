//! Faults of the dials after a reset in the middle of speech.

use super::line::Fault;
use super::row::{Fate, Row};

pub(super) fn faults() -> Vec<Fault> {
    [transient(), lasting(), flapping()].concat().into_iter().map(Row::run).collect()
}

fn transient() -> Vec<Row> {
    let twice = |fault, reason, plan| Row::redials(fault, reason, [plan, plan]);
    let limited = "{refuse: {status: 429, retry_after: 2s}}";
    let hung = "{hang_handshake: true}";
    vec![
        twice("redials get 408, twice", "http_4xx", "{refuse: {status: 408}}"),
        twice("redials get 429, twice", "http_429", "{refuse: {status: 429}}"),
        Row::redials("a redial gets 429 with Retry-After 2 s", "http_429", [limited]),
        twice("redials get 500, twice", "http_5xx", "{refuse: {status: 500}}"),
        twice("redials get 503, twice", "http_5xx", "{refuse: {status: 503}}"),
        twice("redials are reset, twice", "protocol", "{refuse_tcp: true}"),
        twice("redials get no HTTP, twice", "protocol", "{garbage_handshake: true}"),
        Row::redials("a redial gets no answer", "timeout", [hung])
            .set("upstream.connect_timeout", "1s"),
    ]
}

fn lasting() -> Vec<Row> {
    let refused =
        |fault, reason, plan| Row::redials(fault, reason, [plan]).fate(Fate::GivesUp(Some(reason)));
    vec![
        refused("a redial gets 400", "http_400", "{refuse: {status: 400}}"),
        refused("a redial gets 401", "http_401", "{refuse: {status: 401}}"),
        refused("a redial gets 402", "http_402", "{refuse: {status: 402}}"),
        refused("a redial gets 403", "http_403", "{refuse: {status: 403}}"),
        refused("a redial gets 404", "http_4xx", "{refuse: {status: 404}}"),
        refused(
            "a redial is redirected",
            "http_3xx",
            "{redirect: {status: 302, location: 'http://127.0.0.1:1/'}}",
        ),
        refused(
            "a redial gets 429 with Retry-After 61 s",
            "http_429",
            "{refuse: {status: 429, retry_after: 61s}}",
        ),
    ]
}

fn flapping() -> Vec<Row> {
    let closed = "{then: [{at: 150ms, do: {close: {code: 1011}}}]}";
    let reset = "{then: [{at: 150ms, do: reset}]}";
    let short = "{then: [{at: 2s, do: reset}]}";
    vec![
        Row::redials(
            "accepted, then closed after 150 ms, twice",
            "provider_error",
            [closed, closed],
        ),
        Row::redials(
            "accepted, then reset after 150 ms, twice",
            "connection_reset",
            [reset, reset],
        ),
        Row::redials("reset every 2 s, three times", "connection_reset", [short, short, short]),
    ]
}
