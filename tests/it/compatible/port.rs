//! Who is let in, and by which door: the port can be reached from anywhere in the pod.

use std::path::Path;

use tempfile::TempDir;

use super::start;
use crate::support::websocket::{Door, Request, Talk};
use crate::support::{App, Config, Emulator, KEY, listen};

const TOKEN: &str = "open-sesame-41";

/// A file with the token, and the folder that it lives in.
fn token_file() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    (folder, path)
}

fn with_token(emulator: &Emulator, file: &Path) -> Config {
    Config::dialing(emulator).with_port().set("ipc.tcp_token_file", file.display())
}

#[tokio::test]
async fn a_browsers_page_is_not_served_through_the_port() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    let request = Request::listen("").header("Origin", "https://example.com");
    let response = Talk::refusal(&sidecar, Door::Port, &request).await;
    assert_eq!((response.status, &response.json()["err_code"]), (403, &"PEER_NOT_ALLOWED".into()));
    assert!(emulator.connections().await.is_empty());
    // No page can reach the socket.
    Talk::open(&sidecar, Door::Socket, &request).await;
}

#[tokio::test]
async fn the_port_asks_for_its_token_in_each_of_the_three_forms() {
    let emulator = Emulator::start().await;
    let (_folder, file) = token_file();
    let sidecar = with_token(&emulator, &file).start().await;
    let forms = |token: &str| {
        [
            ("Authorization", format!("Token {token}")),
            ("Authorization", format!("bearer {token}")),
            ("Sec-WebSocket-Protocol", format!("token,{token}")),
        ]
    };
    for (name, value) in forms(TOKEN) {
        Talk::open(&sidecar, Door::Port, &Request::listen("").header(name, &value)).await;
    }
    let open = emulator.connections().await.len();
    let wrong = ["wrong", "", "open-sesame-4", "open-sesame-411", KEY];
    for (token, (name, value)) in
        wrong.into_iter().flat_map(|token| forms(token).map(|form| (token, form)))
    {
        let request = Request::listen("").header(name, &value);
        let response = Talk::refusal(&sidecar, Door::Port, &request).await;
        assert_eq!(response.status, 403, "{name}: {value}");
        assert!(!String::from_utf8_lossy(&response.body).contains(TOKEN));
        let message = response.json()["err_msg"].as_str().unwrap().to_owned();
        let said = if token.is_empty() { "needs a token" } else { "not the one in ipc.tcp_token" };
        assert!(message.contains(said), "{name}: {value}: {message}");
        assert_eq!(response.header("dg-error"), Some(&*message));
    }
    let response = Talk::refusal(&sidecar, Door::Port, &Request::listen("")).await;
    assert_eq!((response.status, &response.json()["err_code"]), (403, &"PEER_NOT_ALLOWED".into()));
    assert_eq!(emulator.connections().await.len(), open, "nobody of them has cost a dial");
    let metrics = sidecar.metrics().await;
    let refused = metrics.sum("app_connections_total", &[("result", "rejected_peer")]);
    assert_eq!(refused, 16.0);
    // The socket has its mode and its lists.
    Talk::open(&sidecar, Door::Socket, &Request::listen("")).await;
    assert!(!sidecar.process.log().lines().join("\n").contains(TOKEN));
}

#[tokio::test]
async fn a_peer_that_is_not_allowed_is_told_so_in_its_own_dialect() {
    let emulator = Emulator::start().await;
    let (_folder, file) = token_file();
    let config = with_token(&emulator, &file).set("ipc.allow_uids", 4_294_967_294_u32);
    let sidecar = config.start().await;
    let response = Talk::refusal(&sidecar, Door::Socket, &Request::listen("")).await;
    assert_eq!((response.status, &response.json()["err_code"]), (403, &"PEER_NOT_ALLOWED".into()));
    assert_eq!(
        App::dial(&sidecar, &listen("native")).await.refusal().await.code,
        "peer_not_allowed"
    );
    assert_eq!(App::connect(&sidecar).await.refusal().await.code, "peer_not_allowed");
    // Lists are of the socket's peers; the port has its token.
    let request = Request::listen("").header("Authorization", &format!("Token {TOKEN}"));
    Talk::open(&sidecar, Door::Port, &request).await;
}

#[tokio::test]
async fn the_port_speaks_http_and_nothing_else() {
    let emulator = Emulator::start().await;
    let sidecar = start(&emulator).await;
    for bytes in [
        &b"\x01\0\0\0\x0e{\"protocol\":1}"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\0\0\0\0",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"POST /v1/listen HTTP/9\r\n\r\n",
    ] {
        let mut talk = Talk::connect(&sidecar, Door::Port).await;
        talk.send_bytes(bytes).await;
        let response = talk.response().await;
        assert_eq!(response.status, 400, "{bytes:?}");
        talk.ended().await;
    }
    let mut talk = Talk::connect(&sidecar, Door::Port).await;
    talk.send_bytes(b"POST /v1/listen HTTP/1.1\r\n\r\n").await;
    let response = talk.response().await;
    assert_eq!((response.status, response.header("allow")), (405, Some("GET")));
}
