//! Deadlines as tables, so that the next one is a single `min`: one table for the session, and one
//! for each of its connections, which ends with it.

use std::marker::PhantomData;
use std::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// One of the session's.
    Session(SessionTimer),
    /// One of a connection's.
    Connection(ConnectionTimer),
}

impl Timer {
    /// The word on the admin pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session(timer) => timer.as_str(),
            Self::Connection(timer) => timer.as_str(),
        }
    }
}

/// The session's own deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionTimer {
    /// Shutdown cuts what is left.
    Drain,
    /// The application must have read some of what waits for it.
    AppWrite,
    /// A stretch of the session's life is over.
    Segment,
}

/// A connection's deadlines. The order is that in which deadlines that passed together are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionTimer {
    /// Deepgram must have closed after CloseStream.
    Close,
    /// The kernel must have taken some of what waits for Deepgram.
    Write,
    /// Something must have been received since the ping.
    Pong,
    /// The oldest Finalize must have been answered.
    Finalize,
    /// The keepalive budget is spent.
    Park,
    /// A keepalive goes out.
    Keepalive,
    /// A ping goes out.
    Ping,
    /// Priming silence goes out.
    Prime,
    /// The next dial attempt begins.
    Redial,
}

impl SessionTimer {
    pub(super) const ALL: [Self; 3] = [Self::Drain, Self::AppWrite, Self::Segment];

    fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::AppWrite => "app_write",
            Self::Segment => "segment",
        }
    }
}

impl ConnectionTimer {
    pub(super) const ALL: [Self; 9] = [
        Self::Close,
        Self::Write,
        Self::Pong,
        Self::Finalize,
        Self::Park,
        Self::Keepalive,
        Self::Ping,
        Self::Prime,
        Self::Redial,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Write => "write",
            Self::Pong => "pong",
            Self::Finalize => "finalize",
            Self::Park => "park",
            Self::Keepalive => "keepalive",
            Self::Ping => "ping",
            Self::Prime => "prime",
            Self::Redial => "redial",
        }
    }
}

/// A kind of timer that has a table.
pub(super) trait Kind: Copy {
    /// Its place in the table.
    fn place(self) -> usize;
}

impl Kind for SessionTimer {
    fn place(self) -> usize {
        self as usize
    }
}

impl Kind for ConnectionTimer {
    fn place(self) -> usize {
        self as usize
    }
}

pub(super) type SessionTimers = Timers<SessionTimer, { SessionTimer::ALL.len() }>;
pub(super) type ConnectionTimers = Timers<ConnectionTimer, { ConnectionTimer::ALL.len() }>;

/// When each timer is due, if it runs.
#[derive(Clone, Debug)]
pub(super) struct Timers<K, const N: usize> {
    deadlines: [Option<Instant>; N],
    kind: PhantomData<K>,
}

impl<K, const N: usize> Default for Timers<K, N> {
    fn default() -> Self {
        Self { deadlines: [None; N], kind: PhantomData }
    }
}

impl<K: Kind, const N: usize> Timers<K, N> {
    pub(super) fn set(&mut self, timer: K, deadline: Instant) {
        self.deadlines[timer.place()] = Some(deadline);
    }

    pub(super) fn clear(&mut self, timer: K) {
        self.deadlines[timer.place()] = None;
    }

    pub(super) fn get(&self, timer: K) -> Option<Instant> {
        self.deadlines[timer.place()]
    }

    pub(super) fn is_running(&self, timer: K) -> bool {
        self.get(timer).is_some()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Stops the timer and gives its deadline, if that has come.
    pub(super) fn take_due(&mut self, timer: K, now: Instant) -> Option<Instant> {
        self.deadlines[timer.place()].take_if(|deadline| *deadline <= now)
    }
}
