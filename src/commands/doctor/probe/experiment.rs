//! The streams of a probe: what is sent on each, and for how long one listens.

use std::time::Duration;

use bytes::Bytes;

use super::super::answer::Question;
use super::super::conversation::{Heard, Line, Transcript};
use super::super::stream::silence;
use super::Expected;
use super::judge::{self, ANSWER_MAX, FAST_AUDIO, Found, SOME_AUDIO, nudge};
use super::upgrade::{self, Refusal};
use session::Outgoing;

/// Between two KeepAlives, as a part of the idle timer.
const KEEPALIVE: f64 = 0.4;

/// How much longer than in real time audio that is sent at once may take.
const SLOWNESS_MAX: u32 = 3;

/// A large message: the largest that an application can send by default.
const LARGE_BYTES: usize = 1 << 20;

/// A stream, and the questions that it answers.
pub(super) struct Experiment {
    pub(super) questions: &'static [Question],
    pub(super) subject: Subject,
}

/// What is looked at.
pub(super) enum Subject {
    /// What happens on an open stream.
    Stream {
        lines: Vec<Line>,
        /// When listening ends, unless the peer ends it.
        until: Duration,
        /// Whether nothing more is to be learnt.
        enough: fn(&Heard) -> bool,
        judge: fn(Expected, &Transcript) -> Vec<Found>,
    },
    /// How the upgrade is answered.
    Upgrade {
        /// Appended to the query.
        parameter: &'static str,
        with_key: bool,
        judge: fn(Option<Refusal<'_>>) -> Found,
    },
}

impl Experiment {
    /// The longest that its stream is open.
    pub(super) fn longest(&self) -> Duration {
        match &self.subject {
            Subject::Stream { until, .. } => *until,
            Subject::Upgrade { .. } => Duration::ZERO,
        }
    }

    /// What it would have told, had it been made.
    pub(super) fn unasked(&self, expected: Expected) -> Vec<Found> {
        match &self.subject {
            Subject::Stream { judge, .. } => judge(expected, &Transcript::default()),
            Subject::Upgrade { judge, .. } => vec![judge(None)],
        }
    }

    fn stream(
        questions: &'static [Question],
        lines: Vec<Line>,
        until: Duration,
        judge: fn(Expected, &Transcript) -> Vec<Found>,
    ) -> Self {
        Self { questions, subject: Subject::Stream { lines, until, enough: |_| false, judge } }
    }

    fn until(self, enough: fn(&Heard) -> bool) -> Self {
        match self.subject {
            Subject::Stream { lines, until, judge, .. } => {
                Self { subject: Subject::Stream { lines, until, enough, judge }, ..self }
            }
            Subject::Upgrade { .. } => self,
        }
    }

    fn upgrade(
        questions: &'static [Question],
        parameter: &'static str,
        with_key: bool,
        judge: fn(Option<Refusal<'_>>) -> Found,
    ) -> Self {
        Self { questions, subject: Subject::Upgrade { parameter, with_key, judge } }
    }
}

/// All streams, the longest first.
pub(super) fn all(expected: Expected) -> Vec<Experiment> {
    let mut all = on_timers(expected);
    all.extend(on_idle_resets(expected));
    all.extend(on_endings());
    all.extend(on_audio());
    all.extend(on_upgrades());
    all
}

fn on_timers(expected: Expected) -> Vec<Experiment> {
    use Question::*;
    let Expected { idle, response, tolerance } = expected;
    let quiet = response.mul_f64(1.2);
    // The audio after the result is too little for another one.
    let second = Duration::from_secs(1);
    let mut audio = silence(Duration::ZERO, second);
    audio.extend(silence(2 * second, second / 10));
    let begun = Duration::from_millis(2_100);
    vec![
        Experiment::stream(
            &[KeepaliveAfterResult, ServerPing],
            with_keepalives(audio, begun, begun + quiet, idle),
            begun + quiet,
            judge::kept,
        ),
        Experiment::stream(
            &[KeepaliveOnly, KeepaliveMetadata],
            with_keepalives(Vec::new(), Duration::ZERO, response + tolerance, idle),
            response + tolerance,
            judge::keepalives_alone,
        ),
        Experiment::stream(
            &[FirstMessage, IdleClose, IdleMetadata],
            Vec::new(),
            idle + tolerance,
            judge::idle,
        ),
        Experiment::stream(
            &[TimeoutFlush],
            silence(Duration::ZERO, SOME_AUDIO),
            SOME_AUDIO + idle.mul_f64(1.25) + tolerance,
            judge::idle_with_audio,
        ),
    ]
}

fn on_idle_resets(expected: Expected) -> Vec<Experiment> {
    use Question::*;
    let at = nudge(expected);
    let until = at + expected.idle.mul_f64(1.25) + expected.tolerance;
    let unknown = Outgoing::Text(Bytes::from_static(br#"{"type":"Doctor"}"#));
    let line = |outgoing| vec![Line { at, outgoing }];
    vec![
        Experiment::stream(
            &[FinalizeEmpty, FinalizeResetsIdle],
            line(Outgoing::Finalize { channel: None, again: false }),
            until,
            judge::idle_after_finalize,
        ),
        Experiment::stream(
            &[UnknownText, TextResetsIdle],
            line(unknown),
            until,
            judge::idle_after_text,
        ),
        Experiment::stream(
            &[PingAnswer, PingResetsIdle],
            line(Outgoing::Ping),
            until,
            judge::idle_after_ping,
        ),
    ]
}

fn on_endings() -> Vec<Experiment> {
    use Question::*;
    let mut closing = silence(Duration::ZERO, SOME_AUDIO);
    closing.push(Line { at: SOME_AUDIO, outgoing: Outgoing::CloseStream });
    let at_once = |outgoing| vec![Line { at: Duration::ZERO, outgoing }];
    vec![
        Experiment::stream(
            &[
                CloseStream,
                CloseStreamMetadata,
                CloseStreamFromFinalize,
                ResultsShape,
                MetadataShape,
                MessageTypes,
            ],
            closing,
            SOME_AUDIO + ANSWER_MAX,
            judge::closing,
        ),
        Experiment::stream(
            &[CloseStreamWithoutAudio],
            at_once(Outgoing::CloseStream),
            ANSWER_MAX,
            judge::closing_without_audio,
        ),
        Experiment::stream(
            &[EmptyBinary],
            at_once(Outgoing::Audio(Bytes::new())),
            ANSWER_MAX,
            judge::empty_binary,
        ),
    ]
}

fn on_audio() -> Vec<Experiment> {
    use Question::*;
    let length = Duration::from_secs(4);
    let mut finalizing = silence(Duration::ZERO, SOME_AUDIO);
    finalizing.push(Line {
        at: SOME_AUDIO,
        outgoing: Outgoing::Finalize { channel: None, again: false },
    });
    let mut fast: Vec<_> = silence(Duration::ZERO, FAST_AUDIO);
    fast.iter_mut().for_each(|line| line.at = Duration::ZERO);
    fast.push(Line { at: Duration::ZERO, outgoing: Outgoing::CloseStream });
    let large = Outgoing::Audio(Bytes::from(vec![0; LARGE_BYTES]));
    vec![
        Experiment::stream(
            &[InterimEvery, SilenceFinal],
            silence(Duration::ZERO, length),
            length + ANSWER_MAX,
            judge::silent_results,
        )
        .until(is_final),
        Experiment::stream(
            &[FinalizeSilence],
            finalizing,
            SOME_AUDIO + ANSWER_MAX,
            judge::finalized,
        )
        .until(is_from_finalize),
        Experiment::stream(&[FastAudio], fast, FAST_AUDIO * SLOWNESS_MAX, judge::fast_audio),
        Experiment::stream(
            &[LargeMessage],
            vec![Line { at: Duration::ZERO, outgoing: large }],
            Duration::from_secs(2),
            judge::large_message,
        ),
    ]
}

fn on_upgrades() -> Vec<Experiment> {
    use Question::*;
    vec![
        Experiment::upgrade(
            &[UnknownParameter],
            "&deepgram_sidecar_doctor=1",
            true,
            upgrade::unknown_parameter,
        ),
        Experiment::upgrade(&[BadParameter], "&punctuate=perhaps", true, upgrade::bad_parameter),
        Experiment::upgrade(&[NoKey], "", false, upgrade::no_key),
    ]
}

fn with_keepalives(
    mut lines: Vec<Line>,
    from: Duration,
    until: Duration,
    idle: Duration,
) -> Vec<Line> {
    let every = idle.mul_f64(KEEPALIVE);
    let mut at = from;
    while at < until {
        lines.push(Line { at, outgoing: Outgoing::KeepAlive });
        at += every;
    }
    lines
}

fn is_final(heard: &Heard) -> bool {
    matches!(heard, Heard::Text(message) if message["is_final"] == true)
}

fn is_from_finalize(heard: &Heard) -> bool {
    matches!(heard, Heard::Text(message) if message["from_finalize"] == true)
}
