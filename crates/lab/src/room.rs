//! How many labs run at the same time: as many as allowed, while the machine has CPU to spare.
//!
//! Beside other work every further lab slows all of them down, in the end so much that their alerts
//! are about the machine. So only a few are admitted then.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// This many run however busy the machine is.
const ANYHOW: usize = 6;

/// The idle share of all CPUs that one more requires.
const SPARE: f64 = 0.25;

/// Long enough to notice what starting the previous lab costs.
const LOOK: Duration = Duration::from_millis(700);

/// User, nice, system, idle, iowait, irq, softirq, steal. The rest is part of user.
const COUNTED: usize = 8;

/// Followed by iowait, which is idle too.
const IDLE: usize = 3;

/// Admits labs.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    most: usize,
    /// Held by the next in the queue.
    turn: Mutex<()>,
}

impl Room {
    /// For at most this many.
    pub(super) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most, turn: Mutex::new(()) }
    }

    /// Waits for a place, first come, first served. Dropping it makes room.
    pub(super) async fn enter(&self) -> OwnedSemaphorePermit {
        let _turn = self.turn.lock().await;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        while self.inside() > ANYHOW && !machine_has_spare().await {}
        place
    }

    /// How many are in, including the next in the queue.
    fn inside(&self) -> usize {
        self.most - self.places.available_permits()
    }
}

/// Whether the machine has CPU for another lab.
async fn machine_has_spare() -> bool {
    let before = Usage::now();
    sleep(LOOK).await;
    match (before, Usage::now()) {
        (Some(before), Some(after)) => after.spare_since(&before) >= SPARE,
        // If the system does not say, only the bound applies.
        _ => true,
    }
}

/// The time of all CPUs since the machine started, in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    idle: u64,
    all: u64,
}

impl Usage {
    /// The current figures; `None` if the system does not say.
    fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        let total = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Option<Vec<u64>> =
            total.split_whitespace().take(COUNTED).map(|it| it.parse().ok()).collect();
        let ticks = ticks.filter(|ticks| ticks.len() == COUNTED)?;
        Some(Self { idle: ticks[IDLE] + ticks[IDLE + 1], all: ticks.iter().sum() })
    }

    /// The idle share of all CPUs since an earlier reading, from 0 to 1.
    fn spare_since(&self, earlier: &Self) -> f64 {
        let idle = self.idle.saturating_sub(earlier.idle);
        let all = self.all.saturating_sub(earlier.all).max(1);
        idle as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bound_holds_and_the_next_enters_when_one_leaves() {
        let room = Room::new(2);
        let first = room.enter().await;
        let _second = room.enter().await;
        let mut third = std::pin::pin!(room.enter());
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        let _third = third.await;
        assert_eq!(room.inside(), 2);
    }

    #[test]
    fn idle_and_iowait_are_spare() {
        let read = |line: &str| Usage::read(&format!("{line}\ncpu0 1 1 1\n")).unwrap();
        let before = read("cpu  100 0 50 800 10 0 0 40 7 0");
        let after = read("cpu  170 10 60 830 20 5 5 60 77 0");
        assert_eq!(after.spare_since(&before), 40.0 / 160.0);
        assert_eq!(before.spare_since(&before), 0.0);
    }

    #[test]
    fn a_system_that_does_not_say_has_no_usage() {
        assert_eq!(Usage::read("intr 5\n"), None);
        assert_eq!(Usage::read("cpu  1 2 3\n"), None);
        assert!(Usage::now().is_some_and(|usage| usage.all > usage.idle));
    }
}
