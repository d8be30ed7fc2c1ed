//! No two label sets of a family may look alike to the metrics library.

use std::collections::HashSet;
use std::fmt::Debug;

use super::*;
use session::death::Trigger;

/// The metrics library hashes label values without a separator, so their concatenations must
/// differ, or two children are one.
fn assert_sound<L: Label + Debug>() {
    let mut seen = HashSet::new();
    for (place, label) in L::all().into_iter().enumerate() {
        assert_eq!(label.index(), place, "{label:?}");
        assert_eq!(label.values().len(), L::names().len(), "{label:?}");
        assert!(seen.insert(label.values().concat()), "{label:?} collides");
    }
}

#[test]
fn every_label_is_found_at_its_place_and_is_like_no_other() {
    assert_sound::<Class>();
    assert_sound::<ConnectResult>();
    assert_sound::<ConnectionResult>();
    assert_sound::<DeathLabels>();
    assert_sound::<DialPhase>();
    assert_sound::<Dropped>();
    assert_sound::<EndCause>();
    assert_sound::<ExportResult>();
    assert_sound::<FinalizeError>();
    assert_sound::<KeepaliveError>();
    assert_sound::<KeepaliveKind>();
    assert_sound::<KeyReload>();
    assert_sound::<LogLevel>();
    assert_sound::<LossCause>();
    assert_sound::<Outcome>();
    assert_sound::<ProtocolError>();
    assert_sound::<Reason>();
    assert_sound::<RefusedStatus>();
    assert_sound::<RejectReason>();
    assert_sound::<ScrapePage>();
    assert_sound::<SkipCause>();
    assert_sound::<SpanDrop>();
    assert_sound::<Spoken>();
    assert_sound::<(Stage, Class)>();
    assert_sound::<Account>();
    assert_sound::<CloseCode>();
    assert_sound::<DgCode>();
    assert_sound::<Direction>();
    assert_sound::<GapLevel>();
    assert_sound::<GateState>();
    assert_sound::<Listening>();
    assert_sound::<ModeChange>();
    assert_sound::<PreludeEnd>();
    assert_sound::<VadMode>();
    assert_sound::<VadUnavailable>();
    assert_sound::<Queue>();
    assert_sound::<ResultKind>();
    assert_sound::<Side>();
    assert_sound::<StallOutcome>();
    assert_sound::<WireMessage>();
    assert_sound::<(CloseCode, DgCode)>();
    assert_sound::<State>();
    assert_sound::<UnopenedCause>();
}

#[test]
fn a_death_outside_the_vocabulary_is_still_counted() {
    let odd = DeathLabels::new(Reason::PingTimeout, Trigger::Fault);
    assert_eq!(odd, DeathLabels::new(Reason::PingTimeout, Trigger::Ping));
}

#[test]
fn a_status_is_counted_as_itself_or_as_another() {
    let statuses = RefusedStatus::ALL.into_iter().filter(|it| *it != RefusedStatus::Other);
    for status in statuses {
        assert_eq!(RefusedStatus::of(status.as_str().parse().unwrap()), status);
    }
    assert_eq!(RefusedStatus::of(502), RefusedStatus::Other);
}
