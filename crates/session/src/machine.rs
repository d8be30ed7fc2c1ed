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
mod books;
mod connection;
mod connections;
mod drain;
mod ending;
mod gate;
mod ledger;
mod pace;
mod prelude;
mod recovery;
mod samples;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod timer;
mod unconnected;
mod upstream;

use std::time::{Duration, Instant};

use super::close::CloseFrame;
use super::death::Death;
use super::drain::DrainTimes;
use super::fact::Fact;
use super::gate::Gate;
use super::summary::EndCause;
use super::{
    AppFrame, ConnectionId, Event, LossCause, Observation, Outgoing, Refusal, SessionConfig,
    SessionId, State, millis,
};

use backlog::Backlog;
use books::Books;
use connection::{Base, Connection, Context, State as ConnectionState};
use connections::Connections;
use drain::Drain;
use prelude::Prelude;
use recovery::Recovery;
use timer::SessionTimers;

pub use drain::{LAST_WRITE_MAX, draining_refusal};
pub use snapshot::{ConnectionSnapshot, Snapshot};
pub use timer::{ConnectionTimer, SessionTimer, Timer};

/// A deadline that is handled later than this was passed in a pause of ours: timers are off by a few
/// milliseconds at most.
const PAUSE_NOTICED: Duration = Duration::from_millis(100);

/// An effect that the driver carries out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Dial Deepgram, waiting no longer than this behind other sessions' dials; answer with
    /// `Connected` or `DialFailed`.
    Dial(ConnectionId, Duration),
    /// Send this on a connection; answer with `Written` once the kernel has all that was sent on it.
    Send(ConnectionId, Outgoing),
    /// Drop a connection, or the dial under way.
    HangUp(ConnectionId),
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
    /// Feeds the jitter between attempts to dial.
    seed: u64,
    phase: Phase,
    intent: Option<Intent>,
    app: App,
    connections: Connections,
    backlog: Backlog,
    timers: SessionTimers,
    books: Books,
    /// Connections that were up.
    connections_up: u32,
    first_death: Option<Death>,
    /// How Deepgram closed the latest connection that is over, if it did.
    close_frame: Option<Box<CloseFrame>>,
    /// The application was told that the session is parked, and not that it has resumed.
    is_parked: bool,
    /// Its connection is being closed because another session needs one.
    is_shed: bool,
    /// Set where the VAD gate is, or was, on.
    gate: Option<Box<Gate>>,
    /// Set while a connection is getting a prelude.
    prelude: Option<Box<Prelude>>,
    /// The connection that live audio has left behind a prelude, until it has ended.
    tail: Option<ConnectionId>,
    /// Set while the next connection must not begin within a sample: what the rest of one is lost to.
    torn: Option<LossCause>,
    /// Bytes of PRELUDE frames.
    prelude_bytes: u64,
    /// Live audio has followed a prelude in time.
    is_prelude_done: bool,
    /// Set where the session outlives its connections.
    recovery: Option<Box<Recovery>>,
    /// What earlier connections have processed, where the encoding tells no time.
    processed: Duration,
    /// When the application's own messages were last written, on a connection that is over.
    idle_since: Instant,
    drain: Option<Drain>,
}

/// Where the session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What the application sends is for this connection, whatever that is doing. It is among the
    /// session's connections.
    Served(ConnectionId),
    /// The keepalive budget is spent: audio opens another connection.
    Parked,
    /// The connection is dead: the application's end is awaited.
    Latched,
    /// The application has to read its last frame.
    Ending,
}

/// What the application's input meets with: the phase, and the serving connection's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// It waits for a connection.
    Dialing,
    /// It goes out on this connection.
    Open(ConnectionId),
    /// CloseStream is on its way.
    Closing(Closing),
    Parked,
    Latched,
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
    /// When it was asked whether it is still there, if it has not shown that since.
    ping_since: Option<Instant>,
}

impl Session {
    /// A session whose OPEN was read at `now`; it dials at once. `seed` feeds the dial jitter.
    pub fn new(id: SessionId, config: SessionConfig, now: Instant, seed: u64) -> Self {
        let recovery = Recovery::of(&config, seed);
        let not_recoverable = recovery.as_ref().err().copied();
        let mut session = Self {
            id,
            backlog: Backlog::new(&config),
            books: Books::new(&config, now),
            config,
            opened_at: now,
            seed,
            phase: Phase::Parked,
            intent: None,
            app: App::default(),
            connections: Connections::default(),
            timers: SessionTimers::default(),
            connections_up: 0,
            first_death: None,
            close_frame: None,
            is_parked: false,
            is_shed: false,
            gate: None,
            prelude: None,
            tail: None,
            torn: None,
            prelude_bytes: 0,
            is_prelude_done: false,
            recovery: recovery.unwrap_or_default(),
            processed: Duration::ZERO,
            idle_since: now,
            drain: None,
        };
        session.tell_limits(not_recoverable);
        session.begin_gate();
        session.dial_for_prelude(now);
        session.arm_segment(now);
        session.bound_opening(now);
        session.dial(now);
        session
    }

    /// The next effect to carry out, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.books.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.connections.next_deadline()].into_iter().flatten().min()
    }

    /// Whether the next deadline passed a while ago: we were paused. Whoever drives the session lets
    /// both sockets show what has come meanwhile before anything else, so that nothing is written
    /// or judged that this would have changed.
    pub fn is_late(&self, now: Instant) -> bool {
        self.next_deadline().is_some_and(|due| now.saturating_duration_since(due) > PAUSE_NOTICED)
    }

    /// Whether the session is over and its last frame written.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Ending && (self.app.gone || !self.app.unwritten)
    }

    /// Whether the application's socket may be read: the back-pressure of a slow Deepgram.
    pub fn wants_app_input(&self) -> bool {
        let room = self.app.gone || self.recovery.as_ref().is_none_or(|it| it.accepts());
        let route = match self.route() {
            Route::Dialing if self.is_holding() => true,
            Route::Dialing | Route::Parked | Route::Closing(Closing::Park) => {
                !self.backlog.is_full()
            }
            // What has waited goes first.
            Route::Open(_) if !self.backlog.is_empty() => false,
            Route::Open(id) => self.connections.get(id).is_some_and(|it| !it.is_write_blocked()),
            Route::Closing(Closing::End) | Route::Latched => true,
            Route::Ending => false,
        };
        room && route && !self.app.eof
    }

    /// Whether Deepgram may be read: the back-pressure of a slow application.
    pub fn wants_upstream_input(&self) -> bool {
        self.app.blocked_since.is_none() || self.app.gone
    }

    /// What the session is doing.
    pub fn state(&self) -> State {
        let is_in_gap = self.recovery.as_ref().is_some_and(|it| it.is_taking_over());
        match self.route() {
            Route::Dialing | Route::Open(_) if is_in_gap => State::Reconnecting,
            Route::Dialing => State::Connecting,
            Route::Open(id) if self.connections.get(id).is_some_and(Connection::is_finalizing) => {
                State::Finalizing
            }
            Route::Open(_) => State::Open,
            Route::Closing(_) => State::Closing,
            Route::Parked => State::Parked,
            Route::Latched => State::Dead,
            Route::Ending => State::Ended,
        }
    }

    /// A deadline may have come. All that are due are handled: shutdown's first, then those of the
    /// connections, each in [`ConnectionTimer`]'s order, then the rest.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.handle_due(now, SessionTimer::Drain);
        self.handle_due(now, SessionTimer::DrainLinger);
        self.handle_due(now, SessionTimer::DrainRead);
        for id in self.connections.ids().into_iter().flatten() {
            while let Some(Some(event)) = self.with(now, id, Connection::handle_timeout) {
                self.handle_connection(now, id, event);
            }
        }
        self.settle_marks();
        self.handle_due(now, SessionTimer::Open);
        self.handle_due(now, SessionTimer::Replay);
        self.handle_due(now, SessionTimer::Prelude);
        self.handle_due(now, SessionTimer::Finish);
        self.handle_due(now, SessionTimer::Ahead);
        self.handle_due(now, SessionTimer::AppWrite);
        self.handle_due(now, SessionTimer::AppPing);
        self.handle_due(now, SessionTimer::Segment);
    }

    /// Shutdown has begun.
    pub fn handle_drain(&mut self, now: Instant, times: DrainTimes) {
        self.drain(now, times);
    }

    fn handle_due(&mut self, now: Instant, timer: SessionTimer) {
        let Some(deadline) = self.timers.take_due(timer, now) else { return };
        match timer {
            SessionTimer::Drain => self.drain_deadline(now),
            SessionTimer::DrainLinger => self.read_out(now),
            SessionTimer::DrainRead => self.drain_close(now),
            SessionTimer::Replay => self.replay_due(now),
            SessionTimer::Prelude => self.prelude_due(now),
            SessionTimer::Finish => self.finish_deadline(now),
            SessionTimer::Ahead => self.no_longer_ahead(),
            SessionTimer::Open => self.opening_deadline(now),
            SessionTimer::AppPing => self.app_ping_due(now, now.duration_since(deadline)),
            SessionTimer::AppWrite => self.app_write_deadline(now, now.duration_since(deadline)),
            SessionTimer::Segment => self.end_segment(now),
        }
    }

    /// What the application's input meets with.
    fn route(&self) -> Route {
        match self.phase {
            Phase::Served(id) => match self.serving(id).state() {
                ConnectionState::Dialing => Route::Dialing,
                ConnectionState::Open => Route::Open(id),
                ConnectionState::Closing(closing, _) => Route::Closing(closing),
            },
            Phase::Parked => Route::Parked,
            Phase::Latched => Route::Latched,
            Phase::Ending => Route::Ending,
        }
    }

    fn serving(&self, id: ConnectionId) -> &Connection {
        self.connections.get(id).expect("a connection that serves is held")
    }

    /// The connection that audio goes to, where there is one and it is up.
    fn current(&self) -> Option<&Connection> {
        let Phase::Served(id) = self.phase else { return None };
        Some(self.serving(id)).filter(|it| it.is_up())
    }

    /// Lets a connection that is held do something.
    fn with<T>(
        &mut self,
        now: Instant,
        id: ConnectionId,
        act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let is_reading = self.wants_upstream_input();
        let connection = self.connections.get_mut(id)?;
        let mut cx = Context { now, config: &self.config, books: &mut self.books, is_reading };
        Some(act(connection, &mut cx))
    }

    /// Dials a connection for what the application sends.
    fn dial(&mut self, now: Instant) {
        let id = self.dial_beside(now);
        self.phase = Phase::Served(id);
    }

    /// Where the application's audio begins on a connection that has got none of it, and is to get what
    /// waits: with a whole sample.
    fn base(&self) -> Base {
        let torn = if self.torn.is_some() { self.missing_of_sample() } else { 0 };
        let position = self.waiting_from() + torn;
        Base { position, processed: self.processed, final_position: position }
    }

    /// Where what waits begins in the audio that is sent: what was let through before and waits no longer
    /// went to earlier connections.
    fn waiting_from(&self) -> u64 {
        self.books.ledger.passed_bytes() - self.backlog.audio_bytes()
    }

    /// Dials a connection that is not for what the application sends, or not yet.
    fn dial_beside(&mut self, now: Instant) -> ConnectionId {
        let id = self.connections.next_id();
        let seed = self.seed.wrapping_add(u64::from(id.number() - 1));
        let is_reading = self.wants_upstream_input();
        let base = self.base();
        let until = self.timers.get(SessionTimer::Open);
        let mut cx = Context { now, config: &self.config, books: &mut self.books, is_reading };
        self.connections.insert(Connection::dial(&mut cx, id, base, seed, until));
        id
    }

    /// Gives Deepgram a message.
    fn send(&mut self, now: Instant, id: ConnectionId, outgoing: Outgoing) {
        self.with(now, id, |connection, cx| connection.send(cx, outgoing));
    }

    /// Gives the application a frame.
    fn deliver(&mut self, now: Instant, frame: AppFrame) {
        if self.app.gone {
            return;
        }
        if matches!(frame, AppFrame::Message { .. } | AppFrame::Binary { .. }) {
            self.app.message_since.get_or_insert(now);
        }
        self.app.unwritten = true;
        self.bound_app_write(now);
        self.books.push(Output::Deliver(frame));
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
        self.books.record(fact);
    }
}
