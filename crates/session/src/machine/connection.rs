//! One connection to Deepgram as a machine of its own, from the dial to its end.
//!
//! It has its own timers, its own place in the audio and its own evidence of life. It decides what
//! is sent on it beside the application's own messages, and when it is dead. What that means for
//! the session is told as [`Event`]s; which connection audio goes to is the session's to say.

mod coverage;
mod dialing;
mod ending;
mod finalize;
mod keepalive;
mod liveness;
mod message;
mod stall;
mod stream;
mod writing;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::books::Books;
use super::timer::{ConnectionTimer as Timer, ConnectionTimers};
use super::{Closing, Output};
use crate::audio::AudioFormat;
use crate::bound::SHED_IDLE_MIN;
use crate::close::{CloseFrame, DeepgramError};
use crate::death::{Reason, Trigger};
use crate::dial::{DialFailure, DialPhases};
use crate::{ConnectionId, MessageKind, Outgoing, SessionConfig, TimeMap, UpstreamInput, Written};

use dialing::Dial;
use finalize::Finalizes;
use stall::Stall;
use stream::Stream;

pub(super) use ending::StreamEnd;

/// What a connection may see and touch of its session while it handles one input.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a SessionConfig,
    pub(super) books: &'a mut Books,
    /// Whether Deepgram is being read: what a slow application keeps us from reading is no evidence.
    pub(super) is_reading: bool,
}

/// What a connection tells its session.
#[derive(Debug)]
pub(super) enum Event {
    /// It is up.
    Up { request_id: Option<String>, phases: DialPhases },
    /// No attempt to dial has succeeded, and none is left.
    GaveUp { failure: DialFailure, attempts: u32 },
    /// Deepgram said something; `times` is what its times mean.
    Message { text: Bytes, kind: MessageKind, times: TimeMap },
    /// Deepgram said something that is not text.
    Binary { payload: Bytes },
    /// The kernel has all that was sent. Audio that goes unanswered for this long has stalled.
    Written { stalled: Option<Duration> },
    /// Nothing but keepalives was sent for the whole of the keepalive's budget.
    Idle,
    /// Deepgram closed as it was asked to.
    Closed,
    /// Deepgram has not closed in time.
    TimedOut,
    /// It is dead.
    Died { reason: Reason, trigger: Trigger, detail: String },
}

/// One connection to Deepgram.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    state: State,
    timers: ConnectionTimers,
    dial: Dial,
    pub(super) up_since: Instant,
    pub(super) last_send: Instant,
    pub(super) last_receive: Instant,
    /// When the application's own messages were last written.
    pub(super) active_at: Instant,
    /// What was sent and is not known to be with the kernel.
    unwritten: Written,
    /// Its bytes.
    unwritten_bytes: u64,
    /// Since when the kernel has refused some of it: the application is not read meanwhile.
    blocked_since: Option<Instant>,
    /// When the oldest ping without a pong was written.
    ping_written_at: Option<Instant>,
    /// Where its audio begins in the audio that is sent.
    base: Base,
    stream: Stream,
    audio_sent: bool,
    /// A text of the application's is with the kernel.
    text_written: bool,
    /// So many of its texts Deepgram has certainly read, by its answers: the first ones.
    texts_read: u32,
    spoken: bool,
    answered: bool,
    /// CloseStream is with the kernel.
    close_written: bool,
    /// Deepgram's Metadata after CloseStream: how much it says that it has processed.
    metadata: Option<Option<Duration>>,
    /// Deepgram's latest error, and when it came.
    error: Option<(Instant, Box<DeepgramError>)>,
    /// The latest gap between two sends that was long enough for Deepgram to lose patience: its end, and
    /// its length.
    long_gap: Option<(Instant, Duration)>,
    /// A keepalive is unwritten: how much later than due it was asked for.
    keepalive_lateness: Option<Duration>,
    finalizes: Finalizes,
    stall: Stall,
    /// How Deepgram closed it.
    pub(super) close_frame: Option<Box<CloseFrame>>,
}

/// Where a connection's audio begins in the audio that is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Base {
    /// In bytes.
    pub(super) position: u64,
    /// What earlier connections had processed, where the encoding tells no time.
    pub(super) processed: Duration,
    /// Up to where earlier connections had final results, in bytes.
    pub(super) final_position: u64,
}

/// Where in its life a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Dialling, or waiting for the next attempt.
    Dialing,
    /// Up.
    Open,
    /// CloseStream was asked for at this time; Deepgram's close is due.
    Closing(Closing, Instant),
}

impl Connection {
    /// A connection that is to be had, by `until` if that is set. `seed` feeds the jitter between
    /// attempts.
    pub(super) fn dial(
        cx: &mut Context<'_>,
        id: ConnectionId,
        base: Base,
        seed: u64,
        until: Option<Instant>,
    ) -> Self {
        let mut connection = Self::unconnected(cx, id, base, seed);
        connection.dial.until = until;
        connection.attempt(cx);
        connection
    }

    /// A connection whose attempts its session asks for, one by one: the first after `delay`.
    pub(super) fn dial_in(cx: &mut Context<'_>, id: ConnectionId, delay: Duration) -> Self {
        let mut connection = Self::unconnected(cx, id, Base::default(), 0);
        connection.dial.is_single = true;
        connection.attempt_in(cx, delay);
        connection
    }

    fn unconnected(cx: &Context<'_>, id: ConnectionId, base: Base, seed: u64) -> Self {
        let now = cx.now;
        Self {
            id,
            state: State::Dialing,
            timers: ConnectionTimers::default(),
            dial: Dial::new(cx.config.connect_attempts, now, seed),
            up_since: now,
            last_send: now,
            last_receive: now,
            active_at: now,
            unwritten: Written::default(),
            unwritten_bytes: 0,
            blocked_since: None,
            ping_written_at: None,
            base,
            stream: Stream::new(cx.config.audio),
            audio_sent: false,
            text_written: false,
            texts_read: 0,
            spoken: false,
            answered: false,
            close_written: false,
            metadata: None,
            error: None,
            long_gap: None,
            keepalive_lateness: None,
            finalizes: Finalizes::default(),
            stall: Stall::default(),
            close_frame: None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn is_up(&self) -> bool {
        self.state != State::Dialing
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.blocked_since.is_some()
    }

    /// When the oldest ping without a pong was written.
    pub(super) fn ping_pending_since(&self) -> Option<Instant> {
        self.ping_written_at
    }

    /// Since when the kernel has refused what was sent.
    pub(super) fn write_blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Whether it has had nothing to do for so long that another session may have its place.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_due = self.is_finalizing() || self.unwritten.is_activity();
        !is_due && now.duration_since(self.active_at) >= SHED_IDLE_MIN
    }

    pub(super) fn is_finalizing(&self) -> bool {
        self.finalizes.is_waiting()
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stall.is_told()
    }

    /// Whether audio has reached it.
    pub(super) fn has_got_audio(&self) -> bool {
        self.audio_sent
    }

    /// Whether Deepgram has said anything on it.
    pub(super) fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether it has shown that Deepgram hears.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// The application's audio on it begins there after all.
    pub(super) fn begin_at(&mut self, base: Base) {
        self.base = base;
    }

    /// Up to where the session's audio has final results, in bytes.
    pub(super) fn final_position(&self) -> u64 {
        match self.stream.final_end() {
            0 => self.base.final_position,
            end => self.base.position + end,
        }
    }

    /// From where on another connection would have to get the audio.
    pub(super) fn unconfirmed_from(&self) -> u64 {
        self.base.position + self.stream.final_end()
    }

    /// The same for each channel.
    pub(super) fn final_positions(&self) -> Vec<u64> {
        self.stream.final_ends().iter().map(|end| self.base.position + end).collect()
    }

    /// How much Deepgram says at its end that it has processed.
    pub(super) fn processed(&self) -> Option<Duration> {
        self.metadata.flatten()
    }

    /// Finalizes that it was sent and has not answered.
    pub(super) fn unanswered_finalizes(&self) -> u64 {
        self.finalizes.unanswered() + self.unwritten_finalizes()
    }

    /// Those of them that the kernel has not taken.
    pub(super) fn unwritten_finalizes(&self) -> u64 {
        self.unwritten.finalizes - self.finalizes.answered_early()
    }

    pub(super) fn unwritten(&self) -> &Written {
        &self.unwritten
    }

    pub(super) fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How far the latest result is behind the audio that was sent.
    pub(super) fn lag(&self, format: Option<AudioFormat>) -> Option<Duration> {
        self.stream.lag(format, self.stream.result_end())
    }

    /// When [`Connection::handle_timeout`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.timers.get(timer)
    }

    /// Something happened on Deepgram's side.
    pub(super) fn handle(&mut self, cx: &mut Context<'_>, input: UpstreamInput) -> Option<Event> {
        match self.state {
            State::Dialing => self.handle_dial(cx, input),
            State::Open | State::Closing(..) => self.handle_up(cx, input),
        }
    }

    fn handle_dial(&mut self, cx: &mut Context<'_>, input: UpstreamInput) -> Option<Event> {
        match input {
            UpstreamInput::Connected { request_id, phases } => {
                Some(self.connected(cx, request_id, phases))
            }
            UpstreamInput::DialFailed(failure) => self.dial_failed(cx, failure),
            // Nothing can be said on a connection that is not up.
            _ => None,
        }
    }

    fn handle_up(&mut self, cx: &mut Context<'_>, input: UpstreamInput) -> Option<Event> {
        match input {
            // It is up already.
            UpstreamInput::Connected { .. } | UpstreamInput::DialFailed(_) => None,
            UpstreamInput::Message { text, kind } => Some(self.message(cx, text, kind)),
            UpstreamInput::ErrorMessage { text, error } => {
                Some(self.error_message(cx, text, error))
            }
            UpstreamInput::Binary { payload } => self.binary(cx, payload),
            UpstreamInput::Ping => self.received(cx),
            UpstreamInput::Pong => self.pong_received(cx),
            UpstreamInput::Written(written) => Some(self.written(cx, written)),
            UpstreamInput::WriteBlocked => self.write_blocked(cx),
            UpstreamInput::WriteProgress => self.write_progress(cx),
            UpstreamInput::Closed { frame, reason, dg_code, detail, says_why } => {
                self.close_received(cx, frame.code, dg_code);
                let event = self.closed(cx, frame.code, reason, detail, says_why);
                self.close_frame = Some(Box::new(frame));
                Some(event)
            }
            UpstreamInput::Failed { reason, trigger, detail } => {
                Some(self.failed(cx, reason, trigger, detail))
            }
        }
    }

    /// A deadline may have come. Stops at the first that the session must hear of; the others are
    /// handled by another call.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        Timer::ALL.into_iter().find_map(|timer| {
            let deadline = self.timers.take_due(timer, cx.now)?;
            self.handle_timer(cx, timer, cx.now.duration_since(deadline))
        })
    }

    fn handle_timer(
        &mut self,
        cx: &mut Context<'_>,
        timer: Timer,
        lateness: Duration,
    ) -> Option<Event> {
        match timer {
            Timer::Close => self.close_deadline(cx, lateness),
            Timer::Write => self.write_deadline(cx, lateness),
            Timer::Pong => self.pong_deadline(cx, lateness),
            Timer::Finalize => self.finalize_deadline(cx, lateness),
            Timer::Park => Some(Event::Idle),
            Timer::Keepalive => self.keepalive_due(cx, lateness),
            Timer::Ping => self.ping_due(cx),
            Timer::Prime => self.prime_due(cx),
            Timer::Redial => self.attempt(cx),
        }
    }

    /// Gives Deepgram a message; the connection must be up.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, outgoing: Outgoing) {
        if outgoing.audio_len() > 0 {
            self.timers.clear(Timer::Prime);
        }
        self.unwritten.add(&outgoing);
        self.unwritten_bytes += outgoing.payload_len() as u64;
        if !self.timers.is_running(Timer::Write) {
            self.timers.set(Timer::Write, cx.now + cx.config.write_timeout);
        }
        cx.books.push(Output::Send(self.id, outgoing));
    }
}
