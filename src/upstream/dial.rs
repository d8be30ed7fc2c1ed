//! Dialling Deepgram: DNS, TCP, TLS, upgrade, each timed and each with its own failure.

mod steps;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::HeaderValue;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::link::Link;
use super::meter::{Meter, Metered};
use super::transport::Transport;
use super::upgrade::{Ask, upgrade};
use session::Endpoint;

use session::dial::{DialFailure, DialPhases, DialReason};

/// A connection that has just come up.
#[derive(Debug)]
pub struct Dialed<S> {
    pub link: Link<S>,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// How long each phase took.
    pub phases: DialPhases,
}

/// A dialler; tests reach the emulator without a network.
pub trait Dial: Send + Sync + 'static {
    /// The byte stream under its links.
    type Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    /// One attempt. `query` is encoded, without `?`.
    fn dial(
        self: Arc<Self>,
        endpoint: Endpoint,
        query: Arc<str>,
    ) -> impl Future<Output = Result<Dialed<Self::Stream>, DialFailure>> + Send + 'static;
}

/// Where Deepgram is, and how to get there.
pub struct Dialer<K> {
    /// Host name or address, without brackets.
    pub host: String,
    pub port: u16,
    /// `None` for plain `ws://`.
    pub tls: Option<TlsConnector>,
    /// Timeout of one whole attempt.
    pub connect_timeout: Duration,
    /// How long sent bytes may stay unacknowledged before the kernel gives up.
    pub user_timeout: Duration,
    /// Bounds concurrent DNS lookups; not shared with anything else.
    pub lookups: Arc<Semaphore>,
    /// The current `Authorization`, which follows a key file.
    pub authorization: K,
}

/// Shows where it dials, and nothing that could reveal the key.
impl<K> fmt::Debug for Dialer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl<K> Dial for Dialer<K>
where
    K: Fn() -> Option<HeaderValue> + Send + Sync + 'static,
{
    type Stream = Transport;

    async fn dial(
        self: Arc<Self>,
        endpoint: Endpoint,
        query: Arc<str>,
    ) -> Result<Dialed<Transport>, DialFailure> {
        let progress = Progress::default();
        match timeout(self.connect_timeout, self.attempt(endpoint, &query, &progress)).await {
            Ok(result) => result,
            Err(_) => Err(DialFailure::before_answer(
                DialReason::Timeout,
                format!("no connection within {:?}: {}", self.connect_timeout, progress.phase()),
            )),
        }
    }
}

impl<K> Dialer<K>
where
    K: Fn() -> Option<HeaderValue> + Send + Sync + 'static,
{
    async fn attempt(
        &self,
        endpoint: Endpoint,
        query: &str,
        progress: &Progress,
    ) -> Result<Dialed<Transport>, DialFailure> {
        let mut stopwatch = Stopwatch::start();
        let addresses = self.resolve().await?;
        let dns = stopwatch.lap();
        progress.advance();
        let tcp_stream = self.connect(&addresses).await?;
        let tcp = stopwatch.lap();
        progress.advance();
        let (stream, meter) = self.secure(tcp_stream).await?;
        let tls = if self.tls.is_some() { stopwatch.lap() } else { Duration::ZERO };
        progress.advance();
        let authority = self.authority();
        let path_and_query = match query {
            "" => endpoint.path().to_owned(),
            query => format!("{}?{query}", endpoint.path()),
        };
        let ask = Ask {
            authority: &authority,
            path_and_query: &path_and_query,
            authorization: (self.authorization)(),
        };
        let upgraded = upgrade(stream, ask).await?;
        let phases = DialPhases { dns, tcp, tls, upgrade: stopwatch.lap() };
        let link = Link::new(upgraded.stream, upgraded.early, meter, endpoint).await;
        Ok(Dialed { link, request_id: upgraded.request_id, phases })
    }

    /// On a bounded number of threads: a hanging resolver outlives our timeout, and must not use
    /// up the threads that other blocking work needs.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, DialFailure> {
        let failed = |detail: String| DialFailure::before_answer(DialReason::Dns, detail);
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![(address, self.port).into()]);
        }
        let lookups = self.lookups.clone();
        let lookup = lookups.acquire_owned().await.expect("the semaphore is never closed");
        let (host, port) = (self.host.clone(), self.port);
        let found = tokio::task::spawn_blocking(move || {
            let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            drop(lookup);
            addresses
        });
        let addresses: Vec<_> = match found.await {
            Ok(found) => found.map_err(|error| failed(format!("{}: {error}", self.host)))?,
            Err(stopped) => return Err(failed(stopped.to_string())),
        };
        if addresses.is_empty() {
            return Err(failed(format!("{} has no address", self.host)));
        }
        Ok(addresses)
    }

    /// Tries each address for its share of the time, so that an unresponsive one does not use up
    /// the time of the others.
    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, DialFailure> {
        let share = self.connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut last_error = String::new();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.tune(stream),
                Ok(Err(error)) => last_error = format!("{address}: {error}"),
                Err(_) => last_error = format!("{address}: no response within {share:?}"),
            }
        }
        Err(DialFailure::before_answer(DialReason::Tcp, last_error))
    }

    fn tune(&self, stream: TcpStream) -> Result<TcpStream, DialFailure> {
        let failed =
            |error: io::Error| DialFailure::before_answer(DialReason::Tcp, error.to_string());
        stream.set_nodelay(true).map_err(failed)?;
        let socket = SockRef::from(&stream);
        socket.set_tcp_user_timeout(Some(self.user_timeout)).map_err(failed)?;
        let keepalive = TcpKeepalive::new().with_time(self.user_timeout);
        socket.set_tcp_keepalive(&keepalive).map_err(failed)?;
        Ok(stream)
    }

    async fn secure(&self, stream: TcpStream) -> Result<(Transport, Meter), DialFailure> {
        let (stream, meter) = Metered::new(stream);
        let Some(connector) = &self.tls else { return Ok((Transport::Plain(stream), meter)) };
        let failed = |detail: String| DialFailure::before_answer(DialReason::Tls, detail);
        let name = ServerName::try_from(self.host.clone()).map_err(|it| failed(it.to_string()))?;
        let stream = connector.connect(name, stream).await.map_err(|error| DialFailure {
            untrusted: is_certificate_error(&error),
            ..failed(error.to_string())
        })?;
        Ok((Transport::Tls(Box::new(stream)), meter))
    }

    /// `Host`, without the scheme's default port.
    fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.tls.is_some() { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }
}

/// Whether the handshake failed because of the peer, and not the network.
fn is_certificate_error(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Laps of one attempt.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(clock::now())
    }

    fn lap(&mut self) -> Duration {
        let now = clock::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}

/// How far an attempt got, for the timeout message.
#[derive(Default)]
struct Progress(AtomicUsize);

impl Progress {
    fn advance(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn phase(&self) -> &'static str {
        const PHASES: [&str; 4] = [
            "DNS lookup did not finish",
            "TCP did not connect",
            "TLS handshake did not finish",
            "no response to the upgrade",
        ];
        PHASES[self.0.load(Relaxed).min(PHASES.len() - 1)]
    }
}
