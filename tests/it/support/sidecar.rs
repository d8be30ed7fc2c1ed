//! The daemon, as a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::http;
use super::namespace::{DEEPGRAM, Pod};
use super::{Emulator, Metrics, Process, eventually};

/// The API key that the daemon is given unless a test says otherwise.
pub(crate) const KEY: &str = "sesame-9f27c1";

/// How a daemon is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    descriptors: Option<u32>,
    wrapper: Vec<String>,
}

impl Config {
    /// One that dials this emulator.
    pub(crate) fn dialing(emulator: &Emulator) -> Self {
        Self::dialing_url(&format!("ws://{}", emulator.addr()))
    }

    /// One that dials this address.
    pub(crate) fn dialing_url(url: &str) -> Self {
        let arguments = vec!["run".into()];
        let bare = Self { arguments, ..Self::default() };
        bare.set("upstream.url", url)
            .set("upstream.allow_plaintext", true)
            .set("admin.listen", "127.0.0.1:0")
            .environment("DEEPGRAM_API_KEY", KEY)
    }

    /// Sets one key of the configuration.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.arguments.extend(["--set".into(), format!("{key}={value}")]);
        self
    }

    /// Has it listen on a loopback port too.
    #[must_use]
    pub(crate) fn with_port(self) -> Self {
        self.set("ipc.tcp_listen", "127.0.0.1:0")
    }

    /// Sets one variable.
    #[must_use]
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Leaves one variable out.
    #[must_use]
    pub(crate) fn without_environment(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Allows it so many file descriptors.
    #[must_use]
    pub(crate) fn descriptors(mut self, limit: u32) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// One on the sidecar's machine of a pod, which dials Deepgram's.
    pub(crate) fn in_pod(pod: &Pod) -> Self {
        let [enter, place] = pod.sidecar.wrapper();
        Self::dialing_url(&format!("ws://{DEEPGRAM}")).wrapped(&[&enter, &place])
    }

    /// Has another program become the daemon, in surroundings of its making.
    #[must_use]
    pub(crate) fn wrapped(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(ToString::to_string).collect();
        self
    }

    /// The command that runs it on this socket.
    pub(crate) fn command(&self, socket: &Path) -> Command {
        let mut command = match self.descriptors {
            Some(limit) => limited(limit),
            None => wrapped(&self.wrapper),
        };
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        command.arg("--set").arg(format!("ipc.socket={}", socket.display()));
        command
    }

    /// The command that examines it, on this socket.
    pub(crate) fn doctor(&self, socket: &Path, arguments: &[&str]) -> Command {
        let mut config = self.clone();
        config.arguments[0] = "doctor".into();
        let mut command = config.command(socket);
        command.args(arguments);
        command
    }

    /// Starts it on a socket of its own.
    pub(crate) async fn start(&self) -> Sidecar {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("sidecar.sock");
        Sidecar { _directory: Some(directory), ..self.start_on(&socket).await }
    }

    /// Starts it on this socket.
    pub(crate) async fn start_on(&self, socket: &Path) -> Sidecar {
        let process = Process::spawn(&mut self.command(socket));
        let listening = process.log().event("listening").await;
        let admin = listening["admin"].as_str().unwrap().parse().unwrap();
        let port = listening["tcp"].as_str().map(|addr| addr.parse().unwrap());
        Sidecar { process, socket: socket.to_owned(), port, admin, _directory: None }
    }
}

/// The daemon's binary, with nothing of this process's environment.
pub(crate) fn sidecar_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deepgram-sidecar"));
    command.env_clear();
    command
}

/// The same behind a program that becomes it.
fn wrapped(wrapper: &[String]) -> Command {
    let [program, words @ ..] = wrapper else { return sidecar_command() };
    let mut command = Command::new(program);
    command.env_clear().args(words).arg(env!("CARGO_BIN_EXE_deepgram-sidecar"));
    command
}

/// The same under a limit on file descriptors, which is its own, soft and hard.
fn limited(descriptors: u32) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    command.env_clear().args(["-c", &script, env!("CARGO_BIN_EXE_deepgram-sidecar")]);
    command
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Sidecar {
    pub(crate) process: Process,
    socket: PathBuf,
    port: Option<SocketAddr>,
    admin: SocketAddr,
    _directory: Option<TempDir>,
}

impl Sidecar {
    /// One with the defaults that dials this emulator.
    pub(crate) async fn start(emulator: &Emulator) -> Self {
        Config::dialing(emulator).start().await
    }

    /// The applications' socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The applications' port.
    ///
    /// # Panics
    /// If it was not given one.
    pub(crate) fn port(&self) -> SocketAddr {
        self.port.expect("ipc.tcp_listen is set")
    }

    /// Where the admin pages are.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Status and body of an admin page.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        http::get(self.admin, path).await
    }

    /// Status and body of the admin server's answer to any request.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        http::ask(self.admin, method, path, body).await
    }

    /// What the admin server says to these bytes, until it closes.
    pub(crate) async fn throw_at_admin(&self, bytes: &[u8]) -> String {
        http::throw(self.admin, bytes).await
    }

    /// A command of the same binary that looks at this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sidecar_command();
        command.args(arguments).arg("--admin").arg(self.admin.to_string());
        command
    }

    /// A scrape.
    pub(crate) async fn metrics(&self) -> Metrics {
        let (status, page) = self.page("/metrics").await;
        assert_eq!(status, 200, "{page}");
        Metrics::of(page)
    }

    /// What `/sessions` says.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        let (status, page) = self.page("/sessions").await;
        assert_eq!(status, 200, "{page}");
        let mut page: Value = serde_json::from_str(&page).unwrap();
        serde_json::from_value(page["sessions"].take()).unwrap()
    }

    /// What `/sessions` says of one session, once it fits.
    pub(crate) async fn session_where(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(id, async || {
            let mut sessions = self.sessions().await.into_iter();
            sessions.find(|session| session["session_id"] == id && fits(session))
        })
        .await
    }

    /// The log line that closes a session's books.
    pub(crate) async fn session_end(&self, id: &str) -> Value {
        self.process.log().event_where("session_end", |line| line["session_id"] == id).await
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.pid())).unwrap().count()
    }
}
