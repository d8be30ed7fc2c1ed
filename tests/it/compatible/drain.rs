//! Shutdown, as those see it who speak Deepgram's dialect.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{speak, start};
use crate::support::websocket::{Door, Request, Talk};
use crate::support::{Emulator, frame_bytes};

#[tokio::test]
async fn who_is_being_connected_is_told_to_come_back() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"; 2]).await;
    let mut sidecar = start(&emulator).await;
    let mut asking = Vec::new();
    for door in Door::BOTH {
        // Its own words must not get before the answer.
        asking.push(Talk::dial(&sidecar, door, &Request::listen("sidecar_events=true")).await);
    }
    // A head that is not whole.
    let mut begun = Talk::connect(&sidecar, Door::Port).await;
    begun.send_bytes(b"GET /v1/listen HTTP/1.1\r\n").await;
    crate::support::eventually("the dials", async || {
        (emulator.connections().await.len() == 2).then_some(())
    })
    .await;
    sidecar.process.signal(Signal::TERM);
    asking.push(begun);
    for talk in &mut asking {
        let response = talk.response().await;
        assert_eq!(response.status, 503, "{response:?}");
        assert!(response.header("retry-after").is_some());
        assert_eq!(response.json()["err_code"], "DRAINING");
        talk.ended().await;
    }
    assert_eq!(sidecar.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn who_is_connected_gets_the_rest_and_a_going_away() {
    let emulator = Emulator::with(json!({"result_latency": "200ms"}), &[]).await;
    let mut sidecar = start(&emulator).await;
    let mut talks = Vec::new();
    for door in Door::BOTH {
        let id = format!("drained-{door:?}");
        let request = Request::listen(&format!("sidecar_session_id={id}"));
        let mut talk = Talk::open(&sidecar, door, &request).await;
        speak(&mut talk, 10).await;
        sidecar.session_where(&id, |it| it["audio"]["bytes_sent"] == frame_bytes(10)).await;
        talks.push((id, talk));
    }
    sidecar.process.signal(Signal::TERM);
    for (id, talk) in &mut talks {
        let (texts, close) = talk.rest().await;
        assert!(texts.iter().any(|text| text.contains(r#""is_final":true"#)), "{texts:?}");
        assert_eq!(close, (Some(1001), "the sidecar is shutting down".to_owned()));
        let end = sidecar.session_end(id).await;
        assert_eq!((&end["outcome"], &end["cut"]), (&json!("drained"), &json!(false)));
        assert_eq!(end["death"], Value::Null);
    }
    assert_eq!(sidecar.process.exit().await.code(), Some(0));
}
