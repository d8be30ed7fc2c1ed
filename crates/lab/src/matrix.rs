//! The fault matrix: each fault in its own lab, and whether it raised exactly the expected alerts.
//!
//! The accelerated rules have little patience with a slow machine. So a fault that failed is retried
//! once if the lab's own timers were late at the time, and only then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::control::Delivery;
use super::fault::Fault;
use super::lag;
use super::panel::Panels;
use super::room::Room;
use super::scale::Factor;
use super::{Lab, Plan, Series, patience};

const PREFIX_OF_ALERTS: &str = "DeepgramSidecar";
const PREFIX_OF_METRICS: &str = "deepgram_sidecar_";

/// The longest that an alert takes in production, less those that wait for hours: a window of 10
/// minutes that must fill, and 10 minutes in which it must hold, and what Alertmanager adds.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);

/// Only reached on a very busy machine.
const DELIVERY: Duration = Duration::from_secs(60);

/// The observed effects of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    pub fault: Fault,
    /// Alerts by name, with the seconds from the fault to the delivery.
    pub seconds: BTreeMap<String, f64>,
    /// What was not as expected, in sentences.
    pub problems: Vec<String>,
    /// How late the lab's own timers were, at worst.
    pub lag: Duration,
    /// The problems of the first attempt, if this is the second.
    pub first_problems: Vec<String>,
}

impl Row {
    /// Whether the machine may be to blame.
    fn is_in_doubt(&self) -> bool {
        !self.problems.is_empty() && lag::is_starved(self.lag)
    }

    /// Whether this is the second attempt.
    pub fn is_retried(&self) -> bool {
        !self.first_problems.is_empty()
    }

    /// The result for people: one line, and one more for each problem.
    pub fn told(&self) -> String {
        let retried = if self.is_retried() { ", retried" } else { "" };
        let verdict = if self.problems.is_empty() { "ok" } else { "failed" };
        let lag = self.lag.as_millis();
        let mut told =
            format!("{}{retried}: {verdict}, timers up to {lag} ms late", self.fault.name);
        for problem in &self.problems {
            told += &format!("\n  {problem}");
        }
        for problem in &self.first_problems {
            told += &format!("\n  the first time, on a machine starved of CPU: {problem}");
        }
        told
    }
}

/// Runs these faults, at most this many at a time, and reports each as it ends. Those in doubt are
/// then retried once, alone, and reported again. The rows are in the order of the faults.
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
    let room = Room::new(at_a_time);
    let mut faults: Vec<_> = faults.into_iter().enumerate().collect();
    // The slowest start first.
    faults.sort_by_key(|(_, fault)| fault.factor.unwrap_or(plan.factor.get()));
    let trials = faults.into_iter().map(async |(place, fault)| {
        let _place = room.enter().await;
        (place, try_fault(plan, fault, &panels).await)
    });
    let mut done = stream::iter(trials).buffer_unordered(at_a_time);
    let mut rows = BTreeMap::new();
    while let Some((place, row)) = done.next().await {
        let row = row?;
        tell(&row);
        rows.insert(place, row);
    }
    for row in rows.values_mut().filter(|row| row.is_in_doubt()) {
        let again = try_fault(plan, row.fault.clone(), &panels).await?;
        *row = Row { first_problems: std::mem::take(&mut row.problems), ..again };
        tell(row);
    }
    Ok(rows.into_values().collect())
}

/// One fault in its own lab.
async fn try_fault(plan: &Plan, fault: Fault, panels: &Panels) -> anyhow::Result<Row> {
    let usual = plan.factor;
    let factor = fault.factor.map_or(usual, |factor| Factor::new(factor.min(usual.get())));
    let plan = &Plan { factor, ..plan.clone() };
    let mut lab = Lab::start(plan).await?;
    let watch = lag::Watch::begin();
    let mut trial = Trial { fault, began: clock::now(), problems: Vec::new() };
    let seconds = trial.run(&mut lab, plan, panels).await;
    let lag = watch.worst();
    lab.shutdown().await?;
    let Trial { fault, problems, .. } = trial;
    Ok(Row { fault, seconds: seconds?, problems, lag, first_problems: Vec::new() })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(problems: &[&str], lag_ms: u64) -> Row {
        Row {
            fault: Fault::named("reset").unwrap(),
            seconds: BTreeMap::new(),
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
            lag: Duration::from_millis(lag_ms),
            first_problems: Vec::new(),
        }
    }

    #[test]
    fn only_a_failure_on_a_starved_machine_is_in_doubt() {
        assert!(row(&["firing: Down"], 700).is_in_doubt());
        assert!(!row(&["firing: Down"], 130).is_in_doubt(), "the alert is wrong");
        assert!(!row(&[], 700).is_in_doubt());
    }

    #[test]
    fn a_retry_is_reported_with_its_reason() {
        let retried = Row { first_problems: vec!["firing: Down".into()], ..row(&[], 12) };
        let told = "reset, retried: ok, timers up to 12 ms late\n  the first time, on a machine \
                    starved of CPU: firing: Down";
        assert_eq!(retried.told(), told);
        let wrong = row(&["firing: Down"], 12).told();
        assert_eq!(wrong, "reset: failed, timers up to 12 ms late\n  firing: Down");
    }
}
