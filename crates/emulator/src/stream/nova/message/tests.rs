use super::*;
use crate::settings::FieldNoise;

fn writer(query: &str, adjust: impl FnOnce(&mut Settings)) -> Writer {
    let query = format!("encoding=linear16&sample_rate=1000&model=nova-3&{query}");
    let mut settings = Settings { words: "Hello, world.".into(), ..Settings::default() };
    adjust(&mut settings);
    Writer::new(Parameters::parse(&query, false).unwrap(), &settings, "the-id".into())
}

fn segment(standing: Standing) -> Segment {
    let word = |place, start, end| Word { place, start, end, unfinished: false };
    let words = vec![word(0, 0, 400), word(1, 480, 700)];
    Segment { start: 0, end: 2_300, words, standing }
}

#[test]
fn results_are_written_member_for_member_as_captured() {
    let text = writer("punctuate=true", |_| {}).results(0, &segment(Standing::Endpoint));
    let expected = concat!(
        r#"{"type":"Results","channel_index":[0,1],"duration":2.3,"start":0.0,"is_final":true,"#,
        r#""speech_final":true,"channel":{"alternatives":[{"transcript":"Hello, world.","#,
        r#""confidence":0.9,"words":[{"word":"hello","start":0.0,"end":0.4,"confidence":0.9,"#,
        r#""punctuated_word":"Hello,"},{"word":"world","start":0.48,"end":0.7,"#,
        r#""confidence":0.93363637,"punctuated_word":"world."}]}]},"metadata":{"request_id":"the-id","#,
        r#""model_info":{"name":"general-nova-3","version":"2025-04-17.21547","arch":"nova-3"},"#,
        r#""model_uuid":"c5f2d0a8-6f1b-4b0e-9a37-1d2e8f4b6c90"},"from_finalize":false}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn an_unfinished_word_changes_when_it_is_finished() {
    let mut open = segment(Standing::Interim);
    open.words[1].unfinished = true;
    let text = writer("interim_results=true", |_| {}).results(0, &open);
    assert!(text.contains(r#""transcript":"hello wor""#), "{text}");
    assert!(text.contains(r#""is_final":false,"speech_final":false"#), "{text}");
}

#[test]
fn an_empty_result_has_no_words_and_no_confidence() {
    let empty = Segment { words: Vec::new(), ..segment(Standing::Endpoint) };
    let text = writer("", |_| {}).results(0, &empty);
    assert!(text.contains(r#"{"transcript":"","confidence":0.0,"words":[]}"#), "{text}");
}

#[test]
fn speech_final_is_left_out_without_endpointing_and_interims() {
    let text = writer("endpointing=false", |_| {}).results(0, &segment(Standing::Final));
    assert!(!text.contains("speech_final"), "{text}");
}

#[test]
fn options_add_their_members() {
    let query = "diarize=true&language=multi&search=x&extra=room:7&detect_entities=true";
    let text = writer(query, |_| {}).results(0, &segment(Standing::Final));
    for member in [
        r#""speaker":0"#,
        r#""language":"en""#,
        r#""languages":["en"]"#,
        r#""search":[{"query":"x","hits":[]}]"#,
        r#""extra":{"room":"7"}"#,
        r#""entities":[]"#,
        r#""diarize_info":{"#,
    ] {
        assert!(text.contains(member), "{member} is missing in {text}");
    }
}

#[test]
fn metadata_without_audio_names_no_model() {
    let text = writer("", |_| {}).metadata(0, None);
    assert!(text.starts_with(
        r#"{"type":"Metadata","transaction_key":"deprecated","request_id":"the-id","sha256":"incomplete","created":""#
    ));
    assert!(text.ends_with(r#"Z","duration":0.0,"channels":1}"#), "{text}");
    let text = writer("", |_| {}).metadata(14_640, Some("abc".into()));
    assert!(text.contains(r#""sha256":"abc""#) && text.contains(r#""duration":14.64,"#), "{text}");
    assert!(
        text.contains(r#""models":["c5f2"#) && text.contains(r#""model_info":{"c5f2"#),
        "{text}"
    );
}

#[test]
fn noise_disturbs_the_members_and_keeps_the_numbers() {
    let noisy = |noise| {
        writer("", |settings| settings.field_noise = noise).results(0, &segment(Standing::Final))
    };
    let calm = FieldNoise::default();
    assert!(noisy(FieldNoise { extra_fields: true, ..calm }).contains("x_unheard_of"));
    let bare = noisy(FieldNoise { missing_optional: true, ..calm });
    assert!(!bare.contains("from_finalize") && !bare.contains("speech_final"));
    let reordered = noisy(FieldNoise { reordered: true, ..calm });
    assert!(reordered.ends_with(r#""type":"Results"}"#), "{reordered}");
    assert!(reordered.contains(r#""duration":2.3,"#) && reordered.contains("0.93363637"));
    let unknown = writer("", |s| s.field_noise.unknown_types = true).unknown().unwrap();
    assert!(unknown.starts_with(r#"{"type":"Weather""#));
}
