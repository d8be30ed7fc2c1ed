//! How a session outlives its connections: what it keeps, when it dials again, and how another
//! connection gets what the dead one had not made final.

mod budget;
mod gap;
mod marks;
mod replay;

use std::time::{Duration, Instant};

use super::Session;
use super::connection::Connection;
use super::timer::SessionTimer;
use crate::audio::AudioFormat;
use crate::bound::RING_BYTES_MAX;
use crate::fact::{
    Fact, FinalizeSkipped, NotRecoverable, RecoveryUnavailable, ResultsElsewhere, SkipCause,
};
use crate::ring::{Forgotten, Ring};
use crate::{ConnectionId, Event, LossCause, Outgoing, RecoveryConfig, SessionConfig};

pub(super) use gap::{Fallen, Plan};

use budget::Budget;
use gap::Gap;
use marks::Marks;
use replay::Replay;

/// An application is ahead of real time if it has sent so much more than has passed: then it can wait.
const AHEAD: Duration = Duration::from_secs(1);

/// How often an application is told at most that audio is given up.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a session needs to outlive its connections.
#[derive(Debug)]
pub(super) struct Recovery {
    format: AudioFormat,
    pub(super) ring: Ring,
    marks: Marks,
    budget: Budget,
    /// Set from a death until another connection has answered.
    gap: Option<Gap>,
    /// Set while another connection gets what has waited.
    replay: Option<Replay>,
    /// Up to where the application has final results, by channel, in the session's audio.
    known: Vec<u64>,
    /// The same for all channels together.
    final_position: u64,
    /// The application has sent more than has passed.
    is_ahead: bool,
    /// When it was last told that audio is given up.
    told_at: Option<Instant>,
}

impl Recovery {
    /// `None` where a session latches; why, if it asked not to.
    pub(super) fn of(
        config: &SessionConfig,
        seed: u64,
    ) -> Result<Option<Box<Self>>, NotRecoverable> {
        let Some(recovery) = &config.recovery else { return Ok(None) };
        if !config.endpoint.traits().transcribes {
            return Err(NotRecoverable::Endpoint);
        }
        if config.results_elsewhere {
            return Err(NotRecoverable::Callback);
        }
        let format = config.audio.ok_or(NotRecoverable::Encoding)?;
        Ok(Some(Box::new(Self::new(recovery, format, seed))))
    }

    fn new(config: &RecoveryConfig, format: AudioFormat, seed: u64) -> Self {
        let bytes_max = format.bytes(config.ring).min(RING_BYTES_MAX);
        Self {
            format,
            ring: Ring::new(bytes_max, u64::from(format.block_bytes)),
            marks: Marks::default(),
            budget: Budget::new(config, seed),
            gap: None,
            replay: None,
            known: Vec::new(),
            final_position: 0,
            is_ahead: false,
            told_at: None,
        }
    }

    /// Whether what the application sends waits for a connection, or for what has waited before it.
    pub(super) fn is_holding(&self) -> bool {
        self.replay.is_some() || self.gap.as_ref().is_some_and(|gap| gap.down_since.is_some())
    }

    /// Whether another connection has yet to answer.
    pub(super) fn is_in_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Whether another connection is yet to answer what the dead one left. One that is up and has
    /// nothing to answer is as good as any.
    pub(super) fn is_taking_over(&self) -> bool {
        self.is_in_gap() && (self.is_holding() || self.is_needed())
    }

    /// Whether a connection is to get anything: audio, or a Finalize that has no answer.
    pub(super) fn is_needed(&self) -> bool {
        self.ring.len() > 0 || self.marks.is_needed()
    }

    /// Whether audio waits that the live connection, if there is one, has not been handed.
    pub(super) fn has_waiting_audio(&self) -> bool {
        self.is_holding() && self.to_hand_out() > 0
    }

    /// Up to where the live connection has been handed the audio.
    fn handed_to(&self) -> u64 {
        match &self.replay {
            Some(replay) => replay.sent_to,
            None if self.is_holding() => self.ring.start(),
            None => self.ring.end(),
        }
    }

    /// Bytes that wait for the live connection.
    pub(super) fn to_hand_out(&self) -> u64 {
        self.ring.end() - self.handed_to()
    }

    /// Whether the application may be read. One that is ahead of real time waits until there is room;
    /// for one that is live the oldest audio is given up. Never what the live connection has yet to
    /// get: its times would no longer be the session's.
    pub(super) fn accepts(&self) -> bool {
        let is_pinned = self.replay.as_ref().is_some_and(|it| it.sent_to <= self.ring.start());
        let has_room = !self.ring.is_full() || !(self.is_ahead || is_pinned);
        has_room && !self.marks.is_full()
    }

    /// Audio that no connection was ever handed: frames and bytes.
    #[cfg(test)]
    pub(super) fn fresh(&self) -> (u64, u64) {
        let fresh = self.ring.fresh();
        (fresh.frames, fresh.bytes)
    }

    /// Bytes that an earlier connection got and the live one has not been handed.
    #[cfg(test)]
    pub(super) fn to_repeat(&self) -> u64 {
        self.ring.end() - self.handed_to() - self.ring.fresh().bytes
    }

    /// Bytes of memory that it holds.
    pub(super) fn memory(&self) -> u64 {
        self.ring.memory() + self.marks.bytes()
    }

    fn push(&mut self, audio: &[u8], frames: u64) -> Forgotten {
        let fresh_frames = self.is_holding().then_some(frames);
        let droppable = if self.replay.is_some() { self.handed_to() } else { u64::MAX };
        self.ring.push(audio, fresh_frames, droppable)
    }
}

impl Session {
    /// Tells once what the session's parameters keep it from.
    pub(super) fn tell_limits(&mut self, not_recoverable: Option<NotRecoverable>) {
        if self.config.results_elsewhere {
            self.record(Fact::ResultsElsewhere(ResultsElsewhere));
        }
        if let Some(cause) = not_recoverable {
            self.record(Fact::RecoveryUnavailable(RecoveryUnavailable { cause }));
        }
    }

    /// Whether what the application sends now waits in the ring.
    pub(super) fn is_holding(&self) -> bool {
        self.recovery.as_ref().is_some_and(|it| it.is_holding())
    }

    /// Keeps audio, in which so many frames end, until it is final: a connection is handed it now, unless
    /// the session is holding.
    pub(super) fn keep_audio(&mut self, now: Instant, audio: &[u8], frames: u64) {
        let Some(recovery) = &mut self.recovery else { return };
        // What a live connection has been handed may still become final.
        let is_lost = recovery.is_holding() && recovery.replay.is_none();
        let forgotten = recovery.push(audio, frames);
        if is_lost {
            let Forgotten { bytes, fresh } = forgotten;
            let ledger = &mut self.books.ledger;
            ledger.drop_frames(fresh.frames, fresh.bytes, LossCause::RingOverflow);
            ledger.lose(bytes - fresh.bytes, LossCause::RingOverflow);
        }
        if recovery.ring.is_full() {
            self.ring_filled(now);
        }
    }

    /// More audio pushes older audio out: unless the application is ahead of real time, and can wait.
    fn ring_filled(&mut self, now: Instant) {
        let Some(recovery) = &mut self.recovery else { return };
        let sent = recovery.format.duration(self.books.ledger.received_bytes());
        let due = self.opened_at + sent.saturating_sub(AHEAD);
        recovery.is_ahead = due > now;
        if recovery.is_ahead {
            self.timers.set(SessionTimer::Ahead, due);
        }
        if recovery.told_at.is_none_or(|at| now.duration_since(at) >= TOLD_EVERY) {
            self.tell_overflow(now);
        }
    }

    /// What was given up since it was last told.
    pub(super) fn tell_overflow(&mut self, now: Instant) {
        let cause = LossCause::RingOverflow;
        let Some((frames, bytes)) = self.books.record_loss(cause) else { return };
        if let Some(recovery) = &mut self.recovery {
            recovery.told_at = Some(now);
        }
        self.deliver_event(now, Event::AudioDropped { frames, bytes, cause });
    }

    pub(super) fn no_longer_ahead(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.is_ahead = false;
        }
    }

    /// The application's message goes out, and is kept until it has come to something.
    pub(super) fn send_kept(&mut self, now: Instant, id: ConnectionId, outgoing: Outgoing) {
        match &outgoing {
            _ if self.recovery.is_none() => self.send(now, id, outgoing),
            Outgoing::Audio(_) | Outgoing::Replay { .. } => {
                self.keep_audio(now, outgoing.audio(), outgoing.frames());
                self.send(now, id, outgoing);
            }
            _ => self.mark(now, outgoing),
        }
    }

    /// A Finalize or a text takes its place behind the audio, and goes out now unless the session is
    /// holding.
    pub(super) fn mark(&mut self, now: Instant, outgoing: Outgoing) {
        let current = self.current().map(|it| it.id);
        let Some(recovery) = &mut self.recovery else { return };
        let position = recovery.ring.end();
        match &outgoing {
            Outgoing::Text(text) => recovery.marks.push_text(position, text),
            Outgoing::Finalize { channel, .. } => recovery.marks.push_finalize(position, *channel),
            _ => {}
        }
        if let Some(id) = current
            && !recovery.is_holding()
            && let Some(outgoing) = recovery.marks.send_next(position)
        {
            self.send(now, id, outgoing);
        }
    }

    /// A connection follows one that ended cleanly: it gets the texts that hold for what comes.
    pub(super) fn resend_texts(&mut self, now: Instant, id: ConnectionId) {
        let next = |recovery: &mut Box<Recovery>| recovery.marks.send_next(recovery.ring.end());
        while let Some(text) = self.recovery.as_mut().and_then(next) {
            self.send(now, id, text);
        }
    }

    /// Finalizes that have their answer, or have waited long enough for it, are not kept.
    pub(super) fn settle_marks(&mut self) {
        if !self.recovery.as_ref().is_some_and(|it| it.marks.awaits_answers()) {
            return;
        }
        let unanswered = self.current().map(Connection::unanswered_finalizes);
        if let (Some(recovery), Some(unanswered)) = (&mut self.recovery, unanswered) {
            recovery.marks.settle_finalizes(unanswered);
        }
    }

    /// Gives up what no connection will get.
    pub(super) fn drop_held(&mut self, cause: LossCause, skip: SkipCause) -> (u64, u64) {
        let Some(recovery) = &mut self.recovery else { return (0, 0) };
        let fresh = recovery.ring.fresh();
        let waiting = recovery.ring.end() - recovery.handed_to();
        let ledger = &mut self.books.ledger;
        ledger.drop_frames(fresh.frames, fresh.bytes, cause);
        ledger.lose(waiting - fresh.bytes, cause);
        let marks = recovery.marks.give_up();
        recovery.ring.clear();
        (recovery.gap, recovery.replay) = (None, None);
        self.timers.clear(SessionTimer::Replay);
        self.books.drops.texts += marks.texts;
        self.books.skip_finalizes(marks.finalizes, skip);
        if marks.unanswered > 0 {
            let skipped = FinalizeSkipped { count: marks.unanswered, cause: skip };
            self.record(Fact::FinalizeSkipped(skipped));
        }
        (fresh.frames, fresh.bytes)
    }

    /// Nothing of a connection is needed any more: it has flushed everything, or there was nothing.
    pub(super) fn forget_kept(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.gap = None;
            recovery.ring.clear();
            recovery.marks.end_connection();
        }
    }

    /// Nothing was sent for a while and nothing is kept: memory is given back.
    pub(super) fn rest_kept(&mut self, now: Instant, id: ConnectionId) {
        let interval = self.config.keepalive_interval;
        let is_idle = |it: &Connection| now.duration_since(it.active_at) >= interval;
        if let Some(recovery) = &mut self.recovery
            && recovery.ring.len() == 0
            && self.connections.get(id).is_some_and(is_idle)
        {
            recovery.ring.rest();
        }
    }
}
