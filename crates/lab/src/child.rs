//! A program run by the lab: its log file, signals and exit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child as Process, Command};
use tokio::time::timeout;

use super::patience;

/// Only reached on a very busy machine.
const STARTING: Duration = Duration::from_secs(60);

/// A sidecar's drain has its own deadline, well within this one.
const STOPPING: Duration = Duration::from_secs(20);

/// A running program, killed when it is dropped.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts a program that logs to `NAME.log` in a directory.
    pub(super) fn spawn(
        name: &'static str,
        command: &mut Command,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Not in the terminal's group: Ctrl-C is for the lab, which stops everything in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, process, log })
    }

    /// What a line of its log tells, once there is such a line behind the first `skip` bytes.
    pub(super) async fn line<T>(
        &mut self,
        skip: usize,
        tell: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let what = format!("{} to start", self.name);
        let found = patience::until(&what, STARTING, async || {
            let log = fs::read(&self.log)?;
            let new = String::from_utf8_lossy(log.get(skip..).unwrap_or_default()).into_owned();
            // A line whose end is still to come may be cut anywhere.
            let whole = new.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(found) = whole.map(str::trim_end).find_map(&tell) {
                return Ok(Some(found));
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("{} exited ({status}): {}", self.name, last_lines(&new));
            }
            Ok(None)
        });
        found.await
    }

    /// How much it has logged.
    pub(super) fn log_length(directory: &Path, name: &str) -> usize {
        let log = fs::metadata(directory.join(format!("{name}.log")));
        log.map_or(0, |log| usize::try_from(log.len()).unwrap_or(usize::MAX))
    }

    /// Sends a signal; one that has ended gets none.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let Some(pid) = pid else { return Ok(()) };
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to exit, and waits until it has; after the deadline it is killed.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        // A stopped process takes no other signal before this one.
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)?;
        if timeout(STOPPING, self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }

    /// Kills it, as the kernel's OOM killer would.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
