//! The processes that stories are told with: a Deepgram for each, bare or behind a sidecar.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::story::{Step, Story};
use crate::support::Emulator;

const RECORDING: &str = "tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav";

/// Where the stories of one kind take place.
#[derive(Debug)]
pub(super) struct Stage {
    stories: &'static [Story],
    addresses: Vec<String>,
    /// Holds the recording's samples.
    directory: TempDir,
    _emulators: Vec<Emulator>,
}

impl Stage {
    /// SDKs speak with Deepgram itself. It has no patience with silence, and not every SDK sends
    /// KeepAlives, so here its timers are off.
    pub(super) async fn direct(stories: &'static [Story]) -> Self {
        let timeless = json!({"idle_timeout": "0s", "response_timeout": "0s"});
        let emulators = deepgrams(stories, timeless).await;
        let addresses = emulators.iter().map(|it| format!("ws://{}", it.addr())).collect();
        Self { stories, addresses, directory: recording(), _emulators: emulators }
    }

    /// What an SDK's program is told.
    pub(super) fn plan(&self, keepalive: bool) -> Value {
        let sessions = self.stories.iter().zip(&self.addresses).map(|(story, address)| {
            let steps: Vec<_> = story.steps.iter().map(|step| step_json(*step)).collect();
            json!({"name": story.name, "address": address, "steps": steps})
        });
        json!({
            "recording": self.directory.path().join(SAMPLES),
            "keepalive": keepalive,
            "options": {
                "model": "nova-3", "encoding": "linear16", "sample_rate": 16_000,
                "interim_results": true, "vad_events": true, "utterance_end_ms": "1000",
            },
            "sessions": sessions.collect::<Vec<_>>(),
        })
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
async fn deepgrams(stories: &[Story], settings: Value) -> Vec<Emulator> {
    let emulators = stories.iter().map(async |story| {
        let emulator = Emulator::with(settings.clone(), &[]).await;
        emulator.change(&format!("connections: [{}]", story.deepgram)).await;
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
    }
}
