//! How a session ends: by its application, by a death, by shutdown.

use std::time::Instant;

use super::connection::{Connection, StreamEnd};
use super::timer::SessionTimer;
use super::{Closing, Intent, Output, Phase, Route, Session};
use crate::counts::Count;
use crate::death::{Reason, Trigger};
use crate::dial::DialFailure;
use crate::fact::{EndCause, Fact, SessionEnded, SessionParked, SkipCause};
use crate::summary::{DeathSummary, FinalizeSummary, MessageSummary, Outcome, Summary};
use crate::{
    AppFrame, ConnectRefusal, ConnectionId, ErrorCode, Event, LossCause, Outgoing, Refusal, millis,
};

impl Session {
    /// Asks Deepgram to flush and close an open connection.
    pub(super) fn close_stream(&mut self, now: Instant, id: ConnectionId, closing: Closing) {
        self.with(now, id, |connection, cx| connection.close(cx, closing));
    }

    /// The close that was to park the session is to end it.
    pub(super) fn close_for_good(&mut self) {
        self.connections.iter_mut().for_each(Connection::close_for_good);
    }

    /// Deepgram has closed as it was asked to.
    pub(super) fn closed(&mut self, now: Instant, id: ConnectionId) {
        let route = self.route();
        self.let_go(now, id, StreamEnd::Flushed);
        match route {
            Route::Closing(Closing::Park) if self.backlog.has_audio() => self.dial(now),
            Route::Closing(Closing::Park) if self.backlog.is_full() => self.dial(now),
            Route::Closing(Closing::Park) if self.intent.is_none() => self.park(now),
            _ => self.end(now),
        }
    }

    fn park(&mut self, now: Instant) {
        self.phase = Phase::Parked;
        let idle = now.duration_since(self.idle_since);
        self.record(Fact::SessionParked(SessionParked { idle }));
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
        let died = self.with(now, id, |it, cx| it.die(cx, reason, trigger, detail));
        let Some(death) = died else { return };
        self.forget(id);
        self.deliver_event(now, Event::Dead(death.clone()));
        self.first_death.get_or_insert(death);
        self.drop_backlog(LossCause::Dead);
        match self.intent {
            Some(_) => self.end_as(now, self.outcome_or(Outcome::Dead), false),
            None => self.phase = Phase::Latched,
        }
    }

    /// Gives up what still waits for a connection.
    fn drop_backlog(&mut self, cause: LossCause) -> (u64, u64) {
        let (mut frames, mut bytes, mut finalizes) = (0, 0, 0);
        while let Some(entry) = self.backlog.pop() {
            match entry {
                Outgoing::Audio(audio) => {
                    frames += 1;
                    bytes += audio.len() as u64;
                }
                Outgoing::Finalize { .. } => finalizes += 1,
                Outgoing::Text(_) => self.books.drops.texts += 1,
                Outgoing::Silence(_)
                | Outgoing::KeepAlive
                | Outgoing::CloseStream
                | Outgoing::Ping => {}
            }
        }
        let dead = self.first_death.is_some();
        let skip = if dead { SkipCause::Dead } else { SkipCause::Superseded };
        self.books.skip_finalizes(finalizes, skip);
        self.books.ledger.drop_frames(frames, bytes, cause);
        self.books.record_loss(cause);
        (frames, bytes)
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
        self.deliver_error(now, refusal_of(failure, attempts));
        if self.app.opened {
            self.intent = Some(Intent::Abort(EndCause::ResumeFailed));
        }
        self.end_unconnected(now, LossCause::ConnectFailed);
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

    /// Shutdown: what can still be flushed is, until the deadline.
    pub(super) fn drain(&mut self, now: Instant, deadline: Instant) {
        self.timers.set(SessionTimer::Drain, deadline);
        self.draining_since.get_or_insert(now);
        if self.phase == Phase::Ending {
            return;
        }
        let deadline_ms = millis(deadline.saturating_duration_since(now));
        self.deliver_event(now, Event::Draining { deadline_ms });
        if self.intent.is_some() {
            return;
        }
        self.intent = Some(Intent::Drain);
        match self.route() {
            Route::Open(id) => self.close_when_sent(now, id),
            Route::Dialing if !self.backlog.has_audio() => self.drain_deadline(now),
            Route::Closing(Closing::Park) if !self.backlog.has_audio() => self.close_for_good(),
            Route::Dialing | Route::Closing(_) | Route::Ending => {}
            Route::Parked | Route::Latched => self.end(now),
        }
    }

    /// Shutdown waits no longer.
    pub(super) fn drain_deadline(&mut self, now: Instant) {
        if self.phase == Phase::Ending {
            return self.abandon_app(now);
        }
        let cause = LossCause::DrainDeadline;
        let mut unsent = self.unwritten_audio();
        self.let_all_go(now, cause);
        let kept = self.drop_backlog(cause);
        unsent = (unsent.0 + kept.0, unsent.1 + kept.1);
        if unsent.0 > 0 {
            let (frames, bytes) = unsent;
            self.deliver_event(now, Event::AudioDropped { frames, bytes, cause });
        }
        if !self.app.opened {
            self.deliver_error(now, draining_refusal());
        }
        let outcome = match self.intent {
            Some(Intent::Abort(_)) => Outcome::Aborted,
            _ => Outcome::Drained,
        };
        self.end_as(now, outcome, self.app.opened || unsent.0 > 0);
    }

    /// Frames and bytes of audio that were sent and are not known to be with the kernel.
    fn unwritten_audio(&self) -> (u64, u64) {
        self.connections
            .iter()
            .map(Connection::unwritten)
            .fold((0, 0), |(frames, bytes), it| (frames + it.audio_frames, bytes + it.audio_bytes))
    }

    /// Lets go of every connection, up or not. The phase must move on.
    fn let_all_go(&mut self, now: Instant, cause: LossCause) {
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
    fn outcome_or(&self, finished: Outcome) -> Outcome {
        match self.intent {
            Some(Intent::Abort(_)) => Outcome::Aborted,
            Some(Intent::Drain) => Outcome::Drained,
            Some(Intent::Finish) | None => finished,
        }
    }

    fn end_as(&mut self, now: Instant, outcome: Outcome, cut: bool) {
        self.drop_backlog(LossCause::AppGone);
        LossCause::ALL.into_iter().for_each(|cause| self.books.record_loss(cause));
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
            drained_for: self.draining_since.map(|since| now.duration_since(since)),
            finalizes_requested: self.books.counts[Count::FinalizesRequested],
            drops: self.books.drops,
        })));
        if self.app.opened {
            self.deliver(now, AppFrame::Finished(Box::new(summary)));
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
            recoveries: 0,
            lost_ms: millis(self.books.ledger.duration(self.books.ledger.lost_bytes())),
            vad: None,
        }
    }
}

fn refusal_of(failure: DialFailure, attempts: u32) -> Refusal {
    let tries = if attempts == 1 { "1 attempt".into() } else { format!("{attempts} attempts") };
    let message = format!("no connection to Deepgram after {tries}: {}", failure.reason.advice());
    let connect = ConnectRefusal {
        reason: Some(failure.reason),
        status: failure.status,
        detail: Some(failure.detail),
        request_id: failure.request_id,
        retry_after: failure.retry_after,
    };
    Refusal { connect: Some(Box::new(connect)), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}

/// What an application is told that comes, or still dials, during shutdown.
pub fn draining_refusal() -> Refusal {
    Refusal::new(ErrorCode::Draining, "the sidecar is shutting down; connect to its successor")
}
