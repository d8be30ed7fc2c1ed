//! The VAD gate between real processes: what is sent, what is counted, and what UPDATE changes.

use client::{Incoming, VadMode};
use serde_json::{Value, json};

use crate::support::{App, Config, Emulator, Sidecar, listen};

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/recordings/sense_and_sensibility_01_austen_64kb-0880.wav"
);

/// 100 ms of 16 kHz linear16.
const FRAME_BYTES: usize = 3_200;

fn recording() -> Vec<u8> {
    let mut recording = hound::WavReader::open(RECORDING).unwrap();
    recording.samples::<i16>().flat_map(|sample| sample.unwrap().to_le_bytes()).collect()
}

/// Audio as fast as it is taken: the gate's time is the audio's.
async fn say(app: &mut App, audio: &[u8]) {
    for frame in audio.chunks(FRAME_BYTES) {
        app.sender.send_audio(frame).await.unwrap();
    }
}

async fn say_nothing(app: &mut App, seconds: usize) {
    say(app, &vec![0; seconds * 32_000]).await;
}

/// One that takes audio as fast as it comes.
async fn hasty() -> Emulator {
    Emulator::with(json!({"pacing": null}), &[]).await
}

/// A sentence is said and Deepgram has answered: from then on the gate may hold.
async fn answered(sidecar: &Sidecar, session: &str, mode: VadMode) -> App {
    let mut app = App::open(sidecar, &listen(session).vad(mode)).await;
    say(&mut app, &recording()).await;
    app.message().await;
    app
}

/// Waits until the daemon has read so many seconds of a session's audio.
async fn read(sidecar: &Sidecar, session: &str, seconds: f64) {
    let bytes = (seconds * 32_000.0) as u64;
    let has_read = |it: &Value| it["audio"]["bytes_received"].as_u64() >= Some(bytes);
    sidecar.session_where(session, has_read).await;
}

#[tokio::test]
async fn all_ends_tell_the_same_of_what_was_held() {
    let emulator = hasty().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = answered(&sidecar, "held", VadMode::Active).await;
    say_nothing(&mut app, 20).await;
    say(&mut app, &recording()).await;
    say_nothing(&mut app, 20).await;
    let summary = app.finish().await;
    let vad = summary.vad.clone().unwrap();
    assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
    assert!(summary.audio.balances() && (30_000..33_000).contains(&vad.held_ms), "{vad:?}");
    assert_eq!((vad.opens, vad.failed, summary.finalizes.errors), (2, false, 0));
    assert_eq!(summary.audio.bytes_gated, vad.held_ms * 32);

    let end = sidecar.session_end("held").await;
    assert_eq!(
        end["vad"],
        json!({
            "mode": "active", "opens": 2, "finalizes": vad.finalizes, "speech_ms": vad.speech_ms,
            "held_ms": vad.held_ms, "would_hold_ms": 0, "failed": false,
        })
    );
    let metrics = sidecar.metrics().await;
    let held = vad.held_ms as f64 / 1_000.0;
    let gated = [("account", "gated")];
    assert!((metrics.sum("audio_ledger_seconds_total", &gated) - held).abs() < 1e-6);
    let judged = metrics.sum("vad_audio_seconds_total", &[]);
    let received = summary.audio.bytes_received as f64 / 32_000.0;
    assert!((judged - received).abs() < 1e-6, "{judged} {received}");
    assert_eq!(metrics.sum("vad_opens_total", &[]), 2.0);
    assert_eq!(metrics.sum("vad_finalizes_total", &[]), vad.finalizes as f64);
    let seen = emulator.ended_connection().await;
    assert_eq!(seen["audio_bytes"], summary.audio.bytes_sent);
    assert_eq!((&seen["finalizes"], &seen["empty_binaries"]), (&vad.finalizes.into(), &0.into()));
}

#[tokio::test]
async fn shadow_says_what_active_would_save_and_update_switches() {
    let emulator = hasty().await;
    let sidecar = Config::dialing(&emulator).set("vad.mode", "shadow").start().await;
    let mut app = App::open(&sidecar, &listen("switched")).await;
    say(&mut app, &recording()).await;
    app.message().await;
    say_nothing(&mut app, 20).await;
    read(&sidecar, "switched", 22.9).await;
    let would = sidecar.metrics().await.sum("vad_would_gate_seconds_total", &[]);
    assert!((14.0..17.0).contains(&would), "{would}");
    app.sender.set_vad(VadMode::Active).await.unwrap();
    say_nothing(&mut app, 20).await;
    app.sender.set_vad(VadMode::Off).await.unwrap();
    say_nothing(&mut app, 20).await;
    let summary = app.finish().await;
    let vad = summary.vad.unwrap();
    // Of the 20 s in which it was active, the pre-roll of the last 300 ms was sent after all.
    assert_eq!((vad.mode.as_str(), vad.held_ms), ("off", 19_700));
    assert_eq!(summary.audio.bytes_gated, 19_700 * 32);
    let metrics = sidecar.metrics().await;
    for mode in ["active", "off"] {
        let changes = metrics.sum("vad_mode_changes_total", &[("to", mode), ("by", "update")]);
        assert_eq!(changes, 1.0);
    }
}

#[tokio::test]
async fn where_there_can_be_no_gate_it_is_refused_or_told_once() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("vad.mode", "active").start().await;
    let opus = |name: &str| {
        client::OpenRequest::new()
            .session_id(name)
            .param("encoding", "opus")
            .param("sample_rate", 48_000)
    };
    let mut app = App::dial(&sidecar, &opus("asks").vad(VadMode::Active)).await;
    let refusal = app.refusal().await;
    assert_eq!(
        (refusal.code.as_str(), refusal.field.as_deref()),
        ("invalid_open", Some("vad.mode"))
    );
    let mut app = App::open(&sidecar, &opus("does-not-ask")).await;
    app.sender.send_audio(&[7; 100]).await.unwrap();
    assert_eq!(app.finish().await.vad, None);
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("vad_not_available_total", &[("cause", "encoding")]), 1.0);
    let mut app = App::open(&sidecar, &opus("updates")).await;
    app.sender.set_vad(VadMode::Shadow).await.unwrap();
    let frames = app.rest().await;
    let [Incoming::Error(refusal), Incoming::Finished(summary)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((refusal.code.as_str(), summary.outcome.as_str()), ("invalid_update", "aborted"));
}

/// A frame of half a minute, single bytes, an odd end: whatever comes, the books balance.
#[tokio::test]
async fn odd_frames_are_gated_like_all_others() {
    let emulator = hasty().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = answered(&sidecar, "odd", VadMode::Active).await;
    for byte in [0; 999].chunks(1) {
        app.sender.send_audio(byte).await.unwrap();
    }
    app.sender.send_audio(&vec![0; 1 << 20]).await.unwrap();
    app.sender.send_audio(&vec![0; (1 << 20) - 1]).await.unwrap();
    app.sender.send_audio(b"").await.unwrap();
    let summary = app.finish().await;
    assert!(summary.audio.balances() && summary.audio.bytes_gated > 1 << 20, "{summary:?}");
    assert_eq!((summary.outcome.as_str(), summary.lost_ms), ("finished", Some(0)));
}

#[tokio::test]
async fn a_gated_application_that_vanishes_leaves_balanced_books() {
    let emulator = hasty().await;
    let sidecar = Sidecar::start(&emulator).await;
    let mut app = answered(&sidecar, "vanishes", VadMode::Active).await;
    say_nothing(&mut app, 10).await;
    read(&sidecar, "vanishes", 12.9).await;
    drop(app);
    let end = sidecar.session_end("vanishes").await;
    let audio = &end["audio"];
    let bytes = |key: &str| audio[key].as_u64().unwrap();
    assert_eq!(end["outcome"], "aborted");
    assert_eq!(
        bytes("bytes_received"),
        bytes("bytes_sent") + bytes("bytes_dropped") + bytes("bytes_gated")
    );
}
