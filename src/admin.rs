//! The admin server: metrics, health, sessions and configuration, over plain HTTP/1.1.
//!
//! It is read-only, except for the log level. Each connection serves one request. One that asks for
//! nothing gives up its place if somebody else needs it, and a slow one has it for half a minute at
//! most.

pub mod column;
pub(crate) mod figures;
mod page;
pub(crate) mod quantity;
pub mod readiness;
mod silent;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::live::dials::Dials;
use crate::live::registry::Registry;
use crate::telemetry::Telemetry;
use crate::telemetry::event::{AcceptResumed, AdminAcceptFailed, AdminExchangeFailed, Emit};
use crate::telemetry::log::LogHandle;
use page::Pages;
use readiness::Readiness;
use silent::{Entry, Silent};

/// A request head must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A request and its response may take no longer than this, or the connection is closed.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// Maximum size of a request head; the smallest limit that hyper allows.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Time for pending responses at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Wait after a failed accept: retrying immediately does not help if file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The data behind the pages.
#[derive(Debug)]
pub struct Sources {
    pub registry: Arc<Registry>,
    pub telemetry: Telemetry,
    /// What blocks readiness.
    pub readiness: Readiness,
    /// What holds dials to Deepgram back.
    pub dials: Dials,
    /// The effective configuration as YAML, without secrets.
    pub config: String,
    /// The process's log, if it writes one.
    pub log: Option<LogHandle>,
}

/// The admin server, bound but not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    addr: SocketAddr,
    /// Concurrent connections; further ones wait in the kernel's queue.
    connections_max: usize,
    pages: Arc<Pages>,
}

impl Admin {
    /// Binds the address, for so many concurrent connections; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's error, with the address and what to do.
    pub async fn bind(
        addr: SocketAddr,
        connections_max: usize,
        sources: Sources,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await.map_err(|error| cannot_bind(addr, &error))?;
        let addr = listener.local_addr()?;
        let pages = Arc::new(Pages { sources, started_at: SystemTime::now() });
        Ok(Self { listener, addr, connections_max, pages })
    }

    /// The address that was bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown`, then finishes pending responses and returns.
    pub async fn serve(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let silent = Silent::default();
        let mut connections = JoinSet::new();
        let telemetry = &self.pages.sources.telemetry;
        while let Some(Some((stream, peer, place))) = shutdown
            .run_until_cancelled(next_connection(&self.listener, &places, &silent, telemetry))
            .await
        {
            while connections.try_join_next().is_some() {}
            let entry = silent.enter();
            let evicted = entry.evicted();
            let exchange = exchange(stream, peer, self.pages.clone(), entry, shutdown.clone());
            connections.spawn(async move {
                // After its timeout the connection is dropped, which closes it.
                let exchange = timeout(EXCHANGE_MAX, exchange);
                let _ = evicted.run_until_cancelled(exchange).await;
                drop::<OwnedSemaphorePermit>(place);
            });
        }
        drop(self.listener);
        // What is not done by then is aborted with its set.
        let _ = timeout(SHUTDOWN_GRACE, async { while connections.join_next().await.is_some() {} })
            .await;
    }
}

fn cannot_bind(addr: SocketAddr, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "; another process is using it: choose another admin.listen",
        io::ErrorKind::AddrNotAvailable => "; not an address of this machine: check admin.listen",
        io::ErrorKind::PermissionDenied => "; choose a port of at least 1024 for admin.listen",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen on admin.listen {addr}: {error}{remedy}"))
}

/// The next connection and its slot; `None` once the slots are closed, which never happens.
async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    silent: &Silent,
    telemetry: &Telemetry,
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = silent.place(places).await?;
    let mut failures = 0;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if failures > 0 {
                    AcceptResumed { of: "admin", failures }.emit(telemetry);
                }
                return Some((stream, peer.ip(), place));
            }
            Err(error) => {
                AdminAcceptFailed { error: &error, failures }.emit(telemetry);
                failures += 1;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request and its response.
async fn exchange(
    stream: TcpStream,
    peer: IpAddr,
    pages: Arc<Pages>,
    entry: Entry,
    shutdown: CancellationToken,
) {
    let telemetry = pages.sources.telemetry.clone();
    // Until it has asked for something.
    let entry = Mutex::new(Some(entry));
    let service = service_fn(move |request| {
        drop(entry.lock().unwrap_or_else(PoisonError::into_inner).take());
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        AdminExchangeFailed { error: &error }.emit(&telemetry);
    }
}
