//! The processes of a test, and how it talks to them. Everything waits with a deadline and panics
//! past it, so that a test reads as a story and never hangs.

mod app;
mod collector;
mod dialect;
mod emulator;
mod http;
mod log;
mod metrics;
mod namespace;
mod order;
mod process;
mod prometheus;
mod sidecar;
mod terminal;
pub(crate) mod websocket;

use std::time::Duration;

pub(crate) use app::{App, Reader, SAMPLES_PER_FRAME, frame_bytes, listen, speech};
pub(crate) use collector::{Collector, Span};
pub(crate) use dialect::{DialectApp, json};
pub(crate) use emulator::Emulator;
pub(crate) use metrics::Metrics;
pub(crate) use namespace::Pod;
pub(crate) use process::{Process, memory_kib, run_to_exit, tool};
pub(crate) use prometheus::{Labels, Prometheus, assert_promtool_finds_nothing};
pub(crate) use sidecar::{Config, KEY, Sidecar, sidecar_command};
pub(crate) use terminal::Terminal;

/// Far beyond anything that is awaited, so that only a hang and no slow machine runs into it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for what must happen.
pub(crate) async fn within<T>(what: &str, happening: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, happening).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Looks again and again until there is something to see: for what tells nobody when it changes.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    })
    .await
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
