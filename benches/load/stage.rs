//! What every way leads to: an emulator, its certificate, and a directory for everybody's files.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use deepgram_sidecar::upstream::tls;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio_rustls::TlsConnector;

use crate::report::Load;

/// The name of the emulator's machine.
pub(crate) const HOST: &str = "localhost";

/// An emulator, killed on drop.
pub(crate) struct Stage {
    emulator: Child,
    /// Held open, so that the emulator never writes into a closed pipe.
    _emulator_output: BufReader<ChildStdout>,
    port: u16,
    certificate: Option<PathBuf>,
    directory: TempDir,
}

impl Stage {
    /// Starts the emulator and waits until it listens.
    pub(crate) async fn start(emulator: &Path, load: &Load) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let script = directory.path().join("script.yaml");
        std::fs::write(&script, script_yaml(load))?;
        let mut command = Command::new(emulator);
        command.args(["--listen", "127.0.0.1:0", "--script"]).arg(&script);
        let certificate = load.tls.then(|| issue(directory.path(), &mut command)).transpose()?;
        let mut emulator = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the emulator")?;
        let mut output = BufReader::new(emulator.stdout.take().expect("its output was piped"));
        let port = listening_port(&mut output).await?;
        Ok(Self { emulator, _emulator_output: output, port, certificate, directory })
    }

    /// Where the emulator listens, on the loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The emulator's process.
    pub(crate) fn emulator_pid(&self) -> u32 {
        self.emulator.id().expect("the emulator is not waited for while it is measured")
    }

    /// The emulator's certificate, to be trusted; `None` without TLS.
    pub(crate) fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// A TLS client that trusts it.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<TlsConnector>> {
        Ok(self.certificate().map(|it| tls::connector(Some(it))).transpose()?)
    }

    /// A file of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Issues a certificate for the name under which everybody dials, and gives it to the emulator.
fn issue(directory: &Path, emulator: &mut Command) -> anyhow::Result<PathBuf> {
    let issued = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let certificate = directory.join("certificate.pem");
    let key = directory.join("key.pem");
    std::fs::write(&certificate, issued.cert.pem())?;
    std::fs::write(&key, issued.signing_key.serialize_pem())?;
    emulator.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    Ok(certificate)
}

async fn listening_port(output: &mut BufReader<ChildStdout>) -> anyhow::Result<u16> {
    #[derive(Deserialize)]
    struct Listening {
        addr: std::net::SocketAddr,
    }
    let mut line = String::new();
    output.read_line(&mut line).await?;
    let listening: Listening = serde_json::from_str(&line)
        .with_context(|| format!("the emulator did not say where it listens, but {line:?}"))?;
    Ok(listening.addr.port())
}

/// A Deepgram that answers every frame at once, so that a result times the frame that it covers,
/// and that forgives silence: a bare client sends no keepalive.
fn script_yaml(load: &Load) -> String {
    format!(
        "connections:\n\
         - settings:\n    \
             upgrade_latency: 0s\n    \
             concurrency: {}\n    \
             idle_timeout: 0s\n    \
             response_timeout: 0s\n    \
             pacing: null\n    \
             result_latency: 0s\n    \
             interim_every: {}ms\n    \
             hash_audio: false\n",
        load.sessions + 1,
        load.frame.as_millis()
    )
}
