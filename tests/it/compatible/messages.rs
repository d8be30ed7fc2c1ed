//! What passes between the application and Deepgram, and what does not.

use serde_json::{Value, json};

use super::{CLOSE_STREAM, speak, start};
use crate::support::websocket::{BINARY, Door, Request, Said, TEXT, Talk};
use crate::support::{Emulator, frame_bytes};

/// The types that Deepgram's messages have.
const DEEPGRAMS: [&str; 4] = ["Results", "Metadata", "SpeechStarted", "UtteranceEnd"];

fn type_of(text: &str) -> String {
    let text: Value = serde_json::from_str(text).unwrap();
    text["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_of_the_sidecars_own_is_told_to_those_who_do_not_ask() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let request = Request::listen("interim_results=true&vad_events=true");
        let mut talk = Talk::open(&sidecar, door, &request).await;
        speak(&mut talk, 20).await;
        talk.send_text(CLOSE_STREAM).await;
        let (texts, close) = talk.rest().await;
        assert_eq!(close, (Some(1000), String::new()));
        assert!(texts.iter().all(|text| DEEPGRAMS.contains(&&*type_of(text))), "{texts:?}");
        assert_eq!(texts.last().map(|text| type_of(text)).as_deref(), Some("Metadata"));
        assert!(texts.len() > 2);
    }
}

#[tokio::test]
async fn who_asks_for_it_is_told_the_sidecars_own_words_too() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let request = Request::listen("sidecar_events=true&sidecar_session_id=told");
        let mut talk = Talk::open(&sidecar, door, &request).await;
        speak(&mut talk, 20).await;
        talk.send_text(CLOSE_STREAM).await;
        let (texts, _) = talk.rest().await;
        let last: Value = serde_json::from_str(texts.last().unwrap()).unwrap();
        assert_eq!((&last["type"], &last["event"]), (&json!("SidecarEvent"), &json!("finished")));
        assert_eq!((&last["session_id"], &last["outcome"]), (&json!("told"), &json!("finished")));
        assert_eq!(last["audio"]["bytes_sent"], frame_bytes(20));
    }
}

#[tokio::test]
async fn deepgrams_texts_are_passed_on_as_they_are_and_its_binary_messages_are_not() {
    let plan = "{then: [{at: 0s, do: {send_binary: nobody}}, {at: 0s, do: {send: 'no JSON'}}, \
                {at: 0s, do: {send: '{\"type\": \"New\",  \"n\":1.10}'}}]}";
    let emulator = Emulator::scripted(&[plan; 2]).await;
    let sidecar = start(&emulator).await;
    for door in Door::BOTH {
        let mut talk = Talk::open(&sidecar, door, &Request::listen("")).await;
        for text in ["no JSON", r#"{"type": "New",  "n":1.10}"#] {
            assert_eq!(talk.next().await, Some(Said::Text(text.to_owned())));
        }
    }
}

#[tokio::test]
async fn control_messages_are_recognised_however_they_are_written() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for (number, door) in Door::BOTH.into_iter().enumerate() {
        let request = Request::listen("sidecar_session_id=blanks");
        let mut talk = Talk::open(&sidecar, door, &request).await;
        speak(&mut talk, 5).await;
        talk.send_text(r#"{ "type": "KeepAlive" }"#).await;
        talk.send_text("{\"\\u0074ype\":\n\"KeepAlive\"}").await;
        talk.send_text(r#"{ "type" : "Finalize" }"#).await;
        talk.text_where(|text| text["from_finalize"] == true).await;
        let session = sidecar.session_where("blanks", |it| it["app_keepalives"] == 2).await;
        assert_eq!(session["keepalives"], 0, "those are the sidecar's own");
        talk.send_text(CLOSE_STREAM).await;
        assert_eq!(talk.closed().await.0, Some(1000));
        let heard = &emulator.connections().await[number];
        assert_eq!((&heard["finalizes"], &heard["close_stream"]), (&json!(1), &json!(true)));
        assert_eq!((&heard["keepalives"], &heard["other_texts"]), (&json!(0), &json!([])));
    }
}

#[tokio::test]
async fn other_texts_go_to_deepgram_as_they_are() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let texts = [r#"{"type":"Configure",  "features":{}}"#, r#"{"n":[{"type":"CloseStream"}]}"#];
    for (number, door) in Door::BOTH.into_iter().enumerate() {
        let mut talk = Talk::open(&sidecar, door, &Request::listen("")).await;
        speak(&mut talk, 1).await;
        for text in texts {
            talk.send_text(text).await;
        }
        // A text in fragments is one text.
        talk.send_bytes(&crate::support::websocket::frame(TEXT, br#"{"type":"#)).await;
        talk.send_bytes(&crate::support::websocket::frame(0x80, br#""Configure"}"#)).await;
        talk.send_text(CLOSE_STREAM).await;
        talk.closed().await;
        let heard = &emulator.connections().await[number];
        assert_eq!(heard["other_texts"], json!([texts[0], texts[1], r#"{"type":"Configure"}"#]));
    }
}

#[tokio::test]
async fn an_empty_binary_message_is_the_end_and_audio_behind_it_is_dropped() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for (number, door) in Door::BOTH.into_iter().enumerate() {
        let id = format!("empty-{number}");
        let request = Request::listen(&format!("sidecar_session_id={id}"));
        let mut talk = Talk::open(&sidecar, door, &request).await;
        speak(&mut talk, 3).await;
        talk.send(BINARY, b"").await;
        speak(&mut talk, 2).await;
        assert_eq!(talk.closed().await, (Some(1000), String::new()));
        let heard = &emulator.connections().await[number];
        // Deepgram is told by a CloseStream, as in the native dialect.
        assert_eq!((&heard["close_stream"], &heard["empty_binaries"]), (&json!(true), &json!(0)));
        assert_eq!(heard["audio_bytes"], frame_bytes(3));
        let end = sidecar.session_end(&id).await;
        assert_eq!((&end["outcome"], &end["death"]), (&json!("finished"), &Value::Null));
        assert_eq!(end["audio"]["bytes_sent"], frame_bytes(3));
    }
}
