//! Speech here is given in milliseconds at 1,000 samples a second, so that samples read as time.

use super::*;

const SPEECH: bool = true;
const SILENCE: bool = false;

/// A turn at its defaults: over after 0.7 s of silence, no eager events.
fn rules(adjust: impl FnOnce(&mut Thresholds, &mut Settings)) -> Rules {
    let (mut thresholds, mut settings) = (Thresholds::default(), Settings::default());
    adjust(&mut thresholds, &mut settings);
    Rules::new(Format::new(Some("linear16"), Some(1_000), 1), thresholds, &settings)
}

/// Hears stretches of speech and silence, 20 ms at a time.
fn hear(turns: &mut Turns, rules: &Rules, stretches: &[(bool, u64)]) -> Vec<Info> {
    let mut infos = Vec::new();
    for &(loud, length) in stretches {
        for _ in 0..length / 20 {
            turns.hear(rules, 20, if loud { 0.3 } else { 0.0 }, &mut |info| infos.push(info));
        }
    }
    infos
}

/// Events other than Updates, with where they came.
fn events(infos: &[Info]) -> Vec<(u64, Event)> {
    let told = infos.iter().filter(|info| info.event != Event::Update);
    told.map(|info| (info.end, info.event)).collect()
}

#[test]
fn an_update_comes_for_every_quarter_of_a_second_of_audio() {
    let infos = hear(&mut Turns::default(), &rules(|_, _| {}), &[(SILENCE, 2_000)]);
    let ends: Vec<u64> = infos.iter().map(|info| info.end).collect();
    assert_eq!(ends, [260, 500, 760, 1_000, 1_260, 1_500, 1_760, 2_000], "in 20 ms windows");
    assert!(infos.iter().all(|info| info.event == Event::Update && info.words.is_empty()));
    assert!(infos.iter().all(|info| (info.start, info.turn, info.confidence) == (0, 0, 0.0)));
}

#[test]
fn a_turn_begins_with_its_first_word_and_ends_when_the_model_is_sure() {
    let infos = hear(
        &mut Turns::default(),
        &rules(|_, _| {}),
        &[(SILENCE, 400), (SPEECH, 1_000), (SILENCE, 800)],
    );
    let end = Event::EndOfTurn(Trigger::Model);
    assert_eq!(events(&infos), [(420, Event::StartOfTurn), (2_100, end)]);
    let started = infos.iter().find(|info| info.event == Event::StartOfTurn).unwrap();
    assert_eq!(started.words.len(), 1);
    let ended = infos.iter().find(|info| info.event == end).unwrap();
    assert_eq!((ended.start, ended.end, ended.turn, ended.confidence), (0, 2_100, 0, 0.7));
    assert_eq!((ended.words[0].start, ended.words.last().unwrap().end), (400, 1_400));
    assert_eq!((infos.last().unwrap().turn, infos.last().unwrap().confidence), (0, 0.7));
}

#[test]
fn turns_join_without_a_gap_and_count_up() {
    let twice = [(SPEECH, 600), (SILENCE, 1_000), (SPEECH, 500), (SILENCE, 1_000)];
    let infos = hear(&mut Turns::default(), &rules(|_, _| {}), &twice);
    let ends: Vec<_> = infos.iter().filter(|info| info.settles().is_some()).collect();
    let windows: Vec<_> = ends.iter().map(|info| (info.turn, info.start, info.end)).collect();
    assert_eq!(windows, [(0, 0, 1_300), (1, 1_300, 2_800)]);
    assert_eq!(ends[1].words[0].place, ends[0].words.len(), "the recitation goes on");
}

#[test]
fn an_eager_end_is_taken_back_when_speech_goes_on() {
    let rules = rules(|thresholds, _| thresholds.eager = Some(0.4));
    let stretches = [(SPEECH, 600), (SILENCE, 500), (SPEECH, 400), (SILENCE, 700)];
    let infos = hear(&mut Turns::default(), &rules, &stretches);
    let expected = [
        (20, Event::StartOfTurn),
        (1_000, Event::EagerEndOfTurn),
        (1_120, Event::TurnResumed),
        (1_900, Event::EagerEndOfTurn),
        (2_200, Event::EndOfTurn(Trigger::Model)),
    ];
    assert_eq!(events(&infos), expected);
    let words = |at: u64| &infos.iter().find(|info| info.end == at).unwrap().words;
    assert_eq!(words(1_900), words(2_200), "what was eager is what is final");
    assert_ne!(words(1_000), words(1_120));
}

#[test]
fn below_the_threshold_only_the_timeout_ends_a_turn() {
    let timeout = Event::EndOfTurn(Trigger::Timeout);
    let speech = [(SPEECH, 600), (SILENCE, 6_000)];
    let unsure = rules(|_, settings| settings.flux.confidence_max = 0.6);
    assert_eq!(events(&hear(&mut Turns::default(), &unsure, &speech))[1..], [(5_600, timeout)]);
    let disabled = rules(|thresholds, _| (thresholds.end, thresholds.timeout_ms) = (1.0, 2_000));
    assert_eq!(events(&hear(&mut Turns::default(), &disabled, &speech))[1..], [(2_600, timeout)]);
}

#[test]
fn a_turn_that_gets_no_more_audio_does_not_end() {
    let mut turns = Turns::default();
    let infos = hear(&mut turns, &rules(|_, _| {}), &[(SPEECH, 600), (SILENCE, 680)]);
    assert_eq!(events(&infos), [(20, Event::StartOfTurn)]);
    assert_eq!(infos.last().unwrap().end, 1_260);
}

#[test]
fn unbroken_speech_is_ended_between_two_words_and_goes_on_in_the_next_turn() {
    let rules = rules(|_, settings| settings.flux.turn_max = Duration::from_secs(3));
    let infos = hear(&mut Turns::default(), &rules, &[(SPEECH, 3_100)]);
    let ended = infos.iter().find(|info| info.settles().is_some()).unwrap();
    assert_eq!((ended.end, ended.words.len()), (2_800, 7), "the eighth word is being spoken");
    let next = infos.last().unwrap();
    assert_eq!((next.event, next.start, next.words[0].start), (Event::StartOfTurn, 2_800, 2_800));
}

#[test]
fn a_forced_end_takes_the_open_word_and_needs_a_turn() {
    let rules = rules(|_, _| {});
    let mut turns = Turns::default();
    let mut infos = Vec::new();
    assert!(!turns.force_end(&rules, &mut |info| infos.push(info)));
    hear(&mut turns, &rules, &[(SPEECH, 500)]);
    assert!(turns.force_end(&rules, &mut |info| infos.push(info)));
    let [ended] = &infos[..] else { panic!("one end: {infos:?}") };
    assert_eq!((ended.event, ended.end), (Event::EndOfTurn(Trigger::Manual), 500));
    assert_eq!(ended.words.last().map(|word| (word.end, word.unfinished)), Some((500, false)));
    let next = hear(&mut turns, &rules, &[(SPEECH, 20)]);
    assert_eq!((next[0].event, next[0].turn, next[0].start), (Event::StartOfTurn, 1, 500));
}

#[test]
fn the_last_word_on_an_open_turn_is_an_update() {
    let rules = rules(|_, _| {});
    let mut turns = Turns::default();
    hear(&mut turns, &rules, &[(SPEECH, 500)]);
    let mut infos = Vec::new();
    turns.close(&rules, &mut |info| infos.push(info));
    let [last] = &infos[..] else { panic!("one update: {infos:?}") };
    assert_eq!((last.event, last.start, last.end), (Event::Update, 0, 500));
    assert!(last.words.iter().all(|word| !word.unfinished));
    Turns::default().close(&rules, &mut |info| panic!("nothing was heard: {info:?}"));
}
