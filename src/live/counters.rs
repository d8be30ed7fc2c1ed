//! A live session's counts, which its driver alone writes.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use session::counts::{Count, Counts, Kind};
use session::gate::{GateSnapshot, GateState, VadMode};
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
    gate: AtomicGate,
}

#[derive(Debug)]
struct Values([AtomicU64; Count::ALL.len()]);

impl Default for Values {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Count::ALL.len()])
    }
}

/// The VAD gate in one value, so that mode and state are of one moment; 0 without a gate.
#[derive(Debug, Default)]
struct AtomicGate(AtomicU8);

impl AtomicGate {
    fn store(&self, gate: Option<GateSnapshot>) {
        let value = gate.map_or(0, |GateSnapshot { mode, state, has_failed }| {
            1 | u8::from(has_failed) << 1 | (mode as u8) << 2 | (state as u8) << 4
        });
        self.0.store(value, Relaxed);
    }

    fn load(&self) -> Option<GateSnapshot> {
        let value = self.0.load(Relaxed);
        let mode = VadMode::ALL[usize::from(value >> 2 & 3)];
        let state = GateState::ALL[usize::from(value >> 4)];
        (value != 0).then_some(GateSnapshot { mode, state, has_failed: value & 2 != 0 })
    }
}

impl Counters {
    /// The VAD gate; `None` for a session that has none.
    pub fn gate(&self) -> Option<GateSnapshot> {
        self.gate.load()
    }

    /// Sets the VAD gate. The driver's alone.
    pub fn set_gate(&self, gate: Option<GateSnapshot>) {
        self.gate.store(gate);
    }

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
        self.gate.store(snapshot.gate);
        self.is_stalled.store(snapshot.is_stalled, Relaxed);
        self.is_connected.store(snapshot.connection.is_some(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_as_it_was_stored() {
        let counters = Counters::default();
        assert_eq!(counters.gate(), None);
        for mode in VadMode::ALL {
            for (state, has_failed) in GateState::ALL.into_iter().zip([false, true, false]) {
                let gate = Some(GateSnapshot { mode, state, has_failed });
                counters.set_gate(gate);
                assert_eq!(counters.gate(), gate);
            }
        }
        counters.set_gate(None);
        assert_eq!(counters.gate(), None);
    }
}
