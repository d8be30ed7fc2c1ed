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
        (r#""vad":{"mode":false}"#, "vad.mode"),
        (r#""recovery":{"mode":"no"}"#, "recovery.mode"),
        (r#""recovery":{"mode":null}"#, "recovery.mode"),
        (r#""recovery":{"ring":"30s"}"#, "recovery.ring"),
        (r#""traceparent":1"#, "traceparent"),
        (r#""tags":{"a b":"x"}"#, "tags.a b"),
        (r#""tags":{"a":1}"#, "tags.a"),
        (r#""prelude":{}"#, "prelude"),
    ] {
        assert_eq!(invalid_field(&format!(r#"{{"protocol":1,{member}}}"#)), field, "{member}");
    }
}

#[test]
fn a_known_mode_that_is_not_available_says_so() {
    let refusal = parse(br#"{"protocol":1,"vad":{"mode":"shadow"}}"#).unwrap_err();
    assert!(refusal.message.contains("not available in this version"), "{}", refusal.message);
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
    let long = "x".repeat(QUERY_BYTES_MAX);
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
