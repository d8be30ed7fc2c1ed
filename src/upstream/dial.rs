//! Dialling Deepgram: DNS, TCP, TLS, upgrade, each timed and each with its own failure.

mod steps;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::addresses;
use super::link::Link;
use super::meter::Metered;
use super::resources::{descriptors_exhausted, limit_of};
use super::transport::Transport;
use super::tunnel::Proxy;
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
    /// Dropped when the connection is over, for whoever counts connections.
    pub lease: Option<Lease>,
}

/// A connection's place among those that may be up.
pub type Lease = Box<dyn Leased>;

/// What is dropped with a connection.
pub trait Leased: fmt::Debug + Send {}

impl<T: fmt::Debug + Send> Leased for T {}

/// What a session wants to connect to.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub endpoint: Endpoint,
    /// Its parameters, encoded, without `?`.
    pub query: Arc<str>,
    /// How long it may wait behind other sessions' dials.
    pub patience: Duration,
}

/// A dialler; tests reach the emulator without a network.
pub trait Dial: Send + Sync + 'static {
    /// The byte stream under its links.
    type Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    /// One attempt.
    fn dial(
        self: Arc<Self>,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Dialed<Self::Stream>, DialFailure>> + Send + 'static;
}

/// Where Deepgram is, and how to get there.
pub struct Dialer<K> {
    /// Host name or address, without brackets.
    pub host: String,
    pub port: u16,
    /// To go through, if any: then its name is looked up, and it looks up Deepgram's.
    pub proxy: Option<Proxy>,
    /// `None` for plain `ws://`.
    pub tls: Option<TlsConnector>,
    /// Timeout of one whole attempt.
    pub connect_timeout: Duration,
    /// How long sent bytes may stay unacknowledged before the kernel gives up.
    pub user_timeout: Duration,
    /// The address that worked last time; tried first.
    pub worked: Mutex<Option<SocketAddr>>,
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

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<Transport>, DialFailure> {
        let Attempt { endpoint, query, .. } = attempt;
        let progress = Progress::default();
        match clock::timeout(self.connect_timeout, self.attempt(endpoint, &query, &progress)).await
        {
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
        let addresses = self.resolve().await.map_err(|it| self.on_the_first_leg(it))?;
        let dns = stopwatch.lap();
        progress.advance();
        let connected = self.connect(&addresses).await;
        let tcp_stream = connected.map_err(|it| self.on_the_first_leg(it))?;
        let tcp = stopwatch.lap();
        progress.advance();
        let (stream, meter) = Metered::new(tcp_stream);
        let stream = self.tunnel(stream).await?;
        let stream = self.secure(stream).await?;
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
        let (queued, upgrade) = (Duration::ZERO, stopwatch.lap());
        let phases = DialPhases { queued, dns, tcp, tls, upgrade };
        let link = Link::new(upgraded.stream, upgraded.early, meter, endpoint).await;
        let link = link.hiding(upgraded.secret);
        Ok(Dialed { link, request_id: upgraded.request_id, phases, lease: None })
    }

    /// Where there is a proxy, it is what could not be reached, and not Deepgram. A lack of our own
    /// resources is neither's.
    fn on_the_first_leg(&self, failure: DialFailure) -> DialFailure {
        match &self.proxy {
            Some(proxy) if failure.reason != DialReason::Resources => proxy.unreachable(failure),
            _ => failure,
        }
    }

    /// The name's addresses. On a bounded number of threads: a hanging resolver outlives our timeout,
    /// and must not use up the threads that other blocking work needs.
    ///
    /// # Errors
    /// `dns`, or `resources` if it is ours that are lacking.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, DialFailure> {
        let failed = |detail: String| DialFailure::before_answer(DialReason::Dns, detail);
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (self.host.clone(), self.port),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        let lookups = self.lookups.clone();
        let lookup = lookups.acquire_owned().await.expect("the semaphore is never closed");
        let name = host.clone();
        let found = tokio::task::spawn_blocking(move || {
            let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            drop(lookup);
            addresses.map_err(|error| descriptors_exhausted().unwrap_or(error))
        });
        let addresses: Vec<_> = match found.await {
            Ok(found) => found.map_err(|error| {
                lacking(&error).unwrap_or_else(|| failed(format!("{name}: {error}")))
            })?,
            Err(stopped) => return Err(failed(stopped.to_string())),
        };
        if addresses.is_empty() {
            return Err(failed(format!("{name} has no address")));
        }
        Ok(addresses)
    }

    /// Connects to the first of these addresses that answers, beginning with the one that did last
    /// time.
    ///
    /// # Errors
    /// `tcp` with each address and its error, or `resources` if it is ours that are lacking.
    pub async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, DialFailure> {
        let worked = *self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let won = addresses::race(addresses::order(addresses, worked), TcpStream::connect).await;
        let (address, stream) = won.map_err(|failed| {
            let lacking = failed.iter().find_map(|(_, error)| lacking(error));
            let errors = failed.iter().map(|(address, error)| format!("{address}: {error}"));
            lacking.unwrap_or_else(|| {
                let detail = errors.collect::<Vec<_>>().join("; ");
                DialFailure::before_answer(DialReason::Tcp, detail)
            })
        })?;
        *self.worked.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
        self.tune(stream)
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

    /// Through the proxy to Deepgram, if there is one.
    ///
    /// # Errors
    /// `tcp`, with the proxy's answer.
    pub async fn tunnel(
        &self,
        stream: Metered<TcpStream>,
    ) -> Result<Metered<TcpStream>, DialFailure> {
        match &self.proxy {
            Some(proxy) => {
                proxy.connect(stream, &format!("{}:{}", self.bracketed(), self.port)).await
            }
            None => Ok(stream),
        }
    }

    /// TLS, unless the URL is plain.
    ///
    /// # Errors
    /// `tls`.
    pub async fn secure(&self, stream: Metered<TcpStream>) -> Result<Transport, DialFailure> {
        let Some(connector) = &self.tls else { return Ok(Transport::Plain(stream)) };
        let failed = |detail: String| DialFailure::before_answer(DialReason::Tls, detail);
        let name = ServerName::try_from(self.host.clone()).map_err(|it| failed(it.to_string()))?;
        let stream = connector.connect(name, stream).await.map_err(|error| DialFailure {
            untrusted: is_certificate_error(&error),
            ..failed(error.to_string())
        })?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// `Host`, without the scheme's default port.
    fn authority(&self) -> String {
        let default_port = if self.tls.is_some() { 443 } else { 80 };
        let host = self.bracketed();
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// The host, as URLs have it.
    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// The failure that an error is if it is our own resources that are lacking.
fn lacking(error: &io::Error) -> Option<DialFailure> {
    let limit = limit_of(error)?;
    Some(DialFailure::before_answer(DialReason::Resources, format!("{error}: {limit}")))
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

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    fn dialer() -> Dialer<fn() -> Option<HeaderValue>> {
        Dialer {
            host: "deepgram.test".to_owned(),
            port: 443,
            proxy: None,
            tls: None,
            connect_timeout: Duration::from_secs(10),
            user_timeout: Duration::from_secs(15),
            worked: Mutex::default(),
            lookups: Arc::new(Semaphore::new(1)),
            authorization: || None,
        }
    }

    /// A listener whose queue is full: the kernel answers no further connection.
    async fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(taken) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            queue.push(taken.unwrap());
        }
        (listener, queue)
    }

    #[tokio::test]
    async fn a_black_hole_is_passed_by_and_the_next_time_not_even_tried() {
        let (hole, _queue) = black_hole().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [hole.local_addr().unwrap(), alive.local_addr().unwrap()];
        let dialer = dialer();
        let begun = clock::now();
        let stream = dialer.connect(&addresses).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        assert!(
            clock::now().duration_since(begun) < Duration::from_secs(5),
            "not its share of 10 s"
        );
        let worked = *dialer.worked.lock().unwrap();
        assert_eq!(addresses::order(&addresses, worked)[0], addresses[1]);
    }

    #[tokio::test]
    async fn a_failure_names_every_address() {
        // Bound and never listened on, so that nobody else can take them meanwhile.
        let sockets = [(); 2].map(|()| TcpSocket::new_v4().unwrap());
        let addresses = sockets.each_ref().map(|socket| {
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.local_addr().unwrap()
        });
        let failure = dialer().connect(&addresses).await.unwrap_err();
        assert_eq!(failure.reason, DialReason::Tcp);
        assert!(addresses.iter().all(|it| failure.detail.contains(&it.to_string())), "{failure:?}");
    }
}
