//! Whole configurations: what loads, and what each mistake is told as.

mod port;
mod properties;

use std::time::Duration;

use url::Url;

use super::schema::{Key, keys};
use super::*;

/// The configuration of design and documentation, written by hand: the names and defaults that
/// operators rely on.
const DOCUMENTED: &str = r#"
ipc:
  socket: /run/deepgram-sidecar/sidecar.sock
  socket_mode: "0660"
  allow_uids: []
  allow_gids: []
  max_sessions: 2000
  max_frame_bytes: 1048576
  open_timeout: 10s
  tcp_listen: null
upstream:
  url: wss://api.deepgram.com
  agent_url: null
  auth: token
  api_key_file: null
  ca_file: null
  allow_plaintext: false
  connect_timeout: 10s
  connect_attempts: 3
  write_timeout: 5s
  max_connections: null
keepalive: {interval: 5s, max_idle: 10m, prime_silence: 0s}
liveness:  {ping_interval: 5s, ping_timeout: 5s, stall_after: 20s, kill_stalled: false}
session:   {connect_buffer: 10s, finalize_timeout: 5s, finish_timeout: 10s, finish_max: 60s, app_stall_timeout: 30s}
recovery:  {mode: latch, ring: 30s, max_reconnects: 10, reconnects_per_minute: 4}
vad:       {mode: off, threshold: 0.55, preroll: 300ms, hangover: 4s, finalize_after: 300ms, price_per_minute: null}
admin:     {listen: "127.0.0.1:9464"}
telemetry:
  logs:    {format: json, level: info}
  otlp:    {endpoint: null, protocol: http, sample_ratio: 1.0}
  metrics: {per_session_max: 1000, per_session_linger: 60s}
drain:     {timeout: 25s, linger: 0s}
"#;

struct Setup {
    _directory: tempfile::TempDir,
    sources: Sources,
}

impl Setup {
    fn file(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sidecar.yaml");
        std::fs::write(&file, text).unwrap();
        let sources = Sources { file: Some(file), ..Sources::default() };
        Self { _directory: directory, sources }
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.sources.environment.push((name.into(), text.into()));
        self
    }

    fn set(mut self, given: &str) -> Self {
        self.sources.overrides.push(given.into());
        self
    }

    fn load(&self) -> Result<Config, Error> {
        load(&self.sources)
    }

    /// `(line, key)` of every problem; the line is 0 outside the file.
    fn mistakes(&self) -> Vec<(usize, String)> {
        let line = |place: &Place| match place {
            Place::File(line) => line.unwrap_or(0),
            Place::Variable(_) | Place::CommandLine => 0,
        };
        let Err(error) = self.load() else { return Vec::new() };
        error.problems.iter().map(|problem| (line(&problem.place), problem.key.clone())).collect()
    }

    fn message(&self) -> String {
        let mut problems = self.load().unwrap_err().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0).message
    }
}

fn told(text: &str) -> Vec<(usize, String)> {
    Setup::file(text).mistakes()
}

fn at(line: usize, key: &str) -> (usize, String) {
    (line, key.into())
}

#[test]
fn the_documented_configuration_is_the_default() {
    let mut config = Setup::file(DOCUMENTED).load().unwrap();
    assert_eq!(config, Config::default());
    config.keepalive.interval = Duration::from_secs(1);
    assert_ne!(config, Config::default());
}

#[test]
fn nothing_is_a_valid_file() {
    for text in ["", "\n# only a comment\n", "---\n", "null\n", "{}", "ipc:\nvad:\n# mode: off\n"] {
        assert_eq!(Setup::file(text).load().unwrap(), Config::default(), "{text:?}");
    }
    assert_eq!(load(&Sources::default()).unwrap(), Config::default());
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_line() {
    let setup = Setup::file(
        "ipc:\n  max_sessions: 0\n  sockett: /x\nkeepalive:\n  interval: 10s\n\n\
         upstream: {connect_attempts: 11, auth: tokn}\nvad:\n  mode: [1]\n",
    )
    .variable("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT", "soon")
    .set("admin.listen=nowhere");
    let expected = [
        at(2, "ipc.max_sessions"),
        at(3, "ipc.sockett"),
        at(5, "keepalive.interval"),
        at(7, "upstream.connect_attempts"),
        at(7, "upstream.auth"),
        at(9, "vad.mode"),
        at(0, "drain.timeout"),
        at(0, "admin.listen"),
    ];
    assert_eq!(setup.mistakes(), expected);
}

#[test]
fn a_report_has_one_line_for_each_problem_and_names_its_place() {
    let setup = Setup::file("keepalive:\n  interval: 0s\n")
        .variable("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT", "soon")
        .set("vad=off");
    let file = setup.sources.file.clone().unwrap();
    let report = setup.load().unwrap_err().to_string();
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines.len(), 3, "{report}");
    let first =
        format!("{}:2: keepalive.interval: must be 1ms to less than 10s, not 0s: ", file.display());
    assert!(lines[0].starts_with(&first), "{report}");
    assert!(lines[1].starts_with("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT: drain.timeout: must be a dur"));
    assert!(lines[2].starts_with("--set: vad: unknown key"), "{report}");
}

#[test]
fn an_interval_out_of_bounds_says_why_there_is_a_bound() {
    let message = Setup::file("keepalive: {interval: 10s}").message();
    assert!(message.contains("not 10s") && message.contains("Deepgram closes"), "{message}");
    assert!(Setup::file("keepalive: {interval: 9999ms}").load().is_ok());
}

#[test]
fn a_slip_of_the_fingers_is_answered_with_what_was_meant() {
    let cases = [
        ("keepalive: {intervall: 5s}", "did you mean interval?"),
        ("keep-alive: {interval: 5s}", "did you mean keepalive?"),
        ("interval: 5s", "did you mean keepalive.interval?"),
        ("keepalive.interval: 5s", "did you mean keepalive.interval?"),
        ("upstream: {level: info}", "did you mean telemetry.logs.level?"),
        ("colour: red", "unknown key"),
    ];
    for (text, hint) in cases {
        let message = Setup::file(text).message();
        assert!(message.ends_with(hint), "{text}: {message}");
    }
    let message = Setup::file("").variable("DEEPGRAM_SIDECAR_KEEPALIVE_INTERVALL", "5s").message();
    assert!(message.contains("did you mean DEEPGRAM_SIDECAR_KEEPALIVE_INTERVAL?"), "{message}");
}

#[test]
fn a_repeated_key_is_told_where_it_is_repeated() {
    assert_eq!(told("drain:\n  timeout: 1s\n  timeout: 2s\n"), [at(3, "drain.timeout")]);
    assert_eq!(told("drain: {timeout: 1s}\nvad:\ndrain:\n"), [at(3, "drain")]);
}

#[test]
fn lines_count_alike_whatever_ends_them_and_whatever_mark_begins_the_file() {
    let text = "vad:\n  # a comment\n\n  mode: loud\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        assert_eq!(told(&text), [at(4, "vad.mode")], "{text:?}");
    }
}

#[test]
fn an_alias_is_a_value_like_any_other() {
    let text = "keepalive: {interval: &five 5s}\ndrain: {timeout: *five}\nvad: {mode: *five}\n";
    assert_eq!(told(text), [at(3, "vad.mode")]);
}

#[test]
fn a_section_without_keys_is_told() {
    assert_eq!(told("vad: off\n"), [at(1, "vad")]);
    assert_eq!(told("- vad\n"), [at(1, "")]);
    assert_eq!(told("just text"), [at(1, "")]);
}

#[test]
fn each_wrong_item_of_a_list_is_told_on_its_own_line() {
    let text = "ipc:\n  allow_uids:\n    - 1000\n    - root\n    - 0\n    - -1\n";
    assert_eq!(told(text), [at(4, "ipc.allow_uids[1]"), at(6, "ipc.allow_uids[3]")]);
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    assert_eq!(told("ipc:\n  socket: [unclosed\nvad: {}\n")[0].1, "");
    for (text, line) in [
        ("vad:\n\tmode: off\n", 2),
        ("vad: {}\n---\nvad: {}\n", 3),
        ("vad: *nowhere\n", 1),
        ("a: b: c\n", 1),
    ] {
        assert_eq!(told(text), [at(line, "")], "{text:?}");
    }
    assert_eq!(Setup::file(b"vad:\n  mode: \xff\n").mistakes(), [at(2, "")]);
}

#[test]
fn a_file_that_cannot_be_used_is_told_beside_the_environments_mistakes() {
    let missing = Sources {
        file: Some("/nonexistent/sidecar.yaml".into()),
        environment: vec![("DEEPGRAM_SIDECAR_VAD_MODE".into(), "loud".into())],
        overrides: Vec::new(),
    };
    let report = load(&missing).unwrap_err().to_string();
    assert!(report.starts_with("/nonexistent/sidecar.yaml: cannot be read: "), "{report}");
    assert!(
        report.contains("\nDEEPGRAM_SIDECAR_VAD_MODE: vad.mode: must be off, shadow or active")
    );
    let large = Setup::file(vec![b'#'; (1 << 20) + 1]).message();
    assert!(large.contains("larger than 1 MiB"), "{large}");
    assert!(Setup::file(vec![b'#'; 1 << 20]).load().is_ok());
}

#[test]
fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let setup = Setup::file("drain: {timeout: 1s}\nvad: {mode: off}\n")
        .variable("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT", "2s")
        .variable("DEEPGRAM_SIDECAR_TELEMETRY_LOGS_LEVEL", "debug");
    let config = setup.load().unwrap();
    assert_eq!(config.drain.timeout, Duration::from_secs(2));
    assert_eq!(config.telemetry.logs.level, LogLevel::Debug);
    let config = setup.set("drain.timeout=3s").set("drain.timeout=4s").load().unwrap();
    assert_eq!(config.drain.timeout, Duration::from_secs(4));
}

#[test]
fn a_mistake_in_the_file_is_told_even_where_the_environment_covers_it() {
    let setup = Setup::file("drain: {timeout: x}").variable("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT", "2s");
    assert_eq!(setup.mistakes(), [at(1, "drain.timeout")]);
}

#[test]
fn every_key_has_a_variable_of_its_own_that_sets_it() {
    let defaults = keys(&Config::default());
    let names: std::collections::HashSet<_> = defaults.iter().map(Key::variable).collect();
    assert_eq!(names.len(), defaults.len());
    for key in &defaults {
        let setup = Setup::file("").variable(&key.variable(), "\u{1}");
        // A path takes any text; every other type refuses this one.
        match setup.load() {
            Ok(config) => assert_ne!(config, Config::default(), "{}", key.path()),
            Err(error) => assert_eq!(error.problems[0].key, key.path()),
        }
    }
}

#[test]
fn variables_that_are_not_settings_are_left_alone() {
    let config = Setup::file("")
        .variable("DEEPGRAM_SIDECAR_CONFIG", "/etc/sidecar.yaml")
        .variable("DEEPGRAM_SIDECAR_DRAIN_TIMEOUT", "")
        .variable("DEEPGRAM_SIDECAR_SERVICE_HOST", "10.0.0.1")
        .variable("DEEPGRAM_SIDECAR_SERVICE_PORT", "9464")
        .variable("DEEPGRAM_SIDECAR_SERVICE_PORT_METRICS", "9464")
        .variable("DEEPGRAM_SIDECAR_PORT", "tcp://10.0.0.1:9464")
        .variable("DEEPGRAM_SIDECAR_PORT_9464_TCP", "tcp://10.0.0.1:9464")
        .variable("DEEPGRAM_SIDECAR_PORT_9464_TCP_PROTO", "tcp")
        .variable("DEEPGRAM_SIDECAR_METRICS_PORT_9464_TCP_ADDR", "10.0.0.1")
        .variable("DEEPGRAM_API_KEY", "secret")
        .variable("PATH", "/bin");
    assert_eq!(config.load().unwrap(), Config::default());
}

#[test]
fn values_are_written_in_the_ways_that_people_and_tools_write_them() {
    let config = Setup::file(
        "vad: {mode: false}\nipc: {socket_mode: 0600, max_frame_bytes: 1.048576e+06}\n\
         keepalive: {max_idle: 0}\nupstream: {url: 'wss://dg.internal:8443/', max_connections: 1}\n\
         telemetry: {otlp: {sample_ratio: 1}}\n",
    );
    let config = config.load().unwrap();
    assert_eq!(config.vad.mode, VadMode::Off);
    assert_eq!(config.ipc.socket_mode.bits(), 0o600);
    assert_eq!(config.ipc.max_frame_bytes, 1 << 20);
    assert_eq!(config.keepalive.idle_budget(), None);
    assert_eq!(config.upstream.url, Url::parse("wss://dg.internal:8443").unwrap());
    let listed = Setup::file("").variable("DEEPGRAM_SIDECAR_IPC_ALLOW_UIDS", "1000, 1001");
    assert_eq!(listed.load().unwrap().ipc.allow_uids, [1000, 1001]);
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (key, values) in [
        ("ipc.socket", "relative.sock / /run/ 5 null ''"),
        ("ipc.socket_mode", "660 '0888' '01777' '+660' rw-rw----"),
        ("ipc.max_sessions", "0 100001 -1 1.5 many '5' null true"),
        ("ipc.max_frame_bytes", "1023 16777217"),
        ("ipc.open_timeout", "0 0s 5 -5s 25h 999999999999999y ''"),
        ("upstream.auth", "Token basic true null"),
        ("upstream.allow_plaintext", "yes 1 'true' null"),
        ("upstream.connect_attempts", "0 11"),
        ("upstream.max_connections", "0"),
        ("keepalive.interval", "0s 10s 100us"),
        ("recovery.reconnects_per_minute", "0"),
        ("vad.mode", "on true null"),
        ("vad.threshold", "0 1 -0.1 1.5 .nan null half"),
        ("vad.preroll", "5001ms 300 -1s"),
        ("vad.hangover", "0s 61s"),
        ("vad.finalize_after", "0s 61s"),
        ("vad.price_per_minute", "-0.01 100.5 .inf .nan free"),
        ("admin.listen", "localhost:9464 9464 127.0.0.1"),
        ("telemetry.otlp.sample_ratio", "-0.1 1.1 .nan .inf"),
        ("telemetry.logs.level", "off verbose"),
    ] {
        let (section, name) = key.rsplit_once('.').unwrap();
        for value in values.split(' ') {
            let text = format!("{}: {{{name}: {value}}}", section.replace('.', ": {"));
            let text = format!("{text}{}", "}".repeat(section.matches('.').count()));
            assert_eq!(told(&text), [at(1, key)], "{text}");
        }
    }
    let long = format!("ipc: {{socket: /{}}}", "x".repeat(107));
    assert_eq!(told(&long), [at(1, "ipc.socket")]);
    assert!(Setup::file(&long[..long.len() - 2]).set("vad.mode=off").load().is_err());
    assert_eq!(told(&format!("ipc: {{socket: /{}}}", "x".repeat(106))), []);
}

#[test]
fn only_the_scheme_and_host_of_an_upstream_are_taken() {
    for url in [
        "https://api.deepgram.com",
        "wss://user@host",
        "wss://:word@host",
        "wss://host/v1/listen",
        "wss://host?model=x",
        "wss://host#x",
        "api.deepgram.com",
        "wss://",
    ] {
        assert_eq!(told(&format!("upstream:\n  url: '{url}'\n")), [at(2, "upstream.url")], "{url}");
    }
}

#[test]
fn only_http_urls_without_secrets_are_taken_for_a_collector() {
    for url in ["grpc://c:4317", "http://user@c", "https://:word@c", "http://c?key=x", "c:4318"] {
        let text = format!("telemetry:\n  otlp:\n    endpoint: '{url}'\n");
        assert_eq!(told(&text), [at(3, "telemetry.otlp.endpoint")], "{url}");
    }
    let setup = Setup::file("telemetry: {otlp: {endpoint: 'http://collector:4318'}}\n");
    let config = setup.load().unwrap();
    assert_eq!(Setup::file(config.to_yaml()).load().unwrap(), config);
}

#[test]
fn a_malformed_variable_of_opentelemetry_is_told_beside_other_mistakes() {
    let setup = Setup::file("ipc: {max_sessions: 0}\n")
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
        .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "10s");
    let error = setup.load().unwrap_err();
    let places: Vec<_> = error.problems.iter().map(|problem| problem.place.clone()).collect();
    let variable = Place::Variable("OTEL_EXPORTER_OTLP_TIMEOUT".into());
    assert_eq!(places, [Place::File(Some(1)), variable]);
}

#[test]
fn plaintext_takes_two_settings() {
    let setup = Setup::file("upstream:\n  url: ws://127.0.0.1:8080\n");
    assert_eq!(setup.mistakes(), [at(2, "upstream.url")]);
    assert!(setup.message().contains("upstream.allow_plaintext to true"));
    let setup = setup.variable("DEEPGRAM_SIDECAR_UPSTREAM_ALLOW_PLAINTEXT", "true");
    assert_eq!(setup.load().unwrap().upstream.url.scheme(), "ws");
}

#[test]
fn the_agent_has_a_host_of_its_own_at_deepgram_and_nowhere_else() {
    let agent_url = |text: &str| Setup::file(text).load().unwrap().upstream.agent_url().to_string();
    for (text, url) in [
        ("", "wss://agent.deepgram.com/"),
        ("upstream: {url: 'wss://api.deepgram.com:443'}", "wss://agent.deepgram.com/"),
        ("upstream: {url: 'wss://api.deepgram.com:8443'}", "wss://api.deepgram.com:8443/"),
        ("upstream: {url: 'wss://api.eu.deepgram.com'}", "wss://api.eu.deepgram.com/"),
        ("upstream: {agent_url: 'wss://agents'}", "wss://agents/"),
        ("upstream: {url: 'wss://deepgram', agent_url: 'wss://agents'}", "wss://agents/"),
        ("upstream: {url: 'ws://deepgram:8080', allow_plaintext: true}", "ws://deepgram:8080/"),
    ] {
        assert_eq!(agent_url(text), url, "{text}");
    }
}

#[test]
fn the_agents_url_is_checked_as_the_other_is() {
    let plain = "upstream:\n  agent_url: ws://agents\n";
    assert_eq!(told(plain), [at(2, "upstream.agent_url")]);
    assert!(Setup::file(plain).message().contains("upstream.allow_plaintext to true"));
    let allowed = Setup::file(format!("{plain}  allow_plaintext: true\n"));
    assert_eq!(allowed.load().unwrap().upstream.agent_url().scheme(), "ws");
    for wrong in ["https://agents", "wss://agents/v1", "wss://agents?key=k", "7"] {
        let text = format!("upstream: {{agent_url: '{wrong}'}}");
        assert_eq!(told(&text), [at(1, "upstream.agent_url")], "{wrong}");
    }
}

#[test]
fn lingering_is_part_of_the_drain() {
    let setup = Setup::file("drain:\n  timeout: 25s\n  linger: 25s\n");
    assert_eq!(setup.mistakes(), [at(3, "drain.linger")]);
    assert!(setup.message().contains("shorter than drain.timeout"));
    let setup = setup.variable("DEEPGRAM_SIDECAR_DRAIN_LINGER", "24s");
    assert_eq!(setup.load().unwrap().drain.linger, Duration::from_secs(24));
    assert!(Setup::file("drain: {timeout: 0s}\n").load().is_ok());
}

#[test]
fn the_gate_asks_deepgram_to_finalize_before_it_stops_sending() {
    let setup = Setup::file("vad:\n  hangover: 250ms\n");
    assert_eq!(setup.mistakes(), [at(2, "vad.hangover")]);
    assert!(setup.message().contains("at most vad.hangover"));
    let both = "vad:\n  hangover: 1s\n  finalize_after: 2s\n";
    assert_eq!(told(both), [at(3, "vad.finalize_after")]);
    assert!(Setup::file(both).message().starts_with("must be at most vad.hangover"));
    let setup = setup.variable("DEEPGRAM_SIDECAR_VAD_FINALIZE_AFTER", "250ms");
    assert_eq!(setup.load().unwrap().vad.finalize_after, Duration::from_millis(250));
}

#[test]
fn the_gate_has_three_modes_and_a_price_that_may_be_zero() {
    for (text, mode) in [
        ("off", VadMode::Off),
        ("false", VadMode::Off),
        ("shadow", VadMode::Shadow),
        ("active", VadMode::Active),
    ] {
        assert_eq!(Setup::file(format!("vad: {{mode: {text}}}")).load().unwrap().vad.mode, mode);
    }
    let setup = Setup::file("vad: {threshold: 0.5, price_per_minute: 0}\n");
    let vad = setup.load().unwrap().vad;
    assert_eq!((vad.threshold, vad.price_per_minute), (0.5, Some(0.0)));
    let setup = setup.variable("DEEPGRAM_SIDECAR_VAD_PRICE_PER_MINUTE", "0.0077");
    assert_eq!(setup.load().unwrap().vad.price_per_minute, Some(0.0077));
}

#[test]
fn a_contradiction_is_told_beside_other_mistakes_unless_they_are_its_own() {
    let both = "ipc: {max_sessions: 0}\nupstream: {url: 'ws://deepgram'}\n";
    assert_eq!(told(both), [at(1, "ipc.max_sessions"), at(2, "upstream.url")]);
    let own = "upstream:\n  url: ws://deepgram\n  allow_plaintext: 7\n";
    assert_eq!(told(own), [at(3, "upstream.allow_plaintext")]);
}

#[test]
fn nothing_that_looks_like_a_key_is_told_again() {
    const KEY: &str = "0123456789abcdef0123456789abcdef01234567";
    for text in [
        format!("upstream: {{api_key: {KEY}}}"),
        format!("upstream: {{auth: {KEY}}}"),
        format!("upstream: {{url: 'wss://{KEY}@api.deepgram.com'}}"),
        format!("upstream: {{url: 'wss://api.deepgram.com/?key={KEY}'}}"),
        "upstream: {url: 'wss://:0123456789@h:x'}".to_owned(),
        "telemetry: {otlp: {endpoint: 'http://:0123456789@h'}}".to_owned(),
        format!("ipc: {{socket: {KEY}, allow_uids: [{KEY}]}}"),
        format!("upstream:\n  api_key: {KEY}\n oops: ["),
    ] {
        let error = Setup::file(&text).load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&KEY[..10]), "{error}");
    }
    let sources = Setup::file("").variable("DEEPGRAM_API_KEY", KEY).sources;
    assert!(!format!("{sources:?}").contains(KEY));
}

#[test]
fn the_report_of_a_hopeless_file_ends() {
    let text: String = (0..1000).map(|index| format!("unknown{index}: 1\n")).collect();
    let error = Setup::file(text).load().unwrap_err();
    assert_eq!((error.problems.len(), error.omitted), (50, 950));
    assert_eq!(error.problems[49].place, Place::File(Some(50)));
    assert!(error.to_string().ends_with("\nand 950 more problems"));
}

#[test]
fn what_is_printed_loads_as_what_it_was() {
    let setup = Setup::file("telemetry: {logs: {format: text}}\nkeepalive: {max_idle: 90s}\n")
        .set("ipc.allow_gids=7,8")
        .set("upstream.api_key_file=/etc/key: #1")
        .set("telemetry.otlp.sample_ratio=0.25");
    let config = setup.load().unwrap();
    let printed = config.to_yaml();
    assert_eq!(Setup::file(&printed).load().unwrap(), config, "{printed}");
    let keys = keys(&config);
    assert!(keys.is_sorted_by_key(|key| printed.find(&format!("{}:", key.sections()[0])).unwrap()));
}
