//! The probe: asks the peer what Deepgram does not document, and compares.

mod experiment;
mod judge;
mod upgrade;

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use futures_util::{StreamExt, stream};

use super::answer::{Answer, Question, Verdict};
use super::conversation::{Transcript, hold};
use super::local::elapsed;
use super::network::{self, Key, Upgrade};
use super::recorded::HttpAnswer;
use crate::upstream::dial::Dialer;
use experiment::{Experiment, Subject};
use judge::Found;
use session::dial::DialFailure;
use upgrade::Refusal;

/// Beyond it, streams would count against the project's limit for no gain in time.
const PARALLEL: usize = 8;

/// What to ask, and what to expect.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Probing {
    /// Ask only this; repeatable.
    #[arg(
        long,
        value_name = "QUESTION",
        requires = "probe",
        value_parser = PossibleValuesParser::new(Question::ALL.map(Question::as_str))
    )]
    only: Vec<String>,

    /// Streams open at the same time; 1 for a project that allows one, which takes minutes.
    #[arg(long, value_name = "COUNT", default_value_t = PARALLEL, value_parser = parallel)]
    parallel: usize,

    /// How long an idle stream is expected to live. Deepgram documents 10 s; 10 to 12.5 s were seen.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = timer)]
    idle: Duration,

    /// How long a stream is expected to live on KeepAlives alone.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timer)]
    response: Duration,

    /// How much later than expected a close may come.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = timer)]
    tolerance: Duration,
}

fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=64) => Ok(count),
        _ => Err("must be a number from 1 to 64".into()),
    }
}

fn timer(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let fits = Duration::from_millis(100)..=Duration::from_secs(600);
    if fits.contains(&parsed) { Ok(parsed) } else { Err("must be from 100ms to 10m".into()) }
}

/// What is expected of the peer's timers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    idle: Duration,
    response: Duration,
    tolerance: Duration,
}

/// Whom to ask.
pub(super) struct Peer<'a, K> {
    pub(super) dialer: &'a Dialer<K>,
    pub(super) address: SocketAddr,
    /// Timeout of each step of a dial.
    pub(super) limit: Duration,
    /// The usual parameters, encoded.
    pub(super) query: String,
    /// Whether the peer is supposed to need a key.
    pub(super) sends_key: bool,
}

/// Asks everything that is to be asked, several streams at a time; the answers in the order of the
/// questions.
pub(super) async fn run<K: Key>(peer: &Peer<'_, K>, args: &Probing, narrates: bool) -> Vec<Answer> {
    let since = clock::now();
    let expected = Expected { idle: args.idle, response: args.response, tolerance: args.tolerance };
    let wanted = |question: &Question| {
        let is_named = args.only.iter().any(|name| name == question.as_str());
        (args.only.is_empty() || is_named) && (peer.sends_key || *question != Question::NoKey)
    };
    let experiments: Vec<_> = experiment::all(expected)
        .into_iter()
        .filter(|experiment| experiment.questions.iter().any(wanted))
        .collect();
    let count = experiments.len();
    let longest = experiments.iter().map(Experiment::longest).max().unwrap_or_default();
    let progress = |line: String| {
        if narrates {
            eprintln!("{line}");
        }
    };
    progress(format!("\nprobe: {count} streams, the longest up to {} s", longest.as_secs()));
    let mut running = stream::iter(experiments)
        .map(|experiment| conduct(peer, experiment, expected))
        .buffer_unordered(args.parallel);
    let mut answers = Vec::new();
    let mut done = 0;
    while let Some(found) = running.next().await {
        done += 1;
        answers.extend(found.into_iter().filter(|answer| wanted(&answer.question)));
        progress(format!("probe: {done} of {count} done, {} s", elapsed(since).as_secs()));
    }
    answers.sort_by_key(|answer| answer.question as usize);
    answers
}

/// What came of one stream.
enum Outcome {
    Held(Transcript),
    Refused(DialFailure, Option<HttpAnswer>),
    /// Accepted, where that alone was the question.
    Accepted,
    Unreachable(String),
}

async fn conduct<K: Key>(
    peer: &Peer<'_, K>,
    experiment: Experiment,
    expected: Expected,
) -> Vec<Answer> {
    let since = clock::now();
    let outcome = outcome(peer, &experiment).await;
    let took = elapsed(since);
    let found = match (&experiment.subject, &outcome) {
        (Subject::Stream { judge, .. }, Outcome::Held(transcript)) => judge(expected, transcript),
        (Subject::Upgrade { judge, .. }, Outcome::Refused(failure, answer)) => {
            vec![judge(Some(Refusal { failure, answer: answer.as_ref() }))]
        }
        (Subject::Upgrade { judge, .. }, Outcome::Accepted) => vec![judge(None)],
        _ => return unanswered(&experiment, expected, &outcome, took),
    };
    found.into_iter().map(|found| found.into_answer(took)).collect()
}

fn unanswered(
    experiment: &Experiment,
    expected: Expected,
    outcome: &Outcome,
    took: Duration,
) -> Vec<Answer> {
    let seen = match outcome {
        Outcome::Refused(failure, _) => format!("no stream: {}", failure.detail),
        Outcome::Unreachable(detail) => format!("no connection: {detail}"),
        Outcome::Held(_) | Outcome::Accepted => "no stream".into(),
    };
    let answer = |found: Found| Answer {
        verdict: Verdict::Unanswered,
        seen: seen.clone(),
        ..found.into_answer(took)
    };
    experiment.unasked(expected).into_iter().map(answer).collect()
}

async fn outcome<K: Key>(peer: &Peer<'_, K>, experiment: &Experiment) -> Outcome {
    let (rows, connected) = network::connect(peer.dialer, &[peer.address], peer.limit).await;
    let Some((_, secured)) = connected else {
        return Outcome::Unreachable(rows.last().map_or_else(String::new, |it| it.detail.clone()));
    };
    let (query, credentials) = match &experiment.subject {
        Subject::Stream { .. } => (peer.query.clone(), peer.dialer.credentials()),
        Subject::Upgrade { parameter, with_key, .. } => (
            format!("{}{parameter}", peer.query),
            with_key.then(|| peer.dialer.credentials()).flatten(),
        ),
    };
    let Upgrade { result, answer, .. } =
        network::upgrade(peer.dialer, secured, &query, credentials, peer.limit).await;
    match (result, &experiment.subject) {
        (Err(failure), _) => Outcome::Refused(failure, answer),
        (Ok(opened), Subject::Upgrade { .. }) => {
            opened.hang_up();
            Outcome::Accepted
        }
        (Ok(opened), Subject::Stream { lines, until, enough, .. }) => {
            Outcome::Held(hold(opened, lines, *until, enough).await)
        }
    }
}
