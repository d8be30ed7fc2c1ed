//! A collector that does as it is told: a real server, in the test's own runtime.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Far longer than anything here takes.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// What the receiver does with one request, or with one connection.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Takes the batch.
    Take,
    /// Takes it, less so many spans.
    Reject(i64),
    /// Answers with this status, and `Retry-After` in seconds.
    Status(u16, Option<&'static str>),
    /// Never answers.
    Stay,
    /// Takes it and answers with something that is no Protobuf, longer than anybody reads.
    TakeAndBabble,
    /// Writes what is no HTTP, and hangs up: a matter of the connection.
    Babble,
    /// Hangs up before anything is said: a matter of the connection.
    HangUp,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) request: ExportTraceServiceRequest,
}

impl Received {
    pub(super) fn spans(&self) -> Vec<&Span> {
        let scopes = self.request.resource_spans.iter().flat_map(|it| &it.scope_spans);
        scopes.flat_map(|it| &it.spans).collect()
    }

    pub(super) fn resource(&self, name: &str) -> Option<&str> {
        text(&self.request.resource_spans[0].resource.as_ref()?.attributes, name)
    }
}

pub(super) fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

/// Serves until dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) addr: SocketAddr,
    requests: mpsc::Receiver<Received>,
    _accepting: JoinSet<()>,
}

impl Receiver {
    /// Does each act once, in order, and then takes all.
    pub(super) async fn start(acts: &[Act]) -> Self {
        Self::serve(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), acts, None)
    }

    pub(super) async fn start_tls(tls: TlsAcceptor) -> Self {
        Self::serve(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), &[], Some(tls))
    }

    pub(super) fn serve(listener: TcpListener, acts: &[Act], tls: Option<TlsAcceptor>) -> Self {
        let addr = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel(64);
        let acts: Vec<_> = acts.iter().rev().cloned().collect();
        let script = Script { acts: Arc::new(Mutex::new(acts)), sender };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, script, tls));
        Self { addr, requests, _accepting: accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(super) async fn next(&mut self) -> Received {
        self.requests.recv().await.expect("the receiver runs")
    }

    /// All that came and was not asked for yet.
    pub(super) fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

#[derive(Clone, Debug)]
struct Script {
    /// The next one last.
    acts: Arc<Mutex<Vec<Act>>>,
    sender: mpsc::Sender<Received>,
}

impl Script {
    fn next(&self) -> Act {
        self.acts.lock().unwrap().pop().unwrap_or(Act::Take)
    }

    /// The next act, if it concerns the connection.
    fn next_of_connection(&self) -> Option<Act> {
        let mut acts = self.acts.lock().unwrap();
        acts.pop_if(|it| matches!(it, Act::Babble | Act::HangUp))
    }
}

async fn accept(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        match script.next_of_connection() {
            Some(Act::Babble) => stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").await.unwrap(),
            Some(_) => drop(stream),
            None => {
                let script = script.clone();
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => exchange(stream, script).await,
                        // A client that trusts nobody here hangs up; the test sees it elsewhere.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                exchange(stream, script).await;
                            }
                        }
                    }
                });
            }
        }
    }
}

async fn exchange<S>(stream: S, script: Script)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| answer(request, script.clone()));
    // The client may hang up whenever it likes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    script: Script,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let (path, headers) = (head.uri.path().to_owned(), head.headers);
    let act = script.next();
    script.sender.send(Received { path, headers, request }).await.unwrap();
    let mut response = Response::new(Full::default());
    match act {
        Act::Take => {}
        Act::Reject(rejected_spans) => *response.body_mut() = partial(rejected_spans),
        Act::Status(status, retry_after) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(retry_after) = retry_after {
                response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
            }
        }
        Act::Stay => std::future::pending().await,
        Act::TakeAndBabble => *response.body_mut() = vec![0xff; 1 << 20].into(),
        Act::Babble | Act::HangUp => panic!("{act:?} does not concern a request"),
    }
    Ok(response)
}

fn partial(rejected_spans: i64) -> Full<Bytes> {
    let error_message = "for the test".to_owned();
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
    ExportTraceServiceResponse { partial_success }.encode_to_vec().into()
}

/// The two ends of TLS that trust each other.
pub(super) fn tls() -> (TlsAcceptor, ClientConfig) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), client)
}
