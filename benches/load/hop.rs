//! What stands between an application and Deepgram: the sidecar, another proxy, or nothing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use client::Client;
use serde::Serialize;
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::process::pinned;
use crate::report::Load;
use crate::stage::{HOST, Stage};
use crate::stream::{self, Stream};

/// 10 s of looking every 10 ms.
const START_LOOKS_MAX: u32 = 1_000;

/// The way to Deepgram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// A WebSocket of the application's own.
    Direct,
    /// The sidecar, native protocol.
    Sidecar,
    /// The sidecar, Deepgram's own dialect on the same socket.
    Compatible,
    /// HAProxy in TCP mode: a WebSocket over a Unix socket, TLS added. It must be installed.
    Haproxy,
}

impl Way {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Sidecar => "sidecar",
            Self::Compatible => "compatible",
            Self::Haproxy => "haproxy",
        }
    }
}

/// A hop that runs, killed on drop.
pub(crate) enum Hop {
    None { port: u16, tls: Option<TlsConnector> },
    Sidecar(Proxy),
    Compatible(Proxy),
    Haproxy(Proxy),
}

/// A process that serves a Unix socket.
pub(crate) struct Proxy {
    process: Child,
    socket: PathBuf,
}

impl Hop {
    /// Starts it and waits until it serves its socket.
    pub(crate) async fn start(
        way: Way,
        stage: &Stage,
        load: &Load,
        sidecar: &Path,
        pin: bool,
    ) -> anyhow::Result<Self> {
        let command = |program: &Path| if pin { pinned(program) } else { Command::new(program) };
        match way {
            Way::Direct => Ok(Self::None { port: stage.port(), tls: stage.tls()? }),
            Way::Sidecar => start_sidecar(command(sidecar), stage, load).await.map(Self::Sidecar),
            Way::Compatible => {
                start_sidecar(command(sidecar), stage, load).await.map(Self::Compatible)
            }
            Way::Haproxy => {
                start_haproxy(command(Path::new("haproxy")), stage).await.map(Self::Haproxy)
            }
        }
    }

    /// Its process, if it is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::None { .. } => None,
            Self::Sidecar(proxy) | Self::Compatible(proxy) | Self::Haproxy(proxy) => {
                Some(proxy.process.id().expect("it is not waited for while it is measured"))
            }
        }
    }

    /// Opens a session over it.
    pub(crate) async fn open(&self, number: u32) -> anyhow::Result<Stream> {
        match self {
            Self::None { port, tls: Some(tls) } => {
                let stream = tls.connect(ServerName::try_from(HOST)?, dial(*port).await?).await?;
                stream::open_websocket(stream).await
            }
            Self::None { port, tls: None } => stream::open_websocket(dial(*port).await?).await,
            Self::Sidecar(proxy) => stream::open_native(&proxy.socket, number).await,
            Self::Compatible(proxy) | Self::Haproxy(proxy) => {
                stream::open_websocket(UnixStream::connect(&proxy.socket).await?).await
            }
        }
    }
}

async fn dial(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((HOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn start_sidecar(command: Command, stage: &Stage, load: &Load) -> anyhow::Result<Proxy> {
    let socket = stage.path("sidecar.sock");
    let config = stage.path("sidecar.yaml");
    std::fs::write(&config, sidecar_yaml(&socket, stage, load))?;
    let mut command = command;
    command.args(["run", "--config"]).arg(&config).env("DEEPGRAM_API_KEY", "load");
    let mut proxy = Proxy::spawn(command, socket).context("cannot start the sidecar")?;
    proxy.wait_until_served(async |socket| Client::connect(socket).await.is_ok()).await?;
    Ok(proxy)
}

fn sidecar_yaml(socket: &Path, stage: &Stage, load: &Load) -> String {
    let port = stage.port();
    let upstream = match stage.certificate() {
        Some(ca_file) => format!("{{url: 'wss://{HOST}:{port}', ca_file: {}}}", ca_file.display()),
        None => format!("{{url: 'ws://{HOST}:{port}', allow_plaintext: true}}"),
    };
    format!(
        "ipc: {{socket: {}, max_sessions: {}}}\n\
         upstream: {upstream}\n\
         admin: {{listen: '127.0.0.1:0'}}\n\
         telemetry: {{logs: {{level: warn}}}}\n",
        socket.display(),
        load.sessions + 1
    )
}

async fn start_haproxy(command: Command, stage: &Stage) -> anyhow::Result<Proxy> {
    let socket = stage.path("haproxy.sock");
    let config = stage.path("haproxy.cfg");
    std::fs::write(&config, haproxy_cfg(&socket, stage))?;
    let mut command = command;
    command.arg("-db").arg("-f").arg(&config);
    let mut proxy = Proxy::spawn(command, socket).context("cannot start haproxy; is it there?")?;
    proxy.wait_until_served(async |socket| UnixStream::connect(socket).await.is_ok()).await?;
    Ok(proxy)
}

/// One thread, as it is pinned to one core; everything else by its defaults.
fn haproxy_cfg(socket: &Path, stage: &Stage) -> String {
    let tls = stage.certificate().map_or_else(String::new, |ca_file| {
        format!("ssl verify required ca-file {} verifyhost {HOST}", ca_file.display())
    });
    format!(
        "global\n    nbthread 1\n    maxconn 8000\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n\
         frontend app\n    bind unix@{}\n    default_backend deepgram\n\
         backend deepgram\n    server emulator 127.0.0.1:{} {tls}\n",
        socket.display(),
        stage.port()
    )
}

impl Proxy {
    fn spawn(mut command: Command, socket: PathBuf) -> std::io::Result<Self> {
        let process = command.stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        Ok(Self { process, socket })
    }

    async fn wait_until_served(
        &mut self,
        is_served: impl AsyncFn(&Path) -> bool,
    ) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..START_LOOKS_MAX {
            looks.tick().await;
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended at once: {status}");
            }
            if is_served(&self.socket).await {
                return Ok(());
            }
        }
        bail!("it did not serve {} within 10 s", self.socket.display())
    }
}
