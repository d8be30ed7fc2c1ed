//! What an operator types and sees: the commands and the pages of a live daemon.

use std::process::{Output, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    App, Config, Emulator, KEY, Sidecar, Terminal, listen, run_to_exit, sidecar_command, within,
};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs a command that looks at the daemon, and must succeed.
async fn see(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run_to_exit(&mut sidecar.command(arguments)).await;
    assert!(status.success(), "{arguments:?}: {}", text(&stderr));
    text(&stdout).to_owned()
}

/// The one line on standard error of a command that must fail.
async fn error(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let output = run_to_exit(&mut sidecar.command(arguments)).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    text(&output.stderr).trim_end().to_owned()
}

/// An emulator that lets every connection die at once.
async fn deadly() -> Emulator {
    Emulator::scripted(&["{then: [{at: 0s, do: {close: {code: 1011}}}]}"]).await
}

#[tokio::test]
async fn sessions_prints_what_the_daemon_knows_and_one_of_them_in_full() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    assert_eq!(see(&sidecar, &["sessions"]).await, "no live sessions\n");
    let mut app = App::open(&sidecar, &listen("call-7").tag("tenant", "ac\u{1b}me")).await;
    app.speak(20).await;
    let table = see(&sidecar, &["sessions", "--sort", "lag", "--state", "open"]).await;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("SESSION  STATE"), "{table}");
    assert!(lines[1].starts_with("call-7   open"), "{table}");
    assert_eq!(see(&sidecar, &["sessions", "--state", "dead"]).await, "no live sessions\n");
    let sheet = see(&sidecar, &["sessions", "call-7"]).await;
    assert!(sheet.contains("\ntags        tenant=ac\\u{1b}me\n"), "{sheet}");
    assert!(sheet.contains("\nconnection  number 1, up for "), "{sheet}");
    assert!(sheet.contains("\nkeepalive "), "its timer is missing: {sheet}");
    assert!(sheet.contains("  upstream_up  "), "its story is missing: {sheet}");
    app.finish().await;
}

#[tokio::test]
async fn every_sort_key_and_state_of_the_command_is_known_to_the_daemon() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("call-7")).await;
    for key in
        ["age", "send_age", "receive_age", "lag", "queue", "keepalives", "gate_open", "saving"]
    {
        let page = see(&sidecar, &["sessions", "--json", "--sort", key, "--limit", "9"]).await;
        let page: Value = serde_json::from_str(&page).unwrap();
        assert_eq!((&page["total"], &page["summary"]["states"]["open"]), (&json!(1), &json!(1)));
    }
    for state in ["connecting", "open", "finalizing", "closing", "dead", "parked", "ended"] {
        see(&sidecar, &["sessions", "--state", state]).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn a_page_of_one_session_agrees_with_what_was_sent() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("call-7")).await;
    app.speak(20).await;
    sidecar.session_where("call-7", |session| session["audio"]["accepted_ms"] == 2_000).await;
    let (status, page) = sidecar.page("/sessions/call-7").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, &page["responsive"]), (200, &json!(true)), "{page}");
    let audio = &page["audio"];
    let parts = ["finalized_ms", "in_flight_ms", "lost_ms"].map(|it| audio[it].as_u64().unwrap());
    // Each is rounded down to a millisecond.
    assert!((1_998..=2_000).contains(&parts.iter().sum::<u64>()), "{page}");
    assert_eq!(page["connection"]["number"], 1);
    assert_eq!(page["connection"]["request_id"], emulator.connections().await[0]["request_id"]);
    let timers = page["timers"].as_array().unwrap();
    let due: Vec<_> = timers.iter().map(|it| it["due_in_ms"].as_u64().unwrap()).collect();
    assert!(due.is_sorted(), "{page}");
    let keepalive = timers.iter().find(|it| it["timer"] == "keepalive").unwrap();
    assert!(keepalive["due_in_ms"].as_u64() <= Some(5_000), "{page}");
    app.finish().await;
}

#[tokio::test]
async fn a_death_is_told_with_its_evidence_after_its_session_is_over() {
    let emulator = deadly().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("call-7").tag("tenant", "acme")).await;
    app.event("dead").await;
    let table = see(&sidecar, &["sessions"]).await;
    assert!(table.contains("call-7   dead: provider_error"), "{table}");
    app.finish().await;
    let lost = error(&sidecar, &["sessions", "call-7"]).await;
    assert!(lost.starts_with("error: no live session has this id"), "{lost}");
    let (_, page) = sidecar.page("/deaths").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    let death = &page["deaths"][0];
    assert_eq!((&page["total"], &death["session_id"]), (&json!(1), &json!("call-7")));
    assert_eq!(death["reason"], "provider_error");
    assert_eq!(death["tags"], json!({"tenant": "acme"}));
    let events = death["events"].as_array().unwrap();
    assert_eq!(events[0]["event"], "upstream_up");
    assert!(events.iter().any(|it| it["event"] == "upstream_lost"), "{page}");
}

#[tokio::test]
async fn the_log_level_changes_while_the_daemon_runs() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    assert_eq!(see(&sidecar, &["log-level"]).await, "info\n");
    assert_eq!(see(&sidecar, &["log-level", "debug"]).await, "debug\n");
    let line = sidecar.process.log().event("log_level_changed").await;
    assert_eq!((&line["from"], &line["to"]), (&json!("info"), &json!("debug")));
    assert_eq!(see(&sidecar, &["log-level"]).await, "debug\n");
    let (status, sentence) = sidecar.ask("PUT", "/log-level", "loud").await;
    let known = "the body must be a level: error, warn, info, debug, trace\n";
    assert_eq!((status, &*sentence), (400, known));
    assert_eq!(sidecar.ask("PUT", "/log-level", &"x".repeat(65)).await.0, 413);
    let lured =
        b"PUT /log-level HTTP/1.1\r\nhost: x\r\norigin: http://x\r\ncontent-length: 4\r\n\r\nwarn";
    assert!(sidecar.throw_at_admin(lured).await.starts_with("HTTP/1.1 403 "));
    assert_eq!(sidecar.page("/log-level").await, (200, "debug\n".into()));
}

#[tokio::test]
async fn the_configuration_in_force_is_shown_as_print_config_prints_it() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("drain.timeout", "7s").start().await;
    let (status, page) = sidecar.page("/config").await;
    assert_eq!(status, 200);
    assert!(page.contains("\ndrain:\n  timeout: 7s\n"), "{page}");
    assert!(!page.contains(KEY), "the key is on the page");
    let (_, build) = sidecar.page("/buildinfo").await;
    let build: Value = serde_json::from_str(&build).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn hostile_requests_are_answered_clearly_and_the_next_one_is_served() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    for (method, path, expected) in [
        ("DELETE", "/sessions", 405),
        ("PUT", "/config", 405),
        ("PUT", "/sessions/call-7", 405),
        ("GET", "/sessions?limit=99999999999999999999999", 400),
        ("GET", "/sessions?%ff%00=%0d%0a", 400),
        ("GET", "/sessions/../config", 404),
        ("GET", "/sessions/%2e%2e%2fconfig", 404),
        ("GET", "//", 404),
    ] {
        let (status, sentence) = sidecar.ask(method, path, "").await;
        assert_eq!(status, expected, "{method} {path}: {sentence}");
        assert!(!sentence.trim().is_empty(), "{method} {path} gets no sentence");
    }
    let long = format!("/{}", "a".repeat(10 << 10));
    let answer = sidecar.throw_at_admin(format!("GET {long} HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer = sidecar.throw_at_admin(b"\x16\x03\x01\x02\x00garbage\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(sidecar.page("/livez").await.0, 200);
    assert_eq!(sidecar.metrics().await.sum("panics_total", &[]), 0.0);
}

#[tokio::test]
async fn top_shows_sessions_obeys_keys_and_gives_the_terminal_back() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("call-7")).await;
    let mut terminal = Terminal::run(sidecar.command(&["top"]).env("TERM", "xterm"));
    terminal.shows("call-7").await;
    terminal.shows("(1 open)").await;
    terminal.press("k").await;
    terminal.shows("KEEPALIVES▼").await;
    terminal.press("q").await;
    assert!(terminal.end().await.success());
    app.finish().await;
}

#[tokio::test]
async fn control_c_and_sigterm_give_the_terminal_back_too() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    for by_key in [true, false] {
        let mut terminal = Terminal::run(sidecar.command(&["top"]).env("TERM", "xterm"));
        terminal.shows("sessions 0").await;
        if by_key {
            terminal.press("\u{3}").await;
        } else {
            terminal.signal(Signal::TERM);
        }
        assert!(terminal.end().await.success());
    }
}

#[tokio::test]
async fn the_dead_are_red_unless_colours_are_not_wanted() {
    let emulator = deadly().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = App::open(&sidecar, &listen("call-7")).await;
    app.event("dead").await;
    for (no_color, is_coloured) in [("", true), ("1", false)] {
        let mut command = sidecar.command(&["top"]);
        let mut terminal = Terminal::run(command.env("TERM", "xterm").env("NO_COLOR", no_color));
        terminal.shows("provider_error").await;
        assert_eq!(terminal.is_coloured(), is_coloured);
        terminal.press("q").await;
        assert!(terminal.end().await.success());
    }
    app.finish().await;
}

#[tokio::test]
async fn top_waits_for_a_daemon_that_is_away_and_needs_a_terminal() {
    let address = "127.0.0.1:1";
    let mut command = sidecar_command();
    command.args(["top", "--admin", address]);
    let output = run_to_exit(&mut command).await;
    assert_eq!(output.status.code(), Some(1));
    let sentence = text(&output.stderr);
    assert!(sentence.starts_with("error: top needs a terminal"), "{sentence}");
    let mut terminal = Terminal::run(command.env("TERM", "xterm"));
    terminal.shows("cannot reach 127.0.0.1:1, retrying").await;
    terminal.press("q").await;
    assert!(terminal.end().await.success());
}

#[tokio::test]
async fn a_daemon_that_is_away_is_said_with_what_to_do() {
    for command in ["sessions", "log-level"] {
        let mut away = sidecar_command();
        away.env("DEEPGRAM_SIDECAR_ADMIN_LISTEN", "0.0.0.0:1").arg(command);
        let output = run_to_exit(&mut away).await;
        assert_eq!(output.status.code(), Some(1));
        let sentence = text(&output.stderr);
        let expected = "error: no daemon is listening on 127.0.0.1:1: start it, or pass --admin";
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_set() {
    for (arguments, variable) in [
        (&["check-config"][..], "DEEPGRAM_SIDECAR_CONFIG"),
        (&["sessions"], "DEEPGRAM_SIDECAR_ADMIN_LISTEN"),
        (&["top"], "DEEPGRAM_SIDECAR_ADMIN_LISTEN"),
        (&["log-level"], "DEEPGRAM_SIDECAR_ADMIN_LISTEN"),
        (&["stream", "-", "--encoding", "linear16"], "DEEPGRAM_SIDECAR_IPC_SOCKET"),
        (&["vad", "-", "--encoding", "linear16"], "DEEPGRAM_SIDECAR_CONFIG"),
    ] {
        let output = run_to_exit(sidecar_command().args(arguments).env(variable, "")).await;
        // Whatever comes of the default address: it is not a usage error.
        assert_ne!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn a_recording_is_shown_without_a_daemon_and_without_colours_in_a_pipe() {
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
    );
    let output = run_to_exit(sidecar_command().args(["vad", recording])).await;
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("opened 1 time\n") && !shown.contains('\u{1b}'), "{shown}");
    let output = run_to_exit(sidecar_command().args(["vad", recording, "--threshold=2"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("--threshold: must be"), "{output:?}");
}

#[tokio::test]
async fn a_file_without_its_option_is_told_which() {
    for subcommand in ["run", "check-config", "print-config", "doctor"] {
        let output = run_to_exit(sidecar_command().args([subcommand, "/etc/x.yaml"])).await;
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains("name the configuration file with --config /etc/x.yaml"), "{said}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error() {
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator).set("ipc.max_sessions", 100);
    let sidecar = config.start().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let mut commands = vec![config.doctor(&socket, &["--json"]), config.doctor(&socket, &[])];
    for arguments in [&["sessions"][..], &["sessions", "--json"], &["log-level"]] {
        commands.push(sidecar.command(arguments));
    }
    for subcommand in ["check-config", "print-config"] {
        let mut command = sidecar_command();
        command.arg(subcommand);
        commands.push(command);
    }
    for mut command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let command = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = within("the end", command.spawn().unwrap().wait_with_output()).await.unwrap();
        assert_eq!(text(&output.stderr), "", "{command:?}");
        let is_doctor = command.as_std().get_args().any(|it| it == "doctor");
        let expected = if is_doctor { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{command:?}");
    }
}
