//! How a connection ends: by CloseStream, by death, or let go.

use std::time::{Duration, Instant};

use super::super::{Closing, Output};
use super::writing::GAP_LONG;
use super::{Connection, Context, Event, State, Timer};
use crate::audio::AudioFormat;
use crate::close::DgCode;
use crate::death::{Class, Death, Reason, Trigger};
use crate::fact::{
    CloseReceived, ConnectionClosed, ConnectionDied, ConnectionEnd, Fact, SkipCause, Stage,
    StallOutcome, StreamClosing,
};
use crate::{EndKind, LossCause, Outgoing, Side, bounded, millis};

/// RFC 6455's names for a close frame without a code, and for an end without a close frame.
const NO_CODE: u16 = 1005;
const NO_FRAME: u16 = 1006;

/// For so long after Deepgram's error, or after a pause of ours, it explains an end that says nothing
/// itself. What Deepgram does of it, it does at once; what we are late for shows when we go on.
const ERROR_RELEVANT: Duration = Duration::from_secs(5);

/// Our clock began when its answer had come, and Deepgram's when it was asked; what it says before it
/// closes takes its time.
const AGE_SLACK: Duration = Duration::from_secs(10);

/// How a connection's audio ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::machine) enum StreamEnd {
    /// Deepgram flushed all of it.
    Flushed,
    /// What was not final is lost.
    Lost(LossCause),
    /// What was not final is kept for another connection.
    Kept,
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
        self.await_close(cx);
        self.send(cx, Outgoing::CloseStream);
    }

    /// Deepgram has anew to say something, while it may still close.
    pub(super) fn await_close(&mut self, cx: &mut Context<'_>) {
        if let State::Closing(_, since) = self.state {
            let at_most = since + cx.config.finish_max;
            self.timers.set(Timer::Close, at_most.min(cx.now + cx.config.finish_timeout));
        }
    }

    /// CloseStream, which was sent to park the session, is to end it.
    pub(in crate::machine) fn close_for_good(&mut self) {
        if let State::Closing(closing, _) = &mut self.state {
            *closing = Closing::End;
        }
    }

    pub(super) fn close_deadline(
        &mut self,
        cx: &mut Context<'_>,
        lateness: Duration,
    ) -> Option<Event> {
        if cx.is_reading && !cx.books.is_too_late(lateness) {
            return Some(Event::TimedOut);
        }
        // Its close may lie unread behind what the application does not take, or come while we catch
        // up.
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

    pub(super) fn closed(
        &mut self,
        cx: &Context<'_>,
        code: Option<u16>,
        reason: Reason,
        detail: String,
        says_why: bool,
    ) -> Event {
        let is_asked = self.close_written && matches!(code, None | Some(1000));
        if self.metadata.is_some() || (is_asked && self.error.is_none()) {
            return Event::Closed;
        }
        let (reason, detail) = self.true_cause(cx, reason, detail, says_why);
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
        let is_over = self.close_written && cx.config.endpoint.traits().end == EndKind::Frame;
        if self.metadata.is_some() || is_over {
            return Event::Closed;
        }
        let says_why = reason != Reason::EofWithoutClose;
        let (reason, detail) = self.true_cause(cx, reason, detail, says_why);
        Event::Died { reason, trigger, detail }
    }

    /// What an end is really due to: what Deepgram said before it where the end says nothing itself,
    /// ourselves where Deepgram waited in vain for a keepalive of ours, and its age where Deepgram bears
    /// no older one.
    fn true_cause(
        &self,
        cx: &Context<'_>,
        reason: Reason,
        detail: String,
        says_why: bool,
    ) -> (Reason, String) {
        let is_recent = |at: &Instant| cx.now.duration_since(*at) <= ERROR_RELEVANT;
        let error = self.error.as_ref().filter(|(at, _)| is_recent(at)).map(|(_, error)| error);
        let (reason, detail) = match error {
            Some(error) if !says_why => {
                (error.reason(), format!("{detail}; Deepgram's error: {error}"))
            }
            _ => (reason, detail),
        };
        let is_idle = reason == Reason::Net0001Idle || error.is_some_and(|it| it.is_of_idling());
        if is_idle
            && self.owes_keepalives(cx)
            && let Some(gap) = self.stood_still(cx.now)
        {
            let detail = format!("{detail}; the sidecar had sent nothing for {} ms", millis(gap));
            return (Reason::KeepaliveLate, bounded(detail));
        }
        match self.age_reached(cx).filter(|_| reason.class() != Class::Network) {
            Some(age) => (Reason::ProviderError, bounded(format!("{detail}; {}", told(cx, age)))),
            None => (reason, bounded(detail)),
        }
    }

    /// The age that Deepgram's connections to this endpoint end with, if this one has it.
    fn age_reached(&self, cx: &Context<'_>) -> Option<Duration> {
        let age_max = cx.config.endpoint.traits().age_max?;
        let age = cx.now.duration_since(self.up_since);
        (age.abs_diff(age_max) <= AGE_SLACK).then_some(age_max)
    }

    /// How many of its texts Deepgram has certainly read, if it died of one that Deepgram could not.
    pub(in crate::machine) fn texts_before_bad(&self) -> Option<u64> {
        let is_bad = self.error.as_ref().is_some_and(|(_, error)| error.is_of_text());
        is_bad.then_some(self.texts_read.into())
    }

    /// For how long we sent nothing, if Deepgram had to give up: until now, or until what left just
    /// before its close was read.
    fn stood_still(&self, now: Instant) -> Option<Duration> {
        let gap = Some(self.send_age(now)).filter(|gap| *gap >= GAP_LONG);
        let just_ended = |(at, _): &(Instant, Duration)| now.duration_since(*at) <= ERROR_RELEVANT;
        gap.or_else(|| self.long_gap.filter(just_ended).map(|(_, gap)| gap))
    }

    /// The connection died: the first reason stands.
    pub(in crate::machine) fn die(
        &mut self,
        cx: &mut Context<'_>,
        reason: Reason,
        trigger: Trigger,
        detail: String,
        end: StreamEnd,
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
            final_ms: cx.config.audio.map(|it| self.final_ms(cx, it)),
        };
        let age = cx.now.duration_since(self.up_since);
        let stage = self.stage(cx);
        cx.books.record(Fact::ConnectionDied(ConnectionDied { death: death.clone(), age, stage }));
        if trigger == Trigger::FinalizeWrite && !matches!(end, StreamEnd::Kept) {
            self.fail_unwritten_finalizes(cx);
        }
        self.end(cx, end, SkipCause::Dead);
        death
    }

    /// Up to where in the session there are final results.
    fn final_ms(&self, cx: &Context<'_>, format: AudioFormat) -> u64 {
        let samples = cx.books.joints.session_end(format.samples(self.final_position()));
        millis(format.duration(samples * u64::from(format.block_bytes)))
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
        if matches!(end, StreamEnd::Kept) {
            return self.lose_left_out(cx);
        }
        self.take_answered_as_written(cx);
        let (cause, unconfirmed) = match end {
            StreamEnd::Lost(cause) => (cause, self.stream.in_flight()),
            StreamEnd::Flushed | StreamEnd::Kept => (LossCause::Dead, 0),
        };
        self.give_up_finalizes(cx, skip);
        cx.books.ledger.drop_frames(self.unwritten.audio_frames, self.unwritten.audio_bytes, cause);
        cx.books.ledger.lose(self.unwritten.replayed_bytes + unconfirmed, cause);
        if matches!(end, StreamEnd::Flushed) {
            self.settle(cx);
        }
        cx.books.record_loss(cause);
    }

    /// What comes behind the last final result is sent again; what results left out before it is not.
    fn lose_left_out(&self, cx: &mut Context<'_>) {
        cx.books.ledger.lose(self.stream.left_out(), LossCause::Dead);
        cx.books.record_loss(LossCause::Dead);
    }

    /// Deepgram has ended cleanly: what it says that it has processed is final, and the rest is not
    /// claimed.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let Some(format) = cx.config.audio.filter(|_| cx.config.endpoint.traits().confirms) else {
            return cx.books.ledger.leave_unknown(self.stream.in_flight());
        };
        let cause = match self.metadata.flatten() {
            Some(processed) => {
                cx.books.ledger.finalize(self.stream.confirm(format, processed));
                LossCause::Unprocessed
            }
            None => LossCause::Unconfirmed,
        };
        cx.books.ledger.lose(self.stream.in_flight(), cause);
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
                StreamEnd::Lost(_) | StreamEnd::Kept => ConnectionEnd::Cut,
            },
        }));
    }
}

/// What is told of a connection that has reached Deepgram's age.
fn told(cx: &Context<'_>, age_max: Duration) -> String {
    let (endpoint, minutes) = (cx.config.endpoint, age_max.as_secs() / 60);
    format!("Deepgram ends each connection to {endpoint} after {minutes} minutes")
}
