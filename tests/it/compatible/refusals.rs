//! Requests that become no session. SDKs ask once more at most, so each refusal must be whole.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::start;
use crate::support::websocket::{Door, Request, Response, Talk};
use crate::support::{App, Config, Emulator, Sidecar, listen, within};

/// What the emulator itself answers.
async fn asked_directly(emulator: &Emulator, request: &Request) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(emulator.addr()).await.unwrap();
    let request = request.clone().header("Authorization", "Token k").header("Host", "h");
    stream.write_all(&request.bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", async {
        while !is_whole(&answer) {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    })
    .await;
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head, answer[end..].to_vec())
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() == length.parse::<usize>().unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[tokio::test]
async fn deepgrams_refusal_comes_through_to_the_byte() {
    for status in [400, 401, 402, 403, 404, 422] {
        let plan = format!("{{refuse: {{status: {status}}}}}");
        let emulator = Emulator::scripted(&[&plan, &plan, &plan]).await;
        let (head, body) = asked_directly(&emulator, &Request::listen("")).await;
        let body = String::from_utf8(body).unwrap();
        for (number, door) in Door::BOTH.into_iter().enumerate() {
            // Each asks for itself: one that was told of its key does not ask at once again.
            let sidecar = start(&emulator).await;
            let response = Talk::refusal(&sidecar, door, &Request::listen("")).await;
            let connections = emulator.connections().await;
            // Each answer has an id of its own, in a header and in the body.
            let [asked, heard] = [0, number + 1].map(|it| &connections[it]["request_id"]);
            let [asked, heard] = [asked, heard].map(|it| it.as_str().unwrap());
            assert_eq!((response.status, response.header("dg-request-id")), (status, Some(heard)));
            assert_eq!(response.body, body.replace(asked, heard).into_bytes());
            for name in ["content-type", "content-length", "dg-error"] {
                assert_eq!(response.header(name), header(&head, name), "{name}");
            }
        }
        assert_eq!(emulator.connections().await.len(), 3, "{status} was asked for again");
    }
}

#[tokio::test]
async fn a_body_of_any_kind_comes_through() {
    let body = "<html>\\r\\n  not JSON, \\u00e9</html>";
    let plan = format!("{{refuse: {{status: 403, body: \"{body}\"}}}}");
    let emulator = Emulator::scripted(&[&plan]).await;
    let sidecar = start(&emulator).await;
    let response = Talk::refusal(&sidecar, Door::Port, &Request::listen("")).await;
    assert_eq!(response.body, "<html>\r\n  not JSON, \u{e9}</html>".as_bytes());
}

#[tokio::test]
async fn the_answer_does_not_wait_for_a_deepgram_that_hangs() {
    let emulator = Emulator::scripted(&["{hang_handshake: true}"; 2]).await;
    // Only the bound of 8 s for the whole of it can end this within the test's patience.
    let sidecar =
        Config::dialing(&emulator).with_port().set("upstream.connect_timeout", "1h").start().await;
    let ask = async |door| {
        let response = Talk::refusal(&sidecar, door, &Request::listen("")).await;
        assert_eq!((response.status, &response.json()["err_code"]), (504, &json!("TIMEOUT")));
    };
    tokio::join!(ask(Door::Socket), ask(Door::Port));
}

#[tokio::test]
async fn what_passes_is_waited_for_and_what_does_not_is_told_as_deepgram_told_it() {
    let (busy, hung) = ("{refuse: {status: 503}}", "{hang_handshake: true}");
    let emulator = Emulator::scripted(&[busy]).await;
    let sidecar = start(&emulator).await;
    Talk::open(&sidecar, Door::Socket, &Request::listen("")).await;
    assert_eq!(emulator.connections().await.len(), 2);

    let emulator = Emulator::scripted(&[busy, hung]).await;
    let sidecar = Config::dialing(&emulator).set("upstream.connect_timeout", "1h").start().await;
    let response = Talk::refusal(&sidecar, Door::Socket, &Request::listen("")).await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    let heard = emulator.connections().await;
    assert_eq!(response.header("dg-request-id"), heard[0]["request_id"].as_str());
}

#[tokio::test]
async fn a_wait_that_deepgram_asks_for_is_passed_on() {
    let emulator = Emulator::scripted(&["{refuse: {status: 429, retry_after: 30s}}"; 3]).await;
    let sidecar = start(&emulator).await;
    let response = Talk::refusal(&sidecar, Door::Port, &Request::listen("")).await;
    assert_eq!((response.status, response.header("retry-after")), (429, Some("30")));
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_passed_on() {
    let emulator = Emulator::scripted(&["{redirect: {location: 'http://127.0.0.1:1/'}}"]).await;
    let sidecar = start(&emulator).await;
    let response = Talk::refusal(&sidecar, Door::Port, &Request::listen("")).await;
    assert_eq!((response.status, response.header("location")), (502, None));
    assert_eq!(response.json()["err_code"], "HTTP_3XX");
}

/// The refusal, and its code.
async fn refused(sidecar: &Sidecar, door: Door, request: &Request) -> (u16, Value, Response) {
    let response = Talk::refusal(sidecar, door, request).await;
    let code = response.json()["err_code"].clone();
    assert!(response.json()["err_msg"].as_str().is_some_and(|message| !message.is_empty()));
    (response.status, code, response)
}

#[tokio::test]
async fn what_is_no_upgrade_is_refused_by_the_statuss_name() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let long = "x".repeat(16 << 10);
    for (request, status, code) in [
        (Request::listen("").without("Upgrade"), 426, "UPGRADE_REQUIRED"),
        (Request::listen("").header("Sec-WebSocket-Version", "8"), 426, "UPGRADE_REQUIRED"),
        (Request::listen("").header("Content-Length", "5"), 400, "BAD_REQUEST"),
        (Request::listen("").header("x-long", &long), 431, "REQUEST_HEADER_FIELDS_TOO_LARGE"),
        (Request::listen("sidecar_vad=loud"), 400, "INVALID_OPEN"),
        (Request::listen("").header("x-session-id", "a/b"), 400, "INVALID_OPEN"),
        (Request::to("/v1/listen?a=<b>"), 400, "INVALID_OPEN"),
    ] {
        for door in Door::BOTH {
            let (found, found_code, response) = refused(&sidecar, door, &request).await;
            assert_eq!((found, &found_code), (status, &json!(code)));
            let version = (status == 426).then_some("13");
            assert_eq!(response.header("sec-websocket-version"), version);
        }
    }
    assert!(emulator.connections().await.is_empty());
}

#[tokio::test]
async fn a_name_in_use_is_a_conflict_and_a_full_house_a_matter_of_time() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let mut native = App::open(&sidecar, &listen("taken")).await;
    for request in [
        Request::listen("sidecar_session_id=taken"),
        Request::listen("").header("x-session-id", "taken"),
    ] {
        let (status, code, _) = refused(&sidecar, Door::Port, &request).await;
        assert_eq!((status, code), (409, json!("SESSION_ID_IN_USE")));
    }
    native.finish().await;

    let full = Config::dialing(&emulator).with_port().set("ipc.max_sessions", 1).start().await;
    let _only = Talk::open(&full, Door::Port, &Request::listen("")).await;
    for door in Door::BOTH {
        let (status, code, response) = refused(&full, door, &Request::listen("")).await;
        assert_eq!((status, code), (503, json!("TOO_MANY_SESSIONS")));
        assert!(response.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn the_log_says_whose_request_was_refused() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let agent = format!("my-app/1\u{202e} {}", "x".repeat(200));
    for (event, path, request) in [
        ("app_rejected", "/v1/lisen", Request::to("/v1/lisen?key=secret")),
        ("app_rejected", "/v1/listen", Request::listen("").header("Origin", "null")),
        ("session_rejected", "/v1/listen", Request::listen("sidecar_vad=loud&key=secret")),
    ] {
        let request = request.header("User-Agent", &agent);
        refused(&sidecar, Door::Port, &request).await;
        let line = sidecar.process.log().event_where(event, |line| line["path"] == path).await;
        let told = line["user_agent"].as_str().unwrap();
        assert!(told.starts_with("my-app/1? x") && told.len() <= 128, "{line}");
    }
    assert!(!sidecar.process.log().lines().join("\n").contains("secret"));
}

#[tokio::test]
async fn the_log_says_with_which_status_an_upgrade_was_refused() {
    let emulator = Emulator::scripted(&["{redirect: {location: 'http://127.0.0.1:1/'}}"]).await;
    let sidecar = start(&emulator).await;
    Talk::refusal(&sidecar, Door::Socket, &Request::listen("sidecar_session_id=led")).await;
    let log = sidecar.process.log();
    let line = log.event_where("session_error", |line| line["session_id"] == "led").await;
    assert_eq!((&line["status"], &line["http_status"]), (&json!(302), &json!(502)));
    assert_eq!(line["msg"], "HTTP refusal sent to the application");
}

#[tokio::test]
async fn that_nothing_was_dialled_is_said_once() {
    let emulator = Emulator::scripted(&["{refuse: {status: 401}}"]).await;
    let sidecar = start(&emulator).await;
    Talk::refusal(&sidecar, Door::Port, &Request::listen("")).await;
    let (status, _, response) = refused(&sidecar, Door::Port, &Request::listen("")).await;
    assert_eq!((status, emulator.connections().await.len()), (401, 1));
    let message = response.json()["err_msg"].as_str().unwrap().to_owned();
    let begins = "no connection to Deepgram: Deepgram refused the API key; check the sidecar's key: not \
                  dialled, as another session just got: ";
    assert!(message.starts_with(begins), "{message}");
    assert_eq!(message.matches("dial").count(), 1, "{message}");
}
