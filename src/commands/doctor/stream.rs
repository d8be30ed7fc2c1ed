//! A second of silence in real time: a result must come, and CloseStream must be answered.

use std::time::Duration;

use bytes::Bytes;

use super::advice;
use super::conversation::{Heard, Line, Opened, Transcript, hold};
use super::local::elapsed;
use super::report::{Check, Row};
use session::{Outgoing, bounded};

/// 16 kHz, 16 bits, one channel.
pub(super) const BYTES_PER_SECOND: usize = 32_000;

/// Between two messages of audio.
const FRAME: Duration = Duration::from_millis(100);

/// Silence in real time from a moment on.
pub(super) fn silence(from: Duration, length: Duration) -> Vec<Line> {
    let count = length.as_millis() / FRAME.as_millis();
    let bytes = BYTES_PER_SECOND * FRAME.as_millis() as usize / 1_000;
    let frame = Bytes::from(vec![0; bytes]);
    let line = |index| Line { at: from + FRAME * index, outgoing: Outgoing::Audio(frame.clone()) };
    (0..count as u32).map(line).collect()
}

/// Streams a second; `limit` is how long the answers may take after it.
pub(super) async fn check(opened: Opened, limit: Duration) -> Row {
    let since = clock::now();
    let second = Duration::from_secs(1);
    let mut lines = silence(Duration::ZERO, second);
    lines.push(Line { at: second, outgoing: Outgoing::CloseStream });
    let transcript = hold(opened, &lines, second + limit, |_| false).await;
    judge(&transcript, elapsed(since))
}

fn judge(transcript: &Transcript, took: Duration) -> Row {
    let failed = |detail: String, help: &str| Row::failed(Check::Stream, took, detail, help);
    let results = transcript.texts("Results").count();
    let error = transcript.texts("Error").last().map(|(_, it)| it["description"].to_string());
    let ending = match error {
        Some(error) => bounded(format!("{}; it said {error}", transcript.ending())),
        None => transcript.ending(),
    };
    match transcript.end() {
        // What kills a stream matters more than what is missing because of it.
        Some((_, Heard::Failed { reason, .. })) => failed(ending, advice::ended(*reason)),
        Some((_, Heard::Closed { code, reason, .. })) if *code != Some(1000) => {
            failed(ending, advice::ended(*reason))
        }
        Some((at, Heard::Closed { reason, .. })) if at < Duration::from_secs(1) => {
            failed(ending, advice::ended(*reason))
        }
        _ if results == 0 => failed(format!("no result; {ending}"), advice::MUTE),
        None => failed(format!("{results} results, then {ending}"), advice::NO_CLOSE),
        Some(_) if transcript.texts("Metadata").next().is_none() => {
            failed(format!("{results} results, no Metadata; {ending}"), advice::NO_CLOSE)
        }
        Some(_) => {
            let first = transcript.texts("Results").next().map_or(Duration::ZERO, |(at, _)| at);
            let detail =
                format!("first result after {:.1} s, Metadata, {ending}", first.as_secs_f64());
            Row::ok(Check::Stream, took, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use session::death::Reason;

    use super::super::report::Status;
    use super::*;

    fn judged(heard: &[(u64, Heard)]) -> Row {
        let heard = heard.iter().map(|(at, it)| (Duration::from_millis(*at), it.clone()));
        let until = Duration::from_secs(11);
        judge(&Transcript { heard: heard.collect(), until }, Duration::ZERO)
    }

    fn text(kind: &str) -> Heard {
        Heard::Text(json!({ "type": kind }))
    }

    fn closed(code: u16) -> Heard {
        let detail = format!("close {code}: ");
        Heard::Closed { code: Some(code), reason: Reason::ClosedEarly, detail }
    }

    #[test]
    fn a_stream_is_well_if_it_answers_and_ends_as_asked() {
        let row =
            judged(&[(1_000, text("Results")), (1_100, text("Metadata")), (1_101, closed(1000))]);
        assert_eq!(row.status, Status::Ok, "{row:?}");
        for heard in [
            &[][..],
            &[(1_101, closed(1000))],
            &[(0, closed(1000))],
            &[(1_000, text("Results"))],
            &[(1_000, text("Results")), (1_101, closed(1000))],
            &[(1_000, text("Results")), (1_100, text("Metadata"))],
            &[(1_000, text("Results")), (1_100, text("Metadata")), (1_101, closed(1011))],
        ] {
            let row = judged(heard);
            assert_eq!(row.status, Status::Failed, "{heard:?}");
            assert!(row.advice.is_some(), "{heard:?}");
        }
    }
}
