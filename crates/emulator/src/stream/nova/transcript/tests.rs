//! Speech here is given in milliseconds at 1,000 samples a second, so that samples read as time.

use super::*;

const SPEECH: bool = true;
const SILENCE: bool = false;

fn rules(query: &str, adjust: impl FnOnce(&mut Settings)) -> Rules {
    let query = format!("encoding=linear16&sample_rate=1000&{query}");
    let mut settings = Settings::default();
    adjust(&mut settings);
    Rules::new(&Parameters::parse(&query, false).unwrap(), &settings)
}

/// Hears stretches of speech and silence, 20 ms at a time.
fn hear(lane: &mut Lane, rules: &Rules, stretches: &[(bool, u64)]) -> Vec<Emission> {
    let mut emissions = Vec::new();
    for &(loud, length) in stretches {
        for _ in 0..length / 20 {
            lane.hear(rules, 20, if loud { 0.3 } else { 0.0 }, &mut |e| emissions.push(e));
        }
    }
    emissions
}

fn results(emissions: &[Emission]) -> Vec<(u64, u64, Standing, usize)> {
    let result = |emission: &Emission| match emission {
        Emission::Result(s) => Some((s.start, s.end, s.standing, s.words.len())),
        _ => None,
    };
    emissions.iter().filter_map(result).collect()
}

#[test]
fn interims_grow_by_a_second_from_the_same_start() {
    let rules = rules("interim_results=true", |_| {});
    let heard = hear(&mut Lane::default(), &rules, &[(SPEECH, 3_200)]);
    let expected = [
        (0, 1_000, Standing::Interim, 3),
        (0, 2_000, Standing::Interim, 5),
        (0, 3_000, Standing::Interim, 8),
    ];
    assert_eq!(results(&heard), expected);
}

#[test]
fn unbroken_speech_is_final_by_length_and_leaves_an_open_word_to_the_next_segment() {
    let rules = rules("", |_| {});
    let heard = hear(&mut Lane::default(), &rules, &[(SPEECH, 9_200)]);
    assert_eq!(
        results(&heard),
        [(0, 4_400, Standing::Final, 11), (4_400, 8_800, Standing::Final, 11)]
    );
}

#[test]
fn silence_at_least_as_long_as_endpointing_ends_an_utterance() {
    let rules = rules("endpointing=300", |_| {});
    let heard = hear(&mut Lane::default(), &rules, &[(SPEECH, 800), (SILENCE, 280)]);
    assert_eq!(results(&heard), []);
    let heard = hear(&mut Lane::default(), &rules, &[(SPEECH, 800), (SILENCE, 300)]);
    assert_eq!(results(&heard), [(0, 1_100, Standing::Endpoint, 2)]);
}

#[test]
fn segments_join_without_a_gap_and_words_stay_inside_the_speech() {
    let rules = rules("interim_results=true", |_| {});
    let stretches =
        [(SILENCE, 500), (SPEECH, 1_700), (SILENCE, 900), (SPEECH, 640), (SILENCE, 700)];
    let heard = hear(&mut Lane::default(), &rules, &stretches);
    let mut end = 0;
    for emission in heard {
        let Emission::Result(segment) = emission else { panic!("nothing else was asked for") };
        assert_eq!(segment.start, end);
        if segment.standing.is_final() {
            end = segment.end;
        }
        for word in segment.words {
            let inside = |from, to| word.start >= from && word.end <= to;
            assert!(inside(500, 2_200) || inside(3_100, 3_740), "{word:?} lies in silence");
        }
    }
}

#[test]
fn silence_gives_empty_interims_and_an_empty_final_with_an_endpoint() {
    let rules = rules("interim_results=true", |_| {});
    let heard = hear(&mut Lane::default(), &rules, &[(SILENCE, 3_000)]);
    let expected = [
        (0, 1_000, Standing::Interim, 0),
        (0, 2_000, Standing::Interim, 0),
        (0, 3_000, Standing::Endpoint, 0),
    ];
    assert_eq!(results(&heard), expected);
}

#[test]
fn without_interims_silence_is_answered_after_the_first_step() {
    let heard = hear(&mut Lane::default(), &rules("", |_| {}), &[(SILENCE, 1_000)]);
    assert_eq!(results(&heard), [(0, 1_000, Standing::Endpoint, 0)]);
}

#[test]
fn speech_started_comes_before_the_results_of_its_segment() {
    let rules = rules("vad_events=true&interim_results=true", |_| {});
    let heard = hear(&mut Lane::default(), &rules, &[(SILENCE, 400), (SPEECH, 800)]);
    assert_eq!(heard[0], Emission::SpeechStarted { at: 400 });
    assert_eq!(heard.len(), 2);
}

fn utterance_ends(style: UtteranceEndStyle, stretches: &[(bool, u64)]) -> Vec<Option<u64>> {
    let rules = rules("interim_results=true&utterance_end_ms=1000", |s| s.utterance_end = style);
    let end = |emission| match emission {
        Emission::UtteranceEnd { last_word_end } => Some(last_word_end),
        _ => None,
    };
    hear(&mut Lane::default(), &rules, stretches).into_iter().filter_map(end).collect()
}

#[test]
fn utterance_end_waits_for_the_gap_and_a_further_interim() {
    let short = [(SPEECH, 740), (SILENCE, 1_000)];
    assert_eq!(utterance_ends(UtteranceEndStyle::Exact, &short), [], "the gap, but no interim yet");
    let long = [(SPEECH, 740), (SILENCE, 3_000)];
    assert_eq!(utterance_ends(UtteranceEndStyle::Exact, &long), [Some(740)], "once only");
    assert_eq!(utterance_ends(UtteranceEndStyle::MinusOne, &long), [None]);
}

#[test]
fn an_utterance_end_may_come_while_the_next_words_are_open() {
    let stretches = [(SPEECH, 740), (SILENCE, 600), (SPEECH, 700)];
    assert_eq!(utterance_ends(UtteranceEndStyle::Exact, &stretches), []);
    assert_eq!(utterance_ends(UtteranceEndStyle::Late, &stretches), [Some(740)]);
}

#[test]
fn a_flush_makes_the_open_word_final_and_is_silent_when_nothing_is_open() {
    let rules = rules("", |_| {});
    let mut lane = Lane::default();
    hear(&mut lane, &rules, &[(SPEECH, 600)]);
    let mut emissions = Vec::new();
    lane.flush(Standing::Finalized, false, &mut |e| emissions.push(e));
    lane.flush(Standing::Finalized, false, &mut |e| emissions.push(e));
    assert_eq!(results(&emissions), [(0, 600, Standing::Finalized, 2)]);
    lane.flush(Standing::Finalized, true, &mut |e| emissions.push(e));
    assert_eq!(results(&emissions)[1], (600, 600, Standing::Finalized, 0));
}
