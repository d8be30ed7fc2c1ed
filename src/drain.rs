//! The shutdown signal: that it has started, and when remaining sessions are cut.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::live::registry::Registry;

/// Shared with every part of the daemon; clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    deadline: Arc<OnceLock<Instant>>,
    begun: CancellationToken,
}

impl Drain {
    /// Starts it: notifies every live session, and everything that waits for [`Drain::begun`]. Only
    /// the first call counts.
    pub fn begin(&self, deadline: Instant, registry: &Registry) {
        if self.deadline.set(deadline).is_ok() {
            self.begun.cancel();
            for session in registry.sessions() {
                session.begin_drain(deadline);
            }
        }
    }

    /// When it cuts; `None` before the start.
    ///
    /// A session that claims its slot and then finds `None` here is notified by [`Drain::begin`]: the
    /// deadline is set before the sessions are listed.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// Waits until it starts.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }
}
