//! What has waited goes to another connection, at Deepgram's pace; the seam between the two.

use std::time::{Duration, Instant};

use super::{Gap, Session};
use crate::counts::Count;
use crate::fact::{Fact, Recovered};
use crate::machine::pace::{PIECE, Pace, STEP};
use crate::machine::timer::SessionTimer;
use crate::{ConnectionId, Event, MessageKind, Outgoing, TimeMap, millis};

/// How far two times may differ that mean the same, as both are decimals.
const NOISE: Duration = Duration::from_millis(1);

/// Another connection is getting what has waited.
#[derive(Debug)]
pub(super) struct Replay {
    /// Up to where it has been handed the audio, in the session's.
    pub(super) sent_to: u64,
    pace: Pace,
}

impl Session {
    /// Another connection is up: it gets what the one before had not made final.
    pub(in crate::machine) fn begin_replay(&mut self, now: Instant, id: ConnectionId) {
        let base = self.kept_base();
        let Some(recovery) = &mut self.recovery else { return };
        if let Some(connection) = self.connections.get_mut(id) {
            connection.begin_at(base);
        }
        let ring = &recovery.ring;
        recovery.replay = Some(Replay { sent_to: base.position, pace: Pace::new(now) });
        recovery.budget.up(now);
        if let Some(gap) = &mut recovery.gap {
            let since = gap.down_since.take().unwrap_or(now);
            gap.down += now.duration_since(since);
            gap.replayed = ring.len() - ring.fresh().bytes;
        }
        self.tell_overflow(now);
        self.replay(now, id);
    }

    /// Sends what may go out now. When all has, the application's audio goes straight on, or the stream
    /// is closed behind it.
    pub(in crate::machine) fn replay(&mut self, now: Instant, id: ConnectionId) {
        while let Some(outgoing) = self.next_piece(now) {
            self.send(now, id, outgoing);
        }
        let Some(recovery) = &mut self.recovery else { return };
        let Some(replay) = &recovery.replay else { return };
        let is_done = replay.sent_to == recovery.ring.end() && !recovery.marks.is_waiting();
        if !is_done {
            return self.timers.set(SessionTimer::Replay, now + STEP);
        }
        recovery.replay = None;
        self.timers.clear(SessionTimer::Replay);
        if self.intent.is_some() {
            self.close_when_sent(now, id);
        }
    }

    /// The next mark, or as much audio as comes before it and the pace allows.
    fn next_piece(&mut self, now: Instant) -> Option<Outgoing> {
        let is_blocked = self.current()?.is_write_blocked();
        let recovery = self.recovery.as_mut().filter(|_| !is_blocked)?;
        let replay = recovery.replay.as_mut()?;
        if let Some(mark) = recovery.marks.send_next(replay.sent_to) {
            return Some(mark);
        }
        let (ring, format) = (&mut recovery.ring, recovery.format);
        let until = recovery.marks.next_position().unwrap_or(u64::MAX).min(ring.end());
        let left = until - replay.sent_to;
        let bytes = left.min(replay.pace.allowed(now, format)).min(format.bytes(PIECE).max(1));
        if bytes == 0 {
            return None;
        }
        let audio = ring.read(replay.sent_to, bytes);
        replay.pace.spend(bytes, format);
        replay.sent_to += bytes;
        let fresh = ring.hand_out(replay.sent_to);
        let (fresh_bytes, fresh_frames) = (fresh.bytes, fresh.frames);
        Some(Outgoing::Replay { audio, fresh_bytes, fresh_frames })
    }

    /// Another step is due, or the kernel takes more.
    pub(in crate::machine) fn replay_due(&mut self, now: Instant) {
        let is_replaying = self.recovery.as_ref().is_some_and(|it| it.replay.is_some());
        if is_replaying && let Some(id) = self.current().map(|it| it.id) {
            self.replay(now, id);
        }
    }

    /// A message has come: what it tells of recovery. What its times mean, or `None` if the application
    /// has had it from an earlier connection.
    pub(in crate::machine) fn cross_seam(
        &mut self,
        now: Instant,
        id: ConnectionId,
        kind: MessageKind,
        times: TimeMap,
    ) -> Option<TimeMap> {
        self.settle_marks();
        let Some(connection) = self.connections.get(id) else { return Some(times) };
        if self.is_beside(id) {
            return Some(times);
        }
        let position = connection.final_position();
        self.forget_joints(position);
        let Some(recovery) = &mut self.recovery else { return Some(times) };
        recovery.ring.trim(position);
        if kind.is_answer() && recovery.gap.as_ref().is_some_and(|it| it.down_since.is_none()) {
            let gap = recovery.gap.take().expect("it was looked at just now");
            self.recovered(now, id, &gap);
        }
        self.less_what_is_known(kind, times)
    }

    fn recovered(&mut self, now: Instant, id: ConnectionId, gap: &Gap) {
        let ledger = &self.books.ledger;
        let lost = ledger.duration(self.lost_in_gaps() - gap.lost_before);
        let replayed = ledger.duration(gap.replayed);
        self.books.counts[Count::Recoveries] += 1;
        self.record(Fact::Recovered(Recovered {
            connection: id.number(),
            attempts: gap.attempts,
            gap: gap.down,
            took: now.duration_since(gap.since),
            replayed,
            lost,
        }));
        let event = Event::Recovered {
            connection: id.number(),
            gap_ms: millis(gap.down),
            replayed_ms: millis(replayed),
            lost_ms: millis(lost),
            speakers_restarted: self.config.names_speakers,
        };
        self.deliver_event(now, event);
    }

    /// Of several channels those that were ahead of the others are replayed as well: the application
    /// has their words.
    fn less_what_is_known(&self, kind: MessageKind, times: TimeMap) -> Option<TimeMap> {
        let MessageKind::Results { start, end, channel, .. } = kind else { return Some(times) };
        let Some(recovery) = &self.recovery else { return Some(times) };
        let format = recovery.format;
        let known = recovery.known.get(channel as usize).copied().unwrap_or(0);
        let known = format.samples(known).saturating_sub(times.base) + times.lead;
        let on_connection = |time| format.samples(format.bytes(time));
        let noise = on_connection(NOISE);
        if known <= times.lead || on_connection(start) + noise >= known {
            return Some(times);
        }
        (on_connection(end) > known + noise).then_some(TimeMap { known, ..times })
    }
}
