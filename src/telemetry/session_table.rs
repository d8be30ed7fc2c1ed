//! The table of sessions that scrapes read: the live ones, and ended ones that linger.
//!
//! Scrapes update the totals from it, so that per-frame counts cost nothing per frame; and the page
//! of per-session series is written from it. Its lock is taken when a session starts or ends and by
//! scrapes, never while a session streams.

mod harvest;
mod series;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::exposition::Page;
use super::metrics::Metrics;

use crate::live::LiveSession;
use harvest::Harvested;
use session::SessionId;
use session::fact::SessionEnded;
use session::summary::Outcome;

/// How many sessions have their own series, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Maximum sessions on the page. A tenth is reserved for sessions that something happens to.
    pub sessions_max: usize,
    /// How long an ended session stays on the page.
    pub linger: Duration,
}

impl SeriesLimits {
    /// Slots reserved for anomalous sessions.
    fn reserve(self) -> usize {
        self.sessions_max / 10
    }
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self { sessions_max: 1000, linger: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
pub(crate) struct SessionTable {
    limits: SeriesLimits,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_ticket: u64,
    /// In order of their tickets: oldest first.
    records: BTreeMap<u64, Arc<Record>>,
}

/// One session in the table.
#[derive(Debug)]
struct Record {
    live: Arc<LiveSession>,
    harvested: Harvested,
    /// Whether it is on the page: a slot is kept to the end.
    is_listed: AtomicBool,
    /// Another session has its name: it is on the page no longer.
    is_superseded: AtomicBool,
    end: OnceLock<Ending>,
}

/// How and when a session ended.
#[derive(Clone, Copy, Debug)]
struct Ending {
    at: Instant,
    outcome: Outcome,
}

impl SessionTable {
    pub(crate) fn new(limits: SeriesLimits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// Adds a session.
    pub(crate) fn add(self: &Arc<Self>, live: Arc<LiveSession>) -> SeriesEntry {
        let mut table = self.lock();
        table.forget(self.limits.linger);
        table.replace(&live.id);
        let room = self.limits.sessions_max - self.limits.reserve();
        let record = Arc::new(Record {
            live,
            harvested: Harvested::default(),
            is_listed: AtomicBool::new(table.listed() < room),
            is_superseded: AtomicBool::new(false),
            end: OnceLock::new(),
        });
        let ticket = table.next_ticket;
        table.next_ticket += 1;
        table.records.insert(ticket, record.clone());
        SeriesEntry { sessions: self.clone(), ticket, record }
    }

    /// Updates all totals, and the gauges that need the whole table.
    pub(crate) fn harvest(&self, metrics: &Metrics) {
        let records = self.records();
        records.iter().for_each(|record| record.harvest(metrics));
        harvest::set_gauges(&records, clock::now(), metrics);
        let (listed, omitted) = counts(&records);
        metrics.session.series.set(listed);
        metrics.session.series_omitted.set(omitted);
    }

    /// Writes the series of every listed session.
    pub(crate) fn write(&self, page: &mut Page) {
        let mut records = self.records();
        records.retain(|record| record.is_listed());
        series::write(page, &records, clock::now());
    }

    fn records(&self) -> Vec<Arc<Record>> {
        let mut table = self.lock();
        table.forget(self.limits.linger);
        table.records.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // The map is consistent after every statement, whatever panicked.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions on the page, and live ones that are not.
fn counts(records: &[Arc<Record>]) -> (i64, i64) {
    let listed = records.iter().filter(|record| record.is_listed()).count();
    (listed as i64, (records.len() - listed) as i64)
}

impl Table {
    fn listed(&self) -> usize {
        self.records.values().filter(|record| record.is_listed()).count()
    }

    /// The id is in use again: two series of one name would be one too many. One that still flushes has
    /// given its name up.
    fn replace(&mut self, id: &SessionId) {
        self.records.retain(|_, record| {
            let is_same = record.live.id == *id;
            record.is_superseded.fetch_or(is_same, Relaxed);
            !is_same || record.end.get().is_none()
        });
    }

    /// Removes those that have lingered long enough.
    fn forget(&mut self, linger: Duration) {
        let now = clock::now();
        self.records.retain(|_, record| match record.end.get() {
            Some(end) => record.is_listed() && now.saturating_duration_since(end.at) < linger,
            None => true,
        });
    }
}

impl Record {
    fn is_listed(&self) -> bool {
        self.is_listed.load(Relaxed) && !self.is_superseded.load(Relaxed)
    }
}

/// A session's entry in the table.
///
/// If dropped without [`SeriesEntry::leave`], the session is removed immediately.
#[derive(Debug)]
pub(crate) struct SeriesEntry {
    sessions: Arc<SessionTable>,
    ticket: u64,
    record: Arc<Record>,
}

impl SeriesEntry {
    /// Whether it has its own series.
    pub(crate) fn is_listed(&self) -> bool {
        self.record.is_listed()
    }

    /// Something happened to it: it gets its own series while the reserve lasts.
    pub(crate) fn list_anomaly(&self) {
        if self.is_listed() {
            return;
        }
        let table = self.sessions.lock();
        if table.listed() < self.sessions.limits.sessions_max {
            self.record.is_listed.store(true, Relaxed);
        }
    }

    /// Updates the totals with this session.
    pub(crate) fn harvest(&self, metrics: &Metrics) {
        self.record.harvest(metrics);
    }

    /// It ended, and only lingers from now on.
    pub(crate) fn leave(&self, ended: &SessionEnded) {
        let _ = self.record.end.set(Ending { at: clock::now(), outcome: ended.summary.outcome });
    }
}

impl Drop for SeriesEntry {
    fn drop(&mut self) {
        if self.record.end.get().is_none() {
            self.sessions.lock().records.remove(&self.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
