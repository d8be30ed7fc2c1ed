//! The start of the process: its socket file, its configuration, its exit codes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use rustix::process::Signal;
use tokio::process::Command;

use crate::support::{App, Config, Emulator, listen, run_to_exit, sidecar_command};

fn stderr_of(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A daemon that needs no Deepgram.
fn idle() -> Config {
    Config::dialing_url("ws://127.0.0.1:1")
}

async fn run(config: &Config, socket: &Path) -> Output {
    run_to_exit(&mut config.command(socket)).await
}

fn with_file(subcommand: &str, file: &Path) -> Command {
    let mut command = sidecar_command();
    command.arg(subcommand).arg("--config").arg(file).env("DEEPGRAM_API_KEY", "k");
    command
}

#[tokio::test]
async fn the_socket_has_its_mode_and_its_directory_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("run/deeper/sidecar.sock");
    let sidecar = idle().set("ipc.socket_mode", "0600").start_on(&socket).await;
    let mode = std::fs::metadata(sidecar.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_killed_daemon_leaves_its_file_and_the_next_one_replaces_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator);
    let mut killed = config.start_on(&socket).await;
    let _app = App::open(&killed, &listen("orphan")).await;
    killed.process.signal(Signal::KILL);
    killed.process.exit().await;
    assert!(socket.exists());
    let next = config.start_on(&socket).await;
    let mut app = App::open(&next, &listen("next")).await;
    assert_eq!(app.finish().await.outcome, "finished");
}

#[tokio::test]
async fn a_socket_that_is_served_is_never_stolen() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let emulator = Emulator::start().await;
    let config = Config::dialing(&emulator);
    let first = config.start_on(&socket).await;
    let second = run(&config, &socket).await;
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr_of(&second).contains("another process is listening on"),
        "{}",
        stderr_of(&second)
    );
    let mut app = App::open(&first, &listen("first")).await;
    assert_eq!(app.finish().await.outcome, "finished");
}

#[tokio::test]
async fn a_path_that_is_no_socket_is_never_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    let refused = run(&idle(), &file).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr_of(&refused).contains("is not a socket"), "{}", stderr_of(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
}

#[tokio::test]
async fn an_admin_address_that_is_taken_is_a_failure_that_names_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = idle().set("admin.listen", taken.local_addr().unwrap());
    let refused = run(&config, &directory.path().join("sidecar.sock")).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr_of(&refused).contains("choose another admin.listen"), "{}", stderr_of(&refused));
}

#[tokio::test]
async fn every_mistake_of_a_file_is_told_at_once_with_its_line_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sidecar.yaml");
    let yaml = "ipc:\n  sockett: /x\n  max_sessions: 0\nupstream:\n  url: ws://deepgram\n\
                keepalive: {interval: 10s}\nrecovery:\n  mode: again\n";
    std::fs::write(&file, yaml).unwrap();
    let mistakes = [
        (2, "ipc.sockett"),
        (3, "ipc.max_sessions"),
        (5, "upstream.url"),
        (6, "keepalive.interval"),
        (8, "recovery.mode"),
    ];
    for subcommand in ["run", "check-config", "print-config"] {
        let refused = run_to_exit(&mut with_file(subcommand, &file)).await;
        assert_eq!(refused.status.code(), Some(2), "{subcommand}");
        let lines: Vec<_> = stderr_of(&refused).lines().collect();
        assert_eq!(lines.len(), mistakes.len(), "{lines:?}");
        for (line, (number, key)) in lines.iter().zip(mistakes) {
            let place = format!("{}:{number}: {key}", file.display());
            assert!(line.starts_with(&place), "{line} does not begin with {place}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_a_mistake_too() {
    let refused = run_to_exit(&mut with_file("run", Path::new("/nonexistent/sidecar.yaml"))).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("/nonexistent/sidecar.yaml"));
}

#[tokio::test]
async fn a_sound_file_is_said_to_be_sound_without_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sidecar.yaml");
    std::fs::write(&file, "keepalive: {interval: 4s}\n").unwrap();
    let mut command = sidecar_command();
    let checked = run_to_exit(command.arg("check-config").arg("--config").arg(&file)).await;
    assert!(checked.status.success());
    assert!(String::from_utf8(checked.stdout).unwrap().contains("Configuration OK"));
}

#[tokio::test]
async fn without_a_key_nothing_starts_and_the_remedy_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let keyless = idle().without_environment("DEEPGRAM_API_KEY");
    let refused = run(&keyless, &directory.path().join("sidecar.sock")).await;
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr_of(&refused);
    assert!(text.contains("DEEPGRAM_API_KEY") && text.contains("upstream.api_key_file"), "{text}");
}

#[tokio::test]
async fn a_token_file_that_is_not_there_is_told_of_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let config = idle().with_port().set("ipc.tcp_token_file", "/proc/none");
    let refused = run(&config, &directory.path().join("sidecar.sock")).await;
    assert_eq!(refused.status.code(), Some(2));
    let text = stderr_of(&refused);
    assert!(text.starts_with("ipc.tcp_token_file: cannot read the token: /proc/none"), "{text}");
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    for arguments in [&["fly"] as &[&str], &["run", "--sett"], &["run", "--set", "ipc"], &[]] {
        let refused = run_to_exit(sidecar_command().args(arguments)).await;
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(!refused.stderr.is_empty());
    }
}

#[tokio::test]
async fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sidecar.yaml");
    let yaml = "keepalive: {interval: 1s, max_idle: 1m}\nipc: {max_sessions: 1}\n";
    std::fs::write(&file, yaml).unwrap();
    let mut command = with_file("print-config", &file);
    command.env("DEEPGRAM_SIDECAR_KEEPALIVE_INTERVAL", "2s");
    command.env("DEEPGRAM_SIDECAR_KEEPALIVE_MAX_IDLE", "2m");
    let printed = run_to_exit(command.args(["--set", "keepalive.max_idle=3m"])).await;
    let text = String::from_utf8(printed.stdout).unwrap();
    for line in ["interval: 2s", "max_idle: 3m", "max_sessions: 1"] {
        assert!(text.contains(line), "{line} is missing: {text}");
    }
}
