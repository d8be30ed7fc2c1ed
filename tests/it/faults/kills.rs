//! `kill -9` of Deepgram, of the sidecar and of the application.

use std::fs::File;
use std::time::{Duration, Instant};

use client::{Client, Incoming, Receiver, Sender};
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    App, Emulator, Process, Sidecar, frame_bytes, sidecar_command, speech, within,
};

use super::line::{Fault, Line};
use super::network::{recovered, redialled};
use super::row::{SLACK, deepgram, reconnecting};
use super::story::{FRAMES, STRUCK_AT, stream, talkative};

/// What the kernel of a killed process says: FIN, or RST where something was left unread, or where
/// something is written after it.
pub(super) const GONE: [&str; 3] = ["connection_reset", "eof_without_close", "broken_pipe"];

pub(super) fn faults() -> Vec<Fault> {
    vec![Box::pin(deepgram_killed()), Box::pin(sidecar_killed()), Box::pin(application_killed())]
}

async fn deepgram_killed() -> Line {
    let emulator = Emulator::listening_at("127.7.0.2:0", deepgram(), &[]).await;
    let sidecar = reconnecting(&emulator).start().await;
    let pid = emulator.process().pid();
    let story = stream(&sidecar, FRAMES, async || kill(pid));
    let heal = async {
        redialled(&sidecar, 2).await;
        emulator.kill().await.revive().await
    };
    let (story, _emulator) = tokio::join!(story, heal);
    recovered("kill -9 of Deepgram, which comes back", &GONE, &story)
}

pub(super) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

/// Nobody but the application can go on, with another session.
async fn sidecar_killed() -> Line {
    let emulator = Emulator::with(deepgram(), &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let sidecar = reconnecting(&emulator).start_on(&socket).await;
    let (mut sender, mut receiver) = Client::connect(&socket).await.unwrap().split();
    sender.open(&talkative("speaker")).await.unwrap();
    speak(&mut sender).await;
    let struck = clock::now();
    kill(sidecar.process.pid());
    let final_s = within("the end", until_the_end(&mut receiver)).await;
    let noticed = clock::now().duration_since(struck);
    assert!(noticed < SLACK, "{noticed:?}");
    assert_another_session_finishes(&reconnecting(&emulator).start_on(&socket).await).await;
    Line {
        fault: "kill -9 of the sidecar, which comes back".into(),
        reason: "the socket closes".into(),
        noticed: Some(noticed),
        lost_ms: Some(((STRUCK_AT as f64 / 10.0 - final_s) * 1_000.0).round() as u64),
        recovered: "no: the application opens another session".into(),
    }
}

async fn speak(sender: &mut Sender) {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for frame in 0..STRUCK_AT {
        pace.tick().await;
        sender.send_audio(&speech(frame)).await.unwrap();
    }
}

/// How far the results were final.
async fn until_the_end(receiver: &mut Receiver) -> f64 {
    let mut final_s = 0.0;
    while let Ok(Some(frame)) = receiver.next().await {
        let Incoming::Message(message) = frame else { continue };
        let message: Value = serde_json::from_slice(&message).unwrap();
        if message["is_final"] == true {
            final_s = message["start"].as_f64().unwrap() + message["duration"].as_f64().unwrap();
        }
    }
    final_s
}

async fn assert_another_session_finishes(sidecar: &Sidecar) {
    let mut app = App::open(sidecar, &talkative("speaker")).await;
    app.speak(5).await;
    let summary = app.finish().await;
    assert_eq!((&*summary.outcome, summary.lost_ms), ("finished", Some(0)), "{summary:?}");
}

/// Deepgram hears CloseStream, and the session's books are closed.
async fn application_killed() -> Line {
    let emulator = Emulator::with(deepgram(), &[]).await;
    let sidecar = reconnecting(&emulator).start().await;
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("recording");
    let audio: Vec<u8> = (0..FRAMES).flat_map(speech).collect();
    std::fs::write(&recording, audio).unwrap();
    let app = Process::spawn(&mut stream_command(&sidecar, File::open(&recording).unwrap()));
    let spoken = frame_bytes(STRUCK_AT);
    emulator.connection_where(|it| it["audio_bytes"].as_u64() >= Some(spoken)).await;
    let struck = clock::now();
    app.signal(Signal::KILL);
    let ended = sidecar.session_end("speaker").await;
    let line = application_line(&ended, struck);
    assert_eq!(emulator.ended_connection().await["end"], "close_stream");
    line
}

fn stream_command(sidecar: &Sidecar, recording: File) -> Command {
    let mut command = sidecar_command();
    command.args(["stream", "-", "--encoding", "linear16", "--session-id", "speaker", "--socket"]);
    command.arg(sidecar.socket()).stdin(recording);
    command
}

fn application_line(ended: &Value, struck: Instant) -> Line {
    let noticed = clock::now().duration_since(struck);
    assert_eq!((&ended["outcome"], &ended["death"]), (&"aborted".into(), &Value::Null), "{ended}");
    assert!(noticed < SLACK, "{noticed:?}");
    Line {
        fault: "kill -9 of the application".into(),
        reason: "outcome `aborted`".into(),
        noticed: Some(noticed),
        lost_ms: ended["lost_ms"].as_u64(),
        recovered: "no: nobody is there".into(),
    }
}
