use super::*;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318");

fn otlp(endpoint: Option<&str>) -> Otlp {
    Otlp { endpoint: endpoint.map(|url| url.parse().unwrap()), ..Otlp::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn find(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Option<Collector> {
    Collector::find(&otlp(endpoint), &environment(variables)).unwrap()
}

fn url(endpoint: Option<&str>, variables: &[(&str, &str)]) -> String {
    find(endpoint, variables).unwrap().url.to_string()
}

/// The names of the variables that are told as mistakes.
fn mistakes(variables: &[(&str, &str)]) -> Vec<String> {
    let error = Collector::find(&otlp(None), &environment(variables)).unwrap_err();
    let place = |problem: &Problem| match &problem.place {
        Place::Variable(name) => name.clone(),
        other => panic!("{other:?}"),
    };
    error.problems.iter().map(place).collect()
}

#[test]
fn without_an_endpoint_there_are_no_traces_and_no_mistakes() {
    assert_eq!(find(None, &[]), None);
    let unused = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    assert_eq!(find(None, &unused), None);
}

#[test]
fn the_path_of_the_receiver_is_appended_to_a_base_url_and_to_nothing_else() {
    for (given, expected) in [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("http://c:4318/", "http://c:4318/v1/traces"),
        ("https://c/otel/", "https://c/otel/v1/traces"),
        ("http://c:4318/v1/traces", "http://c:4318/v1/traces"),
        ("http://c:4318/v1/traces/", "http://c:4318/v1/traces"),
    ] {
        assert_eq!(url(Some(given), &[]), expected);
        assert_eq!(url(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", given)]), expected);
    }
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/anything");
    assert_eq!(url(None, &[ENDPOINT, own]), "http://c:4318/anything");
}

#[test]
fn the_file_goes_before_the_variables_of_the_endpoint_and_its_protocol() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let broken = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "nonsense");
    assert_eq!(url(Some("http://file"), &[ENDPOINT, grpc, broken]), "http://file/v1/traces");
    assert_eq!(mistakes(&[ENDPOINT, grpc]), ["OTEL_EXPORTER_OTLP_PROTOCOL"]);
}

#[test]
fn the_standard_switches_turn_traces_off() {
    for off in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert_eq!(find(Some("http://file"), &[off, ENDPOINT]), None);
    }
    for on in [("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")] {
        assert!(find(None, &[on, ENDPOINT]).is_some());
    }
}

#[test]
fn the_signals_own_variable_goes_before_the_general_one() {
    let general = [
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=general,other=1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/general.pem"),
    ];
    let found = find(None, &general).unwrap();
    assert_eq!(found.headers["api-key"], "general");
    assert_eq!(found.timeout, Duration::from_secs(2));
    assert_eq!(found.ca_file, Some("/etc/general.pem".into()));
    let own = [
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=own%20key"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/etc/own.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ];
    let found = find(None, &[&general[..], &own[..]].concat()).unwrap();
    assert_eq!((found.headers.len(), &found.headers["api-key"]), (1, &"own key".parse().unwrap()));
    assert_eq!(found.timeout, Duration::from_millis(1));
    assert_eq!(found.ca_file, Some("/etc/own.pem".into()));
    assert_eq!(find(None, &[ENDPOINT]).unwrap().timeout, Duration::from_secs(10));
}

#[test]
fn every_malformed_variable_is_told_by_name_at_once() {
    let broken = [
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "no pair"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ];
    let names: Vec<_> = broken[1..].iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(mistakes(&broken), names);
    let long = format!("http://c/{}", "x".repeat(70_000));
    for text in ["collector:4318", "ftp://c", "http://u:p@c", "http://c?t=1", "http://c#f", &long] {
        let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
        assert_eq!(mistakes(&[(name, text)]), [name], "{text}");
    }
    for text in ["0", "-1", "600001", "1.5"] {
        let name = "OTEL_EXPORTER_OTLP_TIMEOUT";
        assert_eq!(mistakes(&[ENDPOINT, (name, text)]), [name], "{text}");
    }
    for text in ["=v", "a b=c", "a=%0a", "a=%ff", "Content-Length=1"] {
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        assert_eq!(mistakes(&[ENDPOINT, (name, text)]), [name], "{text}");
    }
}

#[test]
fn secrets_of_the_environment_are_never_shown() {
    let secret = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20very-secret");
    let found = find(None, &[ENDPOINT, secret]).unwrap();
    assert_eq!(found.headers["authorization"], "Bearer very-secret");
    assert!(!format!("{found:?}").contains("very-secret"));
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT"] {
        let variables = environment(&[ENDPOINT, (name, "very-secret")]);
        let error = Collector::find(&otlp(None), &variables).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("very-secret"));
    }
}

#[test]
fn the_resource_is_named_and_described_by_the_environment() {
    let plain = find(None, &[ENDPOINT]).unwrap();
    assert_eq!((&*plain.service_name, plain.attributes), ("deepgram-sidecar", Vec::new()));
    let attributes =
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,k8s.pod.name=app-0, team=x%2Cy ,");
    let found = find(None, &[ENDPOINT, attributes]).unwrap();
    let expected = [("k8s.pod.name", "app-0"), ("team", "x,y")];
    assert_eq!(found.attributes, expected.map(|(name, value)| (name.into(), value.into())));
    assert_eq!(found.service_name, "a");
    let found = find(None, &[ENDPOINT, attributes, ("OTEL_SERVICE_NAME", "b")]).unwrap();
    assert_eq!(found.service_name, "b");
}
