//! HTTP: the way to a stream, and the emulator's own pages under `/emulator`.

mod slots;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{
    CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
};
use http::header::{UPGRADE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::connection::{Connection, Directions};
use super::cues::Cues;
use super::fault::{FaultyTransport, Transport, TransportFaults};
use super::handshake::{self, Body, DG_REQUEST_ID, Presented};
use super::json::to_json;
use super::playbook::{Orders, Playbook};
use super::record::{ConnectionRecord, End, Entry, Ledger};
use super::script::{Change, Opening, Plan};
use super::settings::Settings;
use super::stream::{Endpoint, Stream, Terms};

use slots::{Slot, Slots};

/// Maximum script size: thousands of plans.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// A request head must fit in it.
const HTTP_BUFFER_BYTES: usize = 16 * 1024;

/// A few frames of audio: with thousands of connections more would cost more than it saves.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024;

/// What all connections of an emulator share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) playbook: Playbook,
    slots: Arc<Slots>,
    pub(super) ledger: Ledger,
}

/// A stream that was granted; HTTP hands its transport over once the 101 is written.
struct Granted {
    transport: OnUpgrade,
    stream: Box<dyn Stream>,
    plan: Plan,
    orders: Orders,
    entry: Entry,
    slot: Slot,
}

/// A request without a response: HTTP drops the connection.
#[derive(Debug, thiserror::Error)]
#[error("the script resets this connection")]
struct Unanswered;

/// Where a request leaves what it was granted.
type Grant = Mutex<Option<Granted>>;

impl Server {
    pub(super) fn new(playbook: Playbook) -> Self {
        Self { playbook, slots: Arc::default(), ledger: Ledger::new() }
    }

    /// Serves one TCP connection, or a substitute for one, until it ends.
    pub(super) async fn serve<S: Transport>(&self, transport: S) {
        let transport = FaultyTransport::new(transport);
        let faults = transport.faults();
        let grant = Grant::default();
        let service = service_fn(|request| self.answer(request, &faults, &grant));
        let served = http1::Builder::new()
            .max_buf_size(HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(transport), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended before its request was answered");
        }
        let granted = grant.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(granted) = granted {
            granted.serve::<S>().await;
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        faults: &TransportFaults,
        grant: &Grant,
    ) -> Result<Response<Body>, Unanswered> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::GET, "/emulator/health") => Ok(page(r#"{"status":"ok"}"#.into())),
            (&Method::GET, "/emulator/connections") => Ok(page(to_json(&self.ledger.observed()))),
            (&Method::DELETE, "/emulator/connections") => {
                self.ledger.reset();
                Ok(page("{}".into()))
            }
            (&Method::PUT, "/emulator/script") => Ok(self.change(request.into_body()).await),
            (_, path) => match Endpoint::at(path) {
                Some(endpoint) => self.listen(endpoint, request, faults, grant).await,
                None => {
                    let id = new_request_id();
                    Ok(handshake::refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "Not found.", &id))
                }
            },
        }
    }

    /// Uses another script from now on.
    async fn change(&self, body: Incoming) -> Response<Body> {
        let body = match Limited::new(body, SCRIPT_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return unfit(&format!("invalid script: {error}")),
        };
        let change = Change::from_yaml(&String::from_utf8_lossy(&body));
        match change.and_then(|change| self.playbook.change(&change)) {
            Ok(told) => page(to_json(&told)),
            Err(error) => unfit(&error.to_string()),
        }
    }

    /// Handles a stream request as the script says.
    async fn listen(
        &self,
        endpoint: Endpoint,
        request: Request<Incoming>,
        faults: &TransportFaults,
        grant: &Grant,
    ) -> Result<Response<Body>, Unanswered> {
        let (plan, orders) = self.playbook.next();
        let request_id = new_request_id();
        let entry = self.ledger.open(record_of(&request, &request_id, &plan.settings));
        let response = match &plan.opening {
            Opening::Accept { delay } => {
                let delay = delay.unwrap_or(plan.settings.upgrade_latency);
                tokio::time::sleep(delay).await;
                match self.grant(endpoint, request, plan, orders, &entry, &request_id) {
                    Ok((granted, response)) => {
                        *grant.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
                        response
                    }
                    Err(refusal) => *refusal,
                }
            }
            Opening::Refuse(refuse) => handshake::scripted(refuse, &request_id),
            Opening::Redirect(to) => handshake::redirect(to.status, &to.location, &request_id),
            Opening::Garbage => {
                entry.close(End::ScriptGarbage);
                faults.garble();
                return Ok(page(" ".repeat(64)));
            }
            Opening::Hang => {
                entry.close(End::Hung);
                std::future::pending().await
            }
            Opening::RefuseTcp => {
                entry.close(End::ScriptReset);
                faults.reset();
                return Err(Unanswered);
            }
        };
        entry.write().status = Some(response.status().as_u16());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            entry.close(End::Refused);
        }
        Ok(response)
    }

    /// Makes Deepgram's checks, in its order, and prepares the stream.
    fn grant(
        &self,
        endpoint: Endpoint,
        mut request: Request<Incoming>,
        plan: Plan,
        orders: Orders,
        entry: &Entry,
        request_id: &str,
    ) -> Result<(Granted, Response<Body>), Box<Response<Body>>> {
        let settings = &plan.settings;
        check_credentials(&request, settings, request_id)?;
        let key = websocket_key(&request, request_id)?;
        let terms = Terms {
            settings: Arc::clone(settings),
            request_id: request_id.to_owned(),
            now: clock::now(),
        };
        let query = request.uri().query().unwrap_or("");
        let stream = endpoint.open(query, terms).map_err(|bad| {
            handshake::refusal(StatusCode::BAD_REQUEST, bad.code, &bad.message, request_id)
        })?;
        let (pool, limit) = endpoint.pool(settings);
        let slot = self.slots.take(pool, limit).ok_or_else(|| {
            let mut answer = handshake::too_many(endpoint.speaks(), request_id);
            if !settings.retry_after.is_zero() {
                let seconds = settings.retry_after.as_secs();
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            answer
        })?;
        let response = switching(&request, &key, request_id);
        let transport = hyper::upgrade::on(&mut request);
        let entry = entry.clone();
        Ok((Granted { transport, stream, plan, orders, entry, slot }, response))
    }
}

impl Granted {
    /// Takes the transport over from HTTP and serves the stream to its end.
    async fn serve<S: Transport>(self) {
        let Self { transport, stream, plan, orders, entry, slot } = self;
        let closing = CloseOnDrop(&entry);
        let settings = plan.settings;
        let socket = match websocket::<S>(transport, &settings).await {
            Ok(socket) => socket,
            Err(error) => {
                tracing::debug!(%error, "the client left before the upgrade was done");
                return entry.close(End::ClientGone);
            }
        };
        let now = clock::now();
        entry.write().opened_ms = Some(entry.millis_at(now));
        let directions = Directions { cues: Cues::new(plan.steps, now), orders };
        let ping_every = settings.unknowns.ping_every;
        let connection = Connection::new(socket, stream, directions, entry.clone(), ping_every);
        let end = Box::pin(connection.run()).await;
        entry.close(end);
        drop(closing);
        if end == End::ClientGone && !settings.ghost_slot.is_zero() {
            tokio::time::sleep(settings.ghost_slot).await;
        }
        drop(slot);
    }
}

/// Notes the end of a stream that is ended from outside, by dropping its task.
struct CloseOnDrop<'a>(&'a Entry);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close(End::Shutdown);
    }
}

async fn websocket<S: Transport>(
    transport: OnUpgrade,
    settings: &Settings,
) -> io::Result<WebSocketStream<FaultyTransport<S>>> {
    let upgraded = transport.await.map_err(io::Error::other)?;
    let parts = upgraded
        .downcast::<TokioIo<FaultyTransport<S>>>()
        .expect("the transport is of the type that this connection was served on");
    let bytes_max = Some(settings.unknowns.message_bytes_max);
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    let transport = parts.io.into_inner();
    let begun = parts.read_buf.to_vec();
    Ok(WebSocketStream::from_partially_read(transport, begun, Role::Server, Some(config)).await)
}

fn check_credentials(
    request: &Request<Incoming>,
    settings: &Settings,
    request_id: &str,
) -> Result<(), Box<Response<Body>>> {
    let presented = Presented::read(request.headers());
    if !settings.require_auth || presented.is_some_and(|p| p.is_accepted(settings)) {
        return Ok(());
    }
    let (code, message) = ("INVALID_AUTH", "Invalid credentials.");
    Err(handshake::refusal(StatusCode::UNAUTHORIZED, code, message, request_id).into())
}

fn websocket_key(
    request: &Request<Incoming>,
    request_id: &str,
) -> Result<HeaderValue, Box<Response<Body>>> {
    let headers = request.headers();
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let key = headers.get(SEC_WEBSOCKET_KEY).cloned();
    key.filter(|_| upgrade.eq_ignore_ascii_case("websocket")).ok_or_else(|| {
        let message = "Bad Request: Expected a WebSocket upgrade.";
        handshake::refusal(StatusCode::BAD_REQUEST, "Bad Request", message, request_id).into()
    })
}

/// The 101. It names no extension, and the subprotocol only where that carried the credential.
fn switching(request: &Request<Incoming>, key: &HeaderValue, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok();
    headers.extend(accept.map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
    headers.extend(HeaderValue::from_str(request_id).ok().map(|id| (DG_REQUEST_ID, id)));
    if let Some(presented) = Presented::read(request.headers()).filter(|p| p.as_subprotocol) {
        let scheme = HeaderValue::from_static(presented.scheme.as_str());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, scheme);
    }
    response
}

fn record_of(request: &Request<Incoming>, id: &str, settings: &Settings) -> ConnectionRecord {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    ConnectionRecord {
        request_id: id.to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or("").to_owned(),
        auth_scheme: Presented::read(request.headers()).map(|p| p.scheme.as_str().to_owned()),
        user_agent: user_agent.map(str::to_owned),
        positions: settings.position_code.then(Default::default),
        ..ConnectionRecord::default()
    }
}

fn page(body: String) -> Response<Body> {
    handshake::answer(StatusCode::OK, body, &new_request_id())
}

/// An invalid script, and why.
fn unfit(cause: &str) -> Response<Body> {
    let body = to_json(&serde_json::json!({ "error": cause }));
    handshake::answer(StatusCode::BAD_REQUEST, body, &new_request_id())
}

fn new_request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
