mod pages;

use std::net::Ipv4Addr;
use std::time::Instant;

use http::header::ACCEPT;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::live::LiveSession;
use session::State;
use session::counts::Count;
use session::dial::Blocker;
use session::{Endpoint, SessionId};

/// A server on a free port, and its ends.
struct Served {
    addr: SocketAddr,
    registry: Arc<Registry>,
    telemetry: Telemetry,
    readiness: Readiness,
    dials: Dials,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

fn sources(registry: Arc<Registry>, telemetry: Telemetry, readiness: Readiness) -> Sources {
    let config = "drain:\n  timeout: 25s\n".to_owned();
    Sources { registry, telemetry, readiness, config, dials: Dials::default(), log: None }
}

impl Served {
    async fn new() -> Self {
        let registry = Registry::new(8, None);
        let readiness = Readiness::new();
        let addr = (Ipv4Addr::LOCALHOST, 0).into();
        let telemetry = Telemetry::default();
        let sources = sources(registry.clone(), telemetry.clone(), readiness.clone());
        let dials = sources.dials.clone();
        let admin = Admin::bind(addr, 64, sources).await.unwrap();
        let addr = admin.addr();
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(admin.serve(shutdown.clone()));
        Self { addr, registry, telemetry, readiness, dials, shutdown, tasks }
    }

    async fn ask(&mut self, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
        self.send(Request::builder().method(method).uri(path).body(String::new()).unwrap()).await
    }

    /// The page as a browser asks for it.
    async fn browse(&mut self, path: &str) -> String {
        let request = Request::builder().uri(path).header(ACCEPT, "text/html,*/*;q=0.8");
        let (status, headers, body) = self.send(request.body(String::new()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        body
    }

    async fn send(&mut self, request: Request<String>) -> (StatusCode, HeaderMap, String) {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn(async move { connection.await.unwrap() });
        let (head, body) = client.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn session(opened_at: Instant) -> Arc<LiveSession> {
    let id = SessionId::parse("call-7").unwrap();
    let tags = vec![("tenant".to_owned(), "ac\"me".to_owned())];
    LiveSession::new(id, Endpoint::V1Listen, None, opened_at, tags)
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let mut served = Served::new().await;
    let (status, headers, body) = served.ask("GET", "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(body.contains("\n# TYPE deepgram_sidecar_sessions_opened_total counter\n"), "{body}");
    assert!(body.contains("\ndeepgram_sidecar_ready 1\n"), "{body}");
}

#[tokio::test]
async fn readyz_tells_what_holds_dials_back_and_a_refused_key_blocks() {
    let mut served = Served::new().await;
    served.dials.hold(Blocker::UpstreamBusy, "HTTP 429".to_owned(), clock::now());
    let (status, _, body) = served.ask("GET", "/readyz").await;
    assert_eq!(status, StatusCode::OK, "sessions wait for it here as well as elsewhere");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["dials_held"]["blocker"], "upstream_busy");
    assert_eq!(body["dials_held"]["detail"], "HTTP 429");
    served.dials.hold(Blocker::CredentialRefused, "HTTP 401".to_owned(), clock::now());
    let (status, _, body) = served.ask("GET", "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("\"blockers\":[\"credential_refused\"]"), "{body}");
    let (_, _, metrics) = served.ask("GET", "/metrics").await;
    assert!(metrics.contains("\ndeepgram_sidecar_ready 0\n"), "{metrics}");
    served.dials.release();
    assert_eq!(served.ask("GET", "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn readyz_names_what_blocks() {
    let mut served = Served::new().await;
    let blocker = served.readiness.register("ipc_socket");
    let (status, _, body) = served.ask("GET", "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let expected = "{\"ready\":false,\"blockers\":[\"ipc_socket\"],\"dials_held\":null}\n";
    assert_eq!(body, expected);
    blocker.clear();
    assert_eq!(served.ask("GET", "/readyz").await.0, StatusCode::OK);
    served.readiness.drain();
    assert!(served.ask("GET", "/readyz").await.2.contains("draining"));
    assert_eq!(served.ask("GET", "/livez").await.0, StatusCode::OK, "draining is alive");
    let (_, _, metrics) = served.ask("GET", "/metrics").await;
    assert!(metrics.contains("\ndeepgram_sidecar_ready 0\n"), "{metrics}");
    assert!(metrics.contains("\ndeepgram_sidecar_draining 1\n"), "{metrics}");
}

#[tokio::test]
async fn sessions_tell_what_they_are_doing() {
    let mut served = Served::new().await;
    let opened_at = clock::now() - Duration::from_secs(60);
    let slot = served.registry.claim(session(opened_at)).unwrap();
    slot.session().set_state(State::Open);
    slot.session().counters.set(Count::Keepalives, 3);
    slot.session().counters.set(Count::LastSendMs, 59_000);
    let (_, headers, body) = served.ask("GET", "/sessions").await;
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    let first = &body["sessions"][0];
    assert_eq!(first["session_id"], "call-7");
    assert_eq!(first["endpoint"], "/v1/listen");
    assert_eq!(first["state"], "open");
    assert_eq!(first["keepalives"], 3);
    assert_eq!(first["tags"], json!({"tenant": "ac\"me"}));
    assert_eq!(first["receive_age_ms"], Value::Null, "nothing was received yet");
    let age = first["age_ms"].as_u64().unwrap();
    assert!(age >= 60_000, "{age}");
    assert_eq!(first["send_age_ms"], age - 59_000);
}

#[tokio::test]
async fn an_sdk_that_was_pointed_here_is_told_where_to_go() {
    let mut served = Served::new().await;
    for (method, path) in [("GET", "/v1/listen?model=nova-3"), ("POST", "/v2/speak")] {
        let (status, _, body) = served.ask(method, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body.starts_with("this is the admin port") && body.contains("ipc.tcp_listen"));
    }
}

#[tokio::test]
async fn an_unknown_path_gets_the_list_of_pages() {
    let mut served = Served::new().await;
    let (status, _, body) = served.ask("GET", "/metrix").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for path in ["/metrics", "/livez", "/readyz", "/sessions"] {
        assert!(body.contains(path), "{body}");
    }
    let (status, _, index) = served.ask("GET", "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(index.contains("/sessions"), "{index}");
}

#[tokio::test]
async fn only_get_and_head_are_served() {
    let mut served = Served::new().await;
    let (status, headers, _) = served.ask("POST", "/metrics").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers["allow"], "GET, HEAD");
    let (status, headers, body) = served.ask("HEAD", "/livez").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert_eq!(headers["content-length"], "3");
}

#[tokio::test]
async fn a_silent_client_is_cut_at_the_head_deadline() {
    let served = Served::new().await;
    let mut client = TcpStream::connect(served.addr).await.unwrap();
    client.write_all(b"GET /livez HT").await.unwrap();
    let begun = clock::now();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let waited = clock::now() - begun;
    assert!(waited >= HEAD_TIMEOUT - Duration::from_millis(500), "{waited:?}");
    assert!(waited < EXCHANGE_MAX, "{waited:?}");
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_the_port() {
    let mut served = Served::new().await;
    let mut idle = TcpStream::connect(served.addr).await.unwrap();
    // Answered, so the server has certainly accepted the idle one before it.
    served.ask("GET", "/livez").await;
    served.shutdown.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    while served.tasks.join_next().await.is_some() {}
    assert!(TcpStream::connect(served.addr).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_said_with_a_remedy() {
    let served = Served::new().await;
    let again = Admin::bind(
        served.addr,
        64,
        sources(Registry::new(1, None), Telemetry::default(), Readiness::new()),
    );
    let error = again.await.unwrap_err().to_string();
    assert!(error.contains(&served.addr.to_string()), "{error}");
    assert!(error.contains("choose another admin.listen"), "{error}");
}
