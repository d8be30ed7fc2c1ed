//! A time without a connection that answers: what a death comes to, when the next dial is due, and
//! when no other follows.

use std::time::{Duration, Instant};

use super::super::connection::{Base, Connection};
use super::super::timer::SessionTimer;
use super::super::{Closing, ConnectionState, Context, Intent, Phase, Session};
use crate::bound::DIAL_WAIT_MAX;
use crate::death::Reason;
use crate::dial::DialFailure;
use crate::fact::{Fact, ParkCause, Reconnecting, RecoveryFailed};
use crate::machine::unconnected::{given_up, not_recovered};
use crate::summary::Outcome;
use crate::{ConnectionId, Event, LossCause, Outgoing, ReconnectReason, millis};

/// A time without a connection that answers.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) since: Instant,
    /// Why the next connection is tried.
    pub(super) reason: ReconnectReason,
    /// Dials since.
    pub(super) attempts: u32,
    /// Bytes that were lost before.
    pub(super) lost_before: u64,
    /// Since when no connection is up; `None` while one is that has not answered yet.
    pub(super) down_since: Option<Instant>,
    /// How long none was, before that.
    pub(super) down: Duration,
    /// Bytes that it gets again.
    pub(super) replayed: u64,
}

/// A connection that has died.
pub(in crate::machine) struct Fallen {
    pub(in crate::machine) reason: Reason,
    /// Bytes that were lost before.
    pub(in crate::machine) lost_before: u64,
}

/// What becomes of a session whose connection has died.
pub(in crate::machine) enum Plan {
    /// The death is final.
    Latch,
    /// Another connection is dialled, after so long.
    Reconnect(Duration),
    /// A connection would have nothing to do: the next audio opens one.
    Park,
    /// The budget is spent.
    GiveUp,
    /// The application's audio goes elsewhere anyhow.
    GoOn,
    /// The connection that has got a prelude, or some of it, takes over.
    MoveEarly,
}

impl Session {
    /// What a connection's death comes to.
    pub(in crate::machine) fn plan(
        &mut self,
        now: Instant,
        id: ConnectionId,
        reason: Reason,
    ) -> Plan {
        if self.is_beside(id) {
            return Plan::GoOn;
        }
        if self.prelude.is_some() {
            return Plan::MoveEarly;
        }
        let connection = self.connections.get(id).expect("a connection that dies is held");
        let Some(recovery) = &mut self.recovery else { return Plan::Latch };
        let is_needed = recovery.is_needed() || self.backlog.has_audio();
        let is_closing = matches!(connection.state(), ConnectionState::Closing(Closing::End, _));
        let is_unwanted = self.app.gone || matches!(self.intent, Some(Intent::Abort(_)));
        if is_unwanted || !reason.is_recoverable() || (is_closing && !is_needed) {
            return Plan::Latch;
        }
        let to_park = matches!(connection.state(), ConnectionState::Closing(Closing::Park, _));
        let is_idle_again = id != ConnectionId::FIRST && !connection.has_got_audio();
        let idle = now.duration_since(connection.active_at);
        // It got everything, said nothing to it, and nothing has come since: a silence that has no
        // result, most likely. Another connection would end the same way.
        let is_in_vain =
            recovery.is_in_gap() && !recovery.is_holding() && !connection.has_answered();
        let is_silent = is_in_vain && idle >= self.config.keepalive_interval;
        if self.intent.is_none() && (is_silent || !is_needed && (to_park || is_idle_again)) {
            return Plan::Park;
        }
        recovery.budget.died(now.duration_since(connection.up_since), connection.has_answered());
        recovery.budget.spend(now).map_or(Plan::GiveUp, Plan::Reconnect)
    }

    /// The connection is about to be declared dead: takes from it what another is to get.
    pub(in crate::machine) fn take_back(&mut self, now: Instant, id: ConnectionId) {
        self.with(now, id, Connection::take_answered_as_written);
        let connection = self.connections.get(id).expect("a connection that dies is held");
        let Some(recovery) = &mut self.recovery else { return };
        let position = connection.unconfirmed_from();
        recovery.final_position = connection.final_position();
        // It is kept from a whole sample on.
        self.torn = None;
        recovery.replay = None;
        self.timers.clear(SessionTimer::Replay);
        remember(&mut recovery.known, connection);
        recovery.marks.settle_finalizes(connection.unanswered_finalizes());
        if let Some(read) = connection.texts_before_bad() {
            recovery.marks.forget_texts_behind(read);
        }
        recovery.marks.rewind(connection.unwritten_finalizes());
        recovery.ring.trim(position);
        let unwritten = connection.unwritten();
        let lost = recovery.ring.take_back(unwritten.audio_frames, unwritten.audio_bytes);
        let forgotten = recovery.ring.start().saturating_sub(position);
        let ledger = &mut self.books.ledger;
        ledger.drop_frames(lost.frames, lost.bytes, LossCause::RingOverflow);
        ledger.lose(forgotten.saturating_sub(lost.bytes), LossCause::RingOverflow);
    }

    /// The connection is dead, and another is dialled.
    pub(in crate::machine) fn begin_gap(&mut self, now: Instant, fallen: &Fallen, delay: Duration) {
        self.open_gap(now, fallen);
        self.dial_again(now, delay);
        self.keep_backlog(now);
        self.tell_overflow(now);
        self.tell_attempt(now, delay);
        self.bound_finish(now);
    }

    /// The connection is dead, and there is nothing for another to do. What has no result is kept.
    pub(in crate::machine) fn await_audio(&mut self, now: Instant, fallen: &Fallen) {
        if self.recovery.as_ref().is_some_and(|it| it.is_needed()) {
            self.open_gap(now, fallen);
        } else {
            self.forget_kept();
        }
        self.park(now, ParkCause::Dead);
    }

    /// A parked session has something to send behind what it keeps.
    pub(in crate::machine) fn wake(&mut self, now: Instant) {
        if self.phase != Phase::Parked || !self.is_holding() {
            return;
        }
        match self.recovery.as_mut().and_then(|it| it.budget.spend(now)) {
            Some(delay) => {
                self.dial_again(now, delay);
                self.tell_attempt(now, delay);
                self.bound_finish(now);
            }
            None => self.give_up(now, None),
        }
    }

    pub(in crate::machine) fn open_gap(&mut self, now: Instant, fallen: &Fallen) {
        let Some(recovery) = &mut self.recovery else { return };
        let Fallen { reason, lost_before } = *fallen;
        let (reason, down_since) = (ReconnectReason::Death(reason), Some(now));
        let down = Duration::ZERO;
        let fresh =
            Gap { since: now, reason, attempts: 0, lost_before, down_since, down, replayed: 0 };
        let gap = recovery.gap.get_or_insert(fresh);
        (gap.reason, gap.down_since) = (reason, down_since);
    }

    /// What has waited for the connection that is dead waits for the next.
    pub(in crate::machine) fn keep_backlog(&mut self, now: Instant) {
        while let Some(entry) = self.backlog.pop() {
            match entry {
                Outgoing::Audio(_) | Outgoing::Replay { .. } => {
                    self.keep_audio(now, entry.audio(), entry.frames());
                }
                other => self.mark(now, other),
            }
        }
    }

    fn dial_again(&mut self, now: Instant, delay: Duration) {
        let id = self.connections.next_id();
        let is_reading = self.wants_upstream_input();
        let mut cx = Context { now, config: &self.config, books: &mut self.books, is_reading };
        self.connections.insert(Connection::dial_in(&mut cx, id, delay));
        self.phase = Phase::Served(id);
    }

    fn tell_attempt(&mut self, now: Instant, delay: Duration) {
        let Some(gap) = self.recovery.as_mut().and_then(|it| it.gap.as_mut()) else { return };
        gap.attempts += 1;
        let (attempt, reason) = (gap.attempts, gap.reason);
        self.record(Fact::Reconnecting(Reconnecting { attempt, delay, reason }));
        let delay_ms = millis(delay);
        self.deliver_event(now, Event::Reconnecting { attempt, delay_ms, reason });
    }

    /// A dial has failed in a gap. Whether another follows.
    pub(in crate::machine) fn redial(
        &mut self,
        now: Instant,
        id: ConnectionId,
        failure: &DialFailure,
    ) -> bool {
        let Some(recovery) = &mut self.recovery else { return false };
        let Some(gap) = &mut recovery.gap else { return false };
        gap.reason = ReconnectReason::Dial(failure.reason);
        let asked = failure.retry_after.unwrap_or_default();
        if !failure.is_passing() || asked > DIAL_WAIT_MAX {
            return false;
        }
        let Some(delay) = recovery.budget.spend(now) else { return false };
        let delay = delay.max(asked);
        self.tell_attempt(now, delay);
        self.with(now, id, |connection, cx| connection.redial(cx, delay));
        true
    }

    /// The budget was spent when the connection died.
    pub(in crate::machine) fn give_up_at_once(&mut self, now: Instant, fallen: &Fallen) {
        self.open_gap(now, fallen);
        self.give_up(now, None);
    }

    /// No other connection is tried: what waits for one is lost, and the session is over.
    pub(in crate::machine) fn give_up(&mut self, now: Instant, failure: Option<DialFailure>) {
        let Some(RecoveryFailed { attempts, reconnects, .. }) = self.fail_gap(now) else { return };
        let is_refused = failure.is_some();
        self.deliver_error(
            now,
            match failure {
                Some(failure) => not_recovered(failure, attempts),
                None => given_up(reconnects),
            },
        );
        let cause = if is_refused { LossCause::ConnectFailed } else { LossCause::Dead };
        self.let_all_go(now, cause);
        self.drop_backlog(cause);
        self.end_as(now, self.outcome_or(Outcome::Dead), false);
    }

    /// The session ends with its connection dead and something left to say.
    pub(in crate::machine) fn fail_gap(&mut self, now: Instant) -> Option<RecoveryFailed> {
        let recovery = self.recovery.as_mut()?;
        let gap = recovery.gap.as_ref()?;
        let failed = RecoveryFailed {
            attempts: gap.attempts,
            reconnects: recovery.budget.spent(),
            lasted: now.duration_since(gap.since),
            reason: gap.reason,
        };
        self.record(Fact::RecoveryFailed(failed.clone()));
        Some(failed)
    }

    /// The end has been asked for, and waits for another connection: not for ever.
    pub(in crate::machine) fn bound_finish(&mut self, now: Instant) {
        let is_bound = self.timers.is_running(SessionTimer::Finish);
        if self.intent.is_some() && self.is_holding() && !is_bound {
            self.timers.set(SessionTimer::Finish, now + self.config.finish_max);
        }
    }

    /// The end that was asked for while a connection was missing has not come in time.
    pub(in crate::machine) fn finish_deadline(&mut self, now: Instant) {
        if self.phase == Phase::Ending {
            return;
        }
        if !self.wants_upstream_input() {
            // It may lie unread behind what the application does not take.
            return self.timers.set(SessionTimer::Finish, now + self.config.finish_timeout);
        }
        self.fail_gap(now);
        self.let_all_go(now, LossCause::FinishTimeout);
        self.drop_backlog(LossCause::FinishTimeout);
        self.finish_timed_out(now);
    }

    /// Bytes lost so far, less what came after the end: no connection could have had it.
    pub(in crate::machine) fn lost_in_gaps(&self) -> u64 {
        let ledger = &self.books.ledger;
        ledger.lost_bytes() - ledger.lost_bytes_to(LossCause::AfterFinish)
    }

    /// Where the next connection's audio begins.
    pub(super) fn kept_base(&self) -> Base {
        let kept = self.recovery.as_ref().map(|it| (it.ring.start(), it.final_position));
        let (position, final_position) = kept.unwrap_or_default();
        Base { position, processed: Duration::ZERO, final_position }
    }
}

/// Notes up to where the application has a connection's final results.
fn remember(known: &mut Vec<u64>, connection: &Connection) {
    let positions = connection.final_positions();
    if known.len() < positions.len() {
        known.resize(positions.len(), 0);
    }
    for (known, position) in known.iter_mut().zip(positions) {
        *known = (*known).max(position);
    }
}
