//! What Deepgram's side does to the session.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backlog::ENTRY_BYTES;
use super::finalize::Finalizes;
use super::stall::Stall;
use super::{Closing, Output, Phase, Session, Timer, millis};
use crate::session::death::{Reason, Trigger};
use crate::session::dial::{DialFailure, DialPhases};
use crate::session::fact::{
    BinaryDropped, Connected, DialFailed, Fact, FinalizeAnswered, FinalizeTimedOut, KeepaliveSent,
    LateEvidence, SessionResumed, TranscriptStalled,
};
use crate::session::timestamps;
use crate::session::{AppFrame, Event, MessageKind, UpstreamInput, Written};

/// How much of what has waited for a connection is sent at a time.
const BACKLOG_BATCH_BYTES: usize = 64 << 10;

/// One connection to Deepgram that is up.
#[derive(Debug)]
pub(super) struct Connection {
    /// Which of the session's connections, from 1.
    pub(super) number: u32,
    pub(super) up_since: Instant,
    pub(super) last_send: Instant,
    pub(super) last_receive: Instant,
    /// What was sent and is not known to be with the kernel.
    pub(super) unwritten: Written,
    /// The kernel refused some of what is unwritten: the application is not read meanwhile.
    pub(super) write_blocked: bool,
    pub(super) audio_sent: bool,
    pub(super) answered: bool,
    /// CloseStream is with the kernel.
    pub(super) close_written: bool,
    pub(super) metadata_received: bool,
    /// A keepalive is unwritten: how much later than due it was asked for.
    pub(super) keepalive_lateness: Option<Duration>,
    /// Our own silence, bytes asked for; it shifts Deepgram's clock against the session's.
    pub(super) silence_bytes: u64,
    pub(super) finalizes: Finalizes,
    /// Finalizes whose answer came while they were still among the unwritten.
    finalizes_answered_early: u64,
    pub(super) stall: Stall,
}

impl Connection {
    fn new(number: u32, now: Instant) -> Self {
        Self {
            number,
            up_since: now,
            last_send: now,
            last_receive: now,
            unwritten: Written::default(),
            write_blocked: false,
            audio_sent: false,
            answered: false,
            close_written: false,
            metadata_received: false,
            keepalive_lateness: None,
            silence_bytes: 0,
            finalizes: Finalizes::default(),
            finalizes_answered_early: 0,
            stall: Stall::default(),
        }
    }
}

impl Session {
    /// Something happened on Deepgram's side.
    pub fn handle_upstream(&mut self, now: Instant, input: UpstreamInput) {
        match input {
            UpstreamInput::Connected { request_id, phases } => {
                self.connected(now, request_id, phases);
            }
            UpstreamInput::DialFailed(failure) => self.dial_failed(now, failure),
            UpstreamInput::Message { text, kind } => self.message(now, text, kind),
            UpstreamInput::Binary { length } => {
                self.received(now);
                self.record(Fact::BinaryDropped(BinaryDropped { bytes: length }));
            }
            UpstreamInput::Pong => self.received(now),
            UpstreamInput::Written(written) => self.written(now, written),
            UpstreamInput::WriteBlocked => {
                if let Some(connection) = &mut self.connection {
                    connection.write_blocked = true;
                }
            }
            UpstreamInput::WriteProgress => self.write_progress(now),
            UpstreamInput::Closed { code, reason, detail } => {
                self.closed(now, code, reason, detail);
            }
            UpstreamInput::Failed { reason, trigger, detail } => {
                self.failed(now, reason, trigger, detail);
            }
        }
    }

    fn connected(&mut self, now: Instant, request_id: Option<String>, phases: DialPhases) {
        if self.phase != Phase::Dialing {
            return self.outputs.push_back(Output::HangUp);
        }
        self.connections += 1;
        self.connection = Some(Connection::new(self.connections, now));
        self.phase = Phase::Open;
        self.record(Fact::Connected(Connected {
            connection: self.connections,
            attempt: self.redial.attempt(),
            phases,
            request_id: request_id.clone(),
        }));
        if self.app.opened {
            let idle = now.duration_since(self.idle_since);
            self.record(Fact::SessionResumed(SessionResumed { idle }));
            self.deliver_event(now, Event::Resumed { idle_ms: millis(idle) });
        } else {
            self.app.opened = true;
            self.deliver(now, AppFrame::Opened { request_id });
        }
        self.idle_since = now;
        self.start_connection(now);
    }

    /// Sends what has waited, then CloseStream if the end has been asked for.
    fn start_connection(&mut self, now: Instant) {
        self.arm_keepalive(now);
        self.arm_ping(now);
        self.arm_priming(now);
        self.send_backlog(now);
    }

    /// Sends the next batch of what has waited; each `Written` asks for another. In one go it would
    /// be copied whole into the connection's buffer, which would keep that size ever after.
    fn send_backlog(&mut self, now: Instant) {
        let mut batch_bytes = 0;
        while batch_bytes < BACKLOG_BATCH_BYTES
            && let Some(outgoing) = self.backlog.pop()
        {
            batch_bytes += outgoing.payload_len() + ENTRY_BYTES;
            self.send(now, outgoing);
        }
        if self.intent.is_some() {
            self.close_when_sent(now);
        }
    }

    /// Sends CloseStream, behind whatever has waited for the connection.
    pub(super) fn close_when_sent(&mut self, now: Instant) {
        if self.backlog.is_empty() {
            self.close_stream(now, Closing::End);
        }
    }

    fn dial_failed(&mut self, now: Instant, failure: DialFailure) {
        if self.phase != Phase::Dialing {
            return;
        }
        let attempt = self.redial.attempt();
        let retry_in = if failure.is_retryable() { self.redial.next_delay() } else { None };
        let fact = DialFailed { attempt, failure: failure.clone(), retry_in };
        self.record(Fact::DialFailed(fact));
        match retry_in {
            Some(delay) => self.timers.set(Timer::Redial, now + delay),
            None => self.connect_failed(now, failure, attempt),
        }
    }

    /// Any sign of life.
    fn received(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.last_receive = now;
            self.timers.clear(Timer::Pong);
            self.arm_ping(now);
        }
    }

    fn message(&mut self, now: Instant, text: Bytes, kind: MessageKind) {
        self.received(now);
        let Some(connection) = &mut self.connection else { return };
        connection.answered = true;
        connection.stall.message_received();
        let silence_bytes = connection.silence_bytes;
        self.timers.clear(Timer::Prime);
        self.counts.messages.received += 1;
        let primed = self.ledger.duration(silence_bytes).as_secs_f64();
        self.account_message(now, kind, primed);
        if self.app.breached || self.app.gone {
            self.counts.drops.messages += 1;
            return;
        }
        if silence_bytes == 0 {
            self.deliver(now, AppFrame::Message(text));
        } else if let Some(text) = timestamps::without_lead(&text, primed) {
            self.deliver(now, AppFrame::Message(text));
        }
    }

    /// Enters a message into the books. `primed` is how far Deepgram's clock is ahead, in seconds.
    fn account_message(&mut self, now: Instant, kind: MessageKind, primed: f64) {
        match kind {
            MessageKind::Results { is_final, from_finalize, end, channel, channels } => {
                if is_final {
                    self.counts.messages.finals += 1;
                    self.ledger.finalize(end - primed, channel, channels);
                }
                if from_finalize {
                    self.finalize_answered(now);
                }
            }
            MessageKind::TurnInfo { end_of_turn: true, end } => {
                self.counts.messages.finals += 1;
                self.ledger.finalize(end - primed, 0, 1);
            }
            MessageKind::Metadata => {
                if let Some(connection) = &mut self.connection {
                    connection.metadata_received |= connection.close_written;
                }
            }
            MessageKind::TurnInfo { end_of_turn: false, .. }
            | MessageKind::Error
            | MessageKind::Other => {}
        }
    }

    fn finalize_answered(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if let Some((count, latency)) = connection.finalizes.answer(now) {
            self.timers.clear(Timer::Finalize);
            self.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count }));
        } else {
            // The kernel has taken it and not yet all that went along with it.
            connection.finalizes_answered_early = connection.unwritten.finalizes;
        }
    }

    pub(super) fn finalize_deadline(&mut self, now: Instant) {
        let timeout = self.config.finalize_timeout;
        if !self.wants_upstream_input() {
            // Its answer may lie unread behind what the application does not take.
            return self.timers.set(Timer::Finalize, now + timeout);
        }
        let Some(connection) = &mut self.connection else { return };
        let count = connection.finalizes.expire(now, timeout);
        if let Some(deadline) = connection.finalizes.deadline(timeout) {
            self.timers.set(Timer::Finalize, deadline);
        }
        if count > 0 {
            self.counts.finalizes.timeouts += count;
            self.record(Fact::FinalizeTimedOut(FinalizeTimedOut { count }));
        }
    }

    /// The kernel has all that was sent.
    fn written(&mut self, now: Instant, written: Written) {
        let Some(connection) = &mut self.connection else { return };
        connection.unwritten = Written::default();
        connection.write_blocked = false;
        self.timers.clear(Timer::Write);
        self.ledger.send(written.audio_frames, written.audio_bytes);
        self.pings_written(now, written.pings);
        self.finalizes_written(now, written.finalizes);
        self.keepalives_written(written.keepalives);
        if written.is_activity() {
            self.sent(now);
        }
        if written.audio_frames + written.texts + written.finalizes > 0 {
            self.idle_since = now;
            self.arm_parking();
        }
        self.close_written(written.close_streams > 0);
        if written.audio_frames > 0 {
            self.audio_written(now);
        }
        if self.phase == Phase::Open && !self.backlog.is_empty() {
            self.send_backlog(now);
        }
    }

    /// A text or binary message is with the kernel: the keepalive clock starts anew.
    fn sent(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            let gap = now.duration_since(connection.last_send);
            self.counts.send_gap_max = self.counts.send_gap_max.max(gap);
            connection.last_send = now;
            self.arm_keepalive(now);
        }
    }

    fn keepalives_written(&mut self, count: u64) {
        let Some(connection) = &mut self.connection else { return };
        let lateness = connection.keepalive_lateness.take().unwrap_or_default();
        self.counts.keepalives += count;
        if count > 0 {
            let endpoint = self.config.endpoint;
            self.record(Fact::KeepaliveSent(KeepaliveSent { endpoint, lateness }));
        }
    }

    fn finalizes_written(&mut self, now: Instant, count: u64) {
        let Some(connection) = &mut self.connection else { return };
        let answered = std::mem::take(&mut connection.finalizes_answered_early).min(count);
        self.counts.finalizes.sent += count;
        if count > answered {
            connection.finalizes.push(now, count - answered);
            if self.timers.get(Timer::Finalize).is_none() {
                self.timers.set(Timer::Finalize, now + self.config.finalize_timeout);
            }
        }
        if answered > 0 {
            let latency = Duration::ZERO;
            self.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count: answered }));
        }
    }

    fn close_written(&mut self, close_stream: bool) {
        if let Some(connection) = &mut self.connection {
            connection.close_written |= close_stream;
        }
    }

    fn audio_written(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        connection.audio_sent = true;
        if self.phase != Phase::Open || self.app.blocked {
            return;
        }
        if let Some(silent) = connection.stall.audio_written(now, self.config.stall_after) {
            self.record(Fact::TranscriptStalled(TranscriptStalled { silent }));
            self.deliver_event(now, Event::Stalled { silent_ms: millis(silent) });
            if self.config.kill_stalled {
                let detail = format!("no message for {} ms of audio", millis(silent));
                self.die(now, Reason::StalledTranscript, Trigger::Watchdog, detail);
            }
        }
    }

    fn write_progress(&mut self, now: Instant) {
        if self.timers.get(Timer::Write).is_some() {
            self.timers.set(Timer::Write, now + self.config.write_timeout);
        }
    }

    fn closed(&mut self, now: Instant, code: Option<u16>, reason: Reason, detail: String) {
        match &self.connection {
            Some(it) if it.close_written && matches!(code, None | Some(1000)) => {
                self.closed_clean(now)
            }
            Some(it) if it.metadata_received => self.closed_clean(now),
            Some(_) => self.die(now, reason, Trigger::Read, detail),
            None => self.late_evidence(reason, Trigger::Read, detail),
        }
    }

    fn failed(&mut self, now: Instant, reason: Reason, trigger: Trigger, detail: String) {
        match &self.connection {
            Some(it) if it.metadata_received => self.closed_clean(now),
            Some(_) => self.die(now, reason, trigger, detail),
            None => self.late_evidence(reason, trigger, detail),
        }
    }

    fn late_evidence(&mut self, reason: Reason, trigger: Trigger, detail: String) {
        if self.first_death.is_some() && self.phase != Phase::Ending {
            self.record(Fact::LateEvidence(LateEvidence { reason, trigger, detail }));
        }
    }
}
