//! What Deepgram's side does to the session.

use std::time::{Duration, Instant};

use super::backlog::ENTRY_BYTES;
use super::finalize::Finalizes;
use super::stall::Stall;
use super::{Closing, Output, Phase, Session, Timer};
use crate::death::{Reason, Trigger};
use crate::dial::{DialFailure, DialPhases};
use crate::fact::{
    BinaryDropped, CloseReceived, Connected, DgCode, DialFailed, Fact, LateEvidence, SessionResumed,
};
use crate::{AppFrame, Event, UpstreamInput, Written, millis};

/// How much of what has waited for a connection is sent at a time.
const BACKLOG_BATCH_BYTES: usize = 64 << 10;

/// RFC 6455's names for a close frame without a code, and for an end without a close frame.
const NO_CODE: u16 = 1005;
const NO_FRAME: u16 = 1006;

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
    /// Its bytes.
    pub(super) unwritten_bytes: u64,
    /// Since when the kernel has refused some of it: the application is not read meanwhile.
    pub(super) blocked_since: Option<Instant>,
    /// When the oldest ping without a pong was written.
    pub(super) ping_written_at: Option<Instant>,
    /// Up to where the audio of this connection has results, in its time.
    pub(super) result_end: Duration,
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
    pub(super) finalizes_answered_early: u64,
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
            unwritten_bytes: 0,
            blocked_since: None,
            ping_written_at: None,
            result_end: Duration::ZERO,
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

    pub(super) fn is_write_blocked(&self) -> bool {
        self.blocked_since.is_some()
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
            UpstreamInput::Ping => self.received(now),
            UpstreamInput::Pong => self.pong_received(now),
            UpstreamInput::Written(written) => self.written(now, written),
            UpstreamInput::WriteBlocked => {
                if let Some(connection) = &mut self.connection {
                    connection.blocked_since.get_or_insert(now);
                }
            }
            UpstreamInput::WriteProgress => self.write_progress(now),
            UpstreamInput::Closed { code, reason, dg_code, detail } => {
                self.close_received(code.unwrap_or(NO_CODE), dg_code);
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
            waited: self.redial.waited(now),
            buffered: self.config.audio.map(|it| it.duration(self.backlog.audio_bytes())),
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
    pub(super) fn send_backlog(&mut self, now: Instant) {
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
        let duration = self.redial.attempted(now);
        let fact = DialFailed { attempt, failure: failure.clone(), duration, retry_in };
        self.record(Fact::DialFailed(fact));
        match retry_in {
            Some(delay) => self.timers.set(Timer::Redial, now + delay),
            None => self.connect_failed(now, failure, attempt),
        }
    }

    /// Any sign of life.
    pub(super) fn received(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.last_receive = now;
            self.timers.clear(Timer::Pong);
            self.arm_ping(now);
        }
    }

    fn close_received(&mut self, code: u16, dg_code: DgCode) {
        if self.connection.is_some() {
            self.record(Fact::CloseReceived(CloseReceived { code, dg_code }));
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
        let by_peer = matches!(reason, Reason::EofWithoutClose | Reason::ConnectionReset);
        if by_peer && trigger == Trigger::Read {
            self.close_received(NO_FRAME, DgCode::None);
        }
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
