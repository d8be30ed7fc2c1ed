//! Pings of the application's, which its library sends by itself: unanswered ones end it.

use super::{CLOSE_STREAM, start};
use crate::support::websocket::{BINARY, Door, PING, Request, Said, Talk};
use crate::support::{Config, Emulator};

/// Reads on to a Pong, and gives what it carries.
async fn pong(talk: &mut Talk) -> Vec<u8> {
    loop {
        match talk.next().await {
            Some(Said::Pong(payload)) => return payload,
            Some(Said::Text(_) | Said::Ping) => {}
            other => panic!("{other:?} came and no Pong"),
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let mut talk = Talk::open(&sidecar, door, &Request::listen("")).await;
        for payload in [&b""[..], b"p", &[7; 125]] {
            talk.send(PING, payload).await;
            assert_eq!(pong(&mut talk).await, payload);
        }
        // Also between the fragments of a message.
        talk.send_bytes(&crate::support::websocket::frame(BINARY, &[7; 100])).await;
        talk.send(PING, b"inside").await;
        assert_eq!(pong(&mut talk).await, b"inside");
        talk.send_bytes(&crate::support::websocket::frame(0x80, &[7; 100])).await;
        talk.send_text(CLOSE_STREAM).await;
        talk.closed().await;
    }
    assert!(emulator.connections().await.iter().all(|heard| heard["audio_bytes"] == 200));
}

/// More than the kernel holds between two processes on one machine.
const PIECES_MAX: u64 = 1_000;
const PIECE_BYTES: usize = 64 << 10;

#[tokio::test]
async fn a_ping_is_answered_while_deepgram_takes_nothing() {
    for door in Door::BOTH {
        let emulator = Emulator::scripted(&["{then: [{at: 0s, do: stop_reading}]}"]).await;
        let config = Config::dialing(&emulator).with_port().set("upstream.write_timeout", "1h");
        let sidecar = config.set("liveness.ping_timeout", "1h").start().await;
        let request = Request::listen("sidecar_session_id=stuck");
        let mut talk = Talk::open(&sidecar, door, &request).await;
        let mut sent = 0;
        loop {
            talk.send(BINARY, &vec![0; PIECE_BYTES]).await;
            talk.send(PING, b"p").await;
            assert_eq!(pong(&mut talk).await, b"p");
            sent += 1;
            let session = sidecar.session_where("stuck", |_| true).await;
            let taken = session["audio"]["frames"].as_u64().unwrap();
            if taken < sent {
                // The session has stopped taking audio, and the Ping behind it was answered.
                break;
            }
            assert!(sent < PIECES_MAX, "Deepgram takes everything");
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_behind_what_is_not_read() {
    // Each is far more than a socket holds.
    let large = "{at: 0s, do: {oversized: 3000000}}";
    let plan = format!("{{then: [{large}, {large}, {large}]}}");
    for door in Door::BOTH {
        let emulator = Emulator::scripted(&[&plan]).await;
        let sidecar = start(&emulator).await;
        let request = Request::listen("sidecar_session_id=unread");
        let mut talk = Talk::open(&sidecar, door, &request).await;
        sidecar.session_where("unread", |it| it["messages"]["received"].as_u64() > Some(0)).await;
        talk.send(PING, b"p").await;
        let (mut texts, mut pongs) = (0, 0);
        while texts < 3 || pongs < 1 {
            match talk.next().await {
                Some(Said::Text(text)) => {
                    assert!(text.len() >= 3_000_000);
                    texts += 1;
                }
                Some(Said::Pong(payload)) => {
                    assert_eq!(payload, b"p");
                    pongs += 1;
                }
                other => panic!("{other:?} came"),
            }
        }
        talk.send_text(CLOSE_STREAM).await;
        assert_eq!(talk.closed().await.0, Some(1000));
    }
}
