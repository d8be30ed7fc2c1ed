//! A running session as operators may see it.

use std::time::Instant;

use super::books::Books;
use super::connection::Connection;
use super::{ConnectionTimer, Session, SessionTimer, Timer};
use crate::counts::{Count, Counts};
use crate::gate::{Gate, GateSnapshot};
use crate::millis;

/// A running session as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// What the machine knows of the counts; the driver knows the others.
    pub counts: Counts,
    /// Whether audio goes in but no results come out.
    pub is_stalled: bool,
    /// The connection, while there is one.
    pub connection: Option<ConnectionSnapshot>,
    /// The VAD gate, if it is, or was, on.
    pub gate: Option<GateSnapshot>,
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
}

impl Session {
    /// What the session has done so far.
    pub fn snapshot(&self) -> Snapshot {
        let current = self.current();
        let mut counts = self.books.counts.to_counts();
        self.read(&mut counts);
        if let Some(connection) = current {
            connection.read(&mut counts, self.opened_at);
            counts[Count::CursorBytes] += self.recovery.as_ref().map_or(0, |it| it.to_hand_out());
        }
        Snapshot {
            counts,
            is_stalled: current.is_some_and(Connection::is_stalled),
            connection: current.map(Connection::snapshot),
            gate: self.gate.as_ref().map(|it| it.snapshot()),
        }
    }

    /// The counts that stand in other books.
    fn read(&self, counts: &mut Counts) {
        let Books { ledger, .. } = &self.books;
        let audio = ledger.summary();
        let unwritten: u64 = self.connections.iter().map(Connection::unwritten_bytes).sum();
        counts[Count::Connections] = u64::from(self.connections_up);
        counts[Count::Frames] = audio.frames;
        counts[Count::BytesReceived] = audio.bytes_received;
        counts[Count::BytesSent] = audio.bytes_sent;
        counts[Count::BytesDropped] = audio.bytes_dropped;
        counts[Count::PreludeBytes] = self.prelude_bytes;
        counts[Count::BytesGated] = audio.bytes_gated;
        counts[Count::BytesFinalized] = ledger.finalized_bytes();
        counts[Count::BytesLost] = ledger.lost_bytes();
        counts[Count::BytesUnknown] = ledger.unknown_bytes();
        counts[Count::FinalizesInFlight] = self.books.finalizes_in_flight();
        counts[Count::RingBytes] = self.recovery.as_ref().map_or(0, |it| it.memory());
        counts[Count::UpstreamQueueBytes] = self.backlog.bytes() + unwritten;
        if let Some(gate) = &self.gate {
            read_gate(gate, counts);
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

fn read_gate(gate: &Gate, counts: &mut Counts) {
    let bytes = gate.bytes();
    counts[Count::BytesWouldGate] = bytes.would_hold;
    counts[Count::VadSilenceBytes] = bytes.silence;
    counts[Count::VadSpeechBytes] = bytes.speech;
    counts[Count::VadHangoverBytes] = bytes.hangover;
    counts[Count::VadOpenBytes] = gate.open_bytes();
    if counts[Count::VadOpens] == 0 {
        counts[Count::VadUnopenedBytes] = bytes.silence;
    }
}

impl Connection {
    fn snapshot(&self) -> ConnectionSnapshot {
        ConnectionSnapshot {
            number: self.id.number(),
            up_since: self.up_since,
            last_send: self.last_send,
            last_receive: self.last_receive,
        }
    }

    fn read(&self, counts: &mut Counts, opened_at: Instant) {
        let since_open = |at: Instant| millis(at.duration_since(opened_at));
        counts[Count::LastSendMs] = since_open(self.last_send);
        counts[Count::LastReceiveMs] = since_open(self.last_receive);
        // A session that streams has sent nothing else, and this is asked for with every frame.
        counts[Count::ActiveMs] = if self.active_at == self.last_send {
            counts[Count::LastSendMs]
        } else {
            since_open(self.active_at)
        };
        counts[Count::PingPendingMs] = self.ping_pending_since().map_or(0, since_open);
        counts[Count::WriteBlockedMs] = self.write_blocked_since().map_or(0, since_open);
        counts[Count::CursorBytes] = self.stream().cursor();
        counts[Count::ResultEndMs] = millis(self.stream().result_end());
    }

    fn deadlines(&self) -> impl Iterator<Item = (Timer, Instant)> {
        ConnectionTimer::ALL
            .into_iter()
            .filter_map(|timer| Some((Timer::Connection(timer), self.deadline(timer)?)))
    }
}
