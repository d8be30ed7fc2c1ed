//! `/v1/speak` and `/v2/speak` over a socket.

use super::*;

const AUTH: [(&str, &str); 1] = [("authorization", "Token k")];
const AURA: &str = "/v1/speak?encoding=linear16&sample_rate=16000";
const FLUX: &str = "/v2/speak?model=flux-haley-en&encoding=linear16&sample_rate=16000";

async fn open(emulator: &Emulator, target: &str) -> Socket {
    let mut socket = request_at(emulator, target, &AUTH).await.unwrap().0;
    let hello = next_json(&mut socket).await;
    assert!(hello["model_name"].is_string(), "{hello}");
    socket
}

async fn say(socket: &mut Socket, texts: &[&str]) {
    for text in texts {
        socket.send(Message::text(*text)).await.unwrap();
    }
}

/// The audio up to a text of this type.
async fn audio_until(socket: &mut Socket, kind: &str) -> Vec<u8> {
    let mut audio = Vec::new();
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(piece) => audio.extend_from_slice(&piece),
            Message::Text(text) if text.contains(kind) => return audio,
            Message::Text(_) => {}
            other => panic!("no {kind} but {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_sample_that_is_spoken_says_where_it_belongs() {
    let emulator = emulator("", |s| s.position_code = true);
    for (target, done) in [(AURA, r#""Flushed""#), (FLUX, r#""SpeechMetadata""#)] {
        let mut socket = open(&emulator, target).await;
        let speak = r#"{"type":"Speak","text":"one two three"}"#;
        say(&mut socket, &[speak, r#"{"type":"Flush"}"#]).await;
        assert_eq!(audio_until(&mut socket, done).await, position::encode(0, 19_200), "{target}");
        let record = emulator.observed().connections.pop().unwrap();
        assert_eq!((record.audio_bytes_sent, record.other_text_count), (38_400, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_apply_and_each_endpoint_has_places_of_its_own() {
    let emulator = emulator("{then: [{at: 1s, do: reset}]}", |s| {
        s.concurrency = 1;
        s.speak.concurrency = 1;
    });
    let mut aura = open(&emulator, AURA).await;
    let _flux = open(&emulator, FLUX).await;
    let _nova = super::open(&emulator).await;
    let answer = match request_at(&emulator, AURA, &AUTH).await {
        Err(Error::Http(answer)) => answer,
        other => panic!("it was not refused: {other:?}"),
    };
    assert_eq!(
        (answer.status().as_u16(), &json_of(&answer)["err_code"]),
        (429, &"Too Many Requests".into())
    );
    assert!(rest(&mut aura).await.1.is_some());
    assert_eq!(emulator.observed().connections[0].end, Some(End::ScriptReset));
}

#[tokio::test(start_paused = true)]
async fn close_ends_it_and_after_close_stream_counts_from_it() {
    let steps =
        "{at: 0s, do: ignore_close_stream}, {after_close_stream: 3s, do: {close: {code: 1012}}}";
    let emulator = emulator(&format!("{{}}, {{then: [{steps}]}}"), |_| {});
    for code in [1000, 1012] {
        let mut socket = open(&emulator, AURA).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        say(&mut socket, &[r#"{"type":"Close"}"#]).await;
        let (messages, _) = rest(&mut socket).await;
        let [Message::Close(Some(frame))] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(u16::from(frame.code), code);
    }
}
