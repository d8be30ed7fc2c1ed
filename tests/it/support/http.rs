//! The HTTP requests that tests make: each answered, and its connection closed.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// Status and body of a page.
pub(super) async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    ask(addr, "GET", path, "").await
}

/// Status and body of the answer to any request.
pub(super) async fn ask(addr: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {length}\r\n\r\n{body}");
    let answer = throw(addr, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Whatever comes back for these bytes, until the close.
pub(super) async fn throw(addr: SocketAddr, bytes: &[u8]) -> String {
    within("an answer", async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        // The server may have enough before it has read all, which makes this a broken pipe.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    })
    .await
}
