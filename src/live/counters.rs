//! A live session's counts, which its driver alone writes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use session::counts::{Count, Counts, Kind};
use session::machine::Snapshot;

/// The moments stand last. The live connection has them, so that without one they are kept.
const MOMENTS_FROM: usize = Count::before(Kind::Moment);

/// A live session's counts and flags. All start at zero.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Values,
    /// Whether a connection is up.
    pub is_connected: AtomicBool,
    /// Whether audio goes in but no results come out.
    pub is_stalled: AtomicBool,
}

#[derive(Debug)]
struct Values([AtomicU64; Count::ALL.len()]);

impl Default for Values {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Count::ALL.len()])
    }
}

impl Counters {
    /// What a count stands at.
    pub fn get(&self, count: Count) -> u64 {
        self.counts.0[count as usize].load(Relaxed)
    }

    /// Sets one count. The driver's alone.
    pub fn set(&self, count: Count, value: u64) {
        self.counts.0[count as usize].store(value, Relaxed);
    }

    /// Every count. They are stored one by one, so between two of them the books may not balance.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        Count::ALL.into_iter().for_each(|count| counts[count] = self.get(count));
        counts
    }

    /// Shows a session's counts. With every frame, so it is a plain store for each.
    pub(crate) fn publish(&self, snapshot: &Snapshot) {
        let shown = match snapshot.connection {
            Some(_) => Count::ALL.len(),
            None => MOMENTS_FROM,
        };
        let values = snapshot.counts.values();
        for (counter, value) in self.counts.0.iter().zip(&values[..shown]) {
            counter.store(*value, Relaxed);
        }
        self.is_stalled.store(snapshot.is_stalled, Relaxed);
        self.is_connected.store(snapshot.connection.is_some(), Relaxed);
    }
}
