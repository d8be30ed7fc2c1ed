//! From an accepted connection to a running session: admission, and the OPEN.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::driver::Driver;
use crate::drain::Drain;
use crate::ipc::app::{App, AppStream};
use crate::ipc::open::{self, Open};
use crate::ipc::payload;
use crate::ipc::socket::{AppSocket, PreOpen};
use crate::live::LiveSession;
use crate::live::registry::{Registry, Slot};
use crate::telemetry::Telemetry;
use crate::telemetry::event::{
    AppRejected, Emit, OpenMissed, SessionReceipt, SessionRejected, SessionsAdmitted,
    TraceparentMalformed,
};
use crate::telemetry::label::UnopenedCause;
use crate::upstream::dial::Dial;
use session::drain::{LastFrame, Receipt};
use session::gate::VadConfig;
use session::machine::{Session, draining_refusal};
use session::{ErrorCode, RecoveryConfig, Refusal, SessionConfig, SessionId};

/// Connections that may wait for their OPEN, on top of the session limit (contract, section 1).
const UNOPENED_EXTRA: usize = 128;

/// How much is read and discarded after the last frame, so that an application in the middle of a
/// write can still read why.
pub const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: u64 = 1 << 20;

/// How long an application may take to read the frame that refuses it.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The response to an HTTP request: the compatible dialect is not in this version.
const HTTP_ANSWER: &[u8] = b"HTTP/1.1 501 Not Implemented\r\n\
    content-type: application/json\r\ncontent-length: 108\r\nconnection: close\r\n\r\n\
    {\"err_code\":\"NOT_AVAILABLE\",\"err_msg\":\"This socket speaks the native protocol; \
    HTTP is not available yet.\"}\n";

/// What every connection of an application needs to become a session.
#[derive(Debug)]
pub struct Reception<D> {
    pub registry: Arc<Registry>,
    /// Dials Deepgram.
    pub dialer: Arc<D>,
    /// Defaults for what an OPEN does not set.
    pub defaults: SessionConfig,
    /// How sessions recover that ask for it.
    pub recovery: RecoveryConfig,
    /// Timeout from accept to the last byte of OPEN.
    pub open_timeout: Duration,
    /// Maximum payload of a frame, in bytes.
    pub frame_bytes_max: u32,
    /// Who may open sessions.
    pub peers: Peers,
    pub telemetry: Telemetry,
    pub drain: Drain,
    /// Counts sessions, and connections that may still become one: what shutdown waits for.
    pub sessions: TaskTracker,
    /// Connections that have not sent OPEN yet.
    pub unopened: Unopened,
    /// Sessions refused in a row because all slots were taken: the first is logged, then their count.
    pub refused_full: AtomicU64,
}

/// User and group of the process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of the primary group.
    pub gid: u32,
}

/// Who may open sessions; empty lists admit anyone who can open the socket file.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// `ipc.allow_uids`.
    pub uids: Vec<u32>,
    /// `ipc.allow_gids`.
    pub gids: Vec<u32>,
}

impl Peers {
    /// Whether a peer is on either list. A peer without credentials is on neither.
    pub fn admit(&self, peer: Option<Peer>) -> bool {
        let anyone = self.uids.is_empty() && self.gids.is_empty();
        let listed = |it: Peer| self.uids.contains(&it.uid) || self.gids.contains(&it.gid);
        anyone || peer.is_some_and(listed)
    }
}

/// Connections that have not sent OPEN. At the limit the oldest is closed, so that silent ones
/// cannot lock anybody out.
#[derive(Debug)]
pub struct Unopened {
    connections_max: usize,
    waiting: Mutex<(u64, BTreeMap<u64, CancellationToken>)>,
}

impl Unopened {
    /// Room for the maximum number of sessions, plus some more.
    pub fn new(sessions_max: usize) -> Self {
        Self { connections_max: sessions_max + UNOPENED_EXTRA, waiting: Mutex::default() }
    }

    fn enter(&self) -> Waiting<'_> {
        let evicted = CancellationToken::new();
        let mut waiting = self.lock();
        waiting.0 += 1;
        let ticket = waiting.0;
        waiting.1.insert(ticket, evicted.clone());
        let too_many = waiting.1.len() > self.connections_max;
        drop(waiting);
        if too_many {
            self.evict_oldest();
        }
        Waiting { unopened: self, ticket, evicted }
    }

    /// Closes the connection that has been silent longest.
    pub fn evict_oldest(&self) {
        if let Some((_, oldest)) = self.lock().1.pop_first() {
            oldest.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (u64, BTreeMap<u64, CancellationToken>)> {
        // The map is consistent after every statement, whatever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's entry among the unopened.
struct Waiting<'a> {
    unopened: &'a Unopened,
    ticket: u64,
    evicted: CancellationToken,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.unopened.lock().1.remove(&self.ticket);
    }
}

/// Why a connection does not become a session.
enum Rejection {
    /// Gets an ERROR, and counts as a refused connection.
    Connection(Refusal),
    /// Gets an ERROR, and counts as a refused session.
    Session(Refusal),
    /// Closed without an ERROR.
    Silent(UnopenedCause),
    /// It spoke HTTP.
    Http,
}

impl<D: Dial> Reception<D> {
    /// Serves one connection until it ends.
    pub async fn serve<S>(&self, stream: S, peer: Option<Peer>)
    where
        S: AppStream,
    {
        let _active = self.telemetry.app_connection();
        // Once shutdown has started, nothing can become a session, so it need not wait for these.
        let _session = self.drain.times().is_none().then(|| self.sessions.token());
        let mut socket = AppSocket::new(stream, self.frame_bytes_max);
        match self.receive(&mut socket, peer).await {
            Ok((open, slot)) => self.session(socket, open, slot).await,
            Err(rejection) => {
                if let Some(stream) = self.reject(socket.into_stream(), rejection).await {
                    linger(stream).await;
                }
            }
        }
    }

    /// The contract's order of refusals: peer, draining, limit, then the contents of OPEN.
    async fn receive<S>(
        &self,
        socket: &mut AppSocket<S>,
        peer: Option<Peer>,
    ) -> Result<(Open, Slot), Rejection>
    where
        S: AppStream,
    {
        if !self.peers.admit(peer) {
            return Err(Rejection::Connection(not_allowed(peer)));
        }
        let payload = self.await_open(socket).await?;
        if self.registry.is_full(clock::now()) {
            return Err(Rejection::Session(self.registry.too_many()));
        }
        let opened_at = clock::now();
        let open = open::parse(&payload).map_err(Rejection::Session)?;
        let id = open.session_id.clone().unwrap_or_else(generated_id);
        let live = LiveSession::new(id, open.endpoint, open.audio, opened_at, open.tags.clone());
        let slot =
            self.registry.claim(live.with_model(open.model.clone())).map_err(Rejection::Session)?;
        let refused = self.refused_full.swap(0, Relaxed);
        if refused > 0 {
            SessionsAdmitted { refused }.emit(&self.telemetry);
        }
        socket.opened(open.endpoint, open.prelude.is_some());
        Ok((open, slot))
    }

    async fn await_open<S>(&self, socket: &mut AppSocket<S>) -> Result<Bytes, Rejection>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let waiting = self.unopened.enter();
        tokio::select! {
            biased;
            () = self.drain.begun() => Err(Rejection::Connection(draining_refusal())),
            opened = clock::timeout(self.open_timeout, socket.read_open()) => match opened {
                Ok(opened) => opened.map_err(|it| match it {
                    PreOpen::Refused(refusal) => Rejection::Connection(refusal),
                    PreOpen::Left => Rejection::Silent(UnopenedCause::Left),
                    PreOpen::Http => Rejection::Http,
                }),
                Err(_) => Err(Rejection::Silent(UnopenedCause::Timeout)),
            },
            () = waiting.evicted.cancelled() => Err(Rejection::Silent(UnopenedCause::Evicted)),
        }
    }

    /// Runs a session, and lets its application read the last frame.
    async fn session<S>(&self, socket: AppSocket<S>, open: Open, slot: Slot)
    where
        S: AppStream,
    {
        let live = slot.session().clone();
        let observer = self.telemetry.session_within(live.clone(), open.traceparent);
        if open.traceparent_malformed {
            observer.span().in_scope(|| TraceparentMalformed.emit(&self.telemetry));
        }
        if let Some(times) = self.drain.times() {
            live.begin_drain(times);
        }
        let span = observer.span().clone();
        let config = config_of(&open, &self.defaults, self.recovery);
        let machine = Session::new(live.id.clone(), config, live.opened_at, seed());
        let query = Arc::from(open.query);
        let driver = Driver::new(machine, socket, self.dialer.clone(), query, slot, observer);
        // Not instrumented with the session's span, which would be entered for every frame: whatever
        // is told of a session is told by its observer, under that span.
        let ended = Box::new(driver).run().await;
        let last_frame = match ended.last_frame {
            // The application has nothing more to say.
            Some(known) => known,
            None => linger(ended.stream).await,
        };
        if let Some((outcome, drained)) = ended.drained {
            let receipt = Receipt { outcome, drained, last_frame };
            self.drain.file(&receipt);
            span.in_scope(|| SessionReceipt { receipt: &receipt }.emit(&self.telemetry));
        }
    }

    /// Returns the stream if the application was sent something.
    async fn reject<S>(&self, mut stream: S, rejection: Rejection) -> Option<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answer = match rejection {
            Rejection::Connection(refusal) => {
                AppRejected { refusal: &refusal }.emit(&self.telemetry);
                payload::refusal(refusal)
            }
            Rejection::Session(refusal) => {
                let is_full = refusal.code == ErrorCode::TooManySessions;
                let is_repeated = is_full && self.refused_full.fetch_add(1, Relaxed) > 0;
                SessionRejected { refusal: &refusal, is_repeated }.emit(&self.telemetry);
                payload::refusal(refusal)
            }
            Rejection::Http => {
                let refusal = Refusal::new(ErrorCode::BadFrame, "HTTP is not available yet");
                AppRejected { refusal: &refusal }.emit(&self.telemetry);
                Bytes::from_static(HTTP_ANSWER)
            }
            Rejection::Silent(cause) => {
                OpenMissed { cause }.emit(&self.telemetry);
                return None;
            }
        };
        let written = timeout(REFUSAL_TIMEOUT, stream.write_all(&answer)).await;
        matches!(written, Ok(Ok(()))).then_some(stream)
    }
}

/// A session's settings: what its OPEN says, and the defaults.
fn config_of(open: &Open, defaults: &SessionConfig, recovery: RecoveryConfig) -> SessionConfig {
    SessionConfig {
        endpoint: open.endpoint,
        audio: open.audio,
        recovery: match open.recovers {
            Some(recovers) => recovers.then_some(recovery),
            None => defaults.recovery,
        },
        vad: VadConfig {
            mode: open.vad.unwrap_or(defaults.vad.mode),
            hangover: defaults.vad.hangover.max(open.hangover_min),
            ..defaults.vad
        },
        prelude: open.prelude,
        results_elsewhere: open.results_elsewhere,
        names_speakers: open.names_speakers,
        keepalive_interval: open.keepalive_interval.unwrap_or(defaults.keepalive_interval),
        ..defaults.clone()
    }
}

/// After its last frame the sidecar shuts down its writing side and keeps reading for a moment. An
/// application that closes its socket in time shows whether it has read everything: the kernel
/// resets a connection that is closed with something unread.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> LastFrame {
    if stream.shutdown().await.is_err() {
        return LastFrame::Unknown;
    }
    let mut rest = stream.take(LINGER_BYTES_MAX);
    match timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await {
        Ok(Ok(discarded)) if discarded < LINGER_BYTES_MAX => LastFrame::Read,
        Ok(Err(_)) => LastFrame::Unread,
        Ok(Ok(_)) | Err(_) => LastFrame::Unknown,
    }
}

fn not_allowed(peer: Option<Peer>) -> Refusal {
    let who = peer.map_or_else(
        || "a peer without credentials".to_owned(),
        |peer| format!("uid {}, gid {}", peer.uid, peer.gid),
    );
    Refusal::new(
        ErrorCode::PeerNotAllowed,
        format!(
            "{who} is not allowed to open sessions; add it to ipc.allow_uids or ipc.allow_gids"
        ),
    )
}

fn generated_id() -> SessionId {
    SessionId::parse(&Uuid::now_v7().to_string()).expect("a UUID is 36 of 0-9 a-f -")
}

/// Seeds the dial jitter: sessions refused together must not retry together.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

#[cfg(test)]
mod tests;
