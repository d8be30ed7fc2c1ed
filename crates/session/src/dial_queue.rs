//! One queue for all dials with one credential: who may dial, who waits, and who is told what others
//! were told.
//!
//! It is handed the time and does nothing itself. Dials start in the order in which they were asked
//! for, at most a window of them at a time. The window starts at [`WINDOW_MIN`], grows by one with
//! each success up to [`WINDOW_MAX`], and is [`WINDOW_MIN`] again after a failure.
//!
//! [`FAILURES_MAX`] failures in a row with no success in between, or one refusal of the credential,
//! open the breaker: for `min(2^k s + jitter, 32 s)`, or as long as Deepgram asked with
//! `Retry-After`, nothing is dialled. Then one dial probes. `k` counts probes that have failed; it
//! starts at 3 if the credential was refused, and ends at 1, so at 2 s and jitter, in an outage: of
//! Deepgram, of the way to it or of our own resources. So whatever the number of sessions, between
//! the first failure and the next success there are no more dials than
//!
//! ```text
//! max(under way at the first failure, WINDOW_MIN) + FAILURES_MAX - 1 + probes
//! ```
//!
//! with at least `2^k s` between two probes. A refusal of one session's own request (400, 403, other
//! 4xx, 3xx) tells nothing about the next and counts as neither.

mod breaker;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::bounded;
use crate::dial::{Blocker, DialFailure, DialReason, Release};
use breaker::Breaker;

/// Dials under way at a time, until some have succeeded.
pub const WINDOW_MIN: usize = 8;

/// Dials under way at a time, at most.
pub const WINDOW_MAX: usize = 64;

/// So many failures in a row open the breaker.
pub const FAILURES_MAX: u32 = 5;

/// How often idle connections are asked to go at most.
const SHED_EVERY: Duration = Duration::from_secs(1);

/// One wish to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// Leave for one dial; its end must be told with [`DialQueue::ended`].
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    is_probe: bool,
    /// Which credential the dial is made with.
    credential: u32,
}

/// How a permitted dial ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    Connected,
    Failed(&'a DialFailure),
    /// Its session has gone.
    Cancelled,
}

/// What the queue decides.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Dial now.
    Dial(Ticket, Permit),
    /// Do not dial: this is what it would end with.
    Refuse(Ticket, DialFailure),
    /// So many wait for a connection, and there are as many as may be: idle ones are to go.
    Shed(usize),
    /// For operators.
    Report(Report),
}

/// What operators are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Dials are held back for this long, because of this. News unless they already were for the
    /// same reason, as far as operators know.
    Held { failure: DialFailure, blocker: Blocker, hold: Duration, probes: u32, is_news: bool },
    /// They are no longer, after this long.
    Released { release: Release, blocker: Blocker, held: Duration },
}

/// The dials of all sessions that share a credential.
#[derive(Debug)]
pub struct DialQueue {
    waiting: VecDeque<Waiting>,
    tickets: u64,
    under_way: usize,
    window: usize,
    /// Connections that are up.
    up: usize,
    /// How many there may be.
    connections_max: usize,
    /// When idle connections were last asked to go, and how many since.
    shed: Option<(Instant, usize)>,
    breaker: Breaker,
    credential: u32,
    decisions: VecDeque<Decision>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    deadline: Instant,
}

impl DialQueue {
    /// An empty queue, for at most so many connections. `seed` feeds the jitter.
    pub fn new(seed: u64, connections_max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            tickets: 0,
            under_way: 0,
            window: WINDOW_MIN,
            up: 0,
            connections_max,
            shed: None,
            breaker: Breaker::new(seed),
            credential: 0,
            decisions: VecDeque::new(),
        }
    }

    /// A session wants to dial, and will wait for `patience` at most.
    pub fn enter(&mut self, now: Instant, patience: Duration) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.push_back(Waiting { ticket, deadline: now + patience });
        self.settle(now);
        ticket
    }

    /// A session that waits has gone.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|it| it.ticket != ticket);
    }

    /// A permitted dial has ended.
    pub fn ended(&mut self, now: Instant, permit: Permit, end: Ended<'_>) {
        self.up += usize::from(matches!(end, Ended::Connected));
        if permit.credential != self.credential {
            return;
        }
        self.under_way -= 1;
        match end {
            Ended::Connected => {
                self.window = (self.window + 1).min(WINDOW_MAX);
                let released = self.breaker.close(now);
                self.decisions.extend(released.map(Decision::Report));
            }
            Ended::Failed(failure) => self.failed(now, permit.is_probe, failure),
            Ended::Cancelled if permit.is_probe => self.breaker.probe_again(now),
            Ended::Cancelled => {}
        }
        self.settle(now);
    }

    /// A connection that was up is over.
    pub fn closed(&mut self, now: Instant) {
        self.up -= 1;
        self.settle(now);
    }

    /// The credential has been replaced: nothing that is known holds for the new one.
    pub fn replace_credential(&mut self, now: Instant) {
        self.credential += 1;
        self.under_way = 0;
        self.window = WINDOW_MIN;
        let released = self.breaker.close(now);
        self.decisions.extend(released.map(Decision::Report));
        self.settle(now);
    }

    /// A deadline may have come; harmless if not.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// When [`DialQueue::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        let patience = self.waiting.iter().map(|it| it.deadline).min();
        let shed = self.shed.filter(|_| self.is_short()).map(|(at, _)| at + SHED_EVERY);
        patience.into_iter().chain(self.breaker.probe_at()).chain(shed).min()
    }

    /// The next decision; call until there is none.
    pub fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// Sessions that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn failed(&mut self, now: Instant, is_probe: bool, failure: &DialFailure) {
        let Some(blocker) = failure.blocker() else {
            if is_probe {
                self.breaker.probe_again(now);
            }
            return;
        };
        self.window = WINDOW_MIN;
        let held = self.breaker.fail(now, is_probe, blocker, failure);
        self.decisions.extend(held.map(Decision::Report));
    }

    /// Refuses those who would wait in vain, then lets dial whoever may.
    fn settle(&mut self, now: Instant) {
        let breaker = &self.breaker;
        let decisions = &mut self.decisions;
        self.waiting.retain(|it| match breaker.refusal(now, it.deadline) {
            Some(failure) => {
                decisions.push_back(Decision::Refuse(it.ticket, failure));
                false
            }
            None => true,
        });
        while !self.waiting.is_empty() && self.may_dial(now) {
            let Waiting { ticket, .. } = self.waiting.pop_front().expect("it is not empty");
            self.under_way += 1;
            let permit = Permit { is_probe: self.breaker.admit(), credential: self.credential };
            self.decisions.push_back(Decision::Dial(ticket, permit));
        }
        self.give_up(now);
        self.shed(now);
        if self.waiting.is_empty() {
            let released = self.breaker.lapse(now);
            self.decisions.extend(released.map(Decision::Report));
        }
    }

    /// Whether somebody waits for nothing but a free connection.
    fn is_short(&self) -> bool {
        !self.waiting.is_empty() && self.is_full()
    }

    fn is_full(&self) -> bool {
        self.under_way + self.up >= self.connections_max
    }

    /// Asks idle connections to go, as many as are waited for.
    fn shed(&mut self, now: Instant) {
        if !self.is_short() {
            return;
        }
        let asked = self.shed.filter(|(at, _)| now < *at + SHED_EVERY);
        let (at, count) = asked.unwrap_or((now, 0));
        if self.waiting.len() > count {
            self.shed = Some((at, self.waiting.len()));
            self.decisions.push_back(Decision::Shed(self.waiting.len() - count));
        }
    }

    fn may_dial(&self, now: Instant) -> bool {
        !self.is_full()
            && self.breaker.admits(now)
            && (self.breaker.is_open() || self.under_way < self.window)
    }

    /// Those whose patience has ended behind dials that are slow, or behind a probe.
    fn give_up(&mut self, now: Instant) {
        let symptom = self.breaker.symptom();
        let is_full = self.is_full();
        let connections_max = self.connections_max;
        let decisions = &mut self.decisions;
        self.waiting.retain(|it| {
            let waits = it.deadline > now;
            if !waits {
                let failure = match symptom {
                    Some(symptom) => withheld(symptom.clone()),
                    None if is_full => too_many(connections_max),
                    None => withheld(too_slow()),
                };
                decisions.push_back(Decision::Refuse(it.ticket, failure));
            }
            waits
        });
    }
}

/// The failure of one dial, as told to a session that was not dialled. The response stays the other's:
/// it names its request.
fn withheld(failure: DialFailure) -> DialFailure {
    let detail = bounded(format!("not dialled, as another session just got: {}", failure.detail));
    DialFailure { withheld: true, request_id: None, answer: None, detail, ..failure }
}

fn too_many(connections_max: usize) -> DialFailure {
    let detail = format!(
        "all {connections_max} connections of upstream.max_connections are in use and none is idle"
    );
    let failure = DialFailure::before_answer(DialReason::Resources, detail);
    DialFailure { withheld: true, ..failure }
}

fn too_slow() -> DialFailure {
    DialFailure::before_answer(DialReason::Timeout, "dials that began earlier took too long")
}
