use serde_json::json;
use session::death::Reason;

use super::*;

const EXPECTED: Expected = Expected {
    idle: Duration::from_secs(10),
    response: Duration::from_secs(30),
    tolerance: Duration::from_secs(3),
};

const IDLE: &str = "Deepgram did not receive audio data or a text message within the timeout \
    window. See https://dpgr.am/net0001";

fn closed(code: u16, text: &str) -> Heard {
    let detail = format!("close {code}: {text}");
    Heard::Closed { code: Some(code), reason: Reason::Net0001Idle, detail }
}

/// A stream on which all this was heard, in milliseconds from the upgrade.
fn transcript(heard: &[(u64, Heard)]) -> Transcript {
    let heard = heard.iter().map(|(at, heard)| (Duration::from_millis(*at), heard.clone()));
    Transcript { heard: heard.collect(), until: Duration::from_secs(13) }
}

fn verdicts(found: Vec<Found>) -> Vec<bool> {
    found.into_iter().map(|found| found.agrees).collect()
}

#[test]
fn an_idle_close_as_it_was_captured_agrees() {
    let metadata = Heard::Text(json!({"type": "Metadata", "sha256": "incomplete"}));
    for at in [10_000, 12_500] {
        let heard = [(at - 25, metadata.clone()), (at, closed(1011, IDLE))];
        assert_eq!(verdicts(idle(EXPECTED, &transcript(&heard))), [true; 3]);
    }
    let short = [(10_000, metadata.clone()), (10_000, closed(1011, "NET-0001"))];
    assert_eq!(verdicts(idle(EXPECTED, &transcript(&short))), [true; 3]);
}

#[test]
fn another_time_code_or_text_differs() {
    let close = |at, code, text| idle(EXPECTED, &transcript(&[(at, closed(code, text))]));
    for found in [
        close(9_000, 1011, IDLE),
        close(13_100, 1011, IDLE),
        close(10_000, 1000, IDLE),
        close(10_000, 1011, "See https://dpgr.am/net0000"),
        idle(EXPECTED, &transcript(&[])),
    ] {
        assert_eq!(verdicts(found), [true, false, false], "no Metadata came either");
    }
}

#[test]
fn a_restart_is_told_from_the_longest_idle_timer_that_was_seen() {
    let at = |millis| transcript(&[(millis, closed(1011, IDLE))]);
    for (millis, restarted) in [(10_000, false), (12_500, false), (16_000, true), (18_500, true)] {
        let found = idle_after_ping(EXPECTED, &at(millis)).pop().unwrap();
        assert_eq!(found.agrees, !restarted, "{millis} ms: {found:?}");
        let found = idle_after_finalize(EXPECTED, &at(millis)).pop().unwrap();
        assert_eq!(found.agrees, restarted, "{millis} ms: {found:?}");
    }
    let open = idle_after_ping(EXPECTED, &transcript(&[])).pop().unwrap();
    assert!(!open.agrees, "a stream that was not closed tells nothing");
}
