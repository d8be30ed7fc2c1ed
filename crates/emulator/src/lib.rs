//! A local stand-in for Deepgram's WebSockets, for tests, demos and benchmarks.
//!
//! It returns words where the audio contains speech, runs Deepgram's timers, injects scripted
//! faults and records what each client did. It does not recognise speech: the words are not what
//! was said. `docs/emulator.md` says how faithful it is.
//!
//! ```text
//! server ── handshake, query ──▶ connection ──▶ stream ──▶ nova, flux, speak, agent
//!   │                              script, fault            audio, backlog
//!   └─ record
//! ```

mod audio;
mod backlog;
pub mod command;
mod connection;
mod cues;
mod duration;
mod fault;
mod handshake;
mod json;
mod playbook;
pub mod position;
mod query;
mod record;
mod script;
mod server;
mod settings;
mod stream;
mod tls;
mod words;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use fault::Transport;
use playbook::Playbook;
pub use playbook::Told;
pub use position::{PositionSummary, Positions};
pub use record::{ConnectionRecord, End, Observed};
pub use script::{Change, Script, ScriptError};
use server::Server;
pub use settings::{
    AgentSettings, Credentials, FieldNoise, FluxSettings, Settings, SpeakSettings, Undecodable,
    Unknowns, UtteranceEndStyle,
};
pub use tls::Tls;

/// Wait after a failed accept, which usually means that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running emulator. Dropping it ends its connections.
#[derive(Debug)]
pub struct Emulator {
    server: Arc<Server>,
    addr: Option<SocketAddr>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Emulator {
    /// Listens on an address and serves clients.
    ///
    /// # Errors
    /// The address cannot be bound, or the script does not fit the settings.
    pub async fn bind(
        addr: impl ToSocketAddrs,
        settings: Settings,
        script: Script,
    ) -> io::Result<Self> {
        Self::listen(addr, settings, script, None).await
    }

    /// The same over TLS.
    ///
    /// # Errors
    /// As for [`Emulator::bind`].
    pub async fn bind_tls(
        addr: impl ToSocketAddrs,
        settings: Settings,
        script: Script,
        tls: Tls,
    ) -> io::Result<Self> {
        Self::listen(addr, settings, script, Some(tls)).await
    }

    /// An emulator without an address: it serves the streams it is given.
    ///
    /// # Errors
    /// The script does not fit the settings.
    pub fn offline(settings: Settings, script: Script) -> io::Result<Self> {
        let unfit = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
        settings.check().map_err(unfit)?;
        let playbook =
            Playbook::new(settings, &script).map_err(|error| unfit(error.to_string()))?;
        Ok(Self {
            server: Arc::new(Server::new(playbook)),
            addr: None,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    async fn listen(
        addr: impl ToSocketAddrs,
        settings: Settings,
        script: Script,
        tls: Option<Tls>,
    ) -> io::Result<Self> {
        let mut emulator = Self::offline(settings, script)?;
        let listener = TcpListener::bind(addr).await?;
        emulator.addr = Some(listener.local_addr()?);
        let gate = Gate {
            server: Arc::clone(&emulator.server),
            tasks: emulator.tasks.clone(),
            stop: emulator.stop.clone(),
            tls,
        };
        emulator.tasks.spawn(emulator.stop.clone().run_until_cancelled_owned(gate.run(listener)));
        Ok(emulator)
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If it was made by [`Emulator::offline`] and listens nowhere.
    pub fn addr(&self) -> SocketAddr {
        self.addr.expect("only an emulator that was bound has an address")
    }

    /// Serves a client over any stream, for example in memory.
    pub fn serve_stream<S: Transport>(&self, stream: S) {
        let server = Arc::clone(&self.server);
        let serve = async move { server.serve(stream).await };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(serve));
    }

    /// Uses another script from now on, for new and for open connections.
    ///
    /// # Errors
    /// The script does not fit the emulator's settings; nothing is changed.
    pub fn change(&self, change: &Change) -> Result<Told, ScriptError> {
        self.server.playbook.change(change)
    }

    /// What it has recorded so far.
    pub fn observed(&self) -> Observed {
        self.server.ledger.observed()
    }

    /// Ends all connections, without a close frame, and waits until they are gone.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The network listener.
struct Gate {
    server: Arc<Server>,
    tasks: TaskTracker,
    stop: CancellationToken,
    tls: Option<Tls>,
}

impl Gate {
    async fn run(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept; retrying");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: tokio::net::TcpStream) {
        // Results are small and must not wait for each other; without this option they are late.
        let _ = stream.set_nodelay(true);
        let server = Arc::clone(&self.server);
        let tls = self.tls.clone();
        let serve = async move {
            match tls {
                None => server.serve(stream).await,
                Some(Tls(acceptor)) => match acceptor.accept(stream).await {
                    Ok(stream) => server.serve(stream).await,
                    Err(error) => tracing::debug!(%error, "TLS handshake failed"),
                },
            }
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(serve));
    }
}

#[cfg(test)]
mod tests;
