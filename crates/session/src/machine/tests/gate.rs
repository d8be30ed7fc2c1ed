//! The VAD gate in its session: what is sent, what keeps the connection alive meanwhile, and what
//! becomes of the times.

use super::recovery::{recovering, reset};
use super::*;
use crate::TimeMap;
use crate::fact::{VadModeChanged, VadModeSource, VadNotAvailable};
use crate::gate::{VadMode, VadUnavailable};
use crate::summary::VadSummary;

const SPEECH: Heard = Heard::Speech { since: 0 };

fn gated() -> SessionConfig {
    with_mode(VadMode::Active, config())
}

fn with_mode(mode: VadMode, config: SessionConfig) -> SessionConfig {
    SessionConfig { vad: VadConfig { mode, ..VadConfig::default() }, ..config }
}

/// A world whose Deepgram has answered and whose gate has closed.
fn closed(config: SessionConfig) -> World {
    let mut world = World::connected(config);
    world.hear(secs(1), SPEECH);
    world.hear(secs(6), Heard::Silence);
    world
}

fn update(mode: VadMode) -> AppInput {
    AppInput::Update { vad: Some(mode) }
}

fn last_times(world: &World) -> TimeMap {
    let times = world.delivered.iter().rev().find_map(|(_, frame)| match frame {
        AppFrame::Message { times, .. } => Some(times.clone()),
        _ => None,
    });
    times.expect("a message was delivered")
}

#[test]
fn a_fresh_connection_gets_everything_until_deepgram_says_something() {
    let mut world = World::connected(gated());
    world.hear(Duration::from_millis(900), Heard::Silence);
    assert_eq!(world.sent_audio(), Duration::from_millis(900));
    world.hear(secs(10), Heard::Silence);
    assert_eq!(world.sent_audio(), secs(1), "the tenth frame brought a result");
}

#[test]
fn what_is_held_is_gated_in_the_books_and_nothing_is_lost() {
    let mut world = closed(gated());
    world.hear(secs(20), Heard::Silence);
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
    assert_eq!(position(summary.audio.bytes_gated as usize), secs(22));
    assert_eq!(summary.audio.frames_dropped, 0);
    let vad = VadSummary {
        mode: VadMode::Active,
        opens: 1,
        finalizes: 1,
        speech_ms: 1_000,
        held_ms: 22_000,
        would_hold_ms: 0,
        failed: false,
    };
    assert_eq!((summary.vad, summary.finalizes.sent), (Some(vad), 1));
}

/// Five minutes of silence: Deepgram hears nothing but keepalives, every one on the dot.
#[test]
fn through_300_s_of_silence_keepalives_hold_the_connection() {
    let mut world = closed(gated());
    let sent = world.sent_audio();
    let last = world.sent.last().unwrap().0.as_millis() as u64;
    world.hear(secs(300), Heard::Silence);
    assert_eq!((world.sent_audio(), world.session.state()), (sent, State::Open));
    assert!(world.deaths().is_empty());
    let due: Vec<u64> = (1..).map(|it| last + 5_000 * it).take(world.keepalives().len()).collect();
    assert_eq!((world.keepalives(), due.len()), (due, 60));
    world.hear(secs(1), SPEECH);
    assert_eq!(world.sent_audio() - sent, Duration::from_millis(1_300));
}

/// Five minutes in which 88 of 100 seconds are spoken.
#[test]
fn conversation_of_300_s_finalizes_without_an_error() {
    let mut world = World::connected(gated());
    for _ in 0..60 {
        world.hear(Duration::from_millis(4_400), SPEECH);
        world.hear(Duration::from_millis(600), Heard::Silence);
    }
    world.app(AppInput::Finish);
    let summary = world.summary();
    let finalizes = summary.finalizes;
    assert_eq!((finalizes.sent, finalizes.errors, finalizes.timeouts), (60, 0, 0));
    assert_eq!((summary.audio.bytes_gated, summary.lost_ms), (0, Some(0)), "no pause is 4 s long");
}

#[test]
fn times_behind_a_hold_are_the_sessions() {
    let mut world = closed(gated());
    let (sent, now) = (world.sent_audio(), world.now - world.start);
    world.hear(secs(30), Heard::Silence);
    world.hear(secs(1), SPEECH);
    world.app(AppInput::Finalize { channel: None });
    let times = last_times(&world);
    let spoken_at = (now + secs(30)).as_secs_f64();
    let preroll = 0.3;
    assert_eq!(times.start(sent.as_secs_f64()), spoken_at - preroll);
    assert_eq!(times.end(sent.as_secs_f64()), sent.as_secs_f64(), "what ends there is before it");
    assert_eq!(times.start(sent.as_secs_f64() + preroll), spoken_at);
}

#[test]
fn a_death_tells_session_time() {
    let mut world = closed(gated());
    world.hear(secs(30), Heard::Silence);
    world.hear(secs(1), SPEECH);
    world.app(AppInput::Finalize { channel: None });
    let spoken_until = world.now - world.start;
    reset(&mut world);
    assert_eq!(world.deaths()[0].final_ms, Some(millis(spoken_until)));
}

#[test]
fn another_connection_gets_everything_again_until_it_answers() {
    let mut world = closed(with_mode(VadMode::Active, recovering()));
    world.app(AppInput::Finalize { channel: None });
    let sent = world.sent_audio();
    reset(&mut world);
    world.hear(secs(3), Heard::Silence);
    assert_eq!(world.sent_audio(), sent);
    world.connect();
    world.hear(secs(5), Heard::Silence);
    // The pre-roll that was there, and a second for an answer.
    let again = Duration::from_millis(300) + secs(1);
    assert_eq!(world.sent_audio() - sent, again - FRAME * 3, "a result comes with each second");
    let (start, elapsed) = (last_times(&world).start(0.0), (world.now - world.start).as_secs_f64());
    assert!((start - (elapsed - 5.3)).abs() < 1e-9, "{start} {elapsed}");
}

#[test]
fn speech_reopens_a_parked_session_and_silence_does_not() {
    let mut world = closed(SessionConfig { keepalive_max_idle: Some(secs(20)), ..gated() });
    world.hear(secs(40), Heard::Silence);
    assert_eq!((world.session.state(), world.dials), (State::Parked, 1));
    world.hear(FRAME, SPEECH);
    assert_eq!(world.dials, 2);
    world.connect();
    world.hear(secs(1), SPEECH);
    world.app(AppInput::Finalize { channel: None });
    let spoken_at = (world.now - world.start).as_secs_f64() - 1.1;
    assert_eq!(last_times(&world).start(0.3), spoken_at);
}

#[test]
fn the_applications_own_finalize_and_finish_pass_a_closed_gate() {
    let mut world = closed(gated());
    let finalizes = world.session.snapshot().counts[Count::FinalizesSent];
    world.app(AppInput::Finalize { channel: None });
    assert_eq!(world.session.snapshot().counts[Count::FinalizesSent], finalizes + 1);
    world.app(AppInput::Finish);
    assert!(world.is_finished());
    assert_eq!(world.summary().finalizes.skipped_dead, 0);
}

#[test]
fn shadow_changes_nothing_but_the_counts() {
    let mut world = closed(with_mode(VadMode::Shadow, config()));
    world.hear(secs(20), Heard::Silence);
    assert_eq!(world.sent_audio(), secs(27));
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.audio.bytes_gated, summary.finalizes.sent), (0, 0));
    let vad = summary.vad.unwrap();
    assert_eq!((vad.would_hold_ms, vad.held_ms, vad.opens), (21_700, 0, 1));
    assert!(last_times(&world).is_identity());
}

#[test]
fn update_switches_from_shadow_to_active_and_back_to_off() {
    let mut world = closed(with_mode(VadMode::Shadow, config()));
    let sent = world.sent_audio();
    world.app(update(VadMode::Active));
    world.hear(secs(10), Heard::Silence);
    assert_eq!(world.sent_audio(), sent);
    world.app(update(VadMode::Off));
    assert!(!world.session.wants_hearing());
    world.hear(secs(2), Heard::Silence);
    assert_eq!(world.sent_audio() - sent, secs(2) + Duration::from_millis(300));
    let late = sent.as_secs_f64() + 1.0;
    assert_eq!(last_times(&world).start(late), late + 9.7, "still in session time");
    let changes: Vec<_> = world.facts.iter().filter(|it| it.name() == "vad_mode_changed").collect();
    let (from, by) = (VadMode::Shadow, VadModeSource::Update);
    let first = VadModeChanged { from, to: VadMode::Active, by };
    assert_eq!((changes.len(), changes[0]), (2, &Fact::VadModeChanged(first)));
}

#[test]
fn a_session_without_a_gate_gets_one_by_update() {
    let mut world = World::connected(config());
    assert!(!world.session.wants_hearing());
    world.speak(secs(2));
    world.app(update(VadMode::Active));
    world.hear(secs(10), Heard::Silence);
    assert_eq!(world.sent_audio(), secs(2));
    world.app(update(VadMode::Active));
    assert_eq!(world.facts.iter().filter(|it| it.name() == "vad_mode_changed").count(), 1);
}

#[test]
fn a_gate_that_cannot_be_had_is_told_once_or_refused() {
    let opus = SessionConfig { audio: None, ..gated() };
    let mut world = World::connected(opus);
    let told = Fact::VadNotAvailable(VadNotAvailable { cause: VadUnavailable::Encoding });
    assert!(world.facts.contains(&told) && !world.session.wants_hearing());
    world.app(update(VadMode::Off));
    assert_eq!(world.error(), None, "off is available everywhere");
    world.app(update(VadMode::Shadow));
    assert_eq!(world.error(), Some(ErrorCode::InvalidUpdate));
    assert_eq!(world.summary().outcome, Outcome::Aborted);
}

#[test]
fn after_finish_an_update_is_counted() {
    let mut world = World::connected(gated());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    world.app(update(VadMode::Off));
    assert_eq!(world.session.books.drops.updates, 1);
}

#[test]
fn a_detector_that_fails_opens_the_gate_for_the_rest_of_the_session() {
    let mut world = closed(gated());
    let sent = world.sent_audio();
    world.hear(FRAME, Heard::Fault);
    world.hear(secs(20), Heard::Silence);
    assert_eq!(world.sent_audio() - sent, secs(20) + FRAME * 4);
    assert_eq!(world.facts.iter().filter(|it| it.name() == "vad_failed").count(), 1);
    world.app(AppInput::Finish);
    let summary = world.summary();
    assert_eq!((summary.outcome, summary.lost_ms), (Outcome::Finished, Some(0)));
    assert!(summary.vad.unwrap().failed);
}

#[test]
fn a_session_that_is_over_listens_no_more() {
    let mut world = World::connected(gated());
    assert!(world.session.wants_hearing());
    reset(&mut world);
    assert!(!world.session.wants_hearing(), "latched");
    let mut world = World::connected(gated());
    world.deepgram.closes = false;
    world.app(AppInput::Finish);
    assert!(!world.session.wants_hearing(), "finished");
}

/// A Deepgram that never makes anything final: holds are noted up to the bound, then all is sent.
#[test]
fn holds_are_noted_up_to_a_bound() {
    let hangover = Duration::from_millis(100);
    let vad = VadConfig { mode: VadMode::Active, hangover, ..VadConfig::default() };
    let mut world = World::connected(SessionConfig { vad, ..config() });
    world.deepgram.answers_finalize = false;
    for _ in 0..crate::bound::JOINTS_MAX + 10 {
        world.hear(FRAME, SPEECH);
        world.hear(FRAME * 8, Heard::Silence);
    }
    assert_eq!(world.session.books.joints.len(), crate::bound::JOINTS_MAX);
    let sent = world.sent_audio();
    world.hear(secs(20), Heard::Silence);
    assert_eq!(world.sent_audio() - sent, secs(20));
}

#[test]
fn holds_that_are_long_past_are_forgotten() {
    let mut world = World::connected(gated());
    for _ in 0..100 {
        world.hear(secs(1), SPEECH);
        world.hear(secs(7), Heard::Silence);
    }
    let joints = world.session.books.joints.len();
    assert!((10..20).contains(&joints), "a minute of what was sent: {joints}");
}
