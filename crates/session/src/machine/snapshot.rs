//! A running session as operators may see it.

use std::time::{Duration, Instant};

use super::books::Books;
use super::connection::Connection;
use super::{ConnectionTimer, Session, SessionTimer, Timer};
use crate::Written;
use crate::summary::{AudioSummary, FinalizeSummary, MessageSummary};

/// A running session's counts, for the admin page.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Connections that were up.
    pub connections: u32,
    /// KeepAlives written.
    pub keepalives: u64,
    /// The audio's books.
    pub audio: AudioSummary,
    /// What became of the Finalizes.
    pub finalizes: FinalizeSummary,
    /// Messages that the kernel has taken for Deepgram.
    pub written: Written,
    /// What Deepgram sent.
    pub messages: MessageSummary,
    /// Bytes of audio that are final.
    pub bytes_finalized: u64,
    /// Bytes of audio that never became final.
    pub bytes_lost: u64,
    /// Finalizes that were asked for.
    pub finalizes_requested: u64,
    /// Those among them of which nothing is known yet.
    pub finalizes_in_flight: u64,
    /// Bytes that wait to be sent to Deepgram.
    pub upstream_queue_bytes: u64,
    /// Whether audio goes in and nothing comes out.
    pub is_stalled: bool,
    /// The connection, while there is one.
    pub connection: Option<ConnectionSnapshot>,
}

/// A connection that is up, for the admin page.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSnapshot {
    /// Which of the session's connections, from 1.
    pub number: u32,
    /// When it came up.
    pub up_since: Instant,
    /// When something was last sent.
    pub last_send: Instant,
    /// When something was last received.
    pub last_receive: Instant,
    /// Bytes of audio sent on it, our own silence included.
    pub cursor_bytes: u64,
    /// Up to where its audio has results, in its time.
    pub result_end: Duration,
}

impl Session {
    /// What the session has done so far.
    pub fn snapshot(&self) -> Snapshot {
        let Books { counts, ledger, .. } = &self.books;
        let current = self.current();
        let unwritten: u64 = self.connections.iter().map(Connection::unwritten_bytes).sum();
        Snapshot {
            connections: self.connections_up,
            keepalives: counts.keepalives,
            audio: ledger.summary(),
            finalizes: counts.finalizes,
            written: counts.written,
            messages: counts.messages,
            bytes_finalized: ledger.finalized_bytes(),
            bytes_lost: ledger.lost_bytes(),
            finalizes_requested: counts.finalizes_requested,
            finalizes_in_flight: counts.finalizes_in_flight(),
            upstream_queue_bytes: self.backlog.bytes() + unwritten,
            is_stalled: current.is_some_and(Connection::is_stalled),
            connection: current.map(Connection::snapshot),
        }
    }

    /// The timers that run and when each is due, for the admin page.
    pub fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        let own = SessionTimer::ALL
            .into_iter()
            .filter_map(|timer| Some((Timer::Session(timer), self.timers.get(timer)?)));
        own.chain(self.connections.iter().flat_map(Connection::deadlines))
    }
}

impl Connection {
    fn snapshot(&self) -> ConnectionSnapshot {
        ConnectionSnapshot {
            number: self.id.number(),
            up_since: self.up_since,
            last_send: self.last_send,
            last_receive: self.last_receive,
            cursor_bytes: self.stream().cursor(),
            result_end: self.stream().result_end(),
        }
    }

    fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        ConnectionTimer::ALL
            .into_iter()
            .filter_map(|timer| Some((Timer::Connection(timer), self.deadline(timer)?)))
    }
}
