//! Exemplars: traces that are examples of a bucket or a death.
//!
//! The metrics library has no exemplars, so they are stored next to its children, and the
//! OpenMetrics page combines them. An exemplar is kept for at least a second, so that a busy bucket
//! costs one load and no lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{Histogram, IntCounter};

/// An observation and its trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    /// The trace's id.
    pub(crate) trace_id: u128,
    /// What was observed.
    pub(crate) value: f64,
    /// When, since the epoch.
    pub(crate) at: Duration,
}

/// The exemplars of one child: one per bucket of a histogram, one for a counter.
pub(crate) struct Slots {
    bounds: Box<[f64]>,
    slots: Box<[Slot]>,
}

#[derive(Default)]
struct Slot {
    /// When it was last set, in seconds since the epoch.
    set_at: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

impl Slots {
    fn new(bounds: &[f64]) -> Arc<Self> {
        // The last bucket has no upper bound.
        let slots = (0..=bounds.len()).map(|_| Slot::default()).collect();
        Arc::new(Self { bounds: bounds.into(), slots })
    }

    fn set(&self, value: f64, trace_id: u128) {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let slot = &self.slots[bucket];
        if slot.set_at.swap(at.as_secs(), Relaxed) != at.as_secs() {
            let exemplar = Exemplar { trace_id, value, at };
            *slot.exemplar.lock().unwrap_or_else(PoisonError::into_inner) = Some(exemplar);
        }
    }

    /// The exemplar of a bucket; of a counter's only slot, 0.
    pub(crate) fn get(&self, bucket: usize) -> Option<Exemplar> {
        *self.slots.get(bucket)?.exemplar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("buckets", &self.slots.len()).finish_non_exhaustive()
    }
}

/// A child of a family whose observations are stored with their traces.
#[derive(Debug)]
pub(crate) struct Traced<M> {
    metric: M,
    slots: Arc<Slots>,
}

impl Traced<Histogram> {
    /// Observes, in seconds. `trace_id` is that of an exported trace.
    pub(crate) fn observe_duration(&self, duration: Duration, trace_id: Option<u128>) {
        let value = duration.as_secs_f64();
        self.metric.observe(value);
        if let Some(trace_id) = trace_id {
            self.slots.set(value, trace_id);
        }
    }
}

impl Traced<IntCounter> {
    /// Counts one. `trace_id` is that of an exported trace.
    pub(crate) fn inc(&self, trace_id: Option<u128>) {
        self.metric.inc();
        if let Some(trace_id) = trace_id {
            self.slots.set(1.0, trace_id);
        }
    }
}

/// All slots, by family and label values.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    families: HashMap<String, HashMap<Vec<&'static str>, Arc<Slots>>>,
}

impl Exemplars {
    /// Adds slots for a child. `family` is the full name, `values` are in the order of its labels.
    pub(crate) fn attach<M>(
        &mut self,
        family: &str,
        values: Vec<&'static str>,
        bounds: &[f64],
        metric: M,
    ) -> Traced<M> {
        let slots = Slots::new(bounds);
        self.families.entry(family.to_owned()).or_default().insert(values, slots.clone());
        Traced { metric, slots }
    }

    /// The slots of the child with these label values, in any order.
    pub(crate) fn find(&self, family: &str, values: &[&str]) -> Option<&Slots> {
        let children = self.families.get(family)?;
        let fits = |of: &Vec<&str>| {
            of.len() == values.len() && values.iter().all(|value| of.contains(value))
        };
        children.iter().find(|(of, _)| fits(of)).map(|(_, slots)| &**slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_remembered_in_its_bucket() {
        let slots = Slots::new(&[0.1, 1.0]);
        slots.set(0.1, 1);
        slots.set(0.5, 2);
        slots.set(7.0, 3);
        let traces: Vec<_> = (0..3).map(|bucket| slots.get(bucket).unwrap().trace_id).collect();
        assert_eq!(traces, [1, 2, 3]);
        assert_eq!(slots.get(3), None);
    }

    #[test]
    fn untraced_observations_leave_no_exemplar() {
        let histogram = Histogram::with_opts(prometheus::HistogramOpts::new("a", "b")).unwrap();
        let mut exemplars = Exemplars::default();
        let traced = exemplars.attach("a", vec![], &[1.0], histogram);
        traced.observe_duration(Duration::from_millis(3), None);
        let slots = exemplars.find("a", &[]).unwrap();
        assert_eq!(slots.get(0), None);
        traced.observe_duration(Duration::from_millis(3), Some(9));
        assert_eq!(slots.get(0).map(|it| (it.trace_id, it.value)), Some((9, 0.003)));
    }
}
