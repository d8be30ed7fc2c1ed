//! `doctor` on pods that can stream, and on those that cannot, each for a reason of its own.

use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::{Config, Emulator, KEY, run_to_exit, sidecar_command};
use crate::tls::{Certificates, trusting};

/// What one run found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
}

impl Found {
    async fn by(command: &mut Command) -> Self {
        let output = run_to_exit(command).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains(KEY) && !errors.contains(KEY), "the key is shown: {text}{errors}");
        let report = serde_json::from_str(&text);
        let report = report.unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
        Self { code: output.status.code(), report }
    }

    /// Rows of one status, by the names of their checks.
    fn checks(&self, status: &str) -> Vec<&str> {
        let rows = self.report["checks"].as_array().unwrap().iter();
        let fitting = rows.filter(|row| row["status"] == status);
        fitting.map(|row| row["check"].as_str().unwrap()).collect()
    }

    pub(crate) fn row(&self, check: &str) -> &Value {
        let rows = self.report["checks"].as_array().unwrap();
        rows.iter().find(|row| row["check"] == check).unwrap()
    }

    /// Asserts that this check failed, and no other; that its advice says this, and the exit code
    /// that something is wrong.
    #[track_caller]
    pub(crate) fn assert_only(&self, check: &str, advice: &str) {
        assert_eq!(self.checks("failed"), [check], "{:#}", self.report);
        let row = self.row(check);
        assert!(row["advice"].as_str().unwrap().contains(advice), "{advice}: {row:#}");
        assert_eq!((self.code, &self.report["ok"]), (Some(1), &json!(false)));
    }
}

/// Examines, on a socket of its own.
pub(crate) async fn examine(config: &Config, arguments: &[&str]) -> Found {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let arguments: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
    // Few enough for any machine's limit of descriptors.
    let config = config.clone().set("ipc.max_sessions", 100);
    let found = Found::by(&mut config.doctor(&socket, &arguments)).await;
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "something was left behind");
    found
}

/// Addresses at which nobody helps; dialled with little patience.
fn impatient(url: &str) -> Config {
    Config::dialing_url(url).set("upstream.connect_timeout", "1s")
}

#[tokio::test]
async fn a_pod_that_can_stream_is_well() {
    let emulator = Emulator::start().await;
    let found = examine(&Config::dialing(&emulator), &[]).await;
    let checks = [
        "config",
        "key",
        "descriptors",
        "socket",
        "roots",
        "dns",
        "tcp",
        "upgrade",
        "clock",
        "stream",
    ];
    assert_eq!(found.checks("ok"), checks, "{:#}", found.report);
    assert_eq!(found.code, Some(0));
    let record = emulator.ended_connection().await;
    assert_eq!((&record["audio_bytes"], &record["close_stream"]), (&json!(32_000), &json!(true)));
}

#[tokio::test]
async fn tls_is_checked_as_the_daemon_does_it() {
    let certificates = Certificates::new("127.0.0.1");
    let emulator = certificates.emulator().await;
    let found = examine(&trusting(&certificates, &emulator), &[]).await;
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    assert!(found.row("tls")["detail"].as_str().unwrap().starts_with("TLSv1_3"), "{found:?}");
    assert_eq!(found.row("tls")["target"], emulator.addr().to_string());
}

#[tokio::test]
async fn a_running_daemon_is_seen_and_left_alone() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator);
    let sidecar = config.start().await;
    let found = Found::by(&mut config.doctor(sidecar.socket(), &["--json"])).await;
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    let detail = found.row("socket")["detail"].as_str().unwrap();
    assert!(detail.starts_with("a daemon is listening"), "{detail}");
    assert!(sidecar.sessions().await.is_empty());
}

#[tokio::test]
async fn people_get_rows_advice_and_a_verdict() {
    let emulator = Emulator::scripted(&["{}", "{refuse: {status: 402}}"]).await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let config = Config::dialing(&emulator);
    let text = async |code| {
        let output = run_to_exit(&mut config.doctor(&socket, &[])).await;
        assert_eq!(output.status.code(), Some(code));
        String::from_utf8(output.stdout).unwrap()
    };
    let well = text(0).await;
    assert!(well.ends_with("\nAll is well: this pod can stream.\n"), "{well}");
    let broke = text(1).await;
    assert!(
        broke.contains("failed   upgrade") && broke.contains("-> the Deepgram project"),
        "{broke}"
    );
}

#[tokio::test]
async fn the_report_has_the_documented_members() {
    let emulator = Emulator::scripted(&["{refuse: {status: 401}}"]).await;
    let found = examine(&Config::dialing(&emulator), &["--probe"]).await;
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&found.report), ["ok", "version", "url", "checks", "probe"]);
    assert_eq!(found.report["probe"], Value::Null, "nothing is asked where nothing streams");
    let row = ["check", "target", "status", "duration_ms", "detail", "advice"];
    assert_eq!(members(&found.report["checks"][0]), row);
    let documentation = include_str!("../../docs/doctor.md");
    for row in found.report["checks"].as_array().unwrap() {
        let check = row["check"].as_str().unwrap();
        assert!(documentation.contains(&format!("| `{check}` |")), "{check} is not documented");
    }
    assert_eq!(found.checks("skipped"), ["stream"]);
}

/// What the emulator does with the stream, which check fails for it, and what the advice says.
const FAR_ENDS: [(&str, &str, &str); 22] = [
    ("{refuse: {status: 400}}", "upgrade", "--model"),
    ("{refuse: {status: 401}}", "upgrade", "DEEPGRAM_API_KEY has a current key"),
    ("{refuse: {status: 402}}", "upgrade", "no credit"),
    ("{refuse: {status: 403}}", "upgrade", "may not use this model"),
    ("{refuse: {status: 404}}", "upgrade", "nothing serves /v1/listen"),
    ("{refuse: {status: 429, retry_after: 7s}}", "upgrade", "(Retry-After: 7)"),
    ("{refuse: {status: 503}}", "upgrade", "status page"),
    ("{redirect: {location: 'https://example.com/login'}}", "upgrade", "https://example.com/login"),
    ("{settings: {concurrency: 0}}", "upgrade", "limit of concurrent streams"),
    ("{settings: {upgrade_latency: 1m}}", "upgrade", "is not answered"),
    ("{hang_handshake: true}", "upgrade", "is not answered"),
    ("{garbage_handshake: true}", "upgrade", "does not speak HTTP"),
    ("{refuse_tcp: true}", "upgrade", "does not speak HTTP"),
    ("{then: [{at: 0s, do: mute}]}", "stream", "no result comes back"),
    ("{then: [{at: 0s, do: half_open}]}", "stream", "no result comes back"),
    ("{then: [{at: 0s, do: {close: {code: 1000}}}]}", "stream", "had just begun"),
    ("{then: [{at: 0s, do: {close: {code: 1008, reason: 'no credit'}}}]}", "stream", "the account"),
    ("{then: [{after_audio: 300ms, do: {close: {code: 1011}}}]}", "stream", "status page"),
    ("{then: [{after_audio: 300ms, do: reset}]}", "stream", "cut the connection"),
    ("{then: [{at: 0s, do: fin}]}", "stream", "cut the connection"),
    ("{then: [{at: 0s, do: ignore_close_stream}]}", "stream", "CloseStream is not answered"),
    ("{settings: {undecodable: close}}", "stream", "Deepgram closed it"),
];

#[tokio::test]
async fn what_the_far_end_does_fails_the_check_that_sees_it() {
    join_all(FAR_ENDS.map(async |(plan, check, advice)| {
        let emulator = Emulator::scripted(&[plan]).await;
        let config = Config::dialing(&emulator).set("session.finish_timeout", "2s");
        let hangs = plan.contains("hang") || plan.contains("latency");
        let patience = if hangs { "1s" } else { "1m" };
        let found = examine(&config.set("upstream.connect_timeout", patience), &[]).await;
        found.assert_only(check, advice);
    }))
    .await;
}

#[tokio::test]
async fn audio_that_is_not_understood_is_a_stream_without_results() {
    for undecodable in ["silence", "empty_metadata"] {
        let emulator = Emulator::with(json!({ "undecodable": undecodable }), &[]).await;
        let config = Config::dialing(&emulator).set("session.finish_timeout", "2s");
        let found = examine(&config, &[]).await;
        assert_eq!(found.checks("failed"), ["stream"], "{undecodable}: {:#}", found.report);
    }
}

#[tokio::test]
async fn a_key_that_is_missing_or_of_no_use_is_the_keys_row() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator).without_environment("DEEPGRAM_API_KEY");
    let with_file = |file: &Path| config.clone().set("upstream.api_key_file", file.display());
    let lines = Config::dialing(&emulator).environment("DEEPGRAM_API_KEY", "two words");
    for (config, advice) in [
        (config.clone(), "mount the secret and set upstream.api_key_file"),
        (with_file(directory.path()), "is a file, readable by user"),
        (with_file(&directory.path().join("none")), "is a file, readable by user"),
        (with_file(&empty), "write the key alone"),
        (lines, "without quotes"),
    ] {
        let found = examine(&config, &[]).await;
        found.assert_only("key", advice);
        assert_eq!(found.checks("skipped"), ["upgrade", "clock", "stream"]);
        assert_eq!(found.row("tcp")["status"], "ok");
    }
    assert!(emulator.connections().await.is_empty(), "an upgrade was tried without a key");
}

#[tokio::test]
async fn a_wrong_key_is_named_by_where_it_comes_from() {
    let emulator = Emulator::with_arguments(json!({}), &[], &["--api-key", "another"]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    let config = Config::dialing(&emulator).set("upstream.api_key_file", file.path().display());
    let found = examine(&config, &[]).await;
    found.assert_only("upgrade", &format!("{} has a current key", file.path().display()));
}

#[tokio::test]
async fn a_wrong_configuration_is_all_that_is_reported() {
    let emulator = Emulator::start().await;
    let found = examine(&Config::dialing(&emulator).set("keepalive.interval", "1h"), &[]).await;
    assert_eq!((found.code, found.checks("failed")), (Some(2), vec!["config"]));
    assert!(found.row("config")["detail"].as_str().unwrap().contains("keepalive.interval"));
}

#[tokio::test]
async fn what_is_wrong_in_the_pod_is_named() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (socket, advice) in [
        (PathBuf::from("/proc/none/sidecar.sock"), "mount a volume"),
        (file.join("sidecar.sock"), "mount a volume"),
        (file.clone(), "is not a socket"),
    ] {
        let found = Found::by(&mut config.doctor(&socket, &["--json"])).await;
        assert_eq!(found.checks("failed"), ["socket"], "{:#}", found.report);
        assert!(found.row("socket").to_string().contains(advice), "{:#}", found.report);
    }
    let found = examine(&config.set("upstream.ca_file", file.display()), &[]).await;
    assert_eq!(found.checks("failed"), [] as [&str; 0], "plain ws:// needs no roots");
    let secure = Config::dialing_url(&format!("wss://{}", emulator.addr()));
    let found = examine(&secure.set("upstream.ca_file", file.display()), &[]).await;
    found.assert_only("roots", "correct upstream.ca_file");
}

#[tokio::test]
async fn a_port_that_another_has_and_a_token_that_is_missing_are_named() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let on_taken = config.clone().set("ipc.tcp_listen", taken.local_addr().unwrap());
    examine(&on_taken, &[]).await.assert_only("port", "set another ipc.tcp_listen");
    let on_free = config.set("ipc.tcp_listen", "127.0.0.1:0");
    assert!(examine(&on_free, &[]).await.checks("ok").contains(&"port"));
    let found = examine(&on_free.set("ipc.tcp_token_file", "/proc/none"), &[]).await;
    found.assert_only("port", "mount a secret");
    let row = found.row("port").to_string();
    assert!(row.contains("cannot read the token") && !row.contains("API key"), "{row}");
}

#[tokio::test]
async fn too_few_descriptors_are_counted_out() {
    let emulator = Emulator::start().await;
    let directory = tempfile::tempdir().unwrap();
    let inner = Config::dialing(&emulator).doctor(&directory.path().join("s"), &["--json"]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 264 && exec \"$0\" \"$@\""]);
    command.arg(inner.as_std().get_program()).args(inner.as_std().get_args());
    let found = Found::by(command.env("DEEPGRAM_API_KEY", KEY)).await;
    found.assert_only("descriptors", "to 4172, or set ipc.max_sessions to 96");
}

#[tokio::test]
async fn as_many_sessions_as_doctor_counts_are_what_the_daemon_allows() {
    let emulator = Emulator::start().await;
    for limit in [64, 264, 1_024] {
        let config = Config::dialing(&emulator).descriptors(limit).set("ipc.max_sessions", 1_000);
        let directory = tempfile::tempdir().unwrap();
        let mut command = config.doctor(&directory.path().join("s"), &["--json"]);
        let found = Found::by(&mut command).await;
        let sidecar = config.start().await;
        let capped = sidecar.process.log().event("sessions_capped").await;
        let advice = format!("or set ipc.max_sessions to {},", capped["sessions"]);
        found.assert_only("descriptors", &advice);
    }
}

#[tokio::test]
async fn where_nobody_answers_is_told_apart() {
    let deaf = StdListener::bind("127.0.0.1:0").unwrap();
    let deaf_at = deaf.local_addr().unwrap();
    // An address of its own, so that nobody takes the port meanwhile.
    let closed_at = StdListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    let (_full, full_at) = full();
    for (url, check, advice) in [
        ("ws://deepgram.invalid".to_owned(), "dns", "dnsPolicy"),
        (format!("ws://{closed_at}"), "tcp", "nothing listens there"),
        (format!("ws://{}", full_at), "tcp", "drops the packets"),
        (format!("wss://{deaf_at}"), "tls", "accepts connections and holds them"),
        (format!("ws://{deaf_at}"), "upgrade", "is not answered"),
    ] {
        examine(&impatient(&url), &[]).await.assert_only(check, advice);
    }
}

/// A listener whose queue is full, so that the kernel drops further requests to connect, as a
/// firewall does.
fn full() -> ((Socket, Vec<StdStream>), std::net::SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    let moment = Duration::from_millis(200);
    let mut waiting = Vec::new();
    while let Ok(stream) = StdStream::connect_timeout(&addr, moment) {
        waiting.push(stream);
    }
    ((listener, waiting), addr)
}

#[tokio::test]
async fn certificates_that_cannot_be_trusted_are_told_apart() {
    let host = "127.0.0.1";
    let ours = Certificates::new(host);
    let expired = Certificates::valid_between(host, 1975, 2001);
    let early = Certificates::valid_between(host, 4000, 4096);
    let other = Certificates::new("deepgram.invalid");
    for (trusted, shown, advice) in [
        (&ours, &Certificates::valid_between(host, 1976, 4096), "a proxy that inspects TLS"),
        // One that calls itself by our authority's name.
        (&ours, &Certificates::new(host), "a proxy that inspects TLS"),
        (&expired, &expired, "has expired"),
        (&early, &early, "not valid yet"),
        (&other, &other, "for another host"),
    ] {
        let emulator = shown.emulator().await;
        examine(&trusting(trusted, &emulator), &[]).await.assert_only("tls", advice);
    }
    let plain = Emulator::start().await;
    examine(&trusting(&ours, &plain), &[]).await.assert_only("tls", "does not speak TLS");
    let secure = ours.emulator().await;
    let found = examine(&impatient(&format!("ws://{}", secure.addr())), &[]).await;
    found.assert_only("upgrade", "expects TLS");
}

/// Answers the first connection like this, whatever it asks; `{request}` is what it asked.
async fn answering(answer: &'static str) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        stream.write_all(answer.replace("{request}", &request).as_bytes()).await.unwrap();
    });
    (addr, tasks)
}

#[tokio::test]
async fn a_proxy_that_answers_in_deepgrams_place_is_recognised() {
    let (addr, _server) =
        answering("HTTP/1.1 502 Bad Gateway\r\nserver: squid\r\ncontent-length: 0\r\n\r\n").await;
    let found = examine(&impatient(&format!("ws://{addr}")), &[]).await;
    found.assert_only("upgrade", "no dg-request-id, so it probably comes from a proxy");
    assert_eq!(found.checks("skipped"), ["clock", "stream"]);
}

#[tokio::test]
async fn a_proxy_that_opens_no_way_is_named() {
    let (addr, _proxy) = answering("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    let certificates = Certificates::new("deepgram.invalid");
    let config = impatient("wss://deepgram.invalid")
        .set("upstream.allow_plaintext", false)
        .set("upstream.ca_file", certificates.file("ca.pem").display())
        .environment("HTTPS_PROXY", &format!("http://{addr}"));
    let found = examine(&config, &[]).await;
    found.assert_only("proxy", "add the host to NO_PROXY");
    assert_eq!(found.row("tcp")["target"], addr.to_string());
}

#[tokio::test]
async fn a_key_that_a_proxy_repeats_is_not_printed() {
    let answer = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\nYou sent:\r\n{request}";
    let (addr, _server) = answering(answer).await;
    let found = examine(&impatient(&format!("ws://{addr}")), &[]).await;
    let detail = found.row("upgrade")["detail"].as_str().unwrap();
    assert!(detail.contains("Token [hidden]"), "{detail}");
}

/// Stands before an emulator and makes its answer an hour older.
async fn an_hour_behind(emulator: &Emulator) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, behind) = (listener.local_addr().unwrap(), emulator.addr());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(behind).await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = client.read(&mut bytes).await.unwrap();
        server.write_all(&bytes[..length]).await.unwrap();
        let length = server.read(&mut bytes).await.unwrap();
        let answer = String::from_utf8(bytes[..length].to_vec()).unwrap();
        let (head, rest) = answer.split_once("date: ").unwrap();
        let (_, tail) = rest.split_once("\r\n").unwrap();
        let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(3600));
        let answer = format!("{head}date: {date}\r\n{tail}");
        client.write_all(answer.as_bytes()).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
    });
    (addr, tasks)
}

#[tokio::test]
async fn a_clock_that_is_off_by_an_hour_is_noticed() {
    let emulator = Emulator::start().await;
    let (addr, _proxy) = an_hour_behind(&emulator).await;
    let found = examine(&Config::dialing_url(&format!("ws://{addr}")), &[]).await;
    found.assert_only("clock", "NTP");
    assert!(found.row("clock")["detail"].as_str().unwrap().starts_with("1h"), "{found:?}");
    assert_eq!(found.row("stream")["status"], "ok");
}

#[tokio::test]
async fn help_says_what_it_does_and_what_the_exit_code_means() {
    let output = run_to_exit(sidecar_command().args(["doctor", "--help"])).await;
    let help = String::from_utf8(output.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in ["kubectl exec", "Exit codes", "--probe", "--json", "never prints the key"] {
        assert!(help.contains(text), "{text}: {help}");
    }
}
