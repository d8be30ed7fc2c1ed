//! Connections that mean no good: they end within a deadline and leave nothing behind.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{App, Config, Emulator, Sidecar, eventually, listen, memory_kib, within};

/// What a session of its own needs to prove that the daemon still serves.
async fn assert_serves(sidecar: &Sidecar) {
    let mut app = App::open(sidecar, &listen("good")).await;
    app.speak(1).await;
    assert_eq!(app.finish().await.outcome, "finished");
}

/// Waits until nothing is left of what connected: no session, no task, no descriptor.
async fn assert_left_nothing(sidecar: &Sidecar, descriptors: usize) {
    eventually("the end of every connection", async || {
        let metrics = sidecar.metrics().await;
        let is_idle = metrics.sum("app_connections_active", &[]) == 0.0
            && metrics.sum("sessions_active", &[]) == 0.0
            && metrics.sum("upstream_connections_active", &[]) == 0.0;
        (is_idle && sidecar.descriptors() <= descriptors).then_some(())
    })
    .await;
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("panics_total", &[]), 0.0);
    assert_eq!(metrics.sum("sessions_cancelled_total", &[]), 0.0);
}

/// Splitmix64, so that a failure can be repeated.
fn random_bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let length = 1 + next() % 4_096;
    (0..length).map(|_| next() as u8).collect()
}

/// Sends bytes, closes the writing side, and reads to the end, which must come.
async fn throw(sidecar: &Sidecar, bytes: &[u8]) {
    within("an answer or a close", async {
        let mut stream = UnixStream::connect(sidecar.socket()).await.unwrap();
        // The daemon may close before it has read all, which makes this a broken pipe.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
}

#[tokio::test]
async fn random_bytes_get_an_answer_or_a_close_and_leave_nothing_behind() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    assert_serves(&sidecar).await;
    let descriptors = sidecar.descriptors();
    for seed in 0..400 {
        let mut bytes = random_bytes(seed);
        // A quarter each begins as a frame, as an OPEN, within a session, and as it comes.
        match seed % 4 {
            0 => bytes[0] = 0x01,
            1 => drop(bytes.splice(0..0, [0x01, 0, 0, 0x10, 0])),
            2 => drop(bytes.splice(0..0, *b"\x01\0\0\0\x0e{\"protocol\":1}")),
            _ => {}
        }
        throw(&sidecar, &bytes).await;
    }
    assert_serves(&sidecar).await;
    assert_left_nothing(&sidecar, descriptors).await;
}

#[tokio::test]
async fn every_cut_of_a_sound_conversation_is_survived() {
    let emulator = Emulator::start().await;
    let sidecar = Sidecar::start(&emulator).await;
    assert_serves(&sidecar).await;
    let descriptors = sidecar.descriptors();
    let conversation =
        b"\x01\0\0\0\x0e{\"protocol\":1}\x02\0\0\0\x02\x01\x02\x03\0\0\0\0\x05\0\0\0\x02{}\x04\0\0\0\0";
    for cut in 0..=conversation.len() {
        throw(&sidecar, &conversation[..cut]).await;
    }
    assert_left_nothing(&sidecar, descriptors).await;
}

#[tokio::test]
async fn a_trickled_open_is_closed_at_the_deadline_all_the_same() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator).set("ipc.open_timeout", "400ms").start().await;
    let App { mut sender, mut reader } = App::connect(&sidecar).await;
    let open = format!("{{\"protocol\":1{}}}", " ".repeat(1_000));
    let mut wire = bytes::BytesMut::new();
    protocol::frame::encode(0x01, open.as_bytes(), &mut wire);
    // At this pace the OPEN would take over 20 s.
    let trickle = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for byte in wire {
            pace.tick().await;
            if sender.send_bytes(&[byte]).await.is_err() {
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        closed = reader.closed() => assert!(closed),
        () = trickle => panic!("the whole OPEN was awaited"),
    }
    let metrics = sidecar.metrics().await;
    assert_eq!(metrics.sum("app_connections_unopened_total", &[("cause", "timeout")]), 1.0);
}

/// Whether the other end has neither closed nor said anything.
fn is_open(stream: &UnixStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn ten_thousand_silent_connections_lock_nobody_out_and_leave_nothing_behind() {
    let emulator = Emulator::start().await;
    let sidecar = Config::dialing(&emulator)
        .set("ipc.max_sessions", 4)
        .set("ipc.open_timeout", "1h")
        .start()
        .await;
    assert_serves(&sidecar).await;
    let (descriptors, memory) = (sidecar.descriptors(), memory_kib(sidecar.process.pid()));
    let mut silent = Vec::new();
    for _ in 0..25 {
        for _ in 0..400 {
            silent.push(UnixStream::connect(sidecar.socket()).await.unwrap());
        }
        eventually("the contract's bound: the sessions' and 128 more", async || {
            silent.retain(is_open);
            (silent.len() == 4 + 128).then_some(())
        })
        .await;
    }
    assert_serves(&sidecar).await;
    let metrics = sidecar.metrics().await;
    assert!(metrics.sum("app_connections_unopened_total", &[("cause", "evicted")]) >= 9_868.0);
    drop(silent);
    assert_left_nothing(&sidecar, descriptors).await;
    let grown = memory_kib(sidecar.process.pid()).saturating_sub(memory);
    assert!(grown < 16 << 10, "{grown} KiB are left behind");
}
