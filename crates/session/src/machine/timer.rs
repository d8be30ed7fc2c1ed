//! The session's deadlines as a table, so that the next one is a single `min`.

use std::time::Instant;

/// What a deadline is for. The order is that in which deadlines that passed together are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Shutdown cuts what is left.
    Drain,
    /// Deepgram must have closed after CloseStream.
    Close,
    /// The kernel must have taken some of what waits for Deepgram.
    Write,
    /// Something must have been received since the ping.
    Pong,
    /// The application must have read some of what waits for it.
    AppWrite,
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
    /// A stretch of the session's life is over.
    Segment,
}

impl Timer {
    /// Every timer, in the order in which they are handled.
    pub const ALL: [Self; 12] = [
        Self::Drain,
        Self::Close,
        Self::Write,
        Self::Pong,
        Self::AppWrite,
        Self::Finalize,
        Self::Park,
        Self::Keepalive,
        Self::Ping,
        Self::Prime,
        Self::Redial,
        Self::Segment,
    ];

    /// The word on the admin pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Close => "close",
            Self::Write => "write",
            Self::Pong => "pong",
            Self::AppWrite => "app_write",
            Self::Finalize => "finalize",
            Self::Park => "park",
            Self::Keepalive => "keepalive",
            Self::Ping => "ping",
            Self::Prime => "prime",
            Self::Redial => "redial",
            Self::Segment => "segment",
        }
    }

    /// The timers of a connection, which end with it.
    pub(super) const OF_CONNECTION: [Self; 8] = [
        Self::Close,
        Self::Write,
        Self::Pong,
        Self::Finalize,
        Self::Keepalive,
        Self::Ping,
        Self::Prime,
        Self::Park,
    ];
}

/// When each timer is due, if it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    deadlines: [Option<Instant>; Timer::ALL.len()],
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, deadline: Instant) {
        self.deadlines[timer as usize] = Some(deadline);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.deadlines[timer as usize] = None;
    }

    pub(super) fn clear_all(&mut self, timers: &[Timer]) {
        timers.iter().for_each(|timer| self.clear(*timer));
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        self.deadlines[timer as usize]
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// Stops the timer and gives its deadline, if that has come.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> Option<Instant> {
        self.deadlines[timer as usize].take_if(|deadline| *deadline <= now)
    }
}
