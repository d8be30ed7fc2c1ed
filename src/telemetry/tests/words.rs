//! A fact uses the same words, under the same keys, in its members, log line, metrics and span.

use std::collections::BTreeSet;

use opentelemetry::KeyValue;
use serde_json::{Map, Value};

use super::facts::one_of_each;
use super::*;
use crate::config::{LogLevel, Logs};
use crate::json::Json;
use crate::telemetry::log::tests::logged;
use session::close::DgCode;
use session::death::{Class, Trigger};
use session::dial::{DialFailure, DialReason};
use session::fact::{
    AudioLost, CloseReceived, DialFailed, FinalizeSkipped, GapLevel, KeepaliveGap, KeepaliveSent,
    PreludeEnd, PreludeEnded, SkipCause, StallEnded, StallOutcome, VadModeChanged, VadModeSource,
    VadNotAvailable,
};
use session::gate::{VadMode, VadUnavailable};
use session::members::{Member, Members, Visitor};
use session::{KeepaliveKind, LossCause, Vocabulary};

/// Fields that every log line of a session has.
const OF_EVERY_LINE: [&str; 8] =
    ["ts", "level", "event", "msg", "session_id", "endpoint", "dialect", "tags"];

/// Fields that the log line of a session's end adds to the fact: its first death, and the id that
/// Deepgram's support asks for.
const OF_THE_END: [&str; 7] =
    ["reason", "trigger", "class", "stage", "send_age_ms", "receive_age_ms", "request_id"];

/// The fields of a fact's log line that are its own.
fn line_of(fact: &Fact) -> Map<String, Value> {
    let config = Logs { level: LogLevel::Debug, ..Logs::default() };
    let captured = logged(config, |telemetry, _| telemetry.session(live("call-7")).record(fact));
    let is_its = |line: &Value| line["event"] == fact.name();
    let line = captured.lines().into_iter().find(is_its).expect("each fact has a line");
    let Value::Object(mut line) = line else { panic!("{line}") };
    line.retain(|name, _| !OF_EVERY_LINE.contains(&name.as_str()));
    line
}

fn members_of(fact: &Fact) -> Map<String, Value> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(Json(fact)) else { panic!() };
    members.retain(|name, _| !OF_EVERY_LINE.contains(&name.as_str()));
    members
}

#[test]
fn a_facts_line_has_its_name_and_its_members_and_nothing_else() {
    for fact in one_of_each() {
        let (mut line, mut members) = (line_of(&fact), members_of(&fact));
        match fact {
            Fact::SessionEnded(_) => line.retain(|name, _| !OF_THE_END.contains(&name.as_str())),
            _ => members.retain(|_, value| !value.is_null()),
        }
        assert_eq!(line, members, "{}", fact.name());
    }
}

/// Facts with every word of every vocabulary that facts use.
fn of_every_word() -> Vec<Fact> {
    let mut facts = one_of_each();
    facts.extend(Reason::ALL.into_iter().flat_map(|reason| {
        let death = move |trigger: &Trigger| died_of(reason, *trigger, Stage::Idle);
        reason.triggers().iter().map(death)
    }));
    facts.extend(Stage::ALL.map(|stage| died_of(Reason::TlsFailed, Trigger::Read, stage)));
    facts.extend(DialReason::ALL.map(|reason| {
        let failure = DialFailure::before_answer(reason, "refused");
        let (attempt, duration, retry_in) = (1, Duration::ZERO, None);
        Fact::DialFailed(DialFailed { attempt, failure, duration, retry_in })
    }));
    let closed = |dg_code| Fact::CloseReceived(CloseReceived { code: 1011, dg_code });
    facts.extend(DgCode::ALL.map(closed));
    facts.extend(ConnectionEnd::ALL.map(|end| {
        let (connection, age, closing) = (1, Duration::ZERO, None);
        Fact::ConnectionClosed(ConnectionClosed { connection, age, closing, end })
    }));
    facts.extend(LossCause::ALL.map(|cause| {
        let (frames, bytes, duration) = (5, 16_000, Duration::from_millis(500));
        Fact::AudioLost(AudioLost { frames, bytes, duration, cause })
    }));
    let skipped = |cause| Fact::FinalizeSkipped(FinalizeSkipped { count: 1, cause });
    facts.extend(SkipCause::ALL.map(skipped));
    let gap = Duration::from_secs(9);
    facts.extend(GapLevel::ALL.map(|level| Fact::KeepaliveGap(KeepaliveGap { gap, level })));
    let silent = Duration::from_secs(20);
    let stalls = StallOutcome::ALL.map(|outcome| StallEnded { silent, outcome });
    facts.extend(stalls.map(Fact::StallEnded));
    facts.extend(VadUnavailable::ALL.map(|cause| Fact::VadNotAvailable(VadNotAvailable { cause })));
    let (from, to) = (VadMode::Off, VadMode::Active);
    facts
        .extend(VadModeSource::ALL.map(|by| Fact::VadModeChanged(VadModeChanged { from, to, by })));
    facts.extend(PreludeEnd::ALL.map(|end| {
        let (prelude, took) = (Duration::from_secs(8), Duration::from_secs(4));
        Fact::PreludeEnded(PreludeEnded { end, prelude, took })
    }));
    let lateness = Duration::ZERO;
    let kept = Endpoint::ALL.map(|endpoint| KeepaliveSent { endpoint, lateness });
    facts.extend(kept.map(Fact::KeepaliveSent));
    facts.extend(Outcome::ALL.map(|outcome| ended_by(outcome, None)));
    facts.extend(EndCause::ALL.map(|cause| ended_by(Outcome::Aborted, Some(cause))));
    facts
}

fn died_of(reason: Reason, trigger: Trigger, stage: Stage) -> Fact {
    let Fact::ConnectionDied(mut fact) = died(reason) else { unreachable!() };
    (fact.death.trigger, fact.stage) = (trigger, stage);
    Fact::ConnectionDied(fact)
}

fn ended_by(outcome: Outcome, cause: Option<EndCause>) -> Fact {
    let Fact::SessionEnded(mut ended) = session_ended() else { unreachable!() };
    (ended.summary.outcome, ended.cause) = (outcome, cause);
    Fact::SessionEnded(ended)
}

/// Every word or text among the members, with its key.
fn words_of(members: &dyn Members) -> BTreeSet<(&'static str, String)> {
    let mut words = BTreeSet::new();
    members.visit(&mut Visitor::new(&mut |key, member| match member {
        Member::Text(text) => drop(words.insert((key, text.to_owned()))),
        Member::Object(inner) => words.extend(words_of(inner)),
        _ => {}
    }));
    words
}

/// The name and value of a label or an attribute.
type Place = (String, String);

/// The labels of all series that a fact updates.
fn labels_of(fact: &Fact) -> Vec<Place> {
    let telemetry = Telemetry::default();
    let session = telemetry.session(live("s"));
    let moved = moved(&telemetry, || session.record(fact));
    let labels = moved.keys().filter_map(|series| series.split_once('{'));
    let labels = labels.flat_map(|(_, labels)| labels.trim_end_matches('}').split(','));
    let pairs = labels.map(|label| label.split_once('=').expect("a label has a value"));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The attributes of a fact's span, by the last part of their names. `error.type` is
/// OpenTelemetry's name for
/// every failure.
fn attributes_of(fact: &Fact) -> Vec<Place> {
    let attributes = crate::telemetry::trace::attributes_of(fact).into_iter();
    let attributes = attributes.filter(|it| it.key.as_str() != "error.type");
    let place = |attribute: KeyValue| {
        let name = attribute.key.as_str().rsplit('.').next().expect("split has a first").to_owned();
        (name, attribute.value.to_string())
    };
    attributes.map(place).collect()
}

#[test]
fn a_word_stands_under_one_key_in_members_labels_and_attributes() {
    for fact in of_every_word() {
        let words = words_of(fact.members());
        for (name, value) in [labels_of(&fact), attributes_of(&fact)].concat() {
            let keys: Vec<_> = words.iter().filter(|(_, word)| *word == value).collect();
            let fits = keys.is_empty() || keys.iter().any(|(key, _)| *key == name);
            assert!(fits, "{}: {name}={value}, and in its members {keys:?}", fact.name());
        }
    }
}

/// The test above passes over a word that no fact here has, or no series and no span.
#[test]
fn every_vocabulary_of_facts_is_walked_and_seen_elsewhere_too() {
    let mut seen = BTreeSet::new();
    for fact in of_every_word() {
        let places = [labels_of(&fact), attributes_of(&fact)].concat();
        let of_both =
            |(key, word): &(&str, String)| places.contains(&((*key).into(), word.clone()));
        seen.extend(words_of(fact.members()).into_iter().filter(of_both));
    }
    assert_seen::<Class>(&seen);
    assert_seen::<ConnectionEnd>(&seen);
    assert_seen::<DgCode>(&seen);
    assert_seen::<DialReason>(&seen);
    assert_seen::<EndCause>(&seen);
    assert_seen::<GapLevel>(&seen);
    assert_seen::<KeepaliveKind>(&seen);
    assert_seen::<LossCause>(&seen);
    assert_seen::<Outcome>(&seen);
    assert_seen::<PreludeEnd>(&seen);
    assert_seen::<Reason>(&seen);
    assert_seen::<SkipCause>(&seen);
    assert_seen::<Stage>(&seen);
    assert_seen::<StallOutcome>(&seen);
    assert_seen::<Trigger>(&seen);
    assert_seen::<VadModeSource>(&seen);
    assert_seen::<VadUnavailable>(&seen);
}

#[track_caller]
fn assert_seen<V: Vocabulary>(seen: &BTreeSet<(&'static str, String)>) {
    for word in V::all() {
        assert!(seen.contains(&(V::KEY, word.word().to_owned())), "{}={}", V::KEY, word.word());
    }
}
