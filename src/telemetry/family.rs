//! Metric families whose children are all resolved at registration, so that updating one is an
//! array index and an atomic add.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Index;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::exemplar::{Exemplars, Traced};
use super::label::Label;

/// The prefix of all our metric names.
const NAMESPACE: &str = "deepgram_sidecar";

/// Registers families on one registry.
///
/// All names are constants, so a name that the registry refuses is a bug, and a panic at startup.
pub(crate) struct Families<'a> {
    registry: &'a Registry,
    exemplars: RefCell<Exemplars>,
}

impl<'a> Families<'a> {
    pub(crate) fn new(registry: &'a Registry) -> Self {
        Self { registry, exemplars: RefCell::default() }
    }

    /// The exemplars of everything registered.
    pub(crate) fn into_exemplars(self) -> Exemplars {
        self.exemplars.into_inner()
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(opts(name, help)))
    }

    pub(crate) fn counters<L: Label>(&self, name: &str, help: &str) -> Children<L, IntCounter> {
        Children::of(&self.register(IntCounterVec::new(opts(name, help), &L::names())))
    }

    /// A counter of seconds.
    pub(crate) fn fraction(&self, name: &str, help: &str) -> Counter {
        self.register(Counter::with_opts(opts(name, help)))
    }

    /// Counters with fractional values: seconds.
    pub(crate) fn fractions<L: Label>(&self, name: &str, help: &str) -> Children<L, Counter> {
        Children::of(&self.register(CounterVec::new(opts(name, help), &L::names())))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(opts(name, help)))
    }

    /// A gauge of seconds.
    pub(crate) fn gauge_fraction(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::with_opts(opts(name, help)))
    }

    /// Gauges of seconds.
    pub(crate) fn gauge_fractions<L: Label>(&self, name: &str, help: &str) -> Children<L, Gauge> {
        Children::of(&self.register(GaugeVec::new(opts(name, help), &L::names())))
    }

    pub(crate) fn gauges<L: Label>(&self, name: &str, help: &str) -> Children<L, IntGauge> {
        Children::of(&self.register(IntGaugeVec::new(opts(name, help), &L::names())))
    }

    pub(crate) fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.register(Histogram::with_opts(histogram_opts(name, help, bounds)))
    }

    pub(crate) fn histograms<L: Label>(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Children<L, Histogram> {
        let opts = histogram_opts(name, help, bounds);
        Children::of(&self.register(HistogramVec::new(opts, &L::names())))
    }

    /// A histogram with exemplars.
    pub(crate) fn traced_histogram(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Traced<Histogram> {
        let histogram = self.histogram(name, help, bounds);
        self.attach(name, Vec::new(), bounds, histogram)
    }

    /// Histograms with exemplars.
    pub(crate) fn traced_histograms<L: Label>(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Children<L, Traced<Histogram>> {
        let children = self.histograms::<L>(name, help, bounds);
        children.map(|label, child| self.attach(name, label.values(), bounds, child))
    }

    /// Counters with exemplars.
    pub(crate) fn traced_counters<L: Label>(
        &self,
        name: &str,
        help: &str,
    ) -> Children<L, Traced<IntCounter>> {
        let children = self.counters::<L>(name, help);
        children.map(|label, child| self.attach(name, label.values(), &[], child))
    }

    fn attach<M>(
        &self,
        name: &str,
        values: Vec<&'static str>,
        bounds: &[f64],
        metric: M,
    ) -> Traced<M> {
        let family = format!("{NAMESPACE}_{name}");
        self.exemplars.borrow_mut().attach(&family, values, bounds, metric)
    }

    /// Histograms whose children appear on first use: seventeen death reasons times the buckets
    /// would be hundreds of series that most pods never use.
    pub(crate) fn histograms_on_demand<L: Label>(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> ChildrenOnDemand<L> {
        let opts = histogram_opts(name, help, bounds);
        ChildrenOnDemand::of(self.register(HistogramVec::new(opts, &L::names())))
    }

    /// Adds another collector.
    pub(crate) fn register<C>(&self, collector: prometheus::Result<C>) -> C
    where
        C: Collector + Clone + 'static,
    {
        let collector = collector.expect("names, labels and bounds are valid constants");
        let registered = self.registry.register(Box::new(collector.clone()));
        registered.expect("each name is registered once");
        collector
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

fn histogram_opts(name: &str, help: &str, bounds: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).namespace(NAMESPACE).buckets(bounds.to_vec())
}

/// The children of one family, one for each label set.
#[derive(Debug)]
pub(crate) struct Children<L, M> {
    children: Box<[M]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M> Children<L, M> {
    fn of<B: MetricVecBuilder<M = M>>(family: &MetricVec<B>) -> Self
    where
        M: prometheus::core::Metric,
    {
        let children = L::all().into_iter().map(|label| child(family, label)).collect();
        Self { children, label: PhantomData }
    }

    /// The same children, each mapped to something else.
    fn map<N>(self, make: impl Fn(L, M) -> N) -> Children<L, N> {
        let labelled = L::all().into_iter().zip(self.children);
        let children = labelled.map(|(label, child)| make(label, child)).collect();
        Children { children, label: PhantomData }
    }

    /// The child, if the label set has one.
    pub(crate) fn get(&self, label: L) -> Option<&M> {
        self.children.get(label.index())
    }
}

impl<L: Label, M> Index<L> for Children<L, M> {
    type Output = M;

    fn index(&self, label: L) -> &M {
        &self.children[label.index()]
    }
}

/// The children of one family of histograms, each created on first use.
#[derive(Debug)]
pub(crate) struct ChildrenOnDemand<L> {
    family: HistogramVec,
    children: Box<[OnceLock<Histogram>]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> ChildrenOnDemand<L> {
    fn of(family: HistogramVec) -> Self {
        let children = L::all().into_iter().map(|_| OnceLock::new()).collect();
        Self { family, children, label: PhantomData }
    }
}

impl<L: Label> Index<L> for ChildrenOnDemand<L> {
    type Output = Histogram;

    fn index(&self, label: L) -> &Histogram {
        self.children[label.index()].get_or_init(|| child(&self.family, label))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that resolves handles, once each")]
fn child<L: Label, B: MetricVecBuilder>(family: &MetricVec<B>, label: L) -> B::M {
    family.with_label_values(&label.values())
}

/// Observations of durations, in seconds. A duration is never NaN, which would corrupt the
/// histogram's sum until restart.
pub(crate) trait ObserveDuration {
    fn observe_duration(&self, duration: Duration);
}

impl ObserveDuration for Histogram {
    fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

/// Bounds of histograms. They include the thresholds that alerts use.
pub(crate) mod bounds {
    /// Lateness and cost inside the process, in seconds.
    pub(crate) const FAST: &[f64] =
        &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
    /// Phases of a dial, and pauses of the process, in seconds.
    pub(crate) const CONN: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0, 10.0];
    /// Deepgram's response times, in seconds.
    pub(crate) const LAT: &[f64] =
        &[0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
    /// Silence on a connection, around the keepalive interval and Deepgram's idle window, in
    /// seconds.
    pub(crate) const GAP: &[f64] =
        &[0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 30.0];
    /// Lifetimes of sessions and connections, in seconds.
    pub(crate) const LIFE: &[f64] =
        &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0];
    /// Shutdown durations, in seconds, up to the usual grace period.
    pub(crate) const DRAIN: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0];
    /// Things per session.
    pub(crate) const COUNT: &[f64] =
        &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];
    /// Rare things per session.
    pub(crate) const FEW: &[f64] = &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0];
}
