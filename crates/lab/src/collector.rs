//! A stand-in for an OpenTelemetry collector: it accepts spans and discards them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::web::{self, Ask, Handler, Reply};

/// A collector that can be stopped and restarted at the same address.
#[derive(Debug)]
pub(super) struct Collector {
    addr: SocketAddr,
    serving: JoinSet<()>,
}

impl Collector {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut collector = Self { addr: ([127, 0, 0, 1], 0).into(), serving: JoinSet::new() };
        collector.open().await?;
        Ok(collector)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens again, if it does not.
    pub(super) async fn open(&mut self) -> anyhow::Result<()> {
        if self.serving.is_empty() {
            let listener = TcpListener::bind(self.addr).await?;
            self.addr = listener.local_addr()?;
            self.serving.spawn(web::serve(listener, Arc::new(Sink)));
        }
        Ok(())
    }

    /// Closes its connections and refuses new ones.
    pub(super) async fn close(&mut self) {
        self.serving.shutdown().await;
    }
}

struct Sink;

impl Handler for Sink {
    /// An empty response means that all spans were accepted.
    async fn answer(&self, _: Ask) -> Reply {
        Reply::ok("")
    }
}
