//! A real Alertmanager, which delivers to the lab.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use super::child::Child;
use super::prometheus::listening;
use super::tools::Tools;

/// A running Alertmanager.
#[derive(Debug)]
pub(super) struct Alertmanager {
    child: Child,
    addr: SocketAddr,
}

impl Alertmanager {
    /// Starts it on a free port with this configuration.
    pub(super) async fn start(
        tools: &Tools,
        directory: &Path,
        config: &str,
    ) -> anyhow::Result<Self> {
        let file = directory.join("alertmanager.yaml");
        fs::write(&file, config)?;
        let mut command = Command::new(&tools.alertmanager);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", directory.join("alertmanager").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            // No cluster, so no second port.
            .arg("--cluster.listen-address=");
        if tools.templates.is_dir() {
            command.current_dir(&tools.templates);
        }
        let mut child = Child::spawn("alertmanager", &mut command, directory)?;
        let addr = child.line(0, |line| listening(line, "")).await?;
        Ok(Self { child, addr })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }
}
