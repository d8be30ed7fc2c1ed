//! How late the lab's own timers are: the evidence that a retry requires.
//!
//! It is measured in this process, which plays Deepgram and the applications, not in the sidecar. So
//! no bug of the sidecar can pass for a busy machine unless it takes all of the CPU, and then the
//! retry fails as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

/// The timer behind the sidecar's `runtime_lag_seconds` has the same.
const BEAT: Duration = Duration::from_millis(100);

/// The threshold of the alert `RuntimeLag`.
const STARVED: Duration = Duration::from_millis(250);

/// Whether the machine may be to blame. Timers are at most 0.1 s late if nothing else runs, and 0.8 s
/// beside eight busy loops on two cores.
pub(super) fn is_starved(lag: Duration) -> bool {
    lag >= STARVED
}

/// Measures until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    worst_micros: Arc<AtomicU64>,
    _measuring: JoinSet<()>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        let worst_micros = Arc::new(AtomicU64::new(0));
        let mut measuring = JoinSet::new();
        measuring.spawn(measure(Arc::clone(&worst_micros)));
        Self { worst_micros, _measuring: measuring }
    }

    /// How late a timer has been so far, at worst.
    pub(super) fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_micros.load(Relaxed))
    }
}

async fn measure(worst_micros: Arc<AtomicU64>) {
    loop {
        let began = clock::now();
        sleep(BEAT).await;
        let late = (clock::now() - began).saturating_sub(BEAT);
        worst_micros.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blocked_runtime_is_noticed() {
        let watch = Watch::begin();
        sleep(Duration::from_millis(10)).await;
        let began = clock::now();
        while clock::now() - began < BEAT + STARVED {
            std::hint::spin_loop();
        }
        sleep(Duration::from_millis(10)).await;
        assert!(is_starved(watch.worst()), "{:?}", watch.worst());
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_keeps_time_is_not_starved() {
        let watch = Watch::begin();
        sleep(Duration::from_secs(60)).await;
        assert!(!is_starved(watch.worst()), "{:?}", watch.worst());
    }
}
