//! `/v1/agent/converse` over a socket.

use super::*;

const SETTINGS: &str = r#"{"type":"Settings","agent":{},"audio":{
    "input":{"encoding":"linear16","sample_rate":16000},
    "output":{"encoding":"linear16","sample_rate":16000}}}"#;

async fn open(emulator: &Emulator) -> Socket {
    let auth = [("authorization", "Token k")];
    let mut socket = request_at(emulator, "/v1/agent/converse", &auth).await.unwrap().0;
    assert_eq!(next_json(&mut socket).await["type"], "Welcome");
    socket.send(Message::text(SETTINGS)).await.unwrap();
    assert_eq!(next_json(&mut socket).await["type"], "SettingsApplied");
    socket
}

#[tokio::test(start_paused = true)]
async fn what_it_hears_and_what_it_says_can_both_be_checked_by_the_sample() {
    let emulator = emulator("", |s| s.position_code = true);
    let mut socket = open(&emulator).await;
    let audio = [position::encode(0, 16_000), vec![0; 32_000]].concat();
    socket.send(Message::Binary(audio.into())).await.unwrap();
    let mut texts = Vec::new();
    let mut heard = Vec::new();
    while texts.last().is_none_or(|text: &Value| text["type"] != "AgentAudioDone") {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(piece) => heard.extend_from_slice(&piece),
            Message::Text(text) => texts.push(serde_json::from_str(&text).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(texts[0]["type"], "UserStartedSpeaking");
    assert_eq!(texts[1]["positions"], serde_json::json!([[0, 16_000]]));
    assert_eq!(heard, position::encode(0, 32_000), "five words");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_told_and_closed_without_a_status() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    let began = Instant::from_std(clock::now());
    let (messages, _) = rest(&mut socket).await;
    let [error, Message::Close(None)] = &messages[..] else { panic!("{messages:?}") };
    assert!(error.to_text().unwrap().contains("CLIENT_MESSAGE_TIMEOUT"));
    assert_eq!(began.elapsed(), Duration::from_secs(15));
    assert_eq!(end(&emulator).await, End::IdleTimeout);
}

#[tokio::test(start_paused = true)]
async fn scripts_apply_to_it() {
    let emulator = emulator("{then: [{after_audio: 500ms, do: {close: {code: 1011}}}]}", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 500).await;
    let (messages, _) = rest(&mut socket).await;
    assert!(
        matches!(messages.last(), Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1011)
    );
}
