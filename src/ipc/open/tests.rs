use super::*;

fn open(text: &str) -> Open {
    parse(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> (ErrorCode, Option<String>) {
    let refusal = parse(text.as_bytes()).unwrap_err();
    assert!(!refusal.message.is_empty());
    (refusal.code, refusal.field)
}

fn invalid_field(text: &str) -> String {
    let (code, field) = refused(text);
    assert_eq!(code, ErrorCode::InvalidOpen, "{text}");
    field.unwrap_or_default()
}

#[test]
fn the_contracts_own_example_is_taken() {
    let open = open(
        r#"{"protocol": 1, "session_id": "call-7f3a", "path": "/v1/listen",
            "params": {"model": "nova-3", "encoding": "linear16", "sample_rate": 16000, "channels": 1,
                       "interim_results": true, "keyterm": ["alpha", "beta"]},
            "keepalive": {"interval_ms": 5000}, "vad": {"mode": "off"}, "recovery": {"mode": "latch"},
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "tags": {"tenant": "acme"}}"#,
    );
    assert_eq!(
        open.query,
        "model=nova-3&encoding=linear16&sample_rate=16000&channels=1&interim_results=true\
         &keyterm=alpha&keyterm=beta"
    );
    assert_eq!(open.audio, AudioFormat::new("linear16", 16_000, 1));
    assert_eq!(open.keepalive_interval, Some(Duration::from_secs(5)));
    assert_eq!(open.tags, [("tenant".to_owned(), "acme".to_owned())]);
}

#[test]
fn only_the_protocol_is_required_and_null_means_absent() {
    let bare = open(r#"{"protocol":1}"#);
    assert_eq!(bare.endpoint, Endpoint::V1Listen);
    assert_eq!(bare.query, "");
    let nulls = open(
        r#"{"protocol":1,"session_id":null,"path":null,"params":null,"keepalive":null,
            "vad":null,"recovery":null,"traceparent":null,"tags":null,"prelude":null}"#,
    );
    assert_eq!(bare, nulls);
}

#[test]
fn the_protocol_is_judged_before_all_else() {
    let unsupported = (ErrorCode::UnsupportedProtocol, Some("protocol".to_owned()));
    assert_eq!(refused(r#"{"nonsense":1,"protocol":2}"#), unsupported);
    assert_eq!(refused(r#"{"protocol":-1}"#), unsupported);
    for text in [r#"{}"#, r#"{"protocol":"1"}"#, r#"{"protocol":1.0}"#, r#"{"protocol":null}"#] {
        assert_eq!(invalid_field(text), "protocol");
    }
}

#[test]
fn every_bad_member_is_named_by_its_path() {
    for (member, field) in [
        (r#""what":1"#, "what"),
        (r#""session_id":"""#, "session_id"),
        (r#""session_id":"a b""#, "session_id"),
        (r#""session_id":7"#, "session_id"),
        (r#""path":"/v1/speak""#, "path"),
        (r#""path":"/v1/listen?x=1""#, "path"),
        (r#""params":[]"#, "params"),
        (r#""params":{"a":null}"#, "params.a"),
        (r#""params":{"a":{}}"#, "params.a"),
        (r#""params":{"a":[[1]]}"#, "params.a"),
        (r#""params":{"":1}"#, "params."),
        (r#""params":{"sidecar_vad":"off"}"#, "params.sidecar_vad"),
        (r#""params":{"n":1e999}"#, ""),
        (r#""keepalive":{"interval_ms":99}"#, "keepalive.interval_ms"),
        (r#""keepalive":{"interval_ms":10000}"#, "keepalive.interval_ms"),
        (r#""keepalive":{"interval_ms":null}"#, "keepalive.interval_ms"),
        (r#""keepalive":{"interval_ms":500.5}"#, "keepalive.interval_ms"),
        (r#""keepalive":{"every":1}"#, "keepalive.every"),
        (r#""vad":{"mode":"active"}"#, "vad.mode"),
        (r#""vad":{"mode":"loud"}"#, "vad.mode"),
        (r#""vad":{"mode":false}"#, "vad.mode"),
        (r#""vad":{"mode":null}"#, "vad.mode"),
        (r#""vad":{"mode":"off","threshold":0.5}"#, "vad.threshold"),
        (r#""vad":"off""#, "vad"),
        (r#""recovery":{"mode":"no"}"#, "recovery.mode"),
        (r#""recovery":{"mode":null}"#, "recovery.mode"),
        (r#""recovery":{"ring":"30s"}"#, "recovery.ring"),
        (r#""traceparent":1"#, "traceparent"),
        (r#""tags":{"a b":"x"}"#, "tags.a b"),
        (r#""tags":{"a":1}"#, "tags.a"),
        (r#""prelude":true"#, "prelude"),
        (r#""prelude":{"pad_to_ms":-1}"#, "prelude.pad_to_ms"),
        (r#""prelude":{"pad_to_ms":60001}"#, "prelude.pad_to_ms"),
        (r#""prelude":{"pad_to_ms":null}"#, "prelude.pad_to_ms"),
        (r#""prelude":{"stabilize_ms":"15000"}"#, "prelude.stabilize_ms"),
        (r#""prelude":{"stabilize_ms":15000.5}"#, "prelude.stabilize_ms"),
        (r#""prelude":{"words":[]}"#, "prelude.words"),
        (r#""prelude":{}"#, "prelude"),
    ] {
        assert_eq!(invalid_field(&format!(r#"{{"protocol":1,{member}}}"#)), field, "{member}");
    }
}

#[test]
fn a_gate_that_is_asked_for_in_the_wrong_way_is_told_the_right_one() {
    let told = |member: &str| {
        parse(format!(r#"{{"protocol":1,{member}}}"#).as_bytes()).unwrap_err().message
    };
    let word = told(r#""vad":"active""#);
    assert_eq!(word, r#"vad: must be an object, for example {"mode": "active"}"#);
    let yaml =
        serde_yaml::from_str::<serde_json::Value>(&crate::config::Config::default().to_yaml());
    let section = yaml.unwrap()["vad"].as_object().unwrap().clone();
    let keys = section.keys().filter(|it| *it != "mode").map(|it| format!("vad.{it}"));
    assert_eq!(keys.collect::<Vec<_>>(), members::CONFIGURED);
    for key in members::CONFIGURED {
        let key = key.strip_prefix("vad.").unwrap();
        let alone = told(&format!(r#""vad":{{"{key}":1}}"#));
        assert!(alone.contains("in the sidecar's configuration alone; remove it"), "{alone}");
    }
    assert!(told(r#""vad":{"loud":1}"#).contains("unknown member"));
}

/// OPEN with these parameters and other members.
fn with(params: &str, members: &str) -> String {
    format!(r#"{{"protocol":1,"params":{params},{members}}}"#)
}

const LINEAR16: &str = r#"{"encoding":"linear16","sample_rate":16000}"#;

#[test]
fn an_application_chooses_the_gates_mode_or_leaves_it_to_the_configuration() {
    for (vad, mode) in [
        (r#"{"mode":"off"}"#, Some(VadMode::Off)),
        (r#"{"mode":"shadow"}"#, Some(VadMode::Shadow)),
        (r#"{"mode":"active"}"#, Some(VadMode::Active)),
        ("{}", None),
        ("null", None),
    ] {
        assert_eq!(open(&with(LINEAR16, &format!(r#""vad":{vad}"#))).vad, mode, "{vad}");
    }
}

#[test]
fn a_gate_that_cannot_be_had_is_refused_with_the_reason_to_whoever_asks_for_it() {
    for (params, path, reason) in [
        ("{}", "/v1/listen", "only linear16, mulaw and alaw"),
        (r#"{"encoding":"opus","sample_rate":48000}"#, "/v1/listen", "only linear16"),
        (r#"{"encoding":"linear32","sample_rate":16000}"#, "/v1/listen", "only linear16"),
        (r#"{"encoding":"mulaw","sample_rate":4000}"#, "/v1/listen", "from 8000 to 48000"),
        (
            r#"{"encoding":"mulaw","sample_rate":8000,"channels":9}"#,
            "/v1/listen",
            "at most 8 channels",
        ),
        (LINEAR16, "/v2/listen", "/v2/listen needs the silence"),
        (
            r#"{"encoding":"linear16","sample_rate":16000,"callback":"https://example.com"}"#,
            "/v1/listen",
            "with a callback",
        ),
    ] {
        let text =
            |mode: &str| with(params, &format!(r#""path":"{path}","vad":{{"mode":"{mode}"}}"#));
        for mode in ["shadow", "active"] {
            let refusal = parse(text(mode).as_bytes()).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some("vad.mode"), "{params}");
            let start = "vad.mode: the VAD gate is not available: ";
            assert!(refusal.message.starts_with(start), "{}", refusal.message);
            assert!(refusal.message.contains(reason), "{}", refusal.message);
            assert!(refusal.message.contains("use \"off\""), "{}", refusal.message);
        }
        assert!(parse(text("off").as_bytes()).is_ok(), "{params}");
        assert!(parse(with(params, r#""vad":{}"#).as_bytes()).is_ok(), "{params}");
    }
}

#[test]
fn a_silence_that_deepgram_is_to_notice_lengthens_the_hangover() {
    for (params, ms) in [
        ("{}", 0),
        (r#"{"endpointing":300}"#, 800),
        (r#"{"endpointing":"4000"}"#, 4_500),
        (r#"{"endpointing":true}"#, 0),
        (r#"{"endpointing":"false","utterance_end_ms":"1000"}"#, 1_500),
        (r#"{"endpointing":2000,"utterance_end_ms":1000}"#, 2_500),
        (r#"{"utterance_end_ms":[1000,5000]}"#, 5_500),
        (r#"{"utterance_end_ms":0.5}"#, 501),
        (r#"{"utterance_end_ms":59999}"#, 60_000),
        (r#"{"endpointing":"inf"}"#, 0),
        (r#"{"endpointing":1e300}"#, 0),
        (r#"{"endpointing":-5}"#, 0),
    ] {
        let least = open(&with(params, r#""vad":{}"#)).hangover_min;
        assert_eq!(least.as_micros().div_ceil(1000), ms, "{params}");
    }
}

#[test]
fn a_prelude_has_two_lengths_and_both_may_be_left_out() {
    let lengths = |prelude: &str| {
        let open = open(&with(LINEAR16, &format!(r#""prelude":{prelude}"#)));
        open.prelude.map(|it| (it.pad_to.as_millis(), it.stabilize.as_millis()))
    };
    assert_eq!(lengths("{}"), Some((15_000, 15_000)));
    assert_eq!(lengths(r#"{"pad_to_ms":0}"#), Some((0, 15_000)));
    assert_eq!(lengths(r#"{"pad_to_ms":60000,"stabilize_ms":1}"#), Some((60_000, 1)));
    assert_eq!(lengths("null"), None);
}

#[test]
fn a_prelude_that_could_teach_nothing_is_refused_in_words() {
    let callback =
        r#"{"encoding":"linear16","sample_rate":16000,"callback":"https://example.com"}"#;
    for (params, path, words) in [
        ("{}", "/v1/listen", "only with linear16, linear32, mulaw and alaw"),
        (r#"{"encoding":"opus","sample_rate":48000}"#, "/v1/listen", "remove the prelude"),
        (LINEAR16, "/v2/listen", "does not tell speakers apart"),
        (callback, "/v1/listen", "with a callback"),
    ] {
        let text = with(params, &format!(r#""path":"{path}","prelude":{{}}"#));
        let refusal = parse(text.as_bytes()).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidOpen);
        assert_eq!(refusal.field.as_deref(), Some("prelude"));
        assert!(refusal.message.contains(words), "{}", refusal.message);
    }
}

#[test]
fn an_application_chooses_whether_its_session_recovers_or_leaves_it_to_the_configuration() {
    for (recovery, recovers) in [
        (r#"{"mode":"reconnect"}"#, Some(true)),
        (r#"{"mode":"latch"}"#, Some(false)),
        ("{}", None),
        ("null", None),
    ] {
        let text = format!(r#"{{"protocol":1,"recovery":{recovery}}}"#);
        assert_eq!(open(&text).recovers, recovers, "{recovery}");
    }
    assert_eq!(open(r#"{"protocol":1}"#).recovers, None);
}

#[test]
fn parameters_that_bear_on_recovery_are_noticed() {
    for (params, results_elsewhere, names_speakers) in [
        ("{}", false, false),
        (r#"{"callback":"https://example.com/results"}"#, true, false),
        (r#"{"diarize":true}"#, false, true),
        (r#"{"diarize":"true"}"#, false, true),
        (r#"{"diarize":false}"#, false, false),
        (r#"{"diarize":"false"}"#, false, false),
        (r#"{"diarize_model":"latest"}"#, false, true),
    ] {
        let open = open(&format!(r#"{{"protocol":1,"params":{params}}}"#));
        let noticed = (open.results_elsewhere, open.names_speakers);
        assert_eq!(noticed, (results_elsewhere, names_speakers), "{params}");
    }
}

#[test]
fn parameters_are_encoded_as_the_contract_says() {
    let open = open(
        r#"{"protocol":1,"params":{"a b":"c&d=e~f-_.","t":true,"f":0.7,"w":300.0,"n":-5,
            "big":18446744073709551615,"tiny":1e-9,"none":[],"u":"é"}}"#,
    );
    assert_eq!(
        open.query,
        "a%20b=c%26d%3De~f-_.&t=true&f=0.7&w=300&n=-5&big=18446744073709551615&tiny=1e-9&u=%C3%A9"
    );
}

#[test]
fn a_query_over_its_bound_is_refused() {
    let long = "x".repeat(16 << 10);
    let text = format!(r#"{{"protocol":1,"params":{{"k":"{long}"}}}}"#);
    assert_eq!(invalid_field(&text), "params");
}

#[test]
fn of_a_model_the_beginning_is_kept() {
    let asked = |model: Value| {
        open(&serde_json::json!({"protocol": 1, "params": {"model": model}}).to_string())
    };
    assert_eq!(asked("nova-3".into()).model.as_deref(), Some("nova-3"));
    assert_eq!(asked(7.into()).model, None);
    assert_eq!(asked("é".repeat(100).into()).model.unwrap().len(), 128);
}

#[test]
fn a_malformed_traceparent_is_not_the_applications_end() {
    let open = open(r#"{"protocol":1,"traceparent":"00-xyz"}"#);
    assert!(open.traceparent_malformed);
    assert_eq!(open.traceparent, None);
}

#[test]
fn seventeen_tags_are_one_too_many() {
    let tags: Vec<_> = (0..17).map(|n| format!(r#""t{n}":"v""#)).collect();
    let text = format!(r#"{{"protocol":1,"tags":{{{}}}}}"#, tags.join(","));
    assert_eq!(invalid_field(&text), "tags");
}

#[test]
fn what_a_refusal_repeats_has_a_bound_and_still_says_what_to_do() {
    let name = "é\"\n".repeat(100_000);
    let unknown = serde_json::json!({"protocol": 1, "tags": {&name: "v"}}).to_string();
    let refusal = parse(unknown.as_bytes()).unwrap_err();
    assert!(refusal.field.unwrap().len() <= 256);
    assert!(refusal.message.ends_with("a tag's key must be 1 to 64 of A-Z a-z 0-9 . _ : -"));
    let name = "x".repeat(100_000);
    let twice = format!(r#"{{"protocol":1,"{name}":1,"{name}":2}}"#);
    assert!(parse(twice.as_bytes()).unwrap_err().message.len() <= 1 << 10);
}
