//! `lab up` and `lab fault`, as somebody types them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::root;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A lab in a terminal.
struct Terminal {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    fn bring_up(note: &Path) -> Self {
        let mut child = lab(&["up"], note).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on to a line that contains this.
    async fn line(&mut self, what: &str) -> String {
        let mut read = Vec::new();
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(what) {
                    return Some(line);
                }
                read.push(line);
            }
            None
        });
        found.await.ok().flatten().unwrap_or_else(|| panic!("no {what:?} in {read:#?}"))
    }
}

fn lab(arguments: &[&str], note: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deepgram-sidecar"));
    command.arg("lab").args(arguments).arg("--note").arg(note).current_dir(root());
    command.kill_on_drop(true);
    command
}

/// Command lines of the processes that name this directory.
fn processes_in(directory: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(directory)).collect()
}

#[tokio::test]
async fn a_lab_takes_a_fault_tells_of_its_alerts_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("note");
    let mut terminal = Terminal::bring_up(&note);
    let logs = terminal.line("logs").await;
    let logs = logs.split_whitespace().last().unwrap().to_owned();
    terminal.line("Ctrl-C stops the lab").await;
    assert_eq!(processes_in(&logs).len(), 3, "sidecar, Prometheus and Alertmanager");

    let said = lab(&["fault", "sidecar-down"], &note).output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.starts_with("sidecar-down: ") && said.contains("Expected: Down."), "{said}");
    terminal.line("firing   DeepgramSidecarDown (critical, to page)").await;
    let healed = lab(&["fault", "none"], &note).output().await.unwrap();
    assert!(healed.status.success(), "{healed:?}");
    terminal.line("resolved DeepgramSidecarDown").await;

    let pid = Pid::from_raw(terminal.child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = timeout(PATIENCE, terminal.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(!note.exists() && !Path::new(&logs).exists());
    assert_eq!(processes_in(&logs), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_lab_or_with_a_wrong_name_the_answer_says_what_to_do() {
    let nowhere = Path::new("no-such-note");
    let said = lab(&["fault", "reset"], nowhere).output().await.unwrap();
    let said = (said.status.code(), String::from_utf8(said.stderr).unwrap());
    assert_eq!(said.0, Some(1));
    assert!(said.1.contains("start one with `deepgram-sidecar lab up`"), "{}", said.1);
    let said = lab(&["fault", "rest"], nowhere).output().await.unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("unknown fault rest") && said.contains("reset"), "{said}");
}
