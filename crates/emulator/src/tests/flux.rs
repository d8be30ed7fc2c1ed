//! `/v2/listen` over a socket: it has what every endpoint has.

use super::*;

const TARGET: &str = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000";
const AUTH: [(&str, &str); 1] = [("authorization", "Token k")];

async fn open(emulator: &Emulator) -> Socket {
    let mut socket = request_at(emulator, TARGET, &AUTH).await.unwrap().0;
    let connected = next_json(&mut socket).await;
    assert_eq!((&connected["type"], &connected["sequence_id"]), (&"Connected".into(), &0.into()));
    socket
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_speaks_first_and_ends_without_metadata_and_without_a_status() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    speak(&mut socket, 500).await;
    say(&mut socket, r#"{"type":"CloseStream"}"#).await;
    let (messages, _) = rest(&mut socket).await;
    let [texts @ .., Message::Close(None)] = &messages[..] else { panic!("{messages:?}") };
    assert!(texts.iter().all(|text| text.to_text().unwrap().contains(r#""type":"TurnInfo""#)));
    assert!(texts.last().unwrap().to_text().unwrap().contains(r#""audio_window_end":0.5"#));
    assert_eq!(end(&emulator).await, End::CloseStream);
    let record = emulator.observed().connections.remove(0);
    assert_eq!((&*record.path, record.audio_frames, record.close_stream), ("/v2/listen", 5, true));
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_ends_it_and_is_recorded() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    say(&mut socket, r#"{"type":"KeepAlive"}"#).await;
    let (messages, _) = rest(&mut socket).await;
    let [error, Message::Close(None)] = &messages[..] else { panic!("{messages:?}") };
    assert!(error.to_text().unwrap().contains("UNPARSABLE_CLIENT_MESSAGE"));
    assert_eq!(end(&emulator).await, End::BadMessage);
    assert_eq!(emulator.observed().connections[0].keepalives, 1);
}

#[tokio::test(start_paused = true)]
async fn pings_and_pongs_keep_it_and_silence_ends_it_after_a_minute() {
    let emulator = emulator("", |_| {});
    let mut socket = open(&emulator).await;
    for frame in [Message::Ping(Bytes::new()), Message::Pong(Bytes::new())] {
        tokio::time::sleep(Duration::from_secs(59)).await;
        socket.send(frame).await.unwrap();
    }
    let began = Instant::from_std(clock::now());
    let (messages, _) = rest(&mut socket).await;
    let [Message::Pong(_), error, Message::Close(None)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(error.to_text().unwrap().contains("INACTIVE_CLIENT"));
    assert_eq!(began.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn credentials_queries_slots_and_scripts_refuse_it_as_they_refuse_nova() {
    let emulator = emulator("{}, {}, {}, {}, {refuse: {status: 503}}", |s| s.concurrency = 1);
    let refused = async |target: &str, headers: &[(&'static str, &str)]| match request_at(
        &emulator, target, headers,
    )
    .await
    {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("it was not refused: {other:?}"),
    };
    assert_eq!(refused(TARGET, &[]).await, 401);
    assert_eq!(refused("/v2/listen?model=nova-3", &AUTH).await, 400);
    let nova = super::open(&emulator).await;
    assert_eq!(refused(TARGET, &AUTH).await, 429, "they share their limit");
    drop(nova);
    assert_eq!(refused(TARGET, &AUTH).await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_answers_pings_only_and_a_half_open_one_nothing() {
    let emulator =
        emulator("{then: [{at: 1s, do: mute}]}, {then: [{at: 1s, do: half_open}]}", |_| {});
    let mut stalled = open(&emulator).await;
    let mut dead = open(&emulator).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for socket in [&mut stalled, &mut dead] {
        speak(socket, 2_000).await;
        socket.send(Message::Ping(Bytes::new())).await.unwrap();
    }
    assert_eq!(stalled.next().await.unwrap().unwrap(), Message::Pong(Bytes::new()));
    assert!(is_quiet_for(&mut stalled, 30).await);
    assert!(is_quiet_for(&mut dead, 3_600).await);
}

#[tokio::test(start_paused = true)]
async fn it_ends_as_a_script_asks_for() {
    let ends = [
        ("{close: {code: 1011, reason: oops}}", End::ScriptClose),
        ("{close: {}}", End::ScriptClose),
        ("reset", End::ScriptReset),
        ("fin", End::ScriptFin),
        ("cut_mid_frame", End::ScriptCut),
        ("bad_frame", End::ScriptGarbage),
    ];
    for (action, expected) in ends {
        let emulator =
            emulator(&format!("{{then: [{{after_audio: 500ms, do: {action}}}]}}"), |_| {});
        let mut socket = open(&emulator).await;
        speak(&mut socket, 500).await;
        let (messages, error) = rest(&mut socket).await;
        let is_closed = matches!(messages.last(), Some(Message::Close(_)));
        assert_eq!(is_closed, expected == End::ScriptClose, "{action}: {messages:?} {error:?}");
        drop(socket);
        assert_eq!(end(&emulator).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn ends_of_turns_tell_the_positions_that_they_cover() {
    let emulator = emulator("", |s| s.position_code = true);
    let mut socket = open(&emulator).await;
    let audio = [position::encode(32_000, 16_000), vec![0; 32_000]].concat();
    socket.send(Message::Binary(audio.into())).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|info: &Value| info["event"] != "EndOfTurn") {
        told.push(next_json(&mut socket).await);
    }
    let ended = told.pop().unwrap();
    assert_eq!(ended["positions"], serde_json::json!([[32_000, 48_000]]));
    assert!(told.iter().all(|info| info.get("positions").is_none()));
    assert_eq!(emulator.observed().positions().once(), [32_000..48_000]);
}
