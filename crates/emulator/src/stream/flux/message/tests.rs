use super::*;
use crate::settings::FieldNoise;

fn writer(query: &str, adjust: impl FnOnce(&mut Settings)) -> Writer {
    let query = format!("encoding=linear16&sample_rate=8000&{query}");
    let mut settings = Settings { words: "Hello, world.".into(), ..Settings::default() };
    adjust(&mut settings);
    let parameters = Parameters::parse(&query, &settings).unwrap();
    Writer::new(&parameters, &settings, "the-id".into())
}

fn english(adjust: impl FnOnce(&mut Settings)) -> Writer {
    writer("model=flux-general-en", adjust)
}

fn turn(event: Event) -> Draft {
    let word = |place, start, end| Word { place, start, end, unfinished: place == 1 };
    let words = vec![word(0, 0, 3_200), word(1, 4_000, 6_000)];
    Draft::Turn(Info { event, turn: 3, start: 0, end: 18_400, words, confidence: 0.82 })
}

#[test]
fn messages_are_written_member_for_member_and_numbered() {
    let mut writer = english(|_| {});
    let connected = r#"{"type":"Connected","request_id":"the-id","sequence_id":0}"#;
    assert_eq!(writer.write(Draft::Connected), connected);
    let expected = concat!(
        r#"{"type":"TurnInfo","request_id":"the-id","sequence_id":1,"event":"Update","#,
        r#""turn_index":3,"audio_window_start":0.0,"audio_window_end":2.3,"#,
        r#""transcript":"Hello, wor","words":[{"word":"Hello,","confidence":0.9,"start":0.0,"#,
        r#""end":0.4},{"word":"wor","confidence":0.93363637,"start":0.5,"end":0.75}],"#,
        r#""end_of_turn_confidence":0.82}"#,
    );
    assert_eq!(writer.write(turn(Event::Update)), expected);
    let error = Draft::Error { code: "A_CODE".into(), description: "why".into() };
    let expected = r#"{"type":"Error","sequence_id":2,"code":"A_CODE","description":"why"}"#;
    assert_eq!(writer.write(error), expected);
}

#[test]
fn only_an_end_of_turn_names_its_trigger() {
    let mut writer = english(|_| {});
    for (trigger, name) in
        [(Trigger::Model, "model"), (Trigger::Timeout, "timeout"), (Trigger::Manual, "manual")]
    {
        let text = writer.write(turn(Event::EndOfTurn(trigger)));
        assert!(text.ends_with(&format!(r#","trigger":"{name}"}}"#)), "{text}");
    }
    for event in [Event::Update, Event::StartOfTurn, Event::EagerEndOfTurn, Event::TurnResumed] {
        let text = writer.write(turn(event));
        assert!(text.contains(&format!(r#""event":"{event:?}""#)), "{text}");
        assert!(!text.contains("trigger"), "{text}");
    }
}

#[test]
fn the_multilingual_model_names_languages_and_its_hints_change_with_a_configure() {
    let mut writer = writer("model=flux-general-multi&language_hint=de", |_| {});
    let text = writer.write(turn(Event::Update));
    assert!(text.contains(r#""languages":["en"],"languages_hinted":["de"]"#), "{text}");
    let query = "model=flux-general-multi&language_hint=fr&keyterm=x&eager_eot_threshold=0.4";
    let options = Parameters::parse(query, &Settings::default()).unwrap().options;
    let expected = concat!(
        r#"{"type":"ConfigureSuccess","request_id":"the-id","sequence_id":1,"thresholds":"#,
        r#"{"eager_eot_threshold":0.4,"eot_threshold":0.7,"eot_timeout_ms":5000},"#,
        r#""keyterms":["x"],"language_hints":["fr"]}"#,
    );
    assert_eq!(writer.write(Draft::ConfigureSuccess(options)), expected);
    assert!(writer.write(turn(Event::Update)).contains(r#""languages_hinted":["fr"]"#));
}

#[test]
fn a_refusal_may_have_a_code() {
    let mut writer = english(|_| {});
    let mut refused =
        |code| writer.write(Draft::ConfigureFailure(Refusal { code, description: "why".into() }));
    let expected = concat!(
        r#"{"type":"ConfigureFailure","request_id":"the-id","sequence_id":0,"#,
        r#""code":"INVALID_THRESHOLD","description":"why"}"#,
    );
    assert_eq!(refused(Some("INVALID_THRESHOLD")), expected);
    assert!(!refused(None).contains("code"));
}

#[test]
fn noise_leaves_out_only_what_is_optional() {
    let noise = FieldNoise { missing_optional: true, ..FieldNoise::default() };
    let mut writer = english(|settings| settings.field_noise = noise);
    let text = writer.write(turn(Event::EndOfTurn(Trigger::Model)));
    assert!(text.contains(r#"{"word":"Hello,","confidence":0.9}"#), "{text}");
    assert!(text.contains("audio_window_end") && !text.contains("trigger"), "{text}");
}
