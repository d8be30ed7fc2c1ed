//! Shutdown's one fact: that it has begun, and when it cuts.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::live::registry::Registry;

/// Told to every part of the daemon; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    deadline: Arc<OnceLock<Instant>>,
    begun: CancellationToken,
}

impl Drain {
    /// Begins: every live session is told, and whoever waits for [`Drain::begun`]. The first call
    /// counts.
    pub fn begin(&self, deadline: Instant, registry: &Registry) {
        if self.deadline.set(deadline).is_ok() {
            self.begun.cancel();
            for session in registry.sessions() {
                session.begin_drain(deadline);
            }
        }
    }

    /// When it cuts; `None` before it has begun.
    ///
    /// A session that claims its slot and then finds `None` here is told by [`Drain::begin`]: the
    /// deadline is set before the sessions are listed.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }
}
