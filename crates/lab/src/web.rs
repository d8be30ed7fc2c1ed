//! The HTTP that the lab needs, as a client and as a server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Everything is on this machine; what takes longest is a fault for which the sidecar drains first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// More than any answer of Prometheus to the lab's questions.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What somebody asks of a server.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Without the query.
    pub(super) path: String,
    pub(super) body: Bytes,
}

/// What a server says.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Reply {
    /// 200.
    pub(super) fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into() }
    }

    /// Another status, and a sentence.
    pub(super) fn refusal(status: StatusCode, sentence: impl Into<Bytes>) -> Self {
        Self { status, body: sentence.into() }
    }
}

/// Who answers.
pub(super) trait Handler: Send + Sync + 'static {
    fn answer(&self, ask: Ask) -> impl Future<Output = Reply> + Send;
}

/// Serves clients forever; dropping it closes all connections.
pub(super) async fn serve(listener: TcpListener, handler: Arc<impl Handler>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // If file descriptors have run out, all it can do is wait for one.
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(converse(stream, Arc::clone(&handler)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, handler: Arc<impl Handler>) {
    let service = service_fn(|request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(answer(request, &*handler).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // A disconnected client is not an error.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, handler: &impl Handler) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => {
            let path = head.uri.path().to_owned();
            handler.answer(Ask { method: head.method, path, body: body.to_bytes() }).await
        }
        Err(error) => Reply::refusal(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    response
}

/// Status and body of the answer to one request.
pub(super) async fn ask(
    addr: SocketAddr,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> anyhow::Result<(StatusCode, String)> {
    let asked = || format!("{method} http://{addr}{path}");
    let asking = exchange(addr, method.clone(), path, body.into());
    let answer = timeout(ANSWER_TIMEOUT, asking).await;
    answer.with_context(|| format!("{}: no response in time", asked()))?.with_context(asked)
}

async fn exchange(
    addr: SocketAddr,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, String)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, addr.to_string())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .body(Full::new(body))?;
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::select! {
        answer = answer => answer,
        // It ends well with the server's close; the answer is then on its way to be read.
        Err(error) = connection => Err(error.into()),
    }
}
