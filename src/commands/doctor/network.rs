//! From the name to the upgrade: the daemon's own steps, each timed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use http::HeaderValue;
use tokio::time::timeout;

use super::advice;
use super::conversation::Opened;
use super::local::elapsed;
use super::recorded::{HttpAnswer, Recorded, Recording};
use super::report::{Check, Row, Status};
use crate::config::Config;
use crate::upstream::dial::Dialer;
use crate::upstream::link::Link;
use crate::upstream::meter::Meter;
use crate::upstream::transport::Transport;
use session::Endpoint;
use session::dial::{DialFailure, DialReason};

/// Addresses that are tried; a name has a few.
const ADDRESSES_MAX: usize = 16;

/// How far clocks may be apart: `Date` counts seconds, and the answer travels.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(30);

/// The source of `Authorization`.
pub(super) trait Key: Fn() -> Option<HeaderValue> + Send + Sync + 'static {}

impl<K: Fn() -> Option<HeaderValue> + Send + Sync + 'static> Key for K {}

/// A stream before its upgrade.
pub(super) struct Secured {
    transport: Transport,
    meter: Meter,
}

/// Resolves the host.
pub(super) async fn lookup<K: Key>(dialer: &Dialer<K>, config: &Config) -> (Row, Vec<SocketAddr>) {
    let since = clock::now();
    let limit = config.upstream.connect_timeout;
    let failed = |detail: String| {
        let row = Row::failed(Check::Dns, elapsed(since), detail, advice::dns(config));
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
    let tries = addresses.iter().map(|address| try_address(dialer, *address, limit));
    let mut tried = join_all(tries).await;
    excuse_unrouted(&mut tried);
    let first = tried.iter_mut().find_map(|it| Some((it.address, it.secured.take()?)));
    (tried.into_iter().flat_map(|it| it.rows).collect(), first)
}

/// What came of one address.
struct Tried {
    address: SocketAddr,
    rows: Vec<Row>,
    /// Whether there is no way to its family at all.
    unrouted: bool,
    secured: Option<Secured>,
}

async fn try_address<K: Key>(dialer: &Dialer<K>, address: SocketAddr, limit: Duration) -> Tried {
    let mut tried = Tried { address, rows: Vec::new(), unrouted: false, secured: None };
    let since = clock::now();
    let reached = match timeout(limit, dialer.reach(address)).await {
        Ok(reached) => reached,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let stream = match reached {
        Ok(stream) => stream,
        Err(error) => {
            let (detail, help) = match error.raw_os_error() {
                None if error.kind() == io::ErrorKind::TimedOut => {
                    (format!("no connection within {limit:?}"), advice::TCP_TIMEOUT)
                }
                _ => (error.to_string(), advice::tcp(&error)),
            };
            let kind = error.kind();
            tried.unrouted = address.is_ipv6()
                && matches!(
                    kind,
                    io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable
                );
            tried.rows.push(Row::failed(Check::Tcp, elapsed(since), detail, help).at(address));
            return tried;
        }
    };
    tried.rows.push(Row::ok(Check::Tcp, elapsed(since), "connected").at(address));
    let since = clock::now();
    let secured = timeout(limit, dialer.encrypt(stream)).await;
    let took = elapsed(since);
    let row = match secured {
        Ok(Ok((transport, meter))) => {
            let detail = tls_of(&transport);
            tried.secured = Some(Secured { transport, meter });
            detail.map(|detail| Row::ok(Check::Tls, took, detail))
        }
        Ok(Err(failure)) => {
            Some(Row::failed(Check::Tls, took, &*failure.detail, advice::tls(&failure)))
        }
        Err(_) => {
            let detail = format!("no handshake within {limit:?}");
            Some(Row::failed(Check::Tls, took, detail, advice::TLS_TIMEOUT))
        }
    };
    tried.rows.extend(row.map(|row| row.at(address)));
    tried
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

/// A pod without IPv6 fails such addresses at once and uses the others.
fn excuse_unrouted(tried: &mut [Tried]) {
    if tried.iter().all(|it| it.secured.is_none()) {
        return;
    }
    for row in tried.iter_mut().filter(|it| it.unrouted).flat_map(|it| &mut it.rows) {
        row.status = Status::Warning;
        row.advice =
            Some("this pod has no IPv6, which costs nothing while other addresses work".to_owned());
    }
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
    let (stream, recording): (_, Recording) = Recorded::new(transport);
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
