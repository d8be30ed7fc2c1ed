//! Faults between two machines: a cable that is cut, and a peer that stops reading.

use std::time::Duration;

use crate::support::{Config, Emulator, Pod};

use super::line::{Fault, Line};
use super::network::{recovered, redialled};
use super::row::{SLACK, deepgram};
use super::story::{FRAMES, stream};

const SECOND: Duration = Duration::from_secs(1);

/// Enough speech to fill small buffers, to be named, and to go on.
const FRAMES_TO_FILL: u64 = 80;

/// Reading stops where the story strikes.
const STOPS_READING: &str = "{then: [{after_audio: 1500ms, do: stop_reading}]}";

/// How long speech takes to fill the buffers of both ends: 16 KiB each at 32 kB a second, and what the
/// kernel grants beyond.
const FILLING: Duration = Duration::from_secs(3);

pub(super) fn faults() -> Vec<Fault> {
    vec![Box::pin(cut_cable()), Box::pin(stalled_write())]
}

fn reconnecting(pod: &Pod) -> Config {
    Config::in_pod(pod)
        .set("recovery.mode", "reconnect")
        .set("recovery.reconnects_per_minute", 60)
        .set("upstream.connect_timeout", "1s")
}

async fn cut_cable() -> Line {
    let pod = Pod::new().await;
    let _deepgram = Emulator::beside(&pod, deepgram(), &[]).await;
    let sidecar = reconnecting(&pod)
        .set("liveness.ping_interval", "500ms")
        .set("liveness.ping_timeout", "500ms")
        .start()
        .await;
    let story = stream(&sidecar, FRAMES, async || pod.cut_cable().await);
    let heal = async {
        redialled(&sidecar, 2).await;
        pod.mend_cable().await;
    };
    let (story, ()) = tokio::join!(story, heal);
    recovered("packets are dropped between two machines", &["ping_timeout"], &story)
}

/// Its write deadline runs out long before a Ping is due.
async fn stalled_write() -> Line {
    let pod = Pod::new().await;
    pod.shrink_buffers().await;
    let _deepgram = Emulator::beside(&pod, deepgram(), &[STOPS_READING]).await;
    let sidecar = reconnecting(&pod)
        .set("upstream.write_timeout", "1s")
        .set("liveness.ping_interval", "1h")
        .start()
        .await;
    let story = stream(&sidecar, FRAMES_TO_FILL, async || {}).await;
    let noticed = story.noticed().unwrap();
    assert!(noticed < FILLING + SECOND + SLACK, "{story:#?}");
    recovered("reading stops, and the write deadline passes", &["write_stalled"], &story)
}
