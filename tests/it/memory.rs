//! What recovery keeps is bounded by its formula, however slow everybody is, and given back.

use client::Sender;
use tokio::task::JoinSet;

use crate::support::{App, Config, Emulator, Sidecar, eventually, listen, memory_kib, speech};

const SESSIONS: u64 = 60;

/// `recovery.ring` of 5 s, as linear16 at 16 kHz.
const RING_BYTES: u64 = 5 * 32_000;

/// A ring takes and returns memory in chunks; one may be half full at each end, and one to spare.
const CHUNK_BYTES: u64 = 4 << 10;

/// Everything else that a session may hold while both sides are slow: a frame half read, its task, and
/// the WebSocket library's write buffer, which keeps the size that a burst gave it.
const BUFFERS_BYTES: u64 = 200 << 10;

async fn ring_bytes(sidecar: &Sidecar) -> u64 {
    sidecar.metrics().await.sum("queue_bytes", &[("queue", "ring")]) as u64
}

/// Sends twenty seconds of audio as fast as it is taken: once the ring is full it is made to wait.
async fn pour(mut sender: Sender) {
    for frame in 0..200 {
        sender.send_audio(&speech(frame)).await.unwrap();
    }
    std::future::pending().await
}

#[tokio::test]
async fn full_rings_stay_within_the_formula_and_are_given_back() {
    let emulator = Emulator::scripted(&["{then: [{at: 0s, do: mute}]}"; SESSIONS as usize]).await;
    let sidecar = Config::dialing(&emulator)
        .set("recovery.mode", "reconnect")
        .set("recovery.ring", "5s")
        .start()
        .await;
    let before = memory_kib(sidecar.process.pid());
    let mut pouring = JoinSet::new();
    let mut readers = Vec::new();
    for number in 0..SESSIONS {
        let app = App::open(&sidecar, &listen(&format!("app-{number}"))).await;
        pouring.spawn(pour(app.sender));
        readers.push(app.reader);
    }
    let fill = SESSIONS * RING_BYTES;
    eventually("full rings", async || (ring_bytes(&sidecar).await >= fill).then_some(())).await;
    let held = ring_bytes(&sidecar).await;
    assert!(held <= SESSIONS * (RING_BYTES + 3 * CHUNK_BYTES), "{held}");
    let grown = memory_kib(sidecar.process.pid()).saturating_sub(before);
    let formula = SESSIONS * (RING_BYTES + 3 * CHUNK_BYTES + BUFFERS_BYTES);
    assert!(grown <= formula / 1024, "{grown} KiB; the formula says {} KiB", formula / 1024);
    println!("{SESSIONS} full rings: {grown} KiB, of at most {} KiB", formula / 1024);
    drop((pouring, readers));
    eventually("empty rings", async || (ring_bytes(&sidecar).await == 0).then_some(())).await;
}
