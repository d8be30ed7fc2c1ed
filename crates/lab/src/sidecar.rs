//! The sidecar under test: a separate process, which can be restarted, paused and killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use super::child::Child;

const NAME: &str = "sidecar";

/// Configuration keys and their values.
pub(super) type Settings = BTreeMap<String, String>;

/// A sidecar, running or not.
#[derive(Debug)]
pub(super) struct Sidecar {
    binary: PathBuf,
    directory: PathBuf,
    /// The base settings.
    base: Settings,
    /// A fault's changes.
    changed: Settings,
    child: Option<Child>,
    admin: Option<SocketAddr>,
}

impl Sidecar {
    /// One that does not run yet. Its socket and its log are made in `directory`.
    pub(super) fn new(binary: PathBuf, directory: &Path, base: Settings) -> Self {
        let directory = directory.to_owned();
        let changed = Settings::new();
        Self { binary, directory, base, changed, child: None, admin: None }
    }

    /// The applications' socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("sidecar.sock")
    }

    /// The admin server; the same after every start.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Drains it, and starts it with these changes of its settings.
    pub(super) async fn restart(&mut self, changes: &Settings) -> anyhow::Result<()> {
        self.stop().await?;
        self.changed = changes.clone();
        self.start().await
    }

    /// Starts it, if it does not run, and waits until it listens.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let skip = Child::log_length(&self.directory, NAME);
        let mut child = Child::spawn(NAME, &mut self.command(), &self.directory)?;
        let admin = child.line(skip, listening).await?;
        self.admin = Some(admin.parse().context("the sidecar logged no valid address")?);
        self.child = Some(child);
        Ok(())
    }

    /// Drains it.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        match self.child.take() {
            Some(child) => child.stop().await,
            None => Ok(()),
        }
    }

    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        match self.child.take() {
            Some(child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Pauses it for this long, as on a node without CPU.
    pub(super) async fn pause(&self, pause: Duration) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("the sidecar is not running")?;
        child.signal(Signal::STOP)?;
        tokio::time::sleep(pause).await;
        child.signal(Signal::CONT)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        // The environment may configure another sidecar, not this one.
        command.env_clear().env("DEEPGRAM_API_KEY", "lab").arg("run");
        let mut settings = self.base.clone();
        settings.extend(self.changed.clone());
        settings.insert("ipc.socket".into(), self.socket().display().to_string());
        let admin = self.admin.unwrap_or(([127, 0, 0, 1], 0).into());
        settings.insert("admin.listen".into(), admin.to_string());
        for (key, value) in settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }
}

/// The admin server's address in the line that says that it listens.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let admin = line["admin"].as_str().filter(|_| line["event"] == "listening");
    admin.map(str::to_owned)
}
