//! A scriptable local Deepgram.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Credentials, Emulator, Script, Settings, Tls};
use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// A scriptable local stand-in for the WebSockets of wss://api.deepgram.com: /v1/listen, /v2/listen,
/// /v1/speak, /v2/speak and /v1/agent/converse.
///
/// It returns words where the audio contains speech, closes idle streams like Deepgram (net0001
/// after 10 s, net0000 after 30 s without a result; on /v2/listen after 60 s) and injects faults
/// from a script. It does not recognise speech: the words come from --words.
///
/// GET /emulator/connections on the same port shows what it received; DELETE clears it.
#[derive(Debug, Parser)]
#[command(name = "deepgram-emulator", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Address to listen on; with port 0, the first line of output shows the actual port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// A YAML file that says what happens to each connection
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,

    /// A YAML file of settings, with the same names as the script's `settings:`
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// A text file with the words to return for speech
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,

    /// An API key to accept, repeatable; by default any key is accepted
    #[arg(
        long = "api-key",
        value_name = "KEY",
        env = "DEEPGRAM_EMULATOR_API_KEY",
        hide_env_values = true
    )]
    api_keys: Vec<String>,

    /// Accept requests without credentials, like a self-hosted Deepgram
    #[arg(long)]
    no_auth: bool,

    /// Delay between a request and its 101
    #[arg(long, value_name = "DURATION", default_value = "150ms", value_parser = humantime::parse_duration)]
    upgrade_latency: Duration,

    /// A PEM certificate chain, for wss
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Log to stderr; RUST_LOG sets the level
    #[arg(long)]
    log: bool,

    /// Print a commented script with everything a script can contain, and exit
    #[arg(long)]
    print_script_example: bool,

    /// Print the settings with their defaults as YAML, and exit
    #[arg(long)]
    print_settings: bool,
}

const AFTER_HELP: &str = "Examples:
  deepgram-emulator --listen 127.0.0.1:0
  deepgram-emulator --print-script-example > faults.yaml
  deepgram-emulator --script faults.yaml --words speech.txt --log
  curl -s http://127.0.0.1:8080/emulator/connections";

/// Runs the emulator as its command line says, until SIGTERM or SIGINT.
///
/// # Errors
/// Files that cannot be read, an address that cannot be had.
#[tokio::main]
pub async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.print_script_example {
        return Ok(write!(std::io::stdout(), "{}", Script::EXAMPLE)?);
    }
    if arguments.print_settings {
        let defaults = serde_yaml::to_string(&Settings::default())?;
        return Ok(write!(std::io::stdout(), "{defaults}")?);
    }
    if arguments.log {
        start_log();
    }
    let settings = arguments.settings()?;
    let script = arguments.script()?;
    // Whoever is waiting for the line below may send a signal immediately.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let emulator = arguments.start(settings, script).await?;
    let listening = serde_json::json!({"event": "listening", "addr": emulator.addr()});
    writeln!(std::io::stdout(), "{listening}")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings {
            upgrade_latency: self.upgrade_latency,
            require_auth: !self.no_auth,
            ..Settings::default()
        };
        if !self.api_keys.is_empty() {
            settings.api_keys = Some(Credentials::new(&self.api_keys));
        }
        if let Some(path) = &self.words {
            settings.words = read(path)?;
        }
        let Some(path) = &self.settings else { return Ok(settings) };
        let in_file = || format!("in the settings file {}", path.display());
        let changes: serde_json::Value =
            serde_yaml::from_str(&read(path)?).with_context(in_file)?;
        settings.with_changes(&changes).with_context(in_file)
    }

    fn script(&self) -> anyhow::Result<Script> {
        let Some(path) = &self.script else { return Ok(Script::default()) };
        Script::from_yaml(&read(path)?).with_context(|| format!("in {}", path.display()))
    }

    async fn start(&self, settings: Settings, script: Script) -> anyhow::Result<Emulator> {
        let started = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                let tls = Tls::from_pem_files(cert, key).context("cannot use the certificate")?;
                Emulator::bind_tls(self.listen, settings, script, tls).await
            }
            _ => Emulator::bind(self.listen, settings, script).await,
        };
        started.with_context(|| format!("cannot listen on {}", self.listen))
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "emulator=debug".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
