//! Deaths, as an application sees them: Deepgram's own close, or the sidecar's name for what happened.

use serde_json::{Value, json};

use super::{CLOSE_STREAM, speak, start};
use crate::support::websocket::{Door, Request, Talk};
use crate::support::{Emulator, eventually};

/// With what an application is closed whose connection comes to this.
async fn closed_after(door: Door, fate: &str) -> (Option<u16>, String) {
    let emulator = Emulator::scripted(&[&format!("{{then: [{{at: 0s, do: {fate}}}]}}")]).await;
    let sidecar = start(&emulator).await;
    let request = Request::listen("sidecar_session_id=dies");
    let mut talk = Talk::open(&sidecar, door, &request).await;
    let close = talk.closed().await;
    assert_eq!(sidecar.session_end("dies").await["outcome"], "dead", "{fate}");
    assert_eq!(sidecar.sessions().await, Vec::<Value>::new(), "no dead session is left to it");
    close
}

#[tokio::test]
async fn deepgrams_close_comes_with_its_very_code_and_reason() {
    for (code, reason) in [
        (1011, "Deepgram did not receive audio data. See https://dpgr.am/net0001"),
        (1000, ""),
        (1001, "going away"),
        (1008, "DATA-0000"),
        (1014, "bad gateway"),
        (4001, "\u{e9}"),
    ] {
        let fate = format!("{{close: {{code: {code}, reason: \"{reason}\"}}}}");
        for door in Door::BOTH {
            let close = closed_after(door, &fate).await;
            assert_eq!(close, (Some(code), reason.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_close_without_a_code_stays_without_one() {
    for door in Door::BOTH {
        assert_eq!(closed_after(door, "{close: {}}").await, (None, String::new()));
    }
}

#[tokio::test]
async fn an_end_that_no_close_explains_is_named() {
    for (fate, label) in [
        ("fin", "eof_without_close"),
        ("reset", "connection_reset"),
        ("bad_frame", "ws_protocol"),
        // Neither may stand on the wire, so it cannot be passed on.
        ("{close: {code: 1005, reason: odd}}", "ws_protocol"),
        ("{close: {code: 2999, reason: odd}}", "ws_protocol"),
    ] {
        for door in Door::BOTH {
            assert_eq!(closed_after(door, fate).await, (Some(1011), label.to_owned()), "{fate}");
        }
    }
}

#[tokio::test]
async fn a_death_is_told_in_full_to_those_who_ask() {
    let plan = "{then: [{at: 0s, do: {close: {code: 1011, reason: 'net0001'}}}]}";
    let emulator = Emulator::scripted(&[plan]).await;
    let sidecar = start(&emulator).await;
    let request = Request::listen("sidecar_events=true");
    let mut talk = Talk::open(&sidecar, Door::Socket, &request).await;
    let (texts, close) = talk.rest().await;
    assert_eq!(close, (Some(1011), "net0001".to_owned()));
    let told: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let [dead, finished] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&dead["type"], &dead["event"]), (&json!("SidecarEvent"), &json!("dead")));
    assert_eq!(dead["reason"], "net_0001_idle");
    assert_eq!((&finished["event"], &finished["outcome"]), (&json!("finished"), &json!("dead")));
}

#[tokio::test]
async fn who_is_recovered_sees_no_close() {
    let plan = "{then: [{after_audio: 500ms, do: {close: {code: 1011, reason: 'net0001'}}}]}";
    for door in Door::BOTH {
        let emulator = Emulator::scripted(&[plan]).await;
        let sidecar = start(&emulator).await;
        let query = "sidecar_recovery=reconnect&sidecar_session_id=lives&sidecar_events=true\
                     &interim_results=true";
        let mut talk = Talk::open(&sidecar, door, &Request::listen(query)).await;
        // The new connection has answered once there is a result.
        speak(&mut talk, 30).await;
        talk.text_where(|text| text["event"] == "recovered").await;
        talk.send_text(CLOSE_STREAM).await;
        assert_eq!(talk.closed().await, (Some(1000), String::new()));
        let end = sidecar.session_end("lives").await;
        assert_eq!((&end["outcome"], &end["recoveries"]), (&json!("finished"), &json!(1)));
    }
}

#[tokio::test]
async fn after_a_death_the_place_and_the_name_are_free() {
    let plan = "{then: [{at: 0s, do: fin}]}";
    let emulator = Emulator::scripted(&[plan; 20]).await;
    let sidecar = start(&emulator).await;
    for number in 0..20 {
        let request = Request::listen("sidecar_session_id=again");
        let mut talk = Talk::open(&sidecar, Door::BOTH[number % 2], &request).await;
        talk.closed().await;
    }
    eventually("the end of all", async || sidecar.sessions().await.is_empty().then_some(())).await;
}
