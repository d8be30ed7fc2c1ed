//! Scripts that change while the emulator runs.

use super::*;

async fn put(emulator: &Emulator, script: &str) -> (u16, Value) {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    emulator.serve_stream(far);
    let head = "PUT /emulator/script HTTP/1.1\r\nhost: e\r\nconnection: close\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{script}", script.len());
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

fn close_code(messages: &[Message]) -> Option<u16> {
    match messages.last() {
        Some(Message::Close(Some(frame))) => Some(frame.code.into()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_script_holds_for_the_connections_to_come_from_its_first_plan_on() {
    let emulator = emulator("{refuse: {status: 402}}", |_| {});
    let auth = [("authorization", "Token k")];
    assert_eq!(refusal(&emulator, QUERY, &auth).await.status(), 402);
    let script = "connections: [{refuse: {status: 429}}, {refuse: {status: 503}}]";
    let (status, told) = put(&emulator, script).await;
    assert_eq!((status, &told["planned"]), (200, &Value::from(2)));
    for status in [429, 503, 503] {
        assert_eq!(refusal(&emulator, QUERY, &auth).await.status(), status);
    }
    put(&emulator, "connections: []").await;
    open(&emulator).await;
}

#[tokio::test(start_paused = true)]
async fn open_connections_keep_their_plan_and_obey_what_is_ordered_now() {
    let emulator = emulator("{then: [{at: 5s, do: {close: {code: 1012}}}]}", |_| {});
    let mut first = open(&emulator).await;
    let mut second = open(&emulator).await;
    let (_, told) = put(&emulator, "connections: []").await;
    assert_eq!(told["open"], 0);
    assert_eq!(close_code(&rest(&mut first).await.0), Some(1012));

    let mut third = open(&emulator).await;
    let (_, told) = put(&emulator, "now: [{send: '{}'}, {close: {code: 1011, reason: now}}]").await;
    assert_eq!(told["planned"], 0);
    let (messages, _) = rest(&mut third).await;
    assert_eq!(messages[0], Message::text("{}"));
    assert_eq!(close_code(&messages), Some(1011));
    assert_eq!(close_code(&rest(&mut second).await.0), Some(1012), "it had its own end");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_can_be_told_to_resume() {
    let emulator = emulator("{then: [{at: 0s, do: half_open}]}", |_| {});
    let mut socket = open(&emulator).await;
    socket.send(Message::Ping(Bytes::new())).await.unwrap();
    assert!(is_quiet_for(&mut socket, 5).await);
    emulator.change(&Change::from_yaml("now: [resume]").unwrap()).unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::new()));
}

#[tokio::test(start_paused = true)]
async fn a_script_that_cannot_be_played_is_refused_and_changes_nothing() {
    let emulator = emulator("{refuse: {status: 402}}", |_| {});
    let (status, answer) = put(&emulator, "connections: [{refuse: {status: 99}}]").await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("status 99 is invalid"), "{answer}");
    let auth = [("authorization", "Token k")];
    assert_eq!(refusal(&emulator, QUERY, &auth).await.status(), 402);
    let (status, answer) = put(&emulator, &" ".repeat((1 << 20) + 1)).await;
    assert_eq!(status, 400, "{answer}");
}
