//! How a connection ends: by CloseStream, by death, or let go.

use std::time::Instant;

use super::super::{Closing, Output};
use super::{Connection, Context, Event, State, Timer};
use crate::close::DgCode;
use crate::death::{Death, Reason, Trigger};
use crate::fact::{
    CloseReceived, ConnectionClosed, ConnectionDied, ConnectionEnd, Fact, SkipCause, Stage,
    StallOutcome, StreamClosing,
};
use crate::{LossCause, Outgoing, Side, millis};

/// RFC 6455's names for a close frame without a code, and for an end without a close frame.
const NO_CODE: u16 = 1005;
const NO_FRAME: u16 = 1006;

/// How a connection's audio ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::machine) enum StreamEnd {
    /// Deepgram flushed all of it.
    Flushed,
    /// What was not final is lost.
    Lost(LossCause),
}

impl Connection {
    /// Asks Deepgram to flush and close. The connection must be open.
    pub(in crate::machine) fn close(&mut self, cx: &mut Context<'_>, closing: Closing) {
        self.state = State::Closing(closing, cx.now);
        let to_park = closing == Closing::Park;
        cx.books.record(Fact::StreamClosing(StreamClosing { to_park }));
        for timer in [Timer::Keepalive, Timer::Park, Timer::Ping, Timer::Pong, Timer::Prime] {
            self.timers.clear(timer);
        }
        self.timers.set(Timer::Close, cx.now + cx.config.finish_timeout);
        self.send(cx, Outgoing::CloseStream);
    }

    /// CloseStream, which was sent to park the session, is to end it.
    pub(in crate::machine) fn close_for_good(&mut self) {
        if let State::Closing(closing, _) = &mut self.state {
            *closing = Closing::End;
        }
    }

    pub(super) fn close_deadline(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if cx.is_reading {
            return Some(Event::TimedOut);
        }
        // Its close may lie unread behind what the application does not take.
        self.timers.set(Timer::Close, cx.now + cx.config.finish_timeout);
        None
    }

    pub(super) fn close_received(
        &mut self,
        cx: &mut Context<'_>,
        code: Option<u16>,
        dg_code: DgCode,
    ) {
        let code = code.unwrap_or(NO_CODE);
        cx.books.record(Fact::CloseReceived(CloseReceived { code, dg_code }));
    }

    pub(super) fn closed(&mut self, code: Option<u16>, reason: Reason, detail: String) -> Event {
        let is_asked = self.close_written && matches!(code, None | Some(1000));
        if is_asked || self.metadata_received {
            return Event::Closed;
        }
        Event::Died { reason, trigger: Trigger::Read, detail }
    }

    pub(super) fn failed(
        &mut self,
        cx: &mut Context<'_>,
        reason: Reason,
        trigger: Trigger,
        detail: String,
    ) -> Event {
        let by_peer = matches!(reason, Reason::EofWithoutClose | Reason::ConnectionReset);
        if by_peer && trigger == Trigger::Read {
            self.close_received(cx, Some(NO_FRAME), DgCode::None);
        }
        match self.metadata_received {
            true => Event::Closed,
            false => Event::Died { reason, trigger, detail },
        }
    }

    /// The connection died: the first reason stands.
    pub(in crate::machine) fn die(
        &mut self,
        cx: &mut Context<'_>,
        reason: Reason,
        trigger: Trigger,
        detail: String,
    ) -> Death {
        if !matches!(self.state, State::Closing(..)) {
            self.end_gap(cx);
        }
        let death = Death {
            reason,
            trigger,
            class: reason.class(),
            detail,
            send_age_ms: millis(self.send_age(cx.now)),
            receive_age_ms: millis(cx.now.duration_since(self.last_receive)),
            connection: self.id.number(),
        };
        let age = cx.now.duration_since(self.up_since);
        let stage = self.stage(cx);
        cx.books.record(Fact::ConnectionDied(ConnectionDied { death: death.clone(), age, stage }));
        if trigger == Trigger::FinalizeWrite {
            self.fail_unwritten_finalizes(cx);
        }
        self.end(cx, StreamEnd::Lost(LossCause::Dead), SkipCause::Dead);
        death
    }

    fn stage(&self, cx: &Context<'_>) -> Stage {
        let is_recent = |at: Instant| cx.now.duration_since(at) < cx.config.keepalive_interval;
        match self.state {
            State::Closing(..) => Stage::Closing,
            _ if self.is_finalizing() => Stage::Finalizing,
            _ if !self.audio_sent => Stage::AwaitingAudio,
            _ if !self.answered => Stage::AwaitingResult,
            _ if is_recent(self.last_send) && is_recent(self.active_at) => Stage::Streaming,
            _ => Stage::Idle,
        }
    }

    /// It is over without a death: flushed, or let go.
    pub(in crate::machine) fn let_go(&mut self, cx: &mut Context<'_>, end: StreamEnd) {
        self.end(cx, end, SkipCause::Superseded);
    }

    /// Closes its books.
    fn end(&mut self, cx: &mut Context<'_>, end: StreamEnd, skip: SkipCause) {
        let is_death = skip == SkipCause::Dead;
        self.end_stall(cx, if is_death { StallOutcome::Died } else { StallOutcome::Ended });
        cx.books.unblocked(cx.now, Side::Upstream, self.blocked_since);
        if !is_death {
            self.record_close(cx, end);
        }
        cx.books.push(Output::HangUp(self.id));
        self.give_up_finalizes(cx, skip);
        let cause = match end {
            StreamEnd::Flushed => LossCause::Dead,
            StreamEnd::Lost(cause) => cause,
        };
        let (frames, bytes) = (self.unwritten.audio_frames, self.unwritten.audio_bytes);
        cx.books.ledger.drop_frames(frames, bytes, cause);
        match end {
            StreamEnd::Flushed => cx.books.ledger.finalize(self.stream.finalize_all()),
            StreamEnd::Lost(cause) => cx.books.ledger.lose(self.stream.in_flight(), cause),
        }
        cx.books.record_loss(cause);
    }

    fn record_close(&self, cx: &mut Context<'_>, end: StreamEnd) {
        let closing = match self.state {
            State::Closing(_, since) => Some(cx.now.duration_since(since)),
            State::Dialing | State::Open => None,
        };
        cx.books.record(Fact::ConnectionClosed(ConnectionClosed {
            connection: self.id.number(),
            age: cx.now.duration_since(self.up_since),
            closing,
            end: match end {
                StreamEnd::Flushed => ConnectionEnd::Flushed,
                StreamEnd::Lost(LossCause::FinishTimeout) => ConnectionEnd::TimedOut,
                StreamEnd::Lost(_) => ConnectionEnd::Cut,
            },
        }));
    }
}
