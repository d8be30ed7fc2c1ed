//! The fault lab: what each fault is called, how soon it is noticed, what is lost, and whether the
//! session goes on. Every fault meets a sidecar and a Deepgram of its own, while an application
//! streams in real time and does nothing about it.

mod crowd;
mod dials;
mod kills;
mod line;
mod machines;
mod names;
mod network;
mod random;
mod redials;
mod row;
mod slow_reader;
mod speech;
mod story;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use line::{Fault, Line};

/// So many at a time: each is two processes that mostly wait.
const AT_A_TIME: usize = 12;

fn faults() -> Vec<Fault> {
    let tables = [
        speech::faults(),
        redials::faults(),
        network::faults(),
        machines::faults(),
        kills::faults(),
        crowd::faults(),
        dials::faults(),
    ];
    tables.into_iter().flatten().collect()
}

/// Runs all of them, in no order. One that fails says so itself, and the others are still run.
async fn run(faults: Vec<Fault>) -> Vec<Line> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    let mut numbers = HashMap::new();
    for (number, fault) in (1_u32..).zip(faults) {
        let places = Arc::clone(&places);
        let task = running.spawn_local(async move {
            let _place = places.acquire_owned().await.unwrap();
            fault.await
        });
        numbers.insert(task.id(), number);
    }
    let (mut lines, mut failed) = (BTreeMap::new(), Vec::new());
    while let Some(line) = running.join_next_with_id().await {
        match line {
            Ok((id, line)) => drop(lines.insert(numbers[&id], line)),
            Err(error) => failed.push(numbers[&error.id()]),
        }
    }
    assert!(failed.is_empty(), "these lines of the table do not hold, see above: {failed:?}");
    lines.into_values().collect()
}

#[tokio::test]
async fn every_fault_is_named_and_recovered_from_as_the_table_says() {
    let lines = LocalSet::new().run_until(run(faults())).await;
    line::publish(&lines);
}
