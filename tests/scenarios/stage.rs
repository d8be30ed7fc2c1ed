//! The two processes of a scenario: the emulator, and a sidecar that dials it.

use std::process::Stdio;

use client::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// Both processes, killed on drop, and the directory of the socket.
pub(crate) struct Stage {
    deepgram: String,
    directory: TempDir,
    _emulator: Child,
    _sidecar: Child,
    /// Held open, so that neither process writes into a closed pipe.
    _output: (Lines<BufReader<ChildStdout>>, Lines<BufReader<ChildStderr>>),
}

/// What the emulator saw of a connection.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) audio_bytes: u64,
    pub(crate) keepalives: u64,
    /// When each came, in milliseconds since the emulator began.
    pub(crate) keepalive_ms: Vec<u64>,
    pub(crate) end: Option<String>,
}

impl Stage {
    /// Starts both and waits until they listen; `config` is more YAML for the sidecar.
    pub(crate) async fn set(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut emulator = command(env!("CARGO_BIN_EXE_deepgram-emulator"))
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut emulator_lines = BufReader::new(emulator.stdout.take().unwrap()).lines();
        let listening: Listening = json(&emulator_lines.next_line().await.unwrap().unwrap());
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, yaml(&directory, &listening.addr, config)).unwrap();
        let mut sidecar = command(env!("CARGO_BIN_EXE_deepgram-sidecar"))
            .args(["run", "--config"])
            .arg(&file)
            .env("DEEPGRAM_API_KEY", "scenario")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut sidecar_lines = BufReader::new(sidecar.stderr.take().unwrap()).lines();
        await_listening(&mut sidecar_lines).await;
        Self {
            deepgram: listening.addr,
            directory,
            _emulator: emulator,
            _sidecar: sidecar,
            _output: (emulator_lines, sidecar_lines),
        }
    }

    /// Where the emulator listens, without TLS.
    pub(crate) fn deepgram(&self) -> &str {
        &self.deepgram
    }

    /// A connection to the sidecar.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.directory.path().join("sidecar.sock")).await.unwrap()
    }

    /// Ends both; gives what the emulator saw of the one connection that there was.
    pub(crate) async fn strike(self) -> Record {
        let mut stream = TcpStream::connect(&self.deepgram).await.unwrap();
        let request = "GET /emulator/connections HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let Observed { connections: [record] } = json(body);
        record
    }
}

#[derive(Deserialize)]
struct Listening {
    addr: String,
}

#[derive(Deserialize)]
struct Observed {
    connections: [Record; 1],
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    command
}

fn yaml(directory: &TempDir, deepgram: &str, more: &str) -> String {
    format!(
        "ipc: {{socket: {}/sidecar.sock}}\n\
         upstream: {{url: 'ws://{deepgram}', allow_plaintext: true}}\n\
         admin: {{listen: '127.0.0.1:0'}}\n\
         {more}\n",
        directory.path().display()
    )
}

async fn await_listening(log: &mut Lines<BufReader<ChildStderr>>) {
    loop {
        let line = log.next_line().await.unwrap().expect("the log says why it ended");
        if line.contains(r#""listening""#) {
            return;
        }
    }
}

fn json<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
