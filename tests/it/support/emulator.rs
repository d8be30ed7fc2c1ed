//! The emulated Deepgram, as a process of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use super::http;
use super::process::Process;
use super::{eventually, within};

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    addr: SocketAddr,
    process: Process,
    /// Held open, so that it never writes into a closed pipe.
    _output: BufReader<ChildStdout>,
    _directory: TempDir,
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
        let directory = tempfile::tempdir().unwrap();
        let settings_file = directory.path().join("settings.yaml");
        std::fs::write(&settings_file, with_defaults(settings).to_string()).unwrap();
        let script_file = directory.path().join("script.yaml");
        let script = format!("connections: [{}]\nrepeat: false\n", plans.join(", "));
        std::fs::write(&script_file, script).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_deepgram-emulator"));
        command.args(["--listen", "127.0.0.1:0"]).env_clear();
        command.arg("--settings").arg(&settings_file).arg("--script").arg(&script_file);
        let mut process = Process::spawn(command.args(arguments));
        let mut output = BufReader::new(process.take_stdout());
        let mut line = String::new();
        within("the emulator's first line", output.read_line(&mut line)).await.unwrap();
        let listening: Value = match serde_json::from_str(&line) {
            Ok(listening) => listening,
            Err(_) => panic!("the emulator did not start: {}", process.log().whole().await),
        };
        let addr = listening["addr"].as_str().unwrap().parse().unwrap();
        Self { addr, process, _output: output, _directory: directory }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
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
