//! Faults in the middle of speech.

use std::time::Duration;

use super::line::Fault;
use super::row::{Fate, Row};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn faults() -> Vec<Fault> {
    [closes(), forbidden_closes(), breaches(), silences(), errors()]
        .concat()
        .into_iter()
        .map(Row::run)
        .collect()
}

fn closes() -> Vec<Row> {
    let closed = Row::mid_speech;
    vec![
        closed("close 1000", "[{close: {code: 1000}}]", "closed_early"),
        closed("close without a code", "[{close: {}}]", "closed_early"),
        closed("close 1001", "[{close: {code: 1001}}]", "closed_going_away"),
        closed("close 1002", "[{close: {code: 1002}}]", "closed_other"),
        closed("close 1003", "[{close: {code: 1003}}]", "closed_other"),
        closed("close 1007", "[{close: {code: 1007}}]", "closed_other"),
        closed("close 1008", "[{close: {code: 1008, reason: 'policy'}}]", "closed_other"),
        closed("close 1009", "[{close: {code: 1009}}]", "closed_other"),
        closed("close 1010", "[{close: {code: 1010}}]", "closed_other"),
        closed("close 1011", "[{close: {code: 1011, reason: restart}}]", "provider_error"),
        closed(
            "close 1011 NET-0000",
            "[{close: {code: 1011, reason: NET-0000}}]",
            "net_0000_no_result",
        ),
        closed("close 1011 NET-0001", "[{close: {code: 1011, reason: NET-0001}}]", "net_0001_idle"),
        closed("close 1012", "[{close: {code: 1012}}]", "closed_going_away"),
        closed("close 1013", "[{close: {code: 1013}}]", "closed_going_away"),
        closed("close 1014", "[{close: {code: 1014}}]", "provider_error"),
        closed("close 4321", "[{close: {code: 4321, reason: because}}]", "closed_other"),
    ]
}

/// Codes that no peer may send, and one after which the same audio would fail again.
fn forbidden_closes() -> Vec<Row> {
    let closed = Row::mid_speech;
    let undecodable = "[{close: {code: 1008, reason: DATA-0000}}]";
    vec![
        closed("close 1004", "[{close: {code: 1004}}]", "ws_protocol"),
        closed("close 1005", "[{close: {code: 1005}}]", "ws_protocol"),
        closed("close 1006", "[{close: {code: 1006}}]", "ws_protocol"),
        closed("close 1015", "[{close: {code: 1015}}]", "ws_protocol"),
        closed("close 2999", "[{close: {code: 2999}}]", "ws_protocol"),
        closed("close 1008 DATA-0000", undecodable, "data_0000_undecodable")
            .fate(Fate::GivesUp(None)),
    ]
}

fn breaches() -> Vec<Row> {
    let broken = Row::mid_speech;
    vec![
        broken("TCP reset", "[reset]", "connection_reset"),
        broken("FIN without a close frame", "[fin]", "eof_without_close"),
        broken("FIN in the middle of a frame", "[cut_mid_frame]", "eof_without_close"),
        broken("a frame that breaks RFC 6455", "[bad_frame]", "ws_protocol"),
        broken("a message over 4 MiB", "[{oversized: 4194305}]", "ws_protocol"),
    ]
}

fn silences() -> Vec<Row> {
    let pinged = |fault, now, reason| {
        Row::mid_speech(fault, now, reason)
            .set("liveness.ping_interval", "500ms")
            .set("liveness.ping_timeout", "500ms")
            .deadline(SECOND)
    };
    vec![
        pinged("nothing read or written (half open)", "[half_open]", "ping_timeout"),
        pinged("reading stops", "[stop_reading]", "ping_timeout"),
        pinged("no results and no Pongs", "[mute, no_pong]", "ping_timeout"),
        pinged("no Pongs, but results", "[no_pong]", "").fate(Fate::Unharmed),
        Row::mid_speech("no results (mute)", "[mute]", "stalled_transcript")
            .set("liveness.stall_after", "2s")
            .set("liveness.kill_stalled", "true")
            .deadline(2 * SECOND),
        Row::mid_speech("audio read at half its speed", "[{slow_read: 16000}]", "")
            .fate(Fate::Unharmed),
    ]
}

const RATE: &str = r#"[{send: '{"type":"Error","variant":"INTERNAL","description":"try later"}'}, {close: {code: 1000}}]"#;
const CREDIT: &str = r#"[{send: '{"type":"Error","variant":"NO_CREDIT","description":"Insufficient credits."}'}, {close: {}}]"#;

fn errors() -> Vec<Row> {
    vec![
        Row::mid_speech("an Error message, then close 1000", RATE, "provider_error"),
        Row::mid_speech("an Error about credit, then a close", CREDIT, "closed_account")
            .plans(["{}", "{refuse: {status: 402}}"])
            .fate(Fate::GivesUp(Some("http_402"))),
        Row::mid_speech("an Error about credit, which comes back", CREDIT, "closed_account"),
    ]
}
