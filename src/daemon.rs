//! The composition root: creates the parts from the configuration, owns their tasks, and stops
//! them in order.

pub(crate) mod defaults;
mod descriptors;
pub(crate) mod dialer;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;

use crate::admin::readiness::Readiness;
use crate::admin::{self, Admin};
use crate::config::key::{ApiKey, KeyStore, Refresh};
use crate::config::{Collector, Config, Proxy};
use crate::drain::Drain;
use crate::live::dials::Dials;
use crate::live::registry::Registry;
use crate::relay::dial_queue::{QueuedDialer, Turns};
use crate::relay::listener::{self, BindError, Listener, Places, SocketFile};
use crate::relay::reception::{self, Peers, Reception, Unopened};
use crate::telemetry::Telemetry;
use crate::telemetry::event::{
    DrainBegun, DrainEnded, Emit, KeyReloadFailed, KeyReplaced, Listening, ShutdownComplete,
};
use crate::telemetry::log::LogHandle;
use crate::telemetry::otlp::SpanExport;
use crate::upstream::dial::Dial;
use crate::upstream::tls::{self, TlsError};
use defaults::{recovery, session_defaults};
use descriptors::Descriptors;
use dialer::ByEndpoint;
use session::drain::DrainTimes;
use session::machine::LAST_WRITE_MAX;

/// How often the key file is checked: Kubernetes itself takes a minute to swap a secret.
const KEY_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Time for sessions cut by the drain deadline to write their last frame, and for their applications
/// to read it.
const CUT_GRACE: Duration = LAST_WRITE_MAX.saturating_add(reception::LINGER);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The applications' socket.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The applications' port.
    #[error("{0}")]
    Port(io::Error),
    /// The admin server.
    #[error(transparent)]
    Admin(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    socket: SocketFile,
    /// The loopback port, if there is one.
    tcp_addr: Option<SocketAddr>,
    admin_addr: SocketAddr,
    registry: Arc<Registry>,
    telemetry: Telemetry,
    readiness: Readiness,
    drain: Drain,
    drain_timeout: Duration,
    drain_linger: Duration,
    /// Counts sessions, and connections that may still become one.
    sessions: TaskTracker,
    /// Applications' connections, which own the sessions.
    applications: Tasks,
    /// Ends the accept loop.
    accepting: CancellationToken,
    /// Admin, the key file watcher and the span export, which outlive the sessions.
    services: Tasks,
}

/// Tasks that end together.
#[derive(Debug, Default)]
struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Daemon {
    /// Binds everything and starts serving; `spans` is `None` if tracing is off, `log` if the
    /// process has no log.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind.
    pub async fn start(
        config: &Config,
        keys: KeyStore,
        token: Option<ApiKey>,
        proxy: Option<Proxy>,
        telemetry: Telemetry,
        spans: Option<SpanExport>,
        log: Option<LogHandle>,
    ) -> Result<Self, StartError> {
        let descriptors = Descriptors::of_process(sessions_max(config), &telemetry);
        let keys = Arc::new(keys);
        let collector_tls = spans.as_ref().map(collector_tls).transpose()?.flatten();
        let dials = Dials::default();
        let registry = Registry::new(descriptors.sessions_max, config.upstream.max_connections);
        let turns = Turns::new(seed(), telemetry.clone(), dials.clone(), registry.clone());
        let lookups = Arc::new(Semaphore::new(descriptors.lookups_max));
        let dialer_of =
            |url: &Url| dialer::of(config, url, keys.clone(), proxy.clone(), lookups.clone());
        let dialer = ByEndpoint {
            agent: Arc::new(dialer_of(&config.upstream.agent_url())?),
            others: Arc::new(dialer_of(&config.upstream.url)?),
        };
        let dialer = Arc::new(QueuedDialer::new(Arc::new(dialer), turns.clone()));
        let readiness = Readiness::new();
        let blocker = readiness.register("ipc_socket");
        let sources = admin::Sources {
            registry: registry.clone(),
            telemetry: telemetry.clone(),
            readiness: readiness.clone(),
            dials,
            config: config.to_yaml(),
            log,
        };
        let admin = Admin::bind(config.admin.listen, descriptors.admin_max, sources).await?;
        let (listener, socket) =
            SocketFile::bind(&config.ipc.socket, config.ipc.socket_mode.bits())?;
        let port = config.ipc.tcp_listen.map(listener::listen_on_port);
        let port = port.transpose().map_err(StartError::Port)?;
        let daemon = Self {
            socket,
            tcp_addr: port
                .as_ref()
                .map(TcpListener::local_addr)
                .transpose()
                .map_err(StartError::Port)?,
            admin_addr: admin.addr(),
            registry,
            telemetry,
            readiness,
            drain: Drain::default(),
            drain_timeout: config.drain.timeout,
            drain_linger: config.drain.linger,
            sessions: TaskTracker::new(),
            applications: Tasks::default(),
            accepting: CancellationToken::new(),
            services: Tasks::default(),
        };
        daemon.serve_admin(admin);
        daemon.watch_key(keys, turns.clone());
        daemon.run_turns(turns);
        daemon.watch_runtime();
        if let Some(spans) = spans {
            daemon.export_spans(spans, collector_tls);
        }
        let places = Places::new(descriptors.connections_max);
        let reception = Arc::new(daemon.reception(config, token, dialer));
        daemon.serve_applications(listener, reception.clone(), places.clone());
        if let Some(port) = port {
            daemon.serve_applications(port, reception, places);
        }
        blocker.clear();
        let listening = Listening {
            socket: daemon.socket.path(),
            tcp: daemon.tcp_addr,
            admin: Some(daemon.admin_addr),
        };
        listening.emit(&daemon.telemetry);
        Ok(daemon)
    }

    /// The applications' socket.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// The loopback port's address, with the port that was bound, if there is one.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp_addr
    }

    /// The admin server's address, with the port that was bound.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Drains: no new sessions, CloseStream for every live one behind what its application has
    /// written, its last results delivered, until `drain.timeout`. Returns when everything has ended
    /// and the socket is unlinked.
    pub async fn shutdown(self) {
        let begun = clock::now();
        let times = DrainTimes {
            linger_until: begun + self.drain_linger,
            deadline: begun + self.drain_timeout,
        };
        self.readiness.drain();
        let sessions = self.registry.sessions().len();
        let (deadline, linger) = (self.drain_timeout, self.drain_linger);
        DrainBegun { sessions, deadline, linger }.emit(&self.telemetry);
        self.drain.begin(times, &self.registry);
        let end = times.deadline + CUT_GRACE;
        self.sessions.close();
        let is_over = timeout_at(end.into(), self.sessions.wait()).await.is_ok();
        if !is_over && clock::now().saturating_duration_since(end) > clock::PAUSE_NOTICED {
            // We stood still: the sessions have only just noticed the deadline themselves.
            let _ = timeout(CUT_GRACE, self.sessions.wait()).await;
        }
        // Unlinked while still listening: otherwise a successor could find it stale and replace it,
        // and we would unlink the successor's.
        drop(self.socket);
        // What was refused meanwhile may still read why.
        self.accepting.cancel();
        self.applications.tracker.close();
        let end = end.min(clock::now() + reception::LINGER);
        let _ = timeout_at(end.into(), self.applications.tracker.wait()).await;
        self.applications.end().await;
        let duration = clock::now().duration_since(begun);
        let (cut, tally) = (self.registry.cut(), self.drain.tally());
        DrainEnded { duration, cut, tally }.emit(&self.telemetry);
        // The last spans have their own deadline.
        self.services.end().await;
        ShutdownComplete { forced: false }.emit(&self.telemetry);
    }

    fn serve_admin(&self, admin: Admin) {
        self.services.tracker.spawn(admin.serve(self.services.stop.clone()));
    }

    fn watch_key(&self, keys: Arc<KeyStore>, turns: Arc<Turns>) {
        let watch = watch_key(keys, turns, self.telemetry.clone());
        self.services.tracker.spawn(self.services.stop.clone().run_until_cancelled_owned(watch));
    }

    fn run_turns(&self, turns: Arc<Turns>) {
        let run = self.services.stop.clone().run_until_cancelled_owned(turns.run());
        self.services.tracker.spawn(run);
    }

    fn watch_runtime(&self) {
        let watch = self.telemetry.clone().watch_runtime();
        self.services.tracker.spawn(self.services.stop.clone().run_until_cancelled_owned(watch));
    }

    fn export_spans(&self, spans: SpanExport, tls: Option<ClientConfig>) {
        self.services.tracker.spawn(spans.run(tls, self.services.stop.clone()));
    }

    fn serve_applications<L, D>(&self, listener: L, reception: Arc<Reception<D>>, places: Places)
    where
        L: Listener + Send + Sync + 'static,
        L::Stream: Send + 'static,
        D: Dial,
    {
        let tasks = &self.applications;
        let accept = listener::accept(
            listener,
            reception,
            places,
            tasks.tracker.clone(),
            tasks.stop.clone(),
        );
        tasks.tracker.spawn(self.accepting.clone().run_until_cancelled_owned(accept));
    }

    fn reception<D: Dial>(
        &self,
        config: &Config,
        token: Option<ApiKey>,
        dialer: Arc<D>,
    ) -> Reception<D> {
        Reception {
            registry: self.registry.clone(),
            dialer,
            defaults: session_defaults(config),
            recovery: recovery(config),
            open_timeout: config.ipc.open_timeout,
            frame_bytes_max: config.ipc.max_frame_bytes,
            peers: Peers {
                uids: config.ipc.allow_uids.clone(),
                gids: config.ipc.allow_gids.clone(),
                token: token.map(|token| token.expose().into()),
            },
            telemetry: self.telemetry.clone(),
            drain: self.drain.clone(),
            sessions: self.sessions.clone(),
            unopened: Unopened::new(self.registry.sessions_max()),
            refused_full: AtomicU64::default(),
        }
    }
}

/// How many sessions there may be. The project's limit on connections bounds those that have one.
pub(crate) fn sessions_max(config: &Config) -> usize {
    config.ipc.max_sessions
}

/// How many sessions the daemon allows if the process may have so many descriptors.
pub(crate) fn sessions_within(descriptors: usize, config: &Config) -> usize {
    Descriptors::within(descriptors, sessions_max(config)).sessions_max
}

/// How many descriptors the daemon needs for so many sessions, at most.
pub(crate) fn descriptors_for(sessions: usize) -> usize {
    descriptors::PER_SESSION * sessions + descriptors::BESIDES
}

/// Seeds the jitter between probes: pods that were refused together must not probe together.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// The TLS client for the collector, if its URL needs one.
fn collector_tls(spans: &SpanExport) -> Result<Option<ClientConfig>, TlsError> {
    let client = || tls::client(Collector::CA_FILE_SETTING, spans.ca_file());
    spans.is_https().then(client).transpose()
}

async fn watch_key(keys: Arc<KeyStore>, turns: Arc<Turns>, telemetry: Telemetry) {
    let mut ticks = interval(KEY_CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let keys = keys.clone();
        // Reading a file blocks, and this worker may be serving sessions.
        let refreshed = tokio::task::spawn_blocking(move || keys.refresh()).await;
        match refreshed {
            Ok(Refresh::Replaced) => {
                turns.replace_credential();
                KeyReplaced.emit(&telemetry);
            }
            Ok(Refresh::Failed(error)) => KeyReloadFailed { error: &error }.emit(&telemetry),
            Ok(Refresh::Unchanged) | Err(_) => {}
        }
    }
}
