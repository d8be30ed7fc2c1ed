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

crate::vocabulary! {
    /// The session's own deadlines.
    pub enum SessionTimer: "timer" {
        /// Shutdown cuts what is left.
        Drain = "drain",
        /// Shutdown lets live applications go on no longer.
        DrainLinger = "drain_linger",
        /// The application has been read for the last time.
        DrainRead = "drain_read",
        /// The application must have heard whether there is a connection.
        Open = "open",
        /// The application is asked whether it is still there, or must have answered.
        AppPing = "app_ping",
        /// The application must have read some of what waits for it.
        AppWrite = "app_write",
        /// The end that was asked for while a connection was missing must have come.
        Finish = "finish",
        /// More of what has waited for a connection goes out.
        Replay = "replay",
        /// More of the prelude goes out, or live audio follows it.
        Prelude = "prelude",
        /// An application that is ahead of real time no longer is.
        Ahead = "ahead",
        /// A stretch of the session's life is over.
        Segment = "segment",
    }
}

crate::vocabulary! {
    /// A connection's deadlines. The order is that in which deadlines that passed together are handled.
    pub enum ConnectionTimer: "timer" {
        /// Deepgram must have closed after CloseStream.
        Close = "close",
        /// The kernel must have taken some of what waits for Deepgram.
        Write = "write",
        /// Something must have been received since the ping.
        Pong = "pong",
        /// The oldest Finalize must have been answered.
        Finalize = "finalize",
        /// The keepalive budget is spent.
        Park = "park",
        /// A keepalive goes out.
        Keepalive = "keepalive",
        /// A ping goes out.
        Ping = "ping",
        /// Priming silence goes out.
        Prime = "prime",
        /// The next dial attempt begins.
        Redial = "redial",
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
