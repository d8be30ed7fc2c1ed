//! Shutdown under load: whatever was written before the signal becomes text or is accounted for, and
//! every application reads its last frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use client::{Incoming, Summary};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::support::{App, Config, Emulator, Process, Sidecar, frame_bytes, listen, speech, tool};

/// Applications that talk, and how often each sends 100 ms.
const TALKERS: usize = 200;
const PACE: Duration = Duration::from_millis(100);

/// Frames that the daemon has not read when the signal comes.
const LAST_WORDS: u64 = 5;

/// Applications of another runtime that write every 20 ms.
const ASYNCIO_CLIENTS: usize = 100;

/// A Deepgram whose results come this much after the audio.
async fn slow_deepgram() -> Emulator {
    Emulator::with(json!({"result_latency": "1500ms", "concurrency": TALKERS}), &[]).await
}

/// An application that talks on, whatever it is told.
struct Talker {
    id: String,
    app: App,
    /// Frames that it has written.
    frames: u64,
}

/// How a talker saw its end.
struct Seen {
    id: String,
    /// Frames that were written before the signal.
    frames: u64,
    /// Up to where final results came, in milliseconds.
    final_ms: u64,
    summary: Summary,
}

async fn talkers(sidecar: &Sidecar) -> Vec<Talker> {
    let mut talkers = Vec::new();
    for number in 0..TALKERS {
        let id = format!("talker-{number}");
        let app = App::open(sidecar, &listen(&id)).await;
        talkers.push(Talker { id, app, frames: 0 });
    }
    talkers
}

impl Talker {
    /// Writes in real time until told to stop.
    async fn talk(mut self, stop: Arc<AtomicBool>) -> Self {
        let mut ticks = interval(PACE);
        while !stop.load(Relaxed) {
            ticks.tick().await;
            self.say(1).await;
        }
        self
    }

    /// Writes so many frames.
    async fn say(&mut self, frames: u64) {
        for _ in 0..frames {
            self.app.sender.send_audio(&speech(self.frames)).await.unwrap();
            self.frames += 1;
        }
    }

    /// Reads all that is still to come, and closes.
    async fn listen_to_the_end(mut self) -> Seen {
        let mut frames = self.app.rest().await;
        let Some(Incoming::Finished(summary)) = frames.pop() else { panic!("{}", self.id) };
        let final_ms = frames.iter().filter_map(final_end_ms).max().unwrap_or(0);
        Seen { id: self.id, frames: self.frames, final_ms, summary: *summary }
    }
}

/// Where a final result ends.
fn final_end_ms(frame: &Incoming) -> Option<u64> {
    let Incoming::Message(text) = frame else { return None };
    let message: Value = serde_json::from_slice(text).unwrap();
    let is_final = message["is_final"] == true;
    let end = message["start"].as_f64()? + message["duration"].as_f64()?;
    is_final.then_some((end * 1000.0).round() as u64)
}

/// Lets all of them talk for two seconds. Their last words are written while the daemon stands still, so
/// that it has read nothing of them when the signal comes.
async fn stop_in_mid_speech(sidecar: &Sidecar, talkers: Vec<Talker>) -> Vec<Talker> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut talking = JoinSet::new();
    talkers.into_iter().for_each(|it| drop(talking.spawn(it.talk(stop.clone()))));
    let mut clock = interval(Duration::from_secs(2));
    clock.tick().await;
    clock.tick().await;
    stop.store(true, Relaxed);
    let mut talkers = talking.join_all().await;
    sidecar.process.signal(Signal::STOP);
    for talker in &mut talkers {
        talker.say(LAST_WORDS).await;
    }
    talkers
}

/// The daemon goes on, and finds the signal and all that was written.
fn terminate(sidecar: &Sidecar) {
    sidecar.process.signal(Signal::TERM);
    sidecar.process.signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_hundred_talkers_wrote_before_the_signal_becomes_text() {
    let emulator = slow_deepgram().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let talkers = stop_in_mid_speech(&sidecar, talkers(&sidecar).await).await;
    terminate(&sidecar);
    let mut ending = JoinSet::new();
    talkers.into_iter().for_each(|it| drop(ending.spawn(it.listen_to_the_end())));
    for Seen { id, frames, final_ms, summary } in ending.join_all().await {
        assert_eq!((summary.outcome.as_str(), summary.cut), ("drained", false), "{id}");
        assert_eq!(summary.audio.bytes_sent, frame_bytes(frames), "{id}");
        assert_eq!(final_ms, frames * 100, "{id}: not all of it became text");
    }
    assert_eq!(sidecar.process.exit().await.code(), Some(0));
    let ended = sidecar.process.log().event("drain_end").await;
    assert_eq!((&ended["sessions"], &ended["read"]), (&json!(TALKERS), &json!(TALKERS)), "{ended}");
    assert_eq!((&ended["cut"], &ended["unflushed_ms"]), (&json!(0), &json!(0)), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_hundred_killed_talkers_wrote_becomes_text_too() {
    let emulator = slow_deepgram().await;
    let mut sidecar = Sidecar::start(&emulator).await;
    let talkers = stop_in_mid_speech(&sidecar, talkers(&sidecar).await).await;
    let written: Vec<_> = talkers.iter().map(|it| (it.id.clone(), it.frames)).collect();
    // As the kernel does for a killed process: all sockets are closed, with messages unread in them.
    drop(talkers);
    terminate(&sidecar);
    assert_eq!(sidecar.process.exit().await.code(), Some(0));
    sidecar.process.log().whole().await;
    let ends = sidecar.process.log().events("session_end");
    for (id, frames) in &written {
        let ended = ends.iter().find(|it| it["session_id"] == id.as_str()).unwrap();
        let frames = *frames;
        assert_eq!(ended["audio"]["bytes_received"], frame_bytes(frames), "{ended}");
        assert_eq!(ended["audio"]["bytes_sent"], frame_bytes(frames), "{ended}");
        assert_eq!(ended["lost_ms"], 0, "{ended}");
    }
    let heard: u64 =
        emulator.connections().await.iter().map(|it| it["audio_bytes"].as_u64().unwrap()).sum();
    assert_eq!(heard, frame_bytes(written.iter().map(|(_, frames)| frames).sum()));
}

#[tokio::test]
async fn asyncio_clients_in_the_middle_of_a_write_read_their_last_frame() {
    let emulator = slow_deepgram().await;
    let mut sidecar = Config::dialing(&emulator).start().await;
    let mut clients = Process::spawn(&mut asyncio_clients(sidecar.socket()));
    clients.log().line_where("the clients to talk", |line| line["talking"] == true).await;
    sidecar.process.signal(Signal::TERM);
    assert!(clients.exit().await.success(), "{}", clients.log().whole().await);
    let seen = clients.log().line_where("the result", |line| line["finished"].is_u64()).await;
    assert_eq!(seen["finished"], ASYNCIO_CLIENTS, "{seen}");
    assert_eq!(sidecar.process.exit().await.code(), Some(0));
    sidecar.process.log().whole().await;
    let ended = sidecar.process.log().event("drain_end").await;
    assert_eq!(
        (&ended["read"], &ended["unflushed_ms"]),
        (&json!(ASYNCIO_CLIENTS), &json!(0)),
        "{ended}"
    );
    let receipts = sidecar.process.log().events("session_receipt");
    assert_eq!(receipts.len(), ASYNCIO_CLIENTS, "each session has one");
    assert!(receipts.iter().all(|it| it["last_frame"] == "read"));
}

fn asyncio_clients(socket: &Path) -> Command {
    let script: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests/it/asyncio_clients.py"].iter().collect();
    let mut command = Command::new(tool("sdk/bin/python"));
    command.arg(script).arg(socket).arg(ASYNCIO_CLIENTS.to_string());
    command
}
