//! How a connection and a session end: by CloseStream, by death, by shutdown.

use std::time::Instant;

use super::ledger::{Loss, StreamEnd};
use super::{Closing, Connection, Intent, Output, Phase, Session, Timer};
use crate::death::{Death, Reason, Trigger};
use crate::dial::DialFailure;
use crate::fact::{
    AudioLost, ConnectionClosed, ConnectionDied, ConnectionEnd, EndCause, Fact, FinalizeFailed,
    FinalizeSkipped, SessionEnded, SessionParked, SkipCause, Stage, StallOutcome, StreamClosing,
};
use crate::summary::{DeathSummary, Outcome, Summary};
use crate::{
    AppFrame, ConnectRefusal, ErrorCode, Event, LossCause, Outgoing, Refusal, Side, millis,
};

impl Session {
    /// Asks Deepgram to flush and close. The connection must be up.
    pub(super) fn close_stream(&mut self, now: Instant, closing: Closing) {
        self.phase = Phase::Closing(closing);
        self.closing_since = Some(now);
        self.record(Fact::StreamClosing(StreamClosing { to_park: closing == Closing::Park }));
        for timer in [Timer::Keepalive, Timer::Park, Timer::Ping, Timer::Pong, Timer::Prime] {
            self.timers.clear(timer);
        }
        self.timers.set(Timer::Close, now + self.config.finish_timeout);
        self.send(now, Outgoing::CloseStream);
    }

    /// Deepgram has closed as it was asked to.
    pub(super) fn closed_clean(&mut self, now: Instant) {
        self.drop_connection(now, StreamEnd::Flushed, SkipCause::Superseded);
        match self.phase {
            Phase::Closing(Closing::Park) if self.backlog.has_audio() => self.dial(now),
            Phase::Closing(Closing::Park) if self.backlog.is_full() => self.dial(now),
            Phase::Closing(Closing::Park) if self.intent.is_none() => self.parked(now),
            _ => self.end(now),
        }
    }

    fn parked(&mut self, now: Instant) {
        self.phase = Phase::Parked;
        let idle = now.duration_since(self.idle_since);
        self.record(Fact::SessionParked(SessionParked { idle }));
        self.deliver_event(now, Event::Parked { idle_ms: millis(idle) });
    }

    /// Deepgram has not closed in time.
    pub(super) fn close_deadline(&mut self, now: Instant) {
        if !self.wants_upstream_input() {
            // Its close may lie unread behind what the application does not take.
            return self.timers.set(Timer::Close, now + self.config.finish_timeout);
        }
        if self.phase == Phase::Closing(Closing::Park) {
            // Nothing was in flight but the close itself, so parking has cost no words.
            return self.closed_clean(now);
        }
        let end = StreamEnd::Lost(LossCause::FinishTimeout);
        self.drop_connection(now, end, SkipCause::Superseded);
        self.end_as(now, self.outcome_or(Outcome::TimedOut), false);
    }

    /// The connection died: told at once, never taken back, the first reason stands.
    pub(super) fn die(&mut self, now: Instant, reason: Reason, trigger: Trigger, detail: String) {
        if !matches!(self.phase, Phase::Closing(_)) {
            self.end_gap(now);
        }
        let Some(connection) = &self.connection else { return };
        let death = Death {
            reason,
            trigger,
            class: reason.class(),
            detail,
            send_age_ms: millis(now.duration_since(connection.last_send)),
            receive_age_ms: millis(now.duration_since(connection.last_receive)),
            connection: connection.number,
        };
        let age = now.duration_since(connection.up_since);
        let stage = self.stage(now, connection);
        self.record(Fact::ConnectionDied(ConnectionDied { death: death.clone(), age, stage }));
        if trigger == Trigger::FinalizeWrite {
            self.fail_unwritten_finalizes();
        }
        self.drop_connection(now, StreamEnd::Lost(LossCause::Dead), SkipCause::Dead);
        self.deliver_event(now, Event::Dead(death.clone()));
        self.first_death.get_or_insert(death);
        self.drop_backlog(LossCause::Dead);
        match self.intent {
            Some(_) => self.end_as(now, self.outcome_or(Outcome::Dead), false),
            None => self.phase = Phase::Latched,
        }
    }

    fn stage(&self, now: Instant, connection: &Connection) -> Stage {
        let streaming = now.duration_since(connection.last_send) < self.config.keepalive_interval
            && now.duration_since(self.idle_since) < self.config.keepalive_interval;
        match self.phase {
            Phase::Closing(_) => Stage::Closing,
            _ if !connection.finalizes.is_empty() => Stage::Finalizing,
            _ if !connection.audio_sent => Stage::AwaitingAudio,
            _ if !connection.answered => Stage::AwaitingResult,
            _ if streaming => Stage::Streaming,
            _ => Stage::Idle,
        }
    }

    /// Finalizes that could not be written on a live connection are errors, and nothing else is.
    fn fail_unwritten_finalizes(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let count = std::mem::take(&mut connection.unwritten.finalizes);
        if count > 0 {
            self.counts.finalizes.errors += count;
            self.record(Fact::FinalizeFailed(FinalizeFailed { count }));
        }
    }

    /// Lets go of the connection and closes its books.
    fn drop_connection(&mut self, now: Instant, end: StreamEnd, skip: SkipCause) {
        let is_death = skip == SkipCause::Dead;
        self.end_stall(now, if is_death { StallOutcome::Died } else { StallOutcome::Ended });
        let Some(mut connection) = self.connection.take() else { return };
        self.unblocked(now, Side::Upstream, connection.blocked_since);
        if !is_death {
            self.record_close(now, &connection, end);
        }
        self.closing_since = None;
        self.timers.clear_all(&Timer::OF_CONNECTION);
        self.outputs.push_back(Output::HangUp);
        self.skip_finalizes(connection.unwritten.finalizes, skip);
        self.supersede_answers(connection.finalizes.give_up(), skip);
        let cause = match end {
            StreamEnd::Flushed => LossCause::Dead,
            StreamEnd::Lost(cause) => cause,
        };
        let (frames, bytes) = (connection.unwritten.audio_frames, connection.unwritten.audio_bytes);
        self.ledger.drop_frames(frames, bytes, cause);
        self.ledger.end_stream(end);
        self.record_loss(cause);
    }

    fn record_close(&mut self, now: Instant, connection: &Connection, end: StreamEnd) {
        self.record(Fact::ConnectionClosed(ConnectionClosed {
            connection: connection.number,
            age: now.duration_since(connection.up_since),
            closing: self.closing_since.map(|since| now.duration_since(since)),
            end: match end {
                StreamEnd::Flushed => ConnectionEnd::Flushed,
                StreamEnd::Lost(LossCause::FinishTimeout) => ConnectionEnd::TimedOut,
                StreamEnd::Lost(_) => ConnectionEnd::Cut,
            },
        }));
    }

    /// Finalizes that were written and will get no answer: skipped in the metrics, and in the
    /// summary still `sent`.
    fn supersede_answers(&mut self, count: u64, cause: SkipCause) {
        if count > 0 {
            self.record(Fact::FinalizeSkipped(FinalizeSkipped { count, cause }));
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
                Outgoing::Text(_) => self.counts.drops.texts += 1,
                Outgoing::Silence(_)
                | Outgoing::KeepAlive
                | Outgoing::CloseStream
                | Outgoing::Ping => {}
            }
        }
        let dead = self.first_death.is_some();
        self.skip_finalizes(finalizes, if dead { SkipCause::Dead } else { SkipCause::Superseded });
        self.ledger.drop_frames(frames, bytes, cause);
        self.record_loss(cause);
        (frames, bytes)
    }

    /// Tells what has been lost since this was last told: once for each ending, not for each frame.
    fn record_loss(&mut self, cause: LossCause) {
        let Loss { frames, bytes, .. } = self.ledger.take_untold(cause);
        if bytes > 0 {
            let duration = self.ledger.duration(bytes);
            self.record(Fact::AudioLost(AudioLost { frames, bytes, duration, cause }));
        }
    }

    /// No connection could be had.
    pub(super) fn connect_failed(&mut self, now: Instant, failure: DialFailure, attempts: u32) {
        self.deliver_error(now, refusal_of(failure, attempts));
        if self.app.opened {
            self.intent = Some(Intent::Abort(EndCause::ResumeFailed));
        }
        self.end_unconnected(now, LossCause::ConnectFailed);
    }

    /// Ends a session that is dialling.
    pub(super) fn end_unconnected(&mut self, now: Instant, cause: LossCause) {
        self.timers.clear(Timer::Redial);
        self.outputs.push_back(Output::HangUp);
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
        self.timers.set(Timer::Drain, deadline);
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
        match self.phase {
            Phase::Open => self.close_when_sent(now),
            Phase::Dialing if !self.backlog.has_audio() => self.drain_deadline(now),
            Phase::Closing(Closing::Park) if !self.backlog.has_audio() => {
                self.phase = Phase::Closing(Closing::End);
            }
            Phase::Dialing | Phase::Closing(_) | Phase::Ending => {}
            Phase::Parked | Phase::Latched => self.end(now),
        }
    }

    /// Shutdown waits no longer.
    pub(super) fn drain_deadline(&mut self, now: Instant) {
        if self.phase == Phase::Ending {
            return self.abandon_app(now);
        }
        let cause = LossCause::DrainDeadline;
        let was_dialing = self.phase == Phase::Dialing;
        let mut unsent = self.connection.as_ref().map_or((0, 0), |connection| {
            (connection.unwritten.audio_frames, connection.unwritten.audio_bytes)
        });
        self.drop_connection(now, StreamEnd::Lost(cause), SkipCause::Superseded);
        let kept = self.drop_backlog(cause);
        unsent = (unsent.0 + kept.0, unsent.1 + kept.1);
        if was_dialing {
            self.outputs.push_back(Output::HangUp);
        }
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
        LossCause::ALL.into_iter().for_each(|cause| self.record_loss(cause));
        self.timers.clear_all(&Timer::OF_CONNECTION);
        self.timers.clear(Timer::Redial);
        self.end_segment(now);
        self.timers.clear(Timer::Segment);
        self.phase = Phase::Ending;
        let summary = self.summary(now, outcome, cut);
        let cause = match self.intent {
            Some(Intent::Abort(cause)) if outcome == Outcome::Aborted => Some(cause),
            _ => None,
        };
        self.record(Fact::SessionEnded(Box::new(SessionEnded {
            summary: summary.clone(),
            cause,
            send_gap_max: self.counts.send_gap_max,
            audio: self.config.audio.map(|it| it.duration(summary.audio.bytes_received)),
            drained_for: self.draining_since.map(|since| now.duration_since(since)),
            finalizes_requested: self.counts.finalizes_requested,
            drops: self.counts.drops,
        })));
        if self.app.opened {
            self.deliver(now, AppFrame::Finished(Box::new(summary)));
        }
    }

    fn summary(&self, now: Instant, outcome: Outcome, cut: bool) -> Summary {
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
            connections: self.connections,
            audio: self.ledger.summary(),
            keepalives: self.counts.keepalives,
            finalizes: self.counts.finalizes,
            messages: self.counts.messages,
            recoveries: 0,
            lost_ms: millis(self.ledger.duration(self.ledger.lost_bytes())),
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
    };
    Refusal { connect: Some(Box::new(connect)), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}

/// What an application is told that comes, or still dials, during shutdown.
pub fn draining_refusal() -> Refusal {
    Refusal::new(ErrorCode::Draining, "the sidecar is shutting down; connect to its successor")
}
