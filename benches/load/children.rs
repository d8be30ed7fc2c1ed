//! The processes under load: an emulator, and a sidecar that dials it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use deepgram_sidecar::client::Client;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::report::Load;

/// Both processes, killed on drop, and the directory of their files.
pub(crate) struct Children {
    sidecar: Child,
    socket: PathBuf,
    _emulator: Child,
    /// Held open, so that the emulator never writes into a closed pipe.
    _emulator_output: BufReader<ChildStdout>,
    _directory: TempDir,
}

impl Children {
    /// Starts both and waits until the sidecar serves its socket.
    pub(crate) async fn start(
        sidecar: &Path,
        emulator: &Path,
        load: &Load,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let script = directory.path().join("script.yaml");
        std::fs::write(&script, script_yaml(load))?;
        let (emulator, output, deepgram) = start_emulator(emulator, &script).await?;
        let socket = directory.path().join("sidecar.sock");
        let config = directory.path().join("config.yaml");
        std::fs::write(&config, config_yaml(&socket, &deepgram, load))?;
        let sidecar = Command::new(sidecar)
            .args(["run", "--config"])
            .arg(&config)
            .env("DEEPGRAM_API_KEY", "load")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the sidecar")?;
        let mut children = Self {
            sidecar,
            socket,
            _emulator: emulator,
            _emulator_output: output,
            _directory: directory,
        };
        children.wait_until_served().await?;
        Ok(children)
    }

    /// The sidecar's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The sidecar's process.
    pub(crate) fn sidecar_pid(&self) -> u32 {
        self.sidecar.id().expect("the sidecar is not waited for while it is measured")
    }

    async fn wait_until_served(&mut self) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..START_LOOKS_MAX {
            looks.tick().await;
            if let Some(status) = self.sidecar.try_wait()? {
                bail!("the sidecar ended at once: {status}");
            }
            if Client::connect(&self.socket).await.is_ok() {
                return Ok(());
            }
        }
        bail!("the sidecar did not serve its socket within 10 s")
    }
}

async fn start_emulator(
    emulator: &Path,
    script: &Path,
) -> anyhow::Result<(Child, BufReader<ChildStdout>, String)> {
    let mut child = Command::new(emulator)
        .args(["--listen", "127.0.0.1:0", "--script"])
        .arg(script)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the emulator")?;
    let mut output = BufReader::new(child.stdout.take().expect("its output was piped"));
    let mut line = String::new();
    output.read_line(&mut line).await?;
    let listening: Listening = serde_json::from_str(&line)
        .with_context(|| format!("the emulator did not say where it listens, but {line:?}"))?;
    Ok((child, output, listening.addr))
}

#[derive(Deserialize)]
struct Listening {
    addr: String,
}

/// A Deepgram that answers every frame at once, so that a result times the frame it covers.
fn script_yaml(load: &Load) -> String {
    format!(
        "connections:\n\
         - settings:\n    \
             upgrade_latency: 0s\n    \
             concurrency: {}\n    \
             pacing: null\n    \
             result_latency: 0s\n    \
             interim_every: {}ms\n    \
             hash_audio: false\n",
        load.sessions + 1,
        load.frame.as_millis()
    )
}

fn config_yaml(socket: &Path, deepgram: &str, load: &Load) -> String {
    format!(
        "ipc: {{socket: {}, max_sessions: {}}}\n\
         upstream: {{url: 'ws://{deepgram}', allow_plaintext: true}}\n\
         admin: {{listen: '127.0.0.1:0'}}\n\
         telemetry: {{logs: {{level: warn}}}}\n",
        socket.display(),
        load.sessions + 1
    )
}

/// 10 s of looking every 10 ms.
const START_LOOKS_MAX: u32 = 1_000;
