//! The one place where the shell reads the clock.

use std::time::Instant;

/// The present, on Tokio's clock, so that a paused test clock moves it.
#[expect(clippy::disallowed_methods, reason = "this is the only place that reads the clock")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
