//! The request, and the answer to it.

use serde_json::json;
use tokio::net::TcpListener;

use super::{CLOSE_STREAM, speak, start};
use crate::support::websocket::{Door, LINEAR16, Request, Talk};
use crate::support::{Config, Emulator, KEY};

/// Opens a session and finishes it.
async fn assert_served(talk: &mut Talk) {
    speak(talk, 1).await;
    talk.send_text(CLOSE_STREAM).await;
    assert_eq!(talk.closed().await, (Some(1000), String::new()));
}

#[tokio::test]
async fn no_host_is_judged_and_an_address_may_end_in_a_slash() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        for request in [
            Request::listen("").header("Host", ""),
            Request::listen("").without("Host"),
            Request::listen("").header("Host", "api.deepgram.com"),
            Request::to(&format!("//v1/listen?{LINEAR16}")),
            Request::to("/v1/listen?encoding=linear16&sample_rate=16000"),
        ] {
            assert_served(&mut Talk::open(&sidecar, door, &request).await).await;
        }
    }
    assert!(emulator.connections().await.iter().all(|it| it["path"] == "/v1/listen"));
}

#[tokio::test]
async fn another_path_is_told_which_one_is_served() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let response = Talk::refusal(&sidecar, door, &Request::to("/v1/lisen")).await;
        assert_eq!((response.status, &response.json()["err_code"]), (404, &json!("NOT_FOUND")));
        let message = response.json()["err_msg"].as_str().unwrap().to_owned();
        assert!(message.contains("/v1/listen"), "{message}");
    }
    assert!(emulator.connections().await.is_empty());
}

#[tokio::test]
async fn the_query_reaches_deepgram_as_it_was_written() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    // Python and Go write a space as a plus, JavaScript as %20.
    let query = "extra%5Bk%5D=v&keyterm=a+b&keyterm=c%20d&punctuate=false&tag=%2B&&x";
    for (number, door) in Door::BOTH.into_iter().enumerate() {
        let ours = format!("{query}&sidecar_session_id=verbatim&sidecar_vad=off&z=1");
        let mut talk = Talk::open(&sidecar, door, &Request::listen(&ours)).await;
        assert_served(&mut talk).await;
        let heard = &emulator.connections().await[number];
        assert_eq!(heard["query"], format!("{LINEAR16}&{query}&z=1"));
    }
}

#[tokio::test]
async fn the_first_subprotocol_is_echoed_and_compression_is_never_agreed_on() {
    let emulator = Emulator::with(json!({"api_keys": [KEY]}), &[]).await;
    let sidecar = start(&emulator).await;
    let request = Request::listen("")
        .header("Sec-WebSocket-Protocol", "token,not-deepgrams")
        .header("Authorization", "Token nor-is-this")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    for door in Door::BOTH {
        let mut talk = Talk::dial(&sidecar, door, &request).await;
        let response = talk.response().await;
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(response.header("sec-websocket-protocol"), Some("token"));
        assert_eq!(response.header("sec-websocket-extensions"), None);
        assert_served(&mut talk).await;
    }
    // Deepgram has accepted both, and it knows no other key than the sidecar's.
    assert_eq!(emulator.connections().await.len(), 2);
    let log = sidecar.process.log().lines().join("\n");
    assert!(!log.contains("not-deepgrams") && !log.contains("nor-is-this"));
}

#[tokio::test]
async fn the_answer_has_deepgrams_request_id_and_the_sessions_own() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for (number, door) in Door::BOTH.into_iter().enumerate() {
        let request = Request::listen("").header("x-session-id", "call-7");
        let mut talk = Talk::dial(&sidecar, door, &request).await;
        let response = talk.response().await;
        let heard = &emulator.connections().await[number];
        assert_eq!(response.header("dg-request-id"), heard["request_id"].as_str());
        assert_eq!(response.header("x-session-id"), Some("call-7"));
        assert_served(&mut talk).await;
    }
}

#[tokio::test]
async fn where_deepgram_gives_no_request_id_the_answer_has_none() {
    let deepgram = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", deepgram.local_addr().unwrap());
    let sidecar = Config::dialing_url(&url).with_port().start().await;
    for door in Door::BOTH {
        let serve = async {
            let (stream, _) = deepgram.accept().await.unwrap();
            tokio_tungstenite::accept_async(stream).await.unwrap()
        };
        let talk = async {
            let mut talk = Talk::dial(&sidecar, door, &Request::listen("")).await;
            talk.response().await
        };
        let (_deepgram, response) = tokio::join!(serve, talk);
        assert_eq!((response.status, response.header("dg-request-id")), (101, None));
        let own = response.header("x-session-id").unwrap();
        assert!(uuid::Uuid::parse_str(own).is_ok(), "{own}");
    }
}

#[tokio::test]
async fn a_request_that_trickles_in_is_one_request() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let text = "{\"type\":\"CloseStream\"}".as_bytes();
    let conversation = [
        Request::listen("").bytes(),
        crate::support::websocket::frame(0x82, &[7; 300]),
        crate::support::websocket::frame(0x81, text),
    ];
    for door in Door::BOTH {
        let mut talk = Talk::connect(&sidecar, door).await;
        for byte in conversation.concat() {
            talk.send_bytes(&[byte]).await;
        }
        assert_eq!(talk.response().await.status, 101);
        assert_eq!(talk.closed().await, (Some(1000), String::new()));
    }
    for heard in emulator.connections().await {
        assert_eq!((&heard["audio_bytes"], &heard["close_stream"]), (&json!(300), &json!(true)));
    }
}

#[tokio::test]
async fn what_comes_with_the_request_is_kept_until_deepgram_is_there() {
    let emulator = Emulator::scripted(&["{accept: {delay: 200ms}}"; 2]).await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let audio = crate::support::websocket::frame(0x82, &[7; 300]);
        let close = crate::support::websocket::frame(0x81, CLOSE_STREAM.as_bytes());
        let all = [Request::listen("").bytes(), audio, close].concat();
        let mut talk = Talk::connect(&sidecar, door).await;
        talk.send_bytes(&all).await;
        assert_eq!(talk.response().await.status, 101);
        assert_eq!(talk.closed().await, (Some(1000), String::new()));
    }
    assert!(emulator.connections().await.iter().all(|heard| heard["audio_bytes"] == 300));
}
