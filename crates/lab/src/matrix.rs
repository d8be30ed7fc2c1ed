//! The fault matrix: each fault in its own lab, and whether it raised exactly the expected alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::desk::Delivery;
use super::fault::Fault;
use super::panel::Panels;
use super::scale::Factor;
use super::{Lab, Plan, Series, patience};

/// The observed effects of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    pub fault: Fault,
    /// Alerts by name, with the seconds from the fault to the delivery.
    pub seconds: BTreeMap<String, f64>,
    /// What was not as expected, in sentences.
    pub problems: Vec<String>,
}

/// Runs these faults, this many at a time, and reports each as it ends. The rows are in the order of
/// the faults.
///
/// # Errors
/// A lab that could not be run. Unexpected results are in the rows.
pub async fn run(
    plan: &Plan,
    faults: Vec<Fault>,
    at_a_time: usize,
    mut tell: impl FnMut(&Row),
) -> anyhow::Result<Vec<Row>> {
    let panels = Panels::read()?;
    let mut faults: Vec<_> = faults.into_iter().enumerate().collect();
    // The slowest start first.
    faults.sort_by_key(|(_, fault)| fault.factor.unwrap_or(plan.factor.get()));
    let trials = faults.into_iter().map(|(place, fault)| {
        let row = try_fault(plan, fault, &panels);
        async move { (place, row.await) }
    });
    let mut done = stream::iter(trials).buffer_unordered(at_a_time);
    let mut rows = BTreeMap::new();
    while let Some((place, row)) = done.next().await {
        let row = row?;
        tell(&row);
        rows.insert(place, row);
    }
    Ok(rows.into_values().collect())
}

/// One fault in its own lab.
async fn try_fault(plan: &Plan, fault: Fault, panels: &Panels) -> anyhow::Result<Row> {
    let usual = plan.factor;
    let factor = fault.factor.map_or(usual, |factor| Factor::new(factor.min(usual.get())));
    let plan = &Plan { factor, ..plan.clone() };
    let mut lab = Lab::start(plan).await?;
    let mut trial = Trial { fault, began: clock::now(), problems: Vec::new() };
    let seconds = trial.run(&mut lab, plan, panels).await;
    lab.shutdown().await?;
    Ok(Row { seconds: seconds?, fault: trial.fault, problems: trial.problems })
}

struct Trial {
    fault: Fault,
    began: Instant,
    problems: Vec<String>,
}

impl Trial {
    async fn run(
        &mut self,
        lab: &mut Lab,
        plan: &Plan,
        panels: &Panels,
    ) -> anyhow::Result<BTreeMap<String, f64>> {
        lab.inject(&self.fault).await?;
        self.await_deliveries(lab).await;
        // Any other alert has had time to fire.
        tokio::time::sleep_until((self.began + plan.factor.divide(LONGEST_WAIT)).into()).await;
        let delivered = self.delivered(&lab.inbox().since(0));
        self.compare("delivered", self.fault.delivered().cloned().collect(), &delivered);
        let fired = fired(lab).await?;
        self.compare("firing", self.fault.alerts.iter().cloned().collect(), &fired);
        self.check_sign(lab).await?;
        self.problems.extend(lab.prometheus().unhealthy_rules().await?);
        let problems = panels.check(lab.prometheus(), plan.factor, &self.fault.name).await?;
        self.problems.extend(problems);
        Ok(delivered)
    }

    /// Waits until everything expected has been delivered; anything missing is found later.
    async fn await_deliveries(&self, lab: &Lab) {
        let all_delivered = async || {
            let delivered = self.delivered(&lab.inbox().since(0));
            let is_all = self.fault.delivered().all(|alert| delivered.contains_key(alert));
            Ok(is_all.then_some(()))
        };
        let _ = patience::until("the alerts", DELIVERY, all_delivered).await;
    }

    /// When each alert was first delivered.
    fn delivered(&self, deliveries: &[Delivery]) -> BTreeMap<String, f64> {
        let mut seconds = BTreeMap::new();
        for delivery in deliveries.iter().filter(|delivery| delivery.is_firing) {
            let after = delivery.at.saturating_duration_since(self.began).as_secs_f64();
            seconds.entry(short(&delivery.alert)).or_insert(after);
        }
        seconds.retain(|alert, _| !of_the_machine(alert));
        seconds
    }

    fn compare<T>(&mut self, what: &str, expected: BTreeSet<String>, seen: &BTreeMap<String, T>) {
        let seen: BTreeSet<String> = seen.keys().cloned().collect();
        if seen != expected {
            let list = |alerts: &BTreeSet<String>| Vec::from_iter(alerts.clone()).join(", ");
            let (expected, seen) = (list(&expected), list(&seen));
            self.problems.push(format!("{what}: expected [{expected}], seen [{seen}]"));
        }
    }

    /// The sidecar must have reported the fault as the table says.
    async fn check_sign(&mut self, lab: &Lab) -> anyhow::Result<()> {
        let Some(sign) = &self.fault.sign else { return Ok(()) };
        let query = format!("sum(max_over_time({PREFIX_OF_METRICS}{sign}[2m]))");
        let said = lab.prometheus().query(&query).await?;
        if !said.iter().flat_map(Series::values).any(|value| value > 0.0) {
            self.problems.push(format!("{sign} did not change"));
        }
        Ok(())
    }
}

/// Every alert that has fired since the lab started.
async fn fired(lab: &Lab) -> anyhow::Result<BTreeMap<String, ()>> {
    let query = r#"count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))"#;
    let series = lab.prometheus().query(query).await?;
    let names = series.iter().filter_map(|series| series.metric.get("alertname"));
    Ok(names
        .map(|name| short(name))
        .filter(|name| !of_the_machine(name))
        .map(|name| (name, ()))
        .collect())
}

fn short(alert: &str) -> String {
    alert.strip_prefix(PREFIX_OF_ALERTS).unwrap_or(alert).to_owned()
}

/// Whether an alert tells of the machine that the lab runs on, rather than of the fault: where
/// other work takes the CPU, timers are late whatever the lab does.
fn of_the_machine(alert: &str) -> bool {
    alert == "RuntimeLag"
}

const PREFIX_OF_ALERTS: &str = "DeepgramSidecar";
const PREFIX_OF_METRICS: &str = "deepgram_sidecar_";

/// The longest that an alert takes in production, less those that wait for hours: a window of 10
/// minutes that must fill, and 10 minutes in which it must hold, and what Alertmanager adds.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);

/// Only reached on a very busy machine.
const DELIVERY: Duration = Duration::from_secs(60);
