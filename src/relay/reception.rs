//! From an accepted connection to a running session: admission, and the OPEN.

mod door;
mod rejection;
#[cfg(test)]
mod tests;
mod unopened;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::driver::Driver;
use crate::drain::Drain;
use crate::ipc::app::{App, AppStream};
use crate::ipc::compatible::CompatibleSocket;
use crate::ipc::open::{self, Open};
use crate::ipc::socket::AppSocket;
use crate::live::registry::{Registry, Slot};
use crate::live::{LiveSession, Speaker};
use crate::telemetry::Telemetry;
use crate::telemetry::event::{
    AppRejected, Emit, OpenMissed, SessionReceipt, SessionRejected, SessionsAdmitted,
    TraceparentMalformed,
};
use crate::telemetry::label::UnopenedCause;
use crate::upstream::dial::Dial;
use rejection::{Rejection, Told};
use session::drain::{LastFrame, Receipt};
use session::gate::VadConfig;
use session::machine::{Session, draining_refusal};
use session::{Dialect, ErrorCode, RecoveryConfig, Refusal, SessionConfig, SessionId};
use unopened::Waiting;

pub use door::{Door, Peer, Peers};
pub use unopened::Unopened;

/// How long an application that is refused whatever it says may take to show by its first byte in which
/// dialect it wants to hear that.
const FIRST_BYTE_WAIT: Duration = Duration::from_millis(250);

/// How much is read and discarded after the last frame, so that an application in the middle of a
/// write can still read why.
pub const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: u64 = 1 << 20;

/// How long an application may take to read the frame that refuses it.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

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

impl<D: Dial> Reception<D> {
    /// Serves one connection until it ends.
    pub async fn serve<S: AppStream>(&self, stream: S, door: Door) {
        let _active = self.telemetry.app_connection();
        // Once shutdown has started, nothing can become a session, so it need not wait for these.
        let _session = self.drain.times().is_none().then(|| self.sessions.token());
        let wait = Wait { place: self.unopened.enter(), until: clock::now() + self.open_timeout };
        let mut socket = AppSocket::new(stream, self.frame_bytes_max);
        match self.dialect(&mut socket, door, &wait).await {
            Ok(Dialect::Native) => self.serve_native(socket, door, wait).await,
            Ok(Dialect::Compatible) => {
                let (stream, read) = socket.into_parts();
                let socket = CompatibleSocket::new(stream, read, self.frame_bytes_max);
                self.serve_compatible(socket, door, wait).await;
            }
            Err(rejection) => {
                self.reject(socket.into_stream(), rejection, Dialect::Native, door).await;
            }
        }
    }

    /// What an application speaks. Whoever is refused anyway hears so in the native dialect if it has
    /// not shown another one.
    async fn dialect<S: AppStream>(
        &self,
        socket: &mut AppSocket<S>,
        door: Door,
        wait: &Wait<'_>,
    ) -> Result<Dialect, Rejection> {
        if let Door::Port = door {
            return Ok(Dialect::Compatible);
        }
        let is_refused = self.peers.refusal_at(door).is_some();
        let silent = async {
            if !is_refused {
                self.drain.begun().await;
            }
            sleep(FIRST_BYTE_WAIT).await;
        };
        tokio::select! {
            biased;
            dialect = wait.bound(socket.read_dialect()) => dialect?.map_err(Rejection::from),
            () = silent => Ok(Dialect::Native),
        }
    }

    async fn serve_native<S: AppStream>(
        &self,
        mut socket: AppSocket<S>,
        door: Door,
        wait: Wait<'_>,
    ) {
        let opened = async {
            if let Some(refusal) = self.peers.refusal_at(door) {
                return Err(Rejection::Connection(refusal));
            }
            let payload = self.before_shutdown(wait.bound(socket.read_open())).await??;
            self.claim(Speaker::default(), || open::parse(&payload)).map_err(Rejection::Session)
        };
        match opened.await {
            Ok((open, slot)) => {
                drop(wait);
                socket.opened(open.endpoint, open.prelude.is_some());
                self.session(socket, open, slot).await;
            }
            Err(rejection) => {
                self.reject(socket.into_stream(), rejection, Dialect::Native, door).await;
            }
        }
    }

    async fn serve_compatible<S: AppStream>(
        &self,
        mut socket: CompatibleSocket<S>,
        door: Door,
        wait: Wait<'_>,
    ) {
        let opened = async {
            if let Some(refusal) = self.peers.refusal_at(door) {
                return Err(Rejection::Connection(refusal));
            }
            let request = self.before_shutdown(wait.bound(socket.read_request())).await??;
            let caller = request.caller();
            let admitted = self.peers.check(door, &request).map_err(Rejection::Connection);
            let claimed = admitted.and_then(|()| {
                let speaker = request.speaker.clone();
                let open = socket.opened(request);
                self.claim(speaker, || Ok(open)).map_err(Rejection::Session)
            });
            claimed.map_err(|rejection| rejection.told_to(caller))
        };
        match opened.await {
            Ok((open, slot)) => {
                drop(wait);
                self.session(socket, open, slot).await;
            }
            Err(rejection) => {
                self.reject(socket.into_stream(), rejection, Dialect::Compatible, door).await;
            }
        }
    }

    /// Waits for what an application has to say first; after shutdown has begun it is not awaited.
    async fn before_shutdown<T>(
        &self,
        said: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        tokio::select! {
            biased;
            () = self.drain.begun() => Err(Rejection::Connection(draining_refusal())),
            said = said => said,
        }
    }

    /// The contract's order of refusals: limit, then what is asked for, then its name.
    fn claim(
        &self,
        speaker: Speaker,
        open: impl FnOnce() -> Result<Open, Refusal>,
    ) -> Result<(Open, Slot), Refusal> {
        if self.registry.is_full(clock::now()) {
            return Err(self.registry.too_many());
        }
        let opened_at = clock::now();
        let open = open()?;
        let id = open.session_id.clone().unwrap_or_else(generated_id);
        let live = LiveSession::new(id, open.endpoint, open.audio, opened_at, open.tags.clone());
        let slot =
            self.registry.claim(live.with_model(open.model.clone()).with_speaker(speaker))?;
        let refused = self.refused_full.swap(0, Relaxed);
        if refused > 0 {
            SessionsAdmitted { refused }.emit(&self.telemetry);
        }
        Ok((open, slot))
    }

    /// Runs a session, and lets its application read the last frame.
    async fn session<A>(&self, app: A, open: Open, slot: Slot)
    where
        A: App,
        A::Stream: AsyncRead + AsyncWrite + Unpin,
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
        let dialect = live.speaker.dialect;
        let config = config_of(&open, &self.defaults, self.recovery, dialect);
        let machine = Session::new(live.id.clone(), config, live.opened_at, seed());
        let query = Arc::from(open.query);
        let driver = Driver::new(machine, app, self.dialer.clone(), query, slot, observer);
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

    /// Tells the application why it is not served, if it is to know, and lets it read that.
    async fn reject<S>(&self, mut stream: S, rejection: Rejection, dialect: Dialect, door: Door)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (told, wants_session) = match rejection {
            Rejection::Connection(refusal) => (Told::of(dialect, refusal), false),
            Rejection::Session(refusal) => (Told::of(dialect, refusal), true),
            Rejection::Request { refused, wants_session } => (Told::Http(refused), wants_session),
            Rejection::Silent(cause) => return OpenMissed { cause }.emit(&self.telemetry),
        };
        let refusal = told.refusal();
        let rejected = told.rejected(door);
        if wants_session {
            let is_full = refusal.code == ErrorCode::TooManySessions;
            let is_repeated = is_full && self.refused_full.fetch_add(1, Relaxed) > 0;
            SessionRejected { rejected, is_repeated }.emit(&self.telemetry);
        } else {
            AppRejected(rejected).emit(&self.telemetry);
        }
        let answer = told.into_bytes();
        if let Ok(Ok(())) = timeout(REFUSAL_TIMEOUT, stream.write_all(&answer)).await {
            linger(stream).await;
        }
    }
}

/// How long a connection may take to become a session's: its place among those that have not, and its
/// deadline.
struct Wait<'a> {
    place: Waiting<'a>,
    until: Instant,
}

impl Wait<'_> {
    async fn bound<T>(&self, said: impl Future<Output = T>) -> Result<T, Rejection> {
        let left = self.until.saturating_duration_since(clock::now());
        tokio::select! {
            biased;
            said = clock::timeout(left, said) => {
                said.map_err(|_| Rejection::Silent(UnopenedCause::Timeout))
            }
            () = self.place.evicted() => Err(Rejection::Silent(UnopenedCause::Evicted)),
        }
    }
}

/// A session's settings: what its OPEN says, and the defaults.
fn config_of(
    open: &Open,
    defaults: &SessionConfig,
    recovery: RecoveryConfig,
    dialect: Dialect,
) -> SessionConfig {
    SessionConfig {
        dialect,
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

fn generated_id() -> SessionId {
    SessionId::parse(&Uuid::now_v7().to_string()).expect("a UUID is 36 of 0-9 a-f -")
}

/// Seeds the dial jitter: sessions refused together must not retry together.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
