//! What its connections mean to the session.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backlog::ENTRY_BYTES;
use super::connection::{Connection, Event as Happened, StreamEnd};
use super::timer::SessionTimer;
use super::{Closing, ConnectionState, Output, Phase, Route, Session};
use crate::death::{Reason, Trigger};
use crate::dial::DialPhases;
use crate::fact::{Connected, Fact, LateEvidence, SessionResumed, TranscriptStalled};
use crate::{
    AppFrame, ConnectionId, Event, LossCause, MessageKind, TimeMap, UpstreamInput, millis,
};

/// How much of what has waited for a connection is sent at a time.
const BACKLOG_BATCH_BYTES: usize = 64 << 10;

impl Session {
    /// Something happened on Deepgram's side of a connection.
    pub fn handle_upstream(&mut self, now: Instant, id: ConnectionId, input: UpstreamInput) {
        if self.connections.get(id).is_none() {
            return self.handle_stray(id, input);
        }
        let happened = self.with(now, id, |connection, cx| connection.handle(cx, input));
        if let Some(event) = happened.flatten() {
            self.handle_connection(now, id, event);
        }
        self.move_if_due(now);
    }

    /// Something comes of a connection that the session has let go of.
    fn handle_stray(&mut self, id: ConnectionId, input: UpstreamInput) {
        match input {
            UpstreamInput::Connected { .. } => self.books.push(Output::HangUp(id)),
            UpstreamInput::Closed { reason, detail, .. } => {
                self.late_evidence(reason, Trigger::Read, detail);
            }
            UpstreamInput::Failed { reason, trigger, detail } => {
                self.late_evidence(reason, trigger, detail);
            }
            _ => {}
        }
    }

    fn late_evidence(&mut self, reason: Reason, trigger: Trigger, detail: String) {
        if self.first_death.is_some() && self.phase != Phase::Ending {
            self.record(Fact::LateEvidence(LateEvidence { reason, trigger, detail }));
        }
    }

    /// Takes up what a connection tells.
    pub(super) fn handle_connection(&mut self, now: Instant, id: ConnectionId, event: Happened) {
        match event {
            Happened::Up { request_id, phases } => self.connected(now, id, request_id, phases),
            Happened::GaveUp { failure, attempts } => {
                if self.had_a_prelude(now, id) || self.redial(now, id, &failure) {
                    return;
                }
                self.connections.remove(id);
                self.connect_failed(now, id, failure, attempts);
            }
            Happened::Message { text, kind, times } => {
                if let Some(times) = self.cross_seam(now, id, kind, times) {
                    self.message(now, text, kind, times);
                }
            }
            Happened::Binary { payload } => self.binary(now, payload),
            Happened::Written { stalled } => self.written(now, id, stalled),
            Happened::Idle if self.prelude.is_some() => drop(self.with(now, id, Connection::stay)),
            Happened::Idle => self.close_stream(now, id, Closing::Park),
            Happened::Closed => self.closed(now, id),
            Happened::TimedOut => self.close_timed_out(now, id),
            Happened::Died { reason, trigger, detail } => {
                self.die(now, id, reason, trigger, detail);
            }
        }
    }

    fn connected(
        &mut self,
        now: Instant,
        id: ConnectionId,
        request_id: Option<String>,
        phases: DialPhases,
    ) {
        self.connections_up += 1;
        let connection = self.serving(id);
        self.record(Fact::Connected(Connected {
            connection: id.number(),
            attempt: connection.attempt_number(),
            phases,
            waited: connection.waited(now),
            buffered: self.config.audio.map(|it| it.duration(self.waiting_bytes())),
            request_id: request_id.clone(),
            is_beside: self.is_beside(id),
        }));
        if !self.app.opened {
            self.opened(now, request_id);
        } else if std::mem::take(&mut self.is_parked) {
            self.resumed(now);
        }
        if self.is_beside(id) {
            return self.begin_prelude(now);
        }
        if self.is_holding() {
            return self.begin_replay(now, id);
        }
        let position = self.base().position;
        if let Some(recovery) = &mut self.recovery {
            recovery.ring.go_on_at(position);
        }
        self.resend_texts(now, id);
        if !self.backlog.has_audio() && self.intent.is_none() {
            self.with(now, id, Connection::prime);
        }
        self.send_backlog(now, id);
    }

    fn opened(&mut self, now: Instant, request_id: Option<String>) {
        self.app.opened = true;
        self.timers.clear(SessionTimer::Open);
        self.deliver(now, AppFrame::Opened { request_id });
        self.ask_app_later(now);
    }

    fn resumed(&mut self, now: Instant) {
        let idle = now.duration_since(self.idle_since);
        self.record(Fact::SessionResumed(SessionResumed { idle }));
        self.deliver_event(now, Event::Resumed { idle_ms: millis(idle) });
    }

    /// Audio that waits for a connection, in bytes.
    fn waiting_bytes(&self) -> u64 {
        let kept = self.recovery.as_ref().filter(|it| it.is_holding()).map(|it| it.ring.len());
        self.backlog.audio_bytes() + kept.unwrap_or(0)
    }

    /// Sends the next batch of what has waited, then CloseStream if the end has been asked for; each
    /// `Written` asks for another batch. In one go it would be copied whole into the connection's
    /// buffer, which would keep that size ever after.
    pub(super) fn send_backlog(&mut self, now: Instant, id: ConnectionId) {
        let mut batch_bytes = 0;
        while batch_bytes < BACKLOG_BATCH_BYTES
            && let Some(outgoing) = self.backlog.pop()
        {
            batch_bytes += outgoing.payload_len() + ENTRY_BYTES;
            self.send_kept(now, id, outgoing);
        }
        if self.intent.is_some() {
            self.close_when_sent(now, id);
        }
    }

    /// Sends CloseStream, behind whatever has waited for the connection.
    pub(super) fn close_when_sent(&mut self, now: Instant, id: ConnectionId) {
        if self.backlog.is_empty() && !self.is_holding() {
            self.close_stream(now, id, Closing::End);
        }
    }

    fn message(&mut self, now: Instant, text: Bytes, kind: MessageKind, times: TimeMap) {
        if self.app.breached || self.app.gone {
            self.books.drops.messages += 1;
        } else if !times.is_of_lead_alone(kind) {
            self.deliver(now, AppFrame::Message { text, times });
        }
    }

    fn binary(&mut self, now: Instant, payload: Bytes) {
        if self.app.breached || self.app.gone {
            self.books.drops.messages += 1;
        } else {
            self.deliver(now, AppFrame::Binary { payload });
        }
    }

    /// The kernel has all that was sent on a connection.
    fn written(&mut self, now: Instant, id: ConnectionId, stalled: Option<Duration>) {
        if let Some(silent) = stalled {
            self.stalled(now, id, silent);
        }
        if self.route() == Route::Open(id) && !self.backlog.is_empty() {
            self.send_backlog(now, id);
        }
        self.settle_marks();
        self.replay_due(now);
        self.rest_kept(now, id);
    }

    fn stalled(&mut self, now: Instant, id: ConnectionId, silent: Duration) {
        self.record(Fact::TranscriptStalled(TranscriptStalled { silent }));
        self.deliver_event(now, Event::Stalled { silent_ms: millis(silent) });
        if self.config.kill_stalled {
            let detail = format!("no message for {} ms of audio", millis(silent));
            self.die(now, id, Reason::StalledTranscript, Trigger::Watchdog, detail);
        }
    }

    /// Deepgram has not closed in time.
    fn close_timed_out(&mut self, now: Instant, id: ConnectionId) {
        if self.is_beside(id) {
            let before = self.lost_audio();
            self.let_go(now, id, StreamEnd::Lost(LossCause::FinishTimeout));
            self.tell_lost_beside(now, before, LossCause::FinishTimeout);
            return self.beside_ended(now);
        }
        if self.route() == Route::Closing(Closing::Park) {
            // Nothing was in flight but the close itself, so parking has cost no words.
            return self.closed(now, id);
        }
        self.let_go(now, id, StreamEnd::Lost(LossCause::FinishTimeout));
        self.finish_timed_out(now);
    }

    /// Lets go of a connection that has not died, or of the dial of one.
    pub(super) fn let_go(&mut self, now: Instant, id: ConnectionId, end: StreamEnd) {
        self.with(now, id, |connection, cx| match connection.state() {
            ConnectionState::Dialing => cx.books.push(Output::HangUp(id)),
            ConnectionState::Open | ConnectionState::Closing(..) => connection.let_go(cx, end),
        });
        self.forget(id);
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id)
            && connection.is_up()
        {
            self.idle_since = connection.active_at;
            self.processed += connection.processed().unwrap_or_default();
        }
    }
}
