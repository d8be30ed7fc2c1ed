//! How a session ends: by its application, or by a death.

use std::time::Instant;

use super::connection::{Connection, StreamEnd};
use super::recovery::{Fallen, Plan};
use super::timer::SessionTimer;
use super::unconnected::not_connected;
use super::{Closing, Intent, Output, Phase, Route, Session};
use crate::counts::Count;
use crate::death::{Reason, Trigger};
use crate::dial::DialFailure;
use crate::fact::{Fact, ParkCause, SessionEnded, SessionParked, SkipCause};
use crate::summary::{DeathSummary, EndCause, FinalizeSummary, MessageSummary, Outcome, Summary};
use crate::{AppFrame, ConnectionId, Event, LossCause, Outgoing, millis};

impl Session {
    /// Asks Deepgram to flush and close an open connection.
    pub(super) fn close_stream(&mut self, now: Instant, id: ConnectionId, closing: Closing) {
        match closing {
            Closing::End => self.drop_prelude(now),
            Closing::Park => self.begin_with_sample(LossCause::Unprocessed),
        }
        self.with(now, id, |connection, cx| connection.close(cx, closing));
    }

    /// The close that was to park the session is to end it.
    pub(super) fn close_for_good(&mut self) {
        self.connections.iter_mut().for_each(Connection::close_for_good);
    }

    /// Another session needs a connection: an idle one is closed before its keepalive budget is spent.
    pub fn handle_shed(&mut self, now: Instant) {
        if !self.config.endpoint.traits().transcribes {
            return;
        }
        let is_asked = self.intent.is_some() || self.drain.is_some() || self.prelude.is_some();
        let is_free = !is_asked && self.backlog.is_empty();
        let is_kept = self.recovery.as_ref().is_some_and(|it| it.is_in_gap() || it.is_holding());
        let Route::Open(id) = self.route() else { return };
        if is_free && !is_kept && self.serving(id).is_idle(now) {
            self.is_shed = true;
            self.close_stream(now, id, Closing::Park);
        }
    }

    /// Deepgram has closed as it was asked to.
    pub(super) fn closed(&mut self, now: Instant, id: ConnectionId) {
        if self.is_beside(id) {
            self.let_go(now, id, StreamEnd::Flushed);
            return self.beside_ended(now);
        }
        let route = self.route();
        self.note_close(id);
        self.let_go(now, id, StreamEnd::Flushed);
        self.forget_kept();
        match route {
            Route::Closing(Closing::Park) if self.backlog.has_audio() => self.dial(now),
            Route::Closing(Closing::Park) if self.backlog.is_full() => self.dial(now),
            Route::Closing(Closing::Park) if self.intent.is_none() => {
                let is_shed = std::mem::take(&mut self.is_shed);
                self.park(now, if is_shed { ParkCause::Shed } else { ParkCause::Idle });
            }
            _ => self.end_behind_tail(now),
        }
    }

    pub(super) fn park(&mut self, now: Instant, cause: ParkCause) {
        self.phase = Phase::Parked;
        self.is_parked = true;
        let idle = now.duration_since(self.idle_since);
        self.record(Fact::SessionParked(SessionParked { idle, cause }));
        self.deliver_event(now, Event::Parked { idle_ms: millis(idle) });
    }

    /// Deepgram has not closed in time, and is waited for no longer.
    pub(super) fn finish_timed_out(&mut self, now: Instant) {
        self.end_as(now, self.outcome_or(Outcome::TimedOut), false);
    }

    /// A connection died: told at once, never taken back, the first reason stands.
    pub(super) fn die(
        &mut self,
        now: Instant,
        id: ConnectionId,
        reason: Reason,
        trigger: Trigger,
        detail: String,
    ) {
        let plan = self.plan(now, id, reason);
        let fallen = Fallen { reason, lost_before: self.lost_in_gaps() };
        let end = match plan {
            Plan::Latch | Plan::GoOn => StreamEnd::Lost(LossCause::Dead),
            Plan::MoveEarly if self.recovery.is_none() => StreamEnd::Lost(LossCause::Dead),
            Plan::Reconnect(_) | Plan::Park | Plan::GiveUp | Plan::MoveEarly => StreamEnd::Kept,
        };
        if matches!(end, StreamEnd::Kept) {
            self.take_back(now, id);
        }
        if !matches!(plan, Plan::GoOn) {
            self.note_close(id);
        }
        let before = self.lost_audio();
        let died = self.with(now, id, |it, cx| it.die(cx, reason, trigger, detail, end));
        let Some(death) = died else { return };
        self.forget(id);
        self.first_death.get_or_insert_with(|| death.clone());
        let recovering = !matches!(plan, Plan::Latch | Plan::GiveUp);
        self.deliver_event(now, Event::Dead { death: death.clone(), recovering });
        self.after_death(now, id, &fallen, plan, before);
    }

    /// Notes how Deepgram closed the connection that served last, which is over.
    fn note_close(&mut self, id: ConnectionId) {
        self.close_frame = self.connections.get_mut(id).and_then(|it| it.close_frame.take());
    }

    fn after_death(
        &mut self,
        now: Instant,
        id: ConnectionId,
        fallen: &Fallen,
        plan: Plan,
        before: (u64, u64),
    ) {
        match plan {
            Plan::GoOn => self.lost_beside(now, id, before),
            Plan::MoveEarly => self.lost_live(now, fallen),
            Plan::Reconnect(delay) => self.begin_gap(now, fallen, delay),
            Plan::GiveUp => self.give_up_at_once(now, fallen),
            Plan::Park => self.await_audio(now, fallen),
            Plan::Latch => {
                self.drop_backlog(LossCause::Dead);
                if self.intent.is_some() || self.config.dialect.ends_with_death() {
                    self.end_as(now, self.outcome_or(Outcome::Dead), false);
                } else {
                    self.phase = Phase::Latched;
                }
            }
        }
    }

    /// Gives up what still waits for a connection.
    pub(super) fn drop_backlog(&mut self, cause: LossCause) -> (u64, u64) {
        let (mut frames, mut bytes, mut finalizes) = (0, 0, 0);
        while let Some(entry) = self.backlog.pop() {
            (frames, bytes) = (frames + entry.frames(), bytes + entry.audio_len() as u64);
            match entry {
                Outgoing::Finalize { .. } => finalizes += 1,
                Outgoing::Text(_) => self.books.drops.texts += 1,
                Outgoing::Audio(_)
                | Outgoing::Replay { .. }
                | Outgoing::Lead(_)
                | Outgoing::KeepAlive
                | Outgoing::CloseStream
                | Outgoing::Ping => {}
            }
        }
        let dead = match &self.recovery {
            Some(recovery) => recovery.is_in_gap(),
            None => self.first_death.is_some(),
        };
        let skip = if dead { SkipCause::Dead } else { SkipCause::Superseded };
        self.books.skip_finalizes(finalizes, skip);
        self.books.ledger.drop_frames(frames, bytes, cause);
        let held = self.drop_held(cause, skip);
        self.books.record_loss(cause);
        (frames + held.0, bytes + held.1)
    }

    /// No connection could be had.
    pub(super) fn connect_failed(
        &mut self,
        now: Instant,
        id: ConnectionId,
        failure: DialFailure,
        attempts: u32,
    ) {
        self.books.push(Output::HangUp(id));
        if self.is_holding() {
            return self.give_up(now, Some(failure));
        }
        self.deliver_error(now, not_connected(failure, attempts));
        if self.app.opened {
            self.intent = Some(Intent::Abort(EndCause::ResumeFailed));
        }
        self.end_unconnected(now, LossCause::ConnectFailed);
    }

    /// Some applications do not wait for as long as a dial may take.
    pub(super) fn bound_opening(&mut self, now: Instant) {
        if let Some(within) = self.config.dialect.opened_within() {
            self.timers.set(SessionTimer::Open, now + within);
        }
    }

    /// The application waits no longer for a connection.
    pub(super) fn opening_deadline(&mut self, now: Instant) {
        let Phase::Served(id) = self.phase else { return };
        if let Some(gave_up) = self.with(now, id, Connection::out_of_time) {
            self.handle_connection(now, id, gave_up);
        }
    }

    /// Ends a session that is dialling.
    pub(super) fn end_unconnected(&mut self, now: Instant, cause: LossCause) {
        self.let_all_go(now, cause);
        self.drop_backlog(cause);
        match (self.app.opened, self.intent) {
            (false, None | Some(Intent::Finish)) => {
                self.end_as(now, Outcome::ConnectFailed, false);
            }
            _ => self.end(now),
        }
    }

    /// Lets go of every connection, up or not. The phase must move on.
    pub(super) fn let_all_go(&mut self, now: Instant, cause: LossCause) {
        for id in self.connections.ids().into_iter().flatten() {
            self.let_go(now, id, StreamEnd::Lost(cause));
        }
    }

    /// Ends the session as its first terminal fact says.
    pub(super) fn end(&mut self, now: Instant) {
        let outcome = match self.phase {
            Phase::Latched => Outcome::Dead,
            _ => self.outcome_or(Outcome::Finished),
        };
        self.end_as(now, outcome, false);
    }

    /// The outcome of an abort or shutdown, which stands whatever its flush comes to, or else what
    /// a FINISH has led to.
    pub(super) fn outcome_or(&self, finished: Outcome) -> Outcome {
        match self.intent {
            Some(Intent::Abort(_)) => Outcome::Aborted,
            Some(Intent::Drain) => Outcome::Drained,
            Some(Intent::Finish) | None => finished,
        }
    }

    pub(super) fn end_as(&mut self, now: Instant, outcome: Outcome, cut: bool) {
        self.close_gate();
        self.drop_prelude(now);
        self.let_all_go(now, LossCause::FinishTimeout);
        self.drop_backlog(LossCause::AppGone);
        for cause in LossCause::ALL {
            self.books.record_loss(cause);
        }
        self.phase = Phase::Ending;
        self.end_segment(now);
        self.timers.clear(SessionTimer::Segment);
        let summary = self.summary(now, outcome, cut);
        let cause = match self.intent {
            Some(Intent::Abort(cause)) if outcome == Outcome::Aborted => Some(cause),
            _ => None,
        };
        self.record(Fact::SessionEnded(Box::new(SessionEnded {
            summary: summary.clone(),
            cause,
            send_gap_max: self.books.send_gap_max,
            audio: self.config.audio.map(|it| it.duration(summary.audio.bytes_received)),
            drained: self.drained(now, cut),
            finalizes_requested: self.books.counts[Count::FinalizesRequested],
            drops: self.books.drops,
        })));
        if self.app.opened {
            let close = self.close_frame.take();
            self.deliver(now, AppFrame::Finished { summary: Box::new(summary), close });
        }
    }

    fn summary(&self, now: Instant, outcome: Outcome, cut: bool) -> Summary {
        let counts = &self.books.counts;
        Summary {
            session_id: self.id.clone(),
            outcome,
            cut,
            death: self.first_death.as_ref().map(|death| DeathSummary {
                reason: death.reason,
                trigger: death.trigger,
                class: death.class,
                detail: death.detail.clone(),
            }),
            duration_ms: millis(now.duration_since(self.opened_at)),
            connections: self.connections_up,
            audio: self.books.ledger.summary(),
            keepalives: counts[Count::Keepalives],
            finalizes: FinalizeSummary {
                sent: counts[Count::FinalizesSent],
                errors: counts[Count::FinalizeErrors],
                timeouts: counts[Count::FinalizeTimeouts],
                skipped_dead: counts[Count::FinalizesSkippedDead],
            },
            messages: MessageSummary {
                received: counts[Count::Messages],
                finals: counts[Count::Finals],
            },
            recoveries: u32::try_from(counts[Count::Recoveries]).unwrap_or(u32::MAX),
            lost_ms: self.books.ledger.millis(self.books.ledger.lost_bytes()),
            unknown_ms: self.books.ledger.millis(self.books.ledger.unknown_bytes()),
            vad: self.vad_summary(),
        }
    }
}
