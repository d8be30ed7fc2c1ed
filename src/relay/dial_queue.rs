//! The shell of the dials' queue: lets each session's dial wait for its turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;

use crate::live::dials::Dials;
use crate::live::registry::Registry;
use crate::telemetry::Telemetry;
use crate::telemetry::event::{DialsHeld, DialsReleased, Emit};
use crate::upstream::dial::{Attempt, Dial, Dialed};
use session::dial::DialFailure;
use session::dial_queue::{Decision, DialQueue, Ended, Permit, Report, Ticket};

/// A dialer whose dials, of all sessions, wait in one queue. Someone must run [`Turns::run`].
#[derive(Debug)]
pub struct QueuedDialer<D> {
    dialer: Arc<D>,
    turns: Arc<Turns>,
}

impl<D: Dial> QueuedDialer<D> {
    pub fn new(dialer: Arc<D>, turns: Arc<Turns>) -> Self {
        Self { dialer, turns }
    }
}

impl<D: Dial> Dial for QueuedDialer<D> {
    type Stream = D::Stream;

    async fn dial(self: Arc<Self>, attempt: Attempt) -> Result<Dialed<Self::Stream>, DialFailure> {
        let begun = clock::now();
        let turn = self.turns.enter(begun, attempt.patience).decided().await;
        let queued = clock::now().duration_since(begun);
        let dial = match turn {
            Ok(dial) => dial,
            Err(failure) => return Err(DialFailure { queued, ..failure }),
        };
        let result = self.dialer.clone().dial(attempt).await;
        dial.end(&result);
        match result {
            Ok(mut dialed) => {
                dialed.phases.queued = queued;
                dialed.lease = Some(Box::new(Up(self.turns.clone())));
                Ok(dialed)
            }
            Err(failure) => Err(DialFailure { queued, ..failure }),
        }
    }
}

/// The turns of all dials with one credential.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<State>,
    /// A deadline may have moved.
    changed: Notify,
    telemetry: Telemetry,
    dials: Dials,
    registry: Arc<Registry>,
}

#[derive(Debug)]
struct State {
    queue: DialQueue,
    /// Bounded by the number of sessions.
    waiting: HashMap<Ticket, oneshot::Sender<Turn>>,
}

/// What a session's wait ends with.
#[derive(Debug)]
enum Turn {
    Dial(Permit),
    Refused(DialFailure),
}

impl Turns {
    /// Nobody waits yet; `seed` feeds the jitter between probes. There are as many connections as the
    /// registry allows.
    pub fn new(
        seed: u64,
        telemetry: Telemetry,
        dials: Dials,
        registry: Arc<Registry>,
    ) -> Arc<Self> {
        let queue = DialQueue::new(seed, registry.connections_max());
        let state = Mutex::new(State { queue, waiting: HashMap::new() });
        Arc::new(Self { state, changed: Notify::new(), telemetry, dials, registry })
    }

    /// Watches the queue's deadlines, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let deadline = self.lock().queue.next_deadline();
            let due = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.change(|state, now| state.queue.handle_timeout(now)),
                () = self.changed.notified() => {}
            }
        }
    }

    /// The key has been replaced: nothing known of the old one holds.
    pub fn replace_credential(&self) {
        self.change(|state, now| state.queue.replace_credential(now));
    }

    fn enter(self: &Arc<Self>, now: Instant, patience: Duration) -> Waiting {
        let (sender, turn) = oneshot::channel();
        let ticket = self.change(|state, _| {
            let ticket = state.queue.enter(now, patience);
            state.waiting.insert(ticket, sender);
            ticket
        });
        Waiting { turns: self.clone(), ticket, turn }
    }

    /// Changes the queue, and tells everybody concerned. Operators are told under the lock, so that
    /// the last report is the one that stays; the log has its own thread.
    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = clock::now();
        let mut state = self.lock();
        let result = change(&mut state, now);
        let (reports, to_shed) = state.decide(now);
        self.telemetry.dials_waiting(state.queue.waiting());
        reports.into_iter().for_each(|report| self.tell(report, now));
        drop(state);
        self.registry.shed(to_shed, now);
        self.changed.notify_one();
        result
    }

    fn tell(&self, report: Report, now: Instant) {
        match report {
            Report::Held { failure, blocker, hold, probes, is_news } => {
                DialsHeld { failure: &failure, blocker, hold, probes, is_news }
                    .emit(&self.telemetry);
                self.dials.hold(blocker, failure.detail, now);
            }
            Report::Released { release, blocker, held } => {
                self.dials.release();
                DialsReleased { release, blocker, held }.emit(&self.telemetry);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while holding this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Hands out the turns that the queue has decided on; returns what operators must be told, and how
    /// many idle connections must go.
    fn decide(&mut self, now: Instant) -> (Vec<Report>, usize) {
        let (mut reports, mut to_shed) = (Vec::new(), 0);
        while let Some(decision) = self.queue.poll_decision() {
            match decision {
                Decision::Dial(ticket, permit) => self.give(now, ticket, Turn::Dial(permit)),
                Decision::Refuse(ticket, failure) => {
                    self.give(now, ticket, Turn::Refused(failure));
                }
                Decision::Shed(count) => to_shed += count,
                Decision::Report(report) => reports.push(report),
            }
        }
        (reports, to_shed)
    }

    fn give(&mut self, now: Instant, ticket: Ticket, turn: Turn) {
        let sender = self.waiting.remove(&ticket).expect("who leaves also leaves the queue");
        if let Err(Turn::Dial(permit)) = sender.send(turn) {
            // It left a moment ago.
            self.queue.ended(now, permit, Ended::Cancelled);
        }
    }
}

/// A session that waits for its turn; it leaves the queue when this is dropped.
struct Waiting {
    turns: Arc<Turns>,
    ticket: Ticket,
    turn: oneshot::Receiver<Turn>,
}

impl Waiting {
    async fn decided(mut self) -> Result<UnderWay, DialFailure> {
        let turn = (&mut self.turn).await.expect("the sender is dropped only by `Drop` below");
        match turn {
            Turn::Dial(permit) => Ok(UnderWay { turns: self.turns.clone(), permit: Some(permit) }),
            Turn::Refused(failure) => Err(failure),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.turn.close();
        let unused = self.turn.try_recv().ok();
        self.turns.change(|state, now| {
            if state.waiting.remove(&self.ticket).is_some() {
                state.queue.leave(self.ticket);
            }
            if let Some(Turn::Dial(permit)) = unused {
                state.queue.ended(now, permit, Ended::Cancelled);
            }
        });
    }
}

/// A connection that is up; its place is free when this is dropped.
#[derive(Debug)]
struct Up(Arc<Turns>);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.change(|state, now| state.queue.closed(now));
    }
}

/// A dial under way; if it is dropped before its end, its session has gone.
struct UnderWay {
    turns: Arc<Turns>,
    permit: Option<Permit>,
}

impl UnderWay {
    fn end<S>(mut self, result: &Result<Dialed<S>, DialFailure>) {
        let end = match result {
            Ok(_) => Ended::Connected,
            Err(failure) => Ended::Failed(failure),
        };
        self.ended(end);
    }

    fn ended(&mut self, end: Ended<'_>) {
        if let Some(permit) = self.permit.take() {
            self.turns.change(|state, now| state.queue.ended(now, permit, end));
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.ended(Ended::Cancelled);
    }
}

#[cfg(test)]
#[cfg(feature = "emulator")]
mod tests;
