//! Starts what the demo needs: the emulator on a free port, and a daemon on its own socket.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;

use super::Stage;
use crate::config::key::{KEY_VARIABLE, KeyStore};
use crate::config::{Config, RecoveryMode};
use crate::daemon::Daemon;
use crate::telemetry::Telemetry;
use emulator::{Emulator, Script, Settings};

/// The reader's pace, so that the seven words fill the recording's speech.
const PACE: f64 = 2.8;

/// Deepgram's distance.
const UPGRADE_LATENCY: Duration = Duration::from_millis(150);

/// Soon enough for the eye.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What must outlive the demo.
pub(super) struct Backstage {
    emulator: Emulator,
    daemon: Daemon,
    keepalives: watch::Sender<u64>,
}

impl Backstage {
    /// Starts emulator and daemon; the socket is created in `directory`.
    pub(super) async fn set(directory: &Path) -> anyhow::Result<(Self, Stage)> {
        let settings = Settings {
            words: super::WORDS.to_owned(),
            words_per_second: PACE,
            upgrade_latency: UPGRADE_LATENCY,
            ..Settings::default()
        };
        let emulator = Emulator::bind(("127.0.0.1", 0), settings, script()?).await?;
        let deepgram = emulator.addr();
        let mut config = Config::default();
        config.upstream.url = format!("ws://{deepgram}").parse()?;
        config.upstream.allow_plaintext = true;
        config.ipc.socket = directory.join("sidecar.sock");
        config.admin.listen = ([127, 0, 0, 1], 0).into();
        config.recovery.mode = RecoveryMode::Reconnect;
        let environment = [(KEY_VARIABLE.to_owned(), "demo".to_owned())];
        let keys = KeyStore::load(&config.upstream, &environment)?;
        let daemon =
            Daemon::start(&config, keys, None, None, Telemetry::default(), None, None).await?;
        let socket = daemon.socket().to_owned();
        let (keepalives, seen) = watch::channel(0);
        let stage = Stage { socket, deepgram, keepalives: seen };
        Ok((Self { emulator, daemon, keepalives }, stage))
    }

    /// Counts the KeepAlives that the emulator receives. Never returns: run it concurrently.
    pub(super) async fn count_keepalives(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let seen = self.emulator.observed().connections.iter().map(|c| c.keepalives).sum();
            self.keepalives.send_if_modified(|count| std::mem::replace(count, seen) != seen);
        }
    }

    /// Stops daemon and emulator.
    pub(super) async fn strike(self) {
        self.daemon.shutdown().await;
        self.emulator.shutdown().await;
    }
}

/// The first connection ends in the middle of a sentence; further ones are left alone.
fn script() -> anyhow::Result<Script> {
    let after = super::CUT_AFTER.as_millis();
    let cut = format!("{{after_audio: {after}ms, do: {{close: {{code: 1012, reason: restart}}}}}}");
    Ok(Script::from_yaml(&format!("{{repeat: false, connections: [{{then: [{cut}]}}]}}"))?)
}
