//! The processes that stories are told with: a Deepgram for each, bare or behind a sidecar.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::story::{Step, Story};
use crate::support::{Config, Emulator, KEY, Sidecar};

pub(super) const RECORDING: &str = "tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav";

/// Where the stories of one kind take place.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) stories: &'static [Story],
    addresses: Vec<String>,
    /// Holds the recording's samples.
    directory: TempDir,
    pub(super) emulators: Vec<Emulator>,
    pub(super) sidecars: Vec<Sidecar>,
}

impl Stage {
    /// SDKs speak with Deepgram itself. It has no patience with silence, and not every SDK sends
    /// KeepAlives, so here its timers are off.
    pub(super) async fn direct(stories: &'static [Story]) -> Self {
        let timeless = json!({"idle_timeout": "0s", "response_timeout": "0s"});
        let emulators = deepgrams(stories, &timeless).await;
        let addresses = emulators.iter().map(|it| format!("ws://{}", it.addr())).collect();
        Self { stories, addresses, directory: recording(), emulators, sidecars: Vec::new() }
    }

    /// SDKs speak with a sidecar over TCP. Deepgram takes no key but the sidecar's, and has its
    /// timers.
    pub(super) async fn sidecar(
        stories: &'static [Story],
        configured: fn(Config) -> Config,
    ) -> Self {
        let emulators = deepgrams(stories, &json!({"api_keys": [KEY]})).await;
        let sidecars = join_all(emulators.iter().map(async |emulator| {
            let config = Config::dialing(emulator).set("ipc.tcp_listen", "127.0.0.1:0");
            configured(config).start().await
        }));
        let sidecars = sidecars.await;
        let addresses = sidecars.iter().map(|it| format!("ws://{}", it.port())).collect();
        Self { stories, addresses, directory: recording(), emulators, sidecars }
    }

    /// The same over the Unix socket, as the package `ws` writes it.
    pub(super) fn over_unix(mut self) -> Self {
        let sockets = self.sidecars.iter().map(|it| it.socket().display());
        self.addresses = sockets.map(|socket| format!("ws+unix://{socket}:")).collect();
        self
    }

    /// What an SDK's program is told. `reconnects`: whether the SDK may.
    pub(super) fn plan(&self, keepalive: bool, reconnects: bool) -> Value {
        let sessions = self.stories.iter().zip(&self.addresses).map(|(story, address)| {
            let steps: Vec<_> = story.steps.iter().map(|step| step_json(*step)).collect();
            json!({"name": story.name, "address": address, "steps": steps})
        });
        json!({
            "recording": self.directory.path().join(SAMPLES),
            "keepalive": keepalive,
            "reconnects": reconnects,
            "options": {
                "model": "nova-3", "encoding": "linear16", "sample_rate": 16_000,
                "interim_results": true, "vad_events": true, "utterance_end_ms": "1000",
            },
            "sessions": sessions.collect::<Vec<_>>(),
        })
    }

    /// Deepgram's ids for all that it was asked for.
    pub(super) async fn request_ids(&self) -> Vec<Value> {
        let connections = join_all(self.emulators.iter().map(Emulator::connections)).await;
        connections.into_iter().flatten().map(|mut it| it["request_id"].take()).collect()
    }
}

const SAMPLES: &str = "speech.raw";

/// A directory with the recording as SDKs stream it: without a header.
fn recording() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut wav = hound::WavReader::open(RECORDING).unwrap();
    let samples: Vec<u8> =
        wav.samples::<i16>().flat_map(|sample| sample.unwrap().to_le_bytes()).collect();
    std::fs::write(directory.path().join(SAMPLES), samples).unwrap();
    directory
}

/// An emulator for each story.
async fn deepgrams(stories: &[Story], settings: &Value) -> Vec<Emulator> {
    let emulators = stories.iter().map(async |story| {
        let emulator = Emulator::with(settings.clone(), &[]).await;
        emulator.change(story.deepgram).await;
        emulator
    });
    join_all(emulators).await
}

fn step_json(step: Step) -> Value {
    match step {
        Step::Stream => json!({"do": "stream"}),
        Step::Silence(seconds) => json!({"do": "silence", "seconds": seconds}),
        Step::Finalize => json!({"do": "finalize"}),
        Step::CloseStream => json!({"do": "close_stream"}),
        Step::AwaitEnd => json!({"do": "await_end"}),
        Step::Leave => json!({"do": "leave"}),
    }
}
