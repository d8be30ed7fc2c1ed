//! From the name to the upgrade: the daemon's own steps, each timed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::HeaderValue;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::advice;
use super::conversation::Opened;
use super::local::elapsed;
use super::recorded::{HttpAnswer, Recording};
use super::report::{Check, Row, Status};
use crate::upstream::dial::Dialer;
use crate::upstream::link::Link;
use crate::upstream::meter::{Meter, Metered};
use crate::upstream::transport::Transport;
use session::Endpoint;
use session::dial::{DialFailure, DialReason};

/// Addresses that are tried; a name has a few.
const ADDRESSES_MAX: usize = 16;

/// How far clocks may be apart: `Date` counts seconds, and the answer travels.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(30);

const NO_IPV6: &str = "this pod has no route for IPv6, which costs nothing while another address \
    works";

/// The source of `Authorization`.
pub(super) trait Key: Fn() -> Option<HeaderValue> + Send + Sync + 'static {}

impl<K: Fn() -> Option<HeaderValue> + Send + Sync + 'static> Key for K {}

/// A stream before its upgrade.
pub(super) struct Secured {
    transport: Transport,
    meter: Meter,
}

/// Resolves the host.
pub(super) async fn lookup<K: Key>(dialer: &Dialer<K>, limit: Duration) -> (Row, Vec<SocketAddr>) {
    let since = clock::now();
    let failed = |detail: String| {
        let help = advice::dns(&advice::first_peer(dialer));
        let row = Row::failed(Check::Dns, elapsed(since), detail, help);
        (row, Vec::new())
    };
    match timeout(limit, dialer.lookup()).await {
        Ok(Ok(mut addresses)) => {
            addresses.dedup();
            addresses.truncate(ADDRESSES_MAX);
            let shown: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
            (Row::ok(Check::Dns, elapsed(since), shown.join(", ")), addresses)
        }
        Ok(Err(failure)) => failed(failure.detail),
        Err(_) => failed(format!("no answer within {limit:?}")),
    }
}

/// Connects to each address, side by side; what came of it, and the first connection that is ready
/// for an upgrade, with its address.
pub(super) async fn connect<K: Key>(
    dialer: &Dialer<K>,
    addresses: &[SocketAddr],
    limit: Duration,
) -> (Vec<Row>, Option<(SocketAddr, Secured)>) {
    let peer = advice::first_peer(dialer);
    let tries = addresses.iter().map(|address| try_address(dialer, &peer, *address, limit));
    let mut tried = join_all(tries).await;
    let first = tried.iter_mut().find_map(|it| Some((it.address, it.secured.take()?)));
    let mut rows: Vec<_> = tried.into_iter().flat_map(|it| it.rows).collect();
    if first.is_some() {
        excuse_unrouted(&mut rows);
    }
    (rows, first)
}

/// What came of one address.
struct Tried {
    address: SocketAddr,
    rows: Vec<Row>,
    secured: Option<Secured>,
}

async fn try_address<K: Key>(
    dialer: &Dialer<K>,
    peer: &str,
    address: SocketAddr,
    limit: Duration,
) -> Tried {
    let mut tried = Tried { address, rows: Vec::new(), secured: None };
    let (row, stream) = reach(dialer, peer, address, limit).await;
    tried.rows.push(row.at(address));
    let Some(stream) = stream else { return tried };
    let (row, passed) = pass(dialer, stream, limit).await;
    tried.rows.extend(row.map(|row| row.at(address)));
    let Some((stream, meter)) = passed else { return tried };
    let (row, transport) = encrypt(dialer, stream, limit).await;
    tried.rows.extend(row.map(|row| row.at(address)));
    tried.secured = transport.map(|transport| Secured { transport, meter });
    tried
}

/// Its row, where there is a proxy.
async fn pass<K: Key>(
    dialer: &Dialer<K>,
    stream: TcpStream,
    limit: Duration,
) -> (Option<Row>, Option<(Metered<TcpStream>, Meter)>) {
    let since = clock::now();
    let passed = timeout(limit, dialer.pass(stream)).await;
    let took = elapsed(since);
    let row = |result: Result<String, String>| {
        let proxy = dialer.proxy.as_ref()?;
        Some(match result {
            Ok(detail) => Row::ok(Check::Proxy, took, detail),
            Err(detail) => Row::failed(Check::Proxy, took, detail, advice::proxy(proxy)),
        })
    };
    match passed {
        Ok(Ok(passed)) => {
            (row(Ok(format!("a tunnel to {}:{}", dialer.host, dialer.port))), Some(passed))
        }
        Ok(Err(failure)) => (row(Err(failure.detail)), None),
        Err(_) => (row(Err(format!("no answer to CONNECT within {limit:?}"))), None),
    }
}

async fn reach<K: Key>(
    dialer: &Dialer<K>,
    peer: &str,
    address: SocketAddr,
    limit: Duration,
) -> (Row, Option<TcpStream>) {
    let since = clock::now();
    match timeout(limit, dialer.reach(address)).await {
        Ok(Ok(stream)) => (Row::ok(Check::Tcp, elapsed(since), "connected"), Some(stream)),
        Ok(Err(error)) => {
            let help = match is_unrouted(address, &error) {
                true => NO_IPV6.to_owned(),
                false => advice::tcp(&error, peer),
            };
            (Row::failed(Check::Tcp, elapsed(since), error.to_string(), help), None)
        }
        Err(_) => {
            let detail = format!("no connection within {limit:?}");
            (Row::failed(Check::Tcp, elapsed(since), detail, advice::tcp_timeout(peer)), None)
        }
    }
}

/// Its row, except for a plain connection, which has no handshake to report.
async fn encrypt<K: Key>(
    dialer: &Dialer<K>,
    stream: Metered<TcpStream>,
    limit: Duration,
) -> (Option<Row>, Option<Transport>) {
    let since = clock::now();
    let secured = timeout(limit, dialer.encrypt(stream)).await;
    let took = elapsed(since);
    match secured {
        Ok(Ok(transport)) => {
            let row = tls_of(&transport).map(|detail| Row::ok(Check::Tls, took, detail));
            (row, Some(transport))
        }
        Ok(Err(failure)) => {
            let help = advice::tls(&failure);
            (Some(Row::failed(Check::Tls, took, failure.detail, help)), None)
        }
        Err(_) => {
            let detail = format!("no handshake within {limit:?}");
            (Some(Row::failed(Check::Tls, took, detail, advice::TLS_TIMEOUT)), None)
        }
    }
}

/// What was negotiated; `None` for a plain connection, which has no handshake to report.
fn tls_of(transport: &Transport) -> Option<String> {
    match transport {
        Transport::Plain(_) => None,
        Transport::Tls(stream) => {
            let version = stream.get_ref().1.protocol_version();
            Some(format!("{}, certificate trusted", version?.as_str().unwrap_or("TLS")))
        }
    }
}

/// Whether there is no way to the address's whole family.
fn is_unrouted(address: SocketAddr, error: &io::Error) -> bool {
    let unrouted = [io::ErrorKind::NetworkUnreachable, io::ErrorKind::AddrNotAvailable];
    address.is_ipv6() && unrouted.contains(&error.kind())
}

/// A pod without IPv6 fails such addresses at once and uses the others.
fn excuse_unrouted(rows: &mut [Row]) {
    let unrouted = |row: &&mut Row| row.advice.as_deref() == Some(NO_IPV6);
    rows.iter_mut().filter(unrouted).for_each(|row| row.status = Status::Warning);
}

/// How an upgrade went.
pub(super) struct Upgrade {
    pub(super) result: Result<Opened, DialFailure>,
    pub(super) request_id: Option<String>,
    /// The answer as it was received, if it was HTTP.
    pub(super) answer: Option<HttpAnswer>,
    pub(super) took: Duration,
}

/// Asks for the upgrade, with these credentials.
pub(super) async fn upgrade<K: Key>(
    dialer: &Dialer<K>,
    Secured { transport, meter }: Secured,
    query: &str,
    authorization: Option<HeaderValue>,
    limit: Duration,
) -> Upgrade {
    let since = clock::now();
    let recording = Recording::default();
    let stream = recording.of(transport);
    let asked = dialer.request(stream, Endpoint::V1Listen, query, authorization);
    let asked = timeout(limit, asked).await.unwrap_or_else(|_| {
        let detail = format!("no response within {limit:?}");
        Err(DialFailure::before_answer(DialReason::Timeout, detail))
    });
    let took = elapsed(since);
    let answer = recording.answer();
    match asked {
        Ok(upgraded) => {
            let link = Link::new(upgraded.stream, upgraded.early, meter, Endpoint::V1Listen).await;
            let link = link.hiding(upgraded.secret);
            let result = Ok(Opened::new(link));
            Upgrade { result, request_id: upgraded.request_id, answer, took }
        }
        Err(failure) => {
            let request_id = failure.request_id.clone();
            Upgrade { result: Err(failure), request_id, answer, took }
        }
    }
}

impl Upgrade {
    /// Its row. `key` says where the key comes from.
    pub(super) fn row(&self, key: &str) -> Row {
        let id = self.request_id.as_ref().map(|id| format!(", request id {id}"));
        let id = id.unwrap_or_default();
        match &self.result {
            Ok(_) => Row::ok(Check::Upgrade, self.took, format!("101{id}")),
            Err(failure) => {
                let status = failure.status.map(|it| format!("HTTP {it}: ")).unwrap_or_default();
                let detail = format!("{status}{}{id}", failure.detail);
                let help = match failure.reason {
                    DialReason::Timeout => advice::UPGRADE_TIMEOUT.to_owned(),
                    _ => advice::upgrade(failure, self.answer.as_ref(), key),
                };
                Row::failed(Check::Upgrade, self.took, detail, help)
            }
        }
    }

    /// Compares the peer's clock with ours.
    pub(super) fn clock(&self, now: SystemTime) -> Row {
        let Some(date) = self.answer.as_ref().and_then(HttpAnswer::date) else {
            return Row::skipped(Check::Clock, "the peer did not tell the time");
        };
        let (apart, side) = match now.duration_since(date) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(behind) => (behind.duration(), "behind"),
        };
        let seconds = Duration::from_secs(apart.as_secs());
        let detail = format!("{} {side} the peer's", humantime::format_duration(seconds));
        match apart > CLOCK_SKEW_MAX {
            true => Row::failed(Check::Clock, Duration::ZERO, detail, advice::CLOCK),
            false => Row::ok(Check::Clock, Duration::ZERO, detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::config::{Auth, Config, KeyStore};
    use crate::daemon;

    #[tokio::test]
    async fn the_first_address_that_works_is_used_and_each_is_reported() {
        let mut config = Config::default();
        config.upstream.auth = Auth::None;
        config.upstream.url = "ws://deepgram.invalid".parse().unwrap();
        let keys = KeyStore::load(&config.upstream, &[]).unwrap();
        let lookups = Arc::new(tokio::sync::Semaphore::new(1));
        let dialer =
            daemon::dialer::of(&config, &config.upstream.url, Arc::new(keys), None, lookups)
                .unwrap();
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let live_at = live.local_addr().unwrap();
        // An address of its own, so that nobody takes the port meanwhile.
        let dead_at = TcpListener::bind("127.0.0.8:0").unwrap().local_addr().unwrap();
        let limit = Duration::from_secs(60);
        let (rows, first) = connect(&dialer, &[dead_at, live_at, live_at], limit).await;
        let status: Vec<_> = rows.iter().map(|row| (row.target.clone(), row.status)).collect();
        let at = |address: SocketAddr, status| (Some(address.to_string()), status);
        let (failed, ok) = (at(dead_at, Status::Failed), at(live_at, Status::Ok));
        assert_eq!(status, [failed, ok.clone(), ok]);
        assert_eq!(first.map(|(address, _)| address), Some(live_at));
    }

    #[test]
    fn a_pod_without_ipv6_is_excused_from_it_and_from_nothing_else() {
        let unreachable = io::Error::from(io::ErrorKind::NetworkUnreachable);
        let six: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        let four: SocketAddr = "192.0.2.1:443".parse().unwrap();
        assert!(is_unrouted(six, &unreachable) && !is_unrouted(four, &unreachable));
        assert!(!is_unrouted(six, &io::ErrorKind::ConnectionRefused.into()));
        let failed = |advice| Row::failed(Check::Tcp, Duration::ZERO, "", advice);
        let mut rows = [failed(NO_IPV6), failed("drops")];
        excuse_unrouted(&mut rows);
        assert_eq!(rows.map(|row| row.status), [Status::Warning, Status::Failed]);
    }
}
