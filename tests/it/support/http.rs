//! The HTTP requests that tests make: each answered, and its connection closed.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// Status and body of a page.
pub(super) async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    ask(addr, "GET", path, "").await
}

/// Status and body of the answer to any request.
pub(super) async fn ask(addr: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, addr.to_string())
        .header(http::header::CONNECTION, "close")
        .body(Full::new(body.to_owned().into()))
        .unwrap();
    within("an answer", async {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (mut sender, connection) =
            http1::handshake::<_, Full<bytes::Bytes>>(TokioIo::new(stream)).await.unwrap();
        let answer = async {
            let answer = sender.send_request(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        // The body may be whole before the connection is, and a broken one shows in the answer.
        tokio::join!(answer, connection).0
    })
    .await
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
