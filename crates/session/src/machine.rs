//! The session machine: every decision about time and state, and no I/O at all.
//!
//! It reads no clock, draws no randomness of its own, logs nothing and counts no metrics. Inputs
//! come with the time at which they happened; effects are fetched as [`Output`]s. The contract for
//! whoever drives it:
//!
//! 1. call exactly one `handle_*`,
//! 2. call [`Session::poll_output`] until it gives `None`, and carry out each output,
//! 3. wait for the next input or for [`Session::next_deadline`], whichever is first, reading the
//!    application only while [`Session::wants_app_input`] and Deepgram only while
//!    [`Session::wants_upstream_input`].
//!
//! Late or spurious calls of [`Session::handle_timeout`] are harmless.

mod app;
mod backlog;
mod connection;
mod ending;
mod finalize;
mod glance;
mod keepalive;
mod ledger;
mod liveness;
mod message;
mod redial;
mod segment;
mod stall;
#[cfg(test)]
mod tests;
mod timer;
mod written;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::death::Death;
use super::fact::{Drops, EndCause, Fact};
use super::summary::{FinalizeSummary, MessageSummary};
use super::{
    AppFrame, Event, Observation, Outgoing, Refusal, SessionConfig, SessionId, Side, State,
    Written, millis,
};

use backlog::Backlog;
use connection::Connection;
use ledger::Ledger;
use redial::Redial;
use segment::SegmentStart;
use timer::Timers;

pub use ending::draining_refusal;
pub use glance::{ConnectionGlance, Glance};
pub use timer::Timer;

/// An effect that the driver carries out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Dial Deepgram; answer with `Connected` or `DialFailed`.
    Dial,
    /// Send this to Deepgram; answer with `Written` once the kernel has all that was sent.
    Send(Outgoing),
    /// Drop the connection, or the dial under way.
    HangUp,
    /// Write this to the application; answer with `WriteDrained` once the kernel has it.
    Deliver(AppFrame),
    /// The application does not read: throw away what waits for it.
    AbandonApp,
    /// Tell the operators what happened.
    Record(Box<Fact>),
    /// Tell the operators what was measured.
    Observe(Observation),
}

/// One session, from the last byte of OPEN to its last frame.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    config: SessionConfig,
    opened_at: Instant,
    phase: Phase,
    intent: Option<Intent>,
    app: App,
    connection: Option<Connection>,
    connections: u32,
    backlog: Backlog,
    redial: Redial,
    timers: Timers,
    ledger: Ledger,
    counts: Counts,
    segment: SegmentStart,
    first_death: Option<Death>,
    idle_since: Instant,
    /// When the session's first audio was sent, until its first result.
    first_audio: FirstAudio,
    closing_since: Option<Instant>,
    draining_since: Option<Instant>,
    outputs: VecDeque<Output>,
}

/// The wait for a session's first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstAudio {
    NotSent,
    SentAt(Instant),
    Answered,
}

/// What the session is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A connection.
    Dialing,
    /// Whatever comes: the connection is up.
    Open,
    /// Deepgram's close, after CloseStream.
    Closing(Closing),
    /// Audio: the keepalive budget is spent.
    Parked,
    /// The application's end: the connection is dead.
    Latched,
    /// The application to read its last frame.
    Ending,
}

/// Why CloseStream was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// To end the session.
    End,
    /// To park it.
    Park,
}

/// What is to end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    /// The application's FINISH.
    Finish,
    /// The application's fault or disappearance.
    Abort(EndCause),
    /// Shutdown.
    Drain,
}

/// The application's side.
#[derive(Debug, Default)]
struct App {
    /// OPENED was sent.
    opened: bool,
    /// It shut its writing side.
    eof: bool,
    /// Nothing can be delivered any more.
    gone: bool,
    /// It broke the contract: it gets ERROR and FINISHED, and no message in between.
    breached: bool,
    /// Something waits for it that the kernel has not taken.
    unwritten: bool,
    /// Since when the kernel has refused some of that: Deepgram is not read meanwhile.
    blocked_since: Option<Instant>,
    /// When the oldest message that is unwritten was read.
    message_since: Option<Instant>,
}

/// Counts that outlive a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    keepalives: u64,
    finalizes_requested: u64,
    finalizes_settled: u64,
    /// All that the kernel has taken for Deepgram.
    written: Written,
    finalizes: FinalizeSummary,
    messages: MessageSummary,
    send_gap_max: Duration,
    drops: Drops,
}

impl Session {
    /// A session whose OPEN was read at `now`; it dials at once. `seed` feeds the dial jitter.
    pub fn new(id: SessionId, config: SessionConfig, now: Instant, seed: u64) -> Self {
        let ledger = Ledger::new(config.audio);
        let counts = Counts::default();
        let mut session = Self {
            id,
            backlog: Backlog::new(&config),
            redial: Redial::new(config.connect_attempts, now, seed),
            segment: SegmentStart::new(now, ledger.summary(), &counts),
            ledger,
            config,
            opened_at: now,
            phase: Phase::Dialing,
            intent: None,
            app: App::default(),
            connection: None,
            connections: 0,
            timers: Timers::default(),
            counts,
            first_death: None,
            idle_since: now,
            first_audio: FirstAudio::NotSent,
            closing_since: None,
            draining_since: None,
            outputs: VecDeque::new(),
        };
        session.arm_segment(now);
        session.dial(now);
        session
    }

    /// The next effect to carry out, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// When one of the timers is due.
    #[cfg(test)]
    fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.timers.get(timer)
    }

    /// Whether the session is over and its last frame written.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Ending && (self.app.gone || !self.app.unwritten)
    }

    /// Whether the application's socket may be read: the back-pressure of a slow Deepgram.
    pub fn wants_app_input(&self) -> bool {
        let room = match self.phase {
            Phase::Dialing | Phase::Parked | Phase::Closing(Closing::Park) => {
                !self.backlog.is_full()
            }
            // What has waited goes first.
            Phase::Open if !self.backlog.is_empty() => false,
            Phase::Open => self.connection.as_ref().is_some_and(|it| !it.is_write_blocked()),
            Phase::Closing(Closing::End) | Phase::Latched => true,
            Phase::Ending => false,
        };
        room && !self.app.eof
    }

    /// Whether Deepgram may be read: the back-pressure of a slow application.
    pub fn wants_upstream_input(&self) -> bool {
        self.app.blocked_since.is_none() || self.app.gone
    }

    /// What the session is doing.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Dialing => State::Connecting,
            Phase::Open if self.connection.as_ref().is_some_and(|it| !it.finalizes.is_empty()) => {
                State::Finalizing
            }
            Phase::Open => State::Open,
            Phase::Closing(_) => State::Closing,
            Phase::Parked => State::Parked,
            Phase::Latched => State::Dead,
            Phase::Ending => State::Ended,
        }
    }

    /// A deadline may have come. All that are due are handled, in [`Timer::ALL`]'s order.
    pub fn handle_timeout(&mut self, now: Instant) {
        for timer in Timer::ALL {
            if let Some(deadline) = self.timers.take_due(timer, now) {
                self.handle_timer(timer, now, now.duration_since(deadline));
            }
        }
    }

    /// Shutdown has begun; it cuts at `deadline`.
    pub fn handle_drain(&mut self, now: Instant, deadline: Instant) {
        self.drain(now, deadline);
    }

    fn handle_timer(&mut self, timer: Timer, now: Instant, lateness: Duration) {
        match timer {
            Timer::Drain => self.drain_deadline(now),
            Timer::Close => self.close_deadline(now),
            Timer::Write => self.write_deadline(now, lateness),
            Timer::Pong => self.pong_deadline(now, lateness),
            Timer::AppWrite => self.app_write_deadline(now),
            Timer::Finalize => self.finalize_deadline(now),
            Timer::Keepalive => self.keepalive_due(now, lateness),
            Timer::Ping => self.ping_due(now),
            Timer::Prime => self.prime_due(now),
            Timer::Park => self.park(now),
            Timer::Redial => self.attempt_dial(now),
            Timer::Segment => self.end_segment(now),
        }
    }

    /// Begins a dial: its first attempt.
    fn dial(&mut self, now: Instant) {
        self.phase = Phase::Dialing;
        self.redial.restart(now);
        self.attempt_dial(now);
    }

    fn attempt_dial(&mut self, now: Instant) {
        self.redial.begin_attempt(now);
        self.outputs.push_back(Output::Dial);
    }

    /// Gives Deepgram a message; the connection must be up.
    fn send(&mut self, now: Instant, outgoing: Outgoing) {
        let Some(connection) = &mut self.connection else { return };
        connection.unwritten.add(&outgoing);
        connection.unwritten_bytes += outgoing.payload_len() as u64;
        if self.timers.get(Timer::Write).is_none() {
            self.timers.set(Timer::Write, now + self.config.write_timeout);
        }
        self.outputs.push_back(Output::Send(outgoing));
    }

    /// Gives the application a frame.
    fn deliver(&mut self, now: Instant, frame: AppFrame) {
        if self.app.gone {
            return;
        }
        if matches!(frame, AppFrame::Message { .. }) {
            self.app.message_since.get_or_insert(now);
        }
        if !self.app.unwritten {
            self.app.unwritten = true;
            self.timers.set(Timer::AppWrite, now + self.config.app_stall_timeout);
        }
        self.outputs.push_back(Output::Deliver(frame));
    }

    fn deliver_event(&mut self, now: Instant, event: Event) {
        if !self.app.breached {
            let at_ms = millis(now.duration_since(self.opened_at));
            self.deliver(now, AppFrame::Event { at_ms, event });
        }
    }

    fn deliver_error(&mut self, now: Instant, refusal: Refusal) {
        self.deliver(now, AppFrame::Error(Box::new(refusal)));
    }

    fn record(&mut self, fact: Fact) {
        self.counts.finalizes_settled += fact.finalizes_settled();
        self.outputs.push_back(Output::Record(Box::new(fact)));
    }

    fn observe(&mut self, observation: Observation) {
        self.outputs.push_back(Output::Observe(observation));
    }

    /// Tells for how long a socket refused what was written to it.
    fn unblocked(&mut self, now: Instant, side: Side, since: Option<Instant>) {
        if let Some(since) = since {
            let duration = now.duration_since(since);
            self.observe(Observation::Unblocked { side, duration });
        }
    }
}

impl Counts {
    fn finalizes_in_flight(&self) -> u64 {
        self.finalizes_requested.saturating_sub(self.finalizes_settled)
    }
}
