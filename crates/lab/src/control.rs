//! The lab's own HTTP server: Alertmanager delivers to it, and faults are requested from it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::bail;
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::web::{self, Ask, Handler, Reply};

const FAULT: &str = "/fault/";

/// One alert, as delivered by Alertmanager.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub alert: String,
    pub severity: String,
    /// Its summary, human-readable.
    pub summary: String,
    /// Whether it is firing; otherwise it is resolved.
    pub is_firing: bool,
    /// Alertmanager's receiver.
    pub receiver: String,
    pub at: Instant,
}

/// A request for a fault by name, and where the answer goes.
#[derive(Debug)]
pub struct Order {
    pub fault: String,
    /// Takes a sentence for the client; an error if the fault was not injected.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// Requests a fault from the lab whose control server this is; returns its answer.
///
/// # Errors
/// There is no lab, or it could not inject the fault.
pub async fn ask_for(control: SocketAddr, fault: &str) -> anyhow::Result<String> {
    let (status, said) = web::ask(control, Method::PUT, &format!("{FAULT}{fault}"), "").await?;
    let said = said.trim_end().to_owned();
    if status.is_success() { Ok(said) } else { bail!(said) }
}

/// The running server.
#[derive(Debug)]
pub(super) struct Control {
    addr: SocketAddr,
    inbox: Inbox,
    /// Owns the server.
    _serving: JoinSet<()>,
}

/// Everything that was delivered. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Mutex<Vec<Delivery>>>);

impl Control {
    /// Opens on a free port; orders go to `orders`.
    pub(super) async fn open(orders: mpsc::Sender<Order>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let inbox = Inbox::default();
        let responder = Responder { inbox: inbox.clone(), orders };
        let mut serving = JoinSet::new();
        serving.spawn(web::serve(listener, Arc::new(responder)));
        Ok(Self { addr, inbox, _serving: serving })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }
}

impl Inbox {
    /// What was delivered after the first `seen`.
    pub fn since(&self, seen: usize) -> Vec<Delivery> {
        self.lock().iter().skip(seen).cloned().collect()
    }

    /// Clears it.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Delivery>> {
        // A list is whole after every push.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, webhook: Webhook) {
        let at = clock::now();
        let receiver = webhook.receiver;
        self.lock().extend(webhook.alerts.into_iter().map(|alert| Delivery {
            alert: alert.labels.alertname,
            severity: alert.labels.severity,
            summary: alert.annotations.summary,
            is_firing: alert.status == "firing",
            receiver: receiver.clone(),
            at,
        }));
    }
}

/// The part of Alertmanager's payload that is used.
#[derive(Deserialize)]
struct Webhook {
    receiver: String,
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    labels: Labels,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
struct Labels {
    alertname: String,
    #[serde(default)]
    severity: String,
}

#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(default)]
    summary: String,
}

/// What answers its requests.
struct Responder {
    inbox: Inbox,
    orders: mpsc::Sender<Order>,
}

impl Handler for Responder {
    async fn answer(&self, ask: Ask) -> Reply {
        match (&ask.method, ask.path.as_str()) {
            (&Method::POST, "/webhook") => self.deliver(&ask.body),
            (&Method::PUT, path) if path.starts_with(FAULT) => {
                self.order(path[FAULT.len()..].to_owned()).await
            }
            _ => Reply::refusal(StatusCode::NOT_FOUND, "PUT /fault/NAME injects a fault\n"),
        }
    }
}

impl Responder {
    fn deliver(&self, body: &[u8]) -> Reply {
        match serde_json::from_slice(body) {
            Ok(webhook) => {
                self.inbox.take(webhook);
                Reply::ok("")
            }
            Err(error) => Reply::refusal(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    async fn order(&self, fault: String) -> Reply {
        let (answer, answered) = oneshot::channel();
        let gone = || Reply::refusal(StatusCode::SERVICE_UNAVAILABLE, "the lab is shutting down\n");
        if self.orders.send(Order { fault, answer }).await.is_err() {
            return gone();
        }
        match answered.await {
            Ok(Ok(sentence)) => Reply::ok(sentence + "\n"),
            Ok(Err(sentence)) => Reply::refusal(StatusCode::UNPROCESSABLE_ENTITY, sentence + "\n"),
            Err(_) => gone(),
        }
    }
}
