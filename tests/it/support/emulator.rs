//! The emulated Deepgram, as a process of its own.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use super::http;
use super::namespace::{DEEPGRAM, Pod};
use super::process::Process;
use super::{eventually, within};

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    addr: SocketAddr,
    process: Process,
    /// Held open, so that it never writes into a closed pipe.
    _output: BufReader<ChildStdout>,
    launch: Launch,
}

/// One that was killed, and can come back where it was.
#[derive(Debug)]
pub(crate) struct Killed {
    addr: SocketAddr,
    launch: Launch,
}

impl Killed {
    /// Starts it again; it remembers nothing.
    pub(crate) async fn revive(self) -> Emulator {
        let addr = self.addr.to_string();
        self.launch.at(&addr).await
    }
}

/// How one is started.
#[derive(Debug)]
struct Launch {
    /// Of its settings and its script.
    directory: TempDir,
    arguments: Vec<OsString>,
    /// A program that becomes the emulator, in surroundings of its making.
    wrapper: Vec<OsString>,
}

impl Launch {
    async fn at(self, addr: &str) -> Emulator {
        let emulator = OsString::from(env!("CARGO_BIN_EXE_deepgram-emulator"));
        let words: Vec<_> = self.wrapper.iter().chain([&emulator]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--listen", addr]).env_clear();
        for (option, file) in [("--settings", SETTINGS), ("--script", SCRIPT)] {
            command.arg(option).arg(self.directory.path().join(file));
        }
        let mut process = Process::spawn(command.args(&self.arguments));
        let mut output = BufReader::new(process.take_stdout());
        let mut line = String::new();
        within("the emulator's first line", output.read_line(&mut line)).await.unwrap();
        let listening: Value = match serde_json::from_str(&line) {
            Ok(listening) => listening,
            Err(_) => panic!("the emulator did not start: {}", process.log().whole().await),
        };
        let addr = listening["addr"].as_str().unwrap().parse().unwrap();
        Emulator { addr, process, _output: output, launch: self }
    }
}

const SETTINGS: &str = "settings.yaml";
const SCRIPT: &str = "script.yaml";

/// A directory with what it reads at its start.
fn prepared(settings: Value, plans: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let settings = with_defaults(settings).to_string();
    std::fs::write(directory.path().join(SETTINGS), settings).unwrap();
    let script = format!("connections: [{}]\nrepeat: false\n", plans.join(", "));
    std::fs::write(directory.path().join(SCRIPT), script).unwrap();
    directory
}

impl Emulator {
    /// One that does everything right, at once.
    pub(crate) async fn start() -> Self {
        Self::with(json!({}), &[]).await
    }

    /// One that plays a script, a YAML list of plans; requests beyond it meet with no fault.
    pub(crate) async fn scripted(plans: &[&str]) -> Self {
        Self::with(json!({}), plans).await
    }

    /// One with other settings too.
    pub(crate) async fn with(settings: Value, plans: &[&str]) -> Self {
        Self::with_arguments(settings, plans, &[] as &[&str]).await
    }

    /// One with further command line arguments too.
    pub(crate) async fn with_arguments(
        settings: Value,
        plans: &[&str],
        arguments: &[impl AsRef<OsStr>],
    ) -> Self {
        let directory = prepared(settings, plans);
        let arguments = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        Launch { directory, arguments, wrapper: Vec::new() }.at("127.0.0.1:0").await
    }

    /// One in a network of its own, where nothing but the two of us is, at 127.0.0.2.
    pub(crate) async fn isolated(settings: Value) -> Self {
        let directory = prepared(settings, &[]);
        let wrapper = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""];
        let wrapper = wrapper.map(OsString::from).to_vec();
        Launch { directory, arguments: Vec::new(), wrapper }.at("127.0.0.2:0").await
    }

    /// One at this address. On one of its own, nobody takes its port while it is dead.
    pub(crate) async fn listening_at(addr: &str, settings: Value, plans: &[&str]) -> Self {
        let directory = prepared(settings, plans);
        Launch { directory, arguments: Vec::new(), wrapper: Vec::new() }.at(addr).await
    }

    /// One on Deepgram's machine of a pod, out of reach of the test: its script is all that it hears.
    pub(crate) async fn beside(pod: &Pod, settings: Value, plans: &[&str]) -> Self {
        let directory = prepared(settings, plans);
        let wrapper = pod.deepgram.wrapper().map(OsString::from).to_vec();
        Launch { directory, arguments: Vec::new(), wrapper }.at(DEEPGRAM).await
    }

    /// Kills it, without a word to anybody.
    pub(crate) async fn kill(mut self) -> Killed {
        self.process.signal(Signal::KILL);
        self.process.exit().await;
        Killed { addr: self.addr, launch: self.launch }
    }

    /// Gives it another script, or orders for its open connections.
    pub(crate) async fn change(&self, script: &str) {
        let (status, page) = http::ask(self.addr, "PUT", "/emulator/script", script).await;
        assert_eq!(status, 200, "{page}");
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Its records: one for each request for a stream, oldest first.
    pub(crate) async fn connections(&self) -> Vec<Value> {
        let (_, page) = http::get(self.addr, "/emulator/connections").await;
        let mut page: Value = serde_json::from_str(&page).unwrap();
        serde_json::from_value(page["connections"].take()).unwrap()
    }

    /// The record of the only request, once it fits.
    pub(crate) async fn connection_where(&self, fits: impl Fn(&Value) -> bool) -> Value {
        eventually("the emulator's record", async || {
            let connections = self.connections().await;
            assert!(connections.len() <= 1, "more requests than one: {connections:?}");
            connections.into_iter().next().filter(&fits)
        })
        .await
    }

    /// The record of the only request, once its stream has ended.
    pub(crate) async fn ended_connection(&self) -> Value {
        self.connection_where(|connection| !connection["end"].is_null()).await
    }
}

/// Deepgram without its latencies and its pace, which would only make tests slow.
fn with_defaults(settings: Value) -> Value {
    let mut all = json!({
        "upgrade_latency": "0s",
        "pacing": null,
        "result_latency": "0s",
        "finalize_latency": "0s",
        "close_gap": "0s",
    });
    let Value::Object(settings) = settings else { panic!("settings are an object") };
    all.as_object_mut().unwrap().extend(settings);
    all
}
