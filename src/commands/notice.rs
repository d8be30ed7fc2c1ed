//! Events as lines for people.

use std::fmt;

use super::plain;
use crate::admin::quantity::{counted, time};
use client::Event;

/// An event in a line: its name, and what it means. One that this version does not know, or not so,
/// is shown as it came.
pub(super) struct Notice<'a>(pub(super) &'a Event);

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = said(self.0).unwrap_or_else(|| {
            let members = self.0.members.clone();
            serde_json::Value::Object(members).to_string()
        });
        write!(f, "{}: {}", plain::line(self.0.name()), plain::line(&text))
    }
}

/// `None` if the event is unknown, or lacks a member that it should have.
fn said(event: &Event) -> Option<String> {
    let text = |member| event.text(member);
    let number = |member| event.number(member);
    let span = |member| event.number(member).map(time);
    Some(match event.name() {
        "dead" => {
            let known = span("final_ms").map(|it| format!("; final up to {it}"));
            format!(
                "connection {} ended with {} ({}), noticed by {}: {}{}",
                number("connection")?,
                text("reason")?,
                text("class")?,
                text("trigger")?,
                text("detail")?,
                known.unwrap_or_default()
            )
        }
        "reconnecting" => {
            let (attempt, delay) = (number("attempt")?, span("delay_ms")?);
            format!("attempt {attempt} in {delay}, after {}", text("reason")?)
        }
        "recovered" => format!(
            "connection {} took over after {}: {} of audio sent again, {} lost",
            number("connection")?,
            span("gap_ms")?,
            span("replayed_ms")?,
            span("lost_ms")?
        ),
        "stalled" => format!("audio goes in, but no result for {}", span("silent_ms")?),
        "audio_dropped" => {
            let (frames, bytes) = (counted(number("frames")?, "frame"), number("bytes")?);
            format!("{frames} of audio, {bytes} bytes: {}", text("cause")?)
        }
        "parked" => format!("no audio for {}; the next reopens the connection", span("idle_ms")?),
        "resumed" => format!("audio again after {}", span("idle_ms")?),
        "prelude_done" => format!("live audio follows {} of prelude", span("prelude_ms")?),
        "draining" => format!("the sidecar is shutting down, in {} at most", span("deadline_ms")?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> String {
        Notice(&serde_json::from_str(json).unwrap()).to_string()
    }

    #[test]
    fn every_event_of_the_contract_is_a_sentence() {
        for (json, expected) in [
            (
                r#"{"event":"dead","at_ms":9,"reason":"net_0001_idle","trigger":"read","class":"provider","detail":"1011","connection":1}"#,
                "dead: connection 1 ended with net_0001_idle (provider), noticed by read: 1011",
            ),
            (
                r#"{"event":"dead","reason":"closed_other","trigger":"read","class":"provider","detail":"4000","connection":1,"final_ms":5880}"#,
                "dead: connection 1 ended with closed_other (provider), noticed by read: 4000; final up to 5.8s",
            ),
            (
                r#"{"event":"reconnecting","attempt":2,"delay_ms":1500,"reason":"http_5xx"}"#,
                "reconnecting: attempt 2 in 1.5s, after http_5xx",
            ),
            (
                r#"{"event":"recovered","connection":2,"gap_ms":900,"replayed_ms":4000,"lost_ms":0}"#,
                "recovered: connection 2 took over after 0.9s: 4.0s of audio sent again, 0.0s lost",
            ),
            (
                r#"{"event":"stalled","silent_ms":20000}"#,
                "stalled: audio goes in, but no result for 20.0s",
            ),
            (
                r#"{"event":"audio_dropped","frames":1,"bytes":3200,"cause":"dead"}"#,
                "audio_dropped: 1 frame of audio, 3200 bytes: dead",
            ),
            (
                r#"{"event":"parked","idle_ms":600000}"#,
                "parked: no audio for 10m00s; the next reopens the connection",
            ),
            (r#"{"event":"resumed","idle_ms":610000}"#, "resumed: audio again after 10m10s"),
            (
                r#"{"event":"prelude_done","prelude_ms":8000}"#,
                "prelude_done: live audio follows 8.0s of prelude",
            ),
            (
                r#"{"event":"draining","deadline_ms":8000}"#,
                "draining: the sidecar is shutting down, in 8.0s at most",
            ),
        ] {
            assert_eq!(line(json), expected);
        }
    }

    #[test]
    fn what_is_unknown_is_shown_as_it_came() {
        assert_eq!(line(r#"{"event":"new","x":1}"#), r#"new: {"event":"new","x":1}"#);
        assert_eq!(line(r#"{"event":"parked"}"#), r#"parked: {"event":"parked"}"#);
    }

    #[test]
    fn a_detail_moves_no_cursor() {
        let json = r#"{"event":"audio_dropped","frames":2,"bytes":1,"cause":"\u001b[2J"}"#;
        assert_eq!(line(json), "audio_dropped: 2 frames of audio, 1 bytes: \\u{1b}[2J");
    }
}
