//! Judgements on what happened on a stream. They are given what was heard and when, and do nothing
//! themselves.

mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

use super::super::answer::{Answer, Question, Verdict};
use super::super::conversation::{Heard, Transcript};
use super::Expected;
use session::bounded;
use shown::{members, of_audio, order, shape, types};

/// Silence that is enough for one result and leaves something unfinished.
pub(super) const SOME_AUDIO: Duration = Duration::from_millis(1_300);

/// The SHA-256 of [`SOME_AUDIO`]: 41,600 zeros.
const SOME_AUDIO_SHA256: &str = "f8643286558afff25fc3e1c88ede0efbbf396ea354e7f7cf63d9529f4de260f9";

/// The SHA-256 of nothing.
const NOTHING_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// How long an answer is waited for.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How soon a Finalize should be answered.
const FINALIZE_MAX: Duration = Duration::from_secs(2);

/// How soon Close should follow Metadata; 25 ms were seen, the rest is for slow machines.
const CLOSE_GAP_MAX: Duration = Duration::from_secs(1);

/// Audio that is sent at once.
pub(super) const FAST_AUDIO: Duration = Duration::from_secs(5);

/// Between Deepgram's documented limit of 1.25 times real time and no limit at all.
const PACE_MAX: f64 = 1.5;

/// When an idle stream does what may restart its timer, as a part of the timer.
const NUDGE: f64 = 0.6;

/// How much longer than documented the idle timer may be: 12.5 s were seen.
const IDLE_STRETCH: f64 = 1.25;

/// Members of `Results` and of the objects in it, in the order in which they were captured.
const RESULTS: &str = "type, channel_index, duration, start, is_final, speech_final, channel, \
    metadata, from_finalize; channel: alternatives; alternatives: transcript, confidence, words; \
    metadata: request_id, model_info, model_uuid";

/// Members of `Metadata`.
const METADATA: &str = "type, transaction_key, request_id, sha256, created, duration, channels, \
    models, model_info";

/// One judgement.
#[derive(Debug)]
pub(super) struct Found {
    question: Question,
    expected: String,
    seen: String,
    agrees: bool,
}

impl Found {
    pub(super) fn into_answer(self, took: Duration) -> Answer {
        let verdict = if self.agrees { Verdict::Agrees } else { Verdict::Differs };
        let Self { question, expected, seen, .. } = self;
        Answer { question, verdict, expected, seen, took }
    }
}

pub(super) fn found(
    question: Question,
    expected: impl Into<String>,
    seen: impl Into<String>,
    agrees: bool,
) -> Found {
    Found { question, expected: expected.into(), seen: bounded(seen.into()), agrees }
}

/// Judges by equality of words.
fn same(question: Question, expected: &str, seen: impl Into<String>) -> Found {
    let seen = seen.into();
    let agrees = seen == expected;
    found(question, expected, seen, agrees)
}

/// A stream without anything.
pub(super) fn idle(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let Expected { idle, tolerance, .. } = expected;
    let first = match transcript.heard.first() {
        Some((at, Heard::Text(message))) if message["type"] != "Metadata" => {
            format!("{} after {}", message["type"], seconds(*at))
        }
        Some((_, Heard::Ping | Heard::Pong | Heard::Binary)) => "something else".into(),
        _ => "nothing until the timeout".into(),
    };
    vec![
        same(Question::FirstMessage, "nothing until the timeout", first),
        timeout(Question::IdleClose, "net0001", idle, tolerance, transcript),
        metadata_before_close(Question::IdleMetadata, transcript),
    ]
}

/// A stream that is idle after audio of which not all is final.
pub(super) fn idle_with_audio(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let from = SOME_AUDIO + expected.idle.mul_f64(0.5);
    let flushed = transcript.texts("Results").any(|(at, it)| at >= from && it["is_final"] == true);
    let (question, wanted) = (Question::TimeoutFlush, "no final result at the timeout");
    vec![match (transcript.end(), flushed) {
        (None, _) => found(question, wanted, transcript.ending(), false),
        (Some(_), true) => found(question, wanted, "a final result", false),
        (Some(_), false) => found(question, wanted, wanted, true),
    }]
}

/// A stream with KeepAlives and nothing else.
pub(super) fn keepalives_alone(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let Expected { response, tolerance, .. } = expected;
    vec![
        timeout(Question::KeepaliveOnly, "net0000", response, tolerance, transcript),
        metadata_before_close(Question::KeepaliveMetadata, transcript),
    ]
}

/// A stream with KeepAlives after a result, and a little more audio.
pub(super) fn kept(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let wanted =
        format!("still open after {} of KeepAlives", seconds(expected.response.mul_f64(1.2)));
    let pings = transcript.heard.iter().filter(|(_, heard)| *heard == Heard::Ping).count();
    let pings = if pings == 0 { "none".into() } else { format!("{pings}") };
    vec![
        found(
            Question::KeepaliveAfterResult,
            wanted,
            transcript.ending(),
            transcript.end().is_none(),
        ),
        same(Question::ServerPing, "none", pings),
    ]
}

pub(super) fn idle_after_finalize(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let answers = transcript.texts("Results").count();
    let seen = if answers == 0 { "nothing" } else { "a result" };
    vec![
        same(Question::FinalizeEmpty, "nothing", seen),
        restarts(Question::FinalizeResetsIdle, true, expected, transcript),
    ]
}

pub(super) fn idle_after_text(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let error = transcript.texts("Error").next();
    let stays = |at| transcript.end().is_none_or(|(end, _)| end > at + Duration::from_millis(500));
    let seen = match error {
        None => format!("no Error; {}", transcript.ending()),
        Some((at, error)) => {
            let variant = error["variant"].as_str().unwrap_or("no variant");
            format!("Error {variant}, {}", if stays(at) { "stays open" } else { "closes" })
        }
    };
    vec![
        same(Question::UnknownText, "Error SchemaError, stays open", seen),
        restarts(Question::TextResetsIdle, true, expected, transcript),
    ]
}

pub(super) fn idle_after_ping(expected: Expected, transcript: &Transcript) -> Vec<Found> {
    let pong = transcript.heard.iter().any(|(_, heard)| *heard == Heard::Pong);
    vec![
        same(Question::PingAnswer, "Pong", if pong { "Pong" } else { "nothing" }),
        restarts(Question::PingResetsIdle, false, expected, transcript),
    ]
}

/// What CloseStream is answered after audio.
pub(super) fn closing(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let results: Vec<_> = transcript.texts("Results").map(|(_, message)| message).collect();
    let metadata = transcript.texts("Metadata").last().map(|(_, message)| message);
    let flushed = results.last().filter(|it| it["is_final"] == true);
    let from_finalize = match flushed {
        Some(result) => result["from_finalize"].to_string(),
        None => "no final result".into(),
    };
    let wanted = format!("duration {}, sha256 of the audio", SOME_AUDIO.as_secs_f64());
    vec![
        same(Question::CloseStream, "a final result, Metadata, close 1000", order(transcript)),
        same(Question::CloseStreamMetadata, &wanted, of_audio(metadata, SOME_AUDIO_SHA256)),
        same(Question::CloseStreamFromFinalize, "false", from_finalize),
        same(Question::ResultsShape, RESULTS, results.last().map_or("none".into(), |it| shape(it))),
        same(Question::MetadataShape, METADATA, metadata.map_or("none".into(), members)),
        same(Question::MessageTypes, "Results, Metadata", types(transcript)),
    ]
}

pub(super) fn closing_without_audio(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let metadata = transcript.texts("Metadata").last().map(|(_, message)| message);
    let seen = format!("{}; {}", order(transcript), of_audio(metadata, NOTHING_SHA256));
    let wanted = "Metadata, close 1000; duration 0, sha256 of the audio";
    vec![same(Question::CloseStreamWithoutAudio, wanted, seen)]
}

pub(super) fn empty_binary(_: Expected, transcript: &Transcript) -> Vec<Found> {
    vec![same(Question::EmptyBinary, "Metadata, close 1000", order(transcript))]
}

/// Silence in real time, with interim results.
pub(super) fn silent_results(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let results: Vec<_> = transcript.texts("Results").map(|(_, message)| message).collect();
    let interims = results.iter().filter(|it| it["is_final"] == false);
    let ends: Vec<_> = interims.map(|it| end_of(it)).collect();
    let interim = match ends.as_slice() {
        [] => "none".to_owned(),
        ends => format!("at {} of audio", list(ends)),
    };
    let first_final = results.iter().find(|it| it["is_final"] == true);
    let silent = first_final
        .map_or_else(|| "never".to_owned(), |it| format!("at {} of audio", list(&[end_of(it)])));
    vec![
        same(Question::InterimEvery, "at 1.0, 2.0 s of audio", interim),
        same(Question::SilenceFinal, "at 3.0 s of audio", silent),
    ]
}

/// Silence, then a Finalize.
pub(super) fn finalized(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let is_answer = |it: &Value| it["from_finalize"] == true;
    let answer = transcript.texts("Results").find(|(_, it)| is_answer(it));
    let wanted =
        format!("is_final, speech_final and from_finalize within {}", seconds(FINALIZE_MAX));
    let question = Question::FinalizeSilence;
    let Some((at, result)) = answer else {
        let seen = format!("no result with from_finalize; {}", transcript.ending());
        return vec![found(question, wanted, seen, false)];
    };
    let flags: Vec<_> = ["is_final", "speech_final", "from_finalize"]
        .into_iter()
        .filter(|flag| result[flag] == true)
        .collect();
    let latency = at.saturating_sub(SOME_AUDIO);
    let seen = format!("{} after {}", flags.join(", "), seconds(latency));
    vec![found(question, wanted, seen, flags.len() == 3 && latency <= FINALIZE_MAX)]
}

/// Audio faster than real time.
pub(super) fn fast_audio(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let wanted = format!(
        "all of {} processed, at no more than {PACE_MAX} times real time",
        seconds(FAST_AUDIO)
    );
    let question = Question::FastAudio;
    let Some((at, metadata)) = transcript.texts("Metadata").last() else {
        return vec![found(question, wanted, transcript.ending(), false)];
    };
    let processed = metadata["duration"].as_f64().unwrap_or(0.0);
    let pace = FAST_AUDIO.as_secs_f64() / at.as_secs_f64().max(0.001);
    let seen = format!("{processed:.1} s processed, at {pace:.2} times real time");
    let whole = (processed - FAST_AUDIO.as_secs_f64()).abs() < 0.1;
    vec![found(question, wanted, seen, whole && pace <= PACE_MAX)]
}

pub(super) fn large_message(_: Expected, transcript: &Transcript) -> Vec<Found> {
    let accepted = transcript.end().is_none();
    let seen = if accepted { "accepted".into() } else { transcript.ending() };
    vec![found(Question::LargeMessage, "accepted", seen, accepted)]
}

/// When an idle stream is nudged.
pub(super) fn nudge(expected: Expected) -> Duration {
    expected.idle.mul_f64(NUDGE)
}

/// A close by one of the server's timers, which must not be early and may be a little late.
fn timeout(
    question: Question,
    code: &str,
    after: Duration,
    tolerance: Duration,
    transcript: &Transcript,
) -> Found {
    let wanted = format!(
        "close 1011 with {code} after {} to {}",
        seconds(after),
        seconds(after + tolerance)
    );
    let is_in_time = |at: Duration| at >= after.mul_f64(0.95) && at <= after + tolerance;
    let agrees = match transcript.end() {
        Some((at, Heard::Closed { code: Some(1011), detail, .. })) => {
            is_in_time(at) && detail.to_ascii_lowercase().replace('-', "").contains(code)
        }
        _ => false,
    };
    found(question, wanted, transcript.ending(), agrees)
}

/// Whether what was sent at [`nudge`] restarted the idle timer: then the close comes later by as much.
fn restarts(
    question: Question,
    wanted: bool,
    expected: Expected,
    transcript: &Transcript,
) -> Found {
    let word = |restarts| if restarts { "restarts it" } else { "does not restart it" };
    let latest_without = expected.idle.mul_f64(IDLE_STRETCH);
    let earliest_with = nudge(expected) + expected.idle;
    let between = (latest_without + earliest_with) / 2;
    match transcript.end() {
        None => found(question, word(wanted), transcript.ending(), false),
        Some((at, _)) => {
            let seen = format!("{}: {}", word(at >= between), transcript.ending());
            found(question, word(wanted), seen, (at >= between) == wanted)
        }
    }
}

fn metadata_before_close(question: Question, transcript: &Transcript) -> Found {
    let wanted =
        format!("Metadata with sha256 incomplete, Close within {}", seconds(CLOSE_GAP_MAX));
    let metadata = transcript.texts("Metadata").last();
    let (Some((at, metadata)), Some((end, _))) = (metadata, transcript.end()) else {
        return found(question, wanted, format!("no Metadata; {}", transcript.ending()), false);
    };
    let gap = end.saturating_sub(at);
    let sha256 = metadata["sha256"].as_str().unwrap_or("none");
    let seen = format!("Metadata with sha256 {sha256}, Close after {} ms", gap.as_millis());
    found(question, wanted, seen, sha256 == "incomplete" && gap <= CLOSE_GAP_MAX)
}

/// Where a result ends, in seconds of audio.
fn end_of(result: &Value) -> f64 {
    let member = |name: &str| result[name].as_f64().unwrap_or(0.0);
    member("start") + member("duration")
}

fn list(seconds: &[f64]) -> String {
    let shown: Vec<_> = seconds.iter().map(|it| format!("{it:.1}")).collect();
    format!("{} s", shown.join(", "))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
