//! A prelude: speech that goes ahead of the live stream on a connection of its own, so that diarization
//! learns a voice, while live audio goes to another.
//!
//! ```text
//!  main    dial ── prelude ── padding ── stabilize ──┬── live audio ─────────▶
//!  second  dial ── live audio ───────────────────────┘── CloseStream, its last results
//! ```
//!
//! If main is lost, live audio stays where it is. If the other is lost, it moves to main at once.

mod lead;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connection::{Connection, StreamEnd};
use super::pace::STEP;
use super::recovery::Fallen;
use super::timer::SessionTimer;
use super::{Base, Closing, Output, Phase, Session};
use crate::bound::KEPT_TEXTS_BYTES_MAX;
use crate::fact::{Fact, PreludeEnd, PreludeEnded, PreludeSent, VadModeSource};
use crate::gate::VadMode;
use crate::{ConnectionId, Event, LossCause, Outgoing, millis};

use lead::{Lead, prelude_is_over};

/// How long the application may take to end its prelude, once the connection for it is up.
const TAKING_MAX: Duration = Duration::from_secs(60);

/// A prelude on its way.
#[derive(Debug)]
pub(super) struct Prelude {
    /// The connection that gets it.
    main: ConnectionId,
    lead: Lead,
    /// When it is taken to have ended if the application does not say so; set once main is up.
    end_by: Option<Instant>,
    /// When live audio follows; set once all is sent.
    move_at: Option<Instant>,
    /// It is to follow now: since when the connection of the live audio is asked whether it is still
    /// there. What it has not made final could not be sent again once main has got what comes behind it.
    asked_at: Option<Instant>,
    /// Texts that main is to get once it is up.
    texts: Vec<Bytes>,
}

impl Session {
    /// Opens the connection for the prelude first: it is the one that stays.
    pub(super) fn dial_for_prelude(&mut self, now: Instant) {
        let (Some(config), Some(format)) = (self.config.prelude, self.config.audio) else { return };
        let main = self.dial_beside(now);
        let lead = Lead::new(format, config.pad_to);
        let (end_by, move_at, asked_at, texts) = (None, None, None, Vec::new());
        self.prelude = Some(Box::new(Prelude { main, lead, end_by, move_at, asked_at, texts }));
    }

    /// Whether the application's live audio goes elsewhere.
    pub(super) fn is_beside(&self, id: ConnectionId) -> bool {
        self.phase != Phase::Served(id) || self.tail == Some(id)
    }

    /// A PRELUDE frame; an empty one ends the prelude.
    pub(super) fn app_prelude(&mut self, now: Instant, audio: Bytes) {
        self.prelude_bytes += audio.len() as u64;
        if self.intent.is_some() || self.phase == Phase::Latched {
            self.books.drops.preludes += 1;
            return;
        }
        let Some(prelude) = &mut self.prelude else { return self.prelude_is_over(now, &audio) };
        let taken = if audio.is_empty() {
            prelude.lead.end();
            Ok(())
        } else {
            prelude.lead.push(&audio)
        };
        match taken {
            Ok(()) => self.prelude_due(now),
            Err(refusal) => self.app_breach(now, refusal),
        }
    }

    /// There is none, or it is over: in time, which the application has been told, or before it was.
    fn prelude_is_over(&mut self, now: Instant, audio: &Bytes) {
        if self.is_prelude_done && !audio.is_empty() {
            return self.app_breach(now, prelude_is_over());
        }
        self.books.drops.preludes += 1;
    }

    /// Main is up.
    pub(super) fn begin_prelude(&mut self, now: Instant) {
        let Some(prelude) = &mut self.prelude else { return };
        prelude.end_by = Some(now + TAKING_MAX);
        prelude.lead.begin(now);
        let (main, texts) = (prelude.main, std::mem::take(&mut prelude.texts));
        for text in texts {
            self.send(now, main, Outgoing::Text(text));
        }
        self.prelude_due(now);
    }

    /// Main gets the application's texts as well: they are to hold for what follows the prelude.
    pub(super) fn text_to_prelude(&mut self, now: Instant, text: &Bytes) {
        let Some(prelude) = &mut self.prelude else { return };
        if prelude.end_by.is_some() {
            let main = prelude.main;
            return self.send(now, main, Outgoing::Text(text.clone()));
        }
        let kept: usize = prelude.texts.iter().map(Bytes::len).sum();
        if kept + text.len() <= KEPT_TEXTS_BYTES_MAX {
            prelude.texts.push(Bytes::copy_from_slice(text));
        } else {
            self.books.drops.texts += 1;
        }
    }

    /// Sends what may go out now; when all has, waits, and lets live audio follow.
    pub(super) fn prelude_due(&mut self, now: Instant) {
        let Some(prelude) = &mut self.prelude else { return };
        let Some(end_by) = prelude.end_by else { return };
        if end_by <= now {
            prelude.lead.end();
        }
        let main = prelude.main;
        while let Some(piece) = self.next_lead(now, main) {
            self.with(now, main, |connection, cx| connection.send_lead(cx, piece));
        }
        let Some(prelude) = &mut self.prelude else { return };
        if !prelude.lead.is_sent() {
            let next = if prelude.lead.is_waiting() { now + STEP } else { end_by };
            return self.timers.set(SessionTimer::Prelude, next);
        }
        match prelude.move_at {
            None => self.stabilize(now),
            Some(at) if at <= now => self.ask_before_moving(now),
            Some(at) => self.timers.set(SessionTimer::Prelude, at),
        }
    }

    /// Live audio is to move: as soon as the connection that it leaves has shown that it is there.
    fn ask_before_moving(&mut self, now: Instant) {
        let (Phase::Served(second), Some(prelude)) = (self.phase, &mut self.prelude) else {
            return;
        };
        if prelude.asked_at.is_none() {
            prelude.asked_at = Some(now);
            self.with(now, second, Connection::ask);
            self.move_if_due(now);
        }
    }

    /// Whether live audio is to move to main now, but for a sample that was begun.
    pub(super) fn is_move_due(&self) -> bool {
        let Some(asked_at) = self.prelude.as_ref().and_then(|it| it.asked_at) else { return false };
        let Phase::Served(second) = self.phase else { return false };
        let second = self.serving(second);
        !second.is_up() || second.last_receive >= asked_at && second.has_answered_ping()
    }

    /// Moves if that is due, between two samples.
    pub(super) fn move_if_due(&mut self, now: Instant) {
        if self.prelude.is_some() && self.is_move_due() && self.missing_of_sample() == 0 {
            self.move_to_main(now, PreludeEnd::Moved);
        }
    }

    fn next_lead(&mut self, now: Instant, main: ConnectionId) -> Option<Bytes> {
        let is_blocked = self.connections.get(main)?.is_write_blocked();
        self.prelude.as_mut().filter(|_| !is_blocked)?.lead.next(now)
    }

    /// The prelude is sent: Deepgram gets the time to make something of it.
    fn stabilize(&mut self, now: Instant) {
        let stabilize = self.config.prelude.map_or(Duration::ZERO, |it| it.stabilize);
        let Some(prelude) = &mut self.prelude else { return };
        prelude.move_at = Some(now + stabilize);
        let (prelude, padding) = prelude.lead.durations();
        let took = now.duration_since(self.opened_at);
        self.record(Fact::PreludeSent(PreludeSent { prelude, padding, took }));
        self.timers.set(SessionTimer::Prelude, now + stabilize);
    }

    /// Live audio moves to main, and the connection that it leaves is closed behind it.
    fn move_to_main(&mut self, now: Instant, end: PreludeEnd) {
        let Phase::Served(second) = self.phase else { return };
        let Some(main) = self.end_prelude(now, end) else { return };
        let mut base = self.base();
        if let Some(connection) = self.connections.get(second)
            && connection.is_up()
        {
            base.final_position = connection.final_position();
            self.tail = Some(second);
            self.with(now, second, |it, cx| it.close(cx, Closing::End));
        } else {
            self.let_go(now, second, StreamEnd::Lost(LossCause::Dead));
        }
        if let Some(recovery) = &mut self.recovery
            && !recovery.is_holding()
        {
            recovery.ring.clear();
        }
        self.serve_by_main(now, main, base);
    }

    /// Live audio goes to main from now on.
    fn serve_by_main(&mut self, now: Instant, main: ConnectionId, base: Base) {
        self.phase = Phase::Served(main);
        self.bound_finish(now);
        let Some(connection) = self.connections.get_mut(main) else { return };
        connection.begin_at(base);
        if !connection.is_up() {
            return;
        }
        if self.is_holding() {
            self.begin_replay(now, main);
        } else {
            self.send_backlog(now, main);
        }
    }

    /// The connection of the live audio is lost: what it had not made final waits for main, if the
    /// session recovers.
    pub(super) fn lost_live(&mut self, now: Instant, fallen: &Fallen) {
        if self.recovery.is_some() {
            self.open_gap(now, fallen);
            self.keep_backlog(now);
        } else {
            self.begin_with_sample(LossCause::Dead);
        }
        self.move_early(now);
    }

    fn move_early(&mut self, now: Instant) {
        self.move_to_main(now, PreludeEnd::MovedEarly);
    }

    /// The prelude is over, and the application told so if live audio moves. Tells which is main.
    fn end_prelude(&mut self, now: Instant, end: PreludeEnd) -> Option<ConnectionId> {
        let prelude = self.prelude.take()?;
        self.timers.clear(SessionTimer::Prelude);
        let (sent, _) = prelude.lead.durations();
        let took = now.duration_since(self.opened_at);
        self.record(Fact::PreludeEnded(PreludeEnded { end, prelude: sent, took }));
        if end.has_moved() {
            self.deliver_event(now, Event::PreludeDone { prelude_ms: millis(sent) });
        }
        self.is_prelude_done = end == PreludeEnd::Moved;
        let is_shadow = self.gate.as_ref().is_some_and(|it| it.mode() == VadMode::Shadow);
        if is_shadow && end != PreludeEnd::SessionEnded {
            self.set_vad_mode(VadMode::Active, VadModeSource::Prelude);
        }
        Some(prelude.main)
    }

    /// The session is about to end: nobody needs the prelude any more.
    pub(super) fn drop_prelude(&mut self, now: Instant) {
        if let Some(main) = self.end_prelude(now, PreludeEnd::SessionEnded) {
            self.let_go(now, main, StreamEnd::Lost(LossCause::AppGone));
        }
    }

    /// A connection beside that of the live audio has died; what had been lost before it did.
    pub(super) fn lost_beside(&mut self, now: Instant, id: ConnectionId, before: (u64, u64)) {
        self.tell_lost_beside(now, before, LossCause::Dead);
        if self.prelude.as_ref().is_some_and(|it| it.main == id) {
            self.end_prelude(now, PreludeEnd::Lost);
        }
        self.beside_ended(now);
    }

    /// What had no result on a connection that live audio has left cannot be sent again.
    pub(super) fn tell_lost_beside(&mut self, now: Instant, before: (u64, u64), cause: LossCause) {
        let (frames, bytes) = self.lost_audio();
        let (frames, bytes) = (frames - before.0, bytes - before.1);
        if bytes > 0 {
            self.deliver_event(now, Event::AudioDropped { frames, bytes, cause });
        }
    }

    /// Frames that were never sent and never will be, and bytes that are lost, so far.
    pub(super) fn lost_audio(&self) -> (u64, u64) {
        let ledger = &self.books.ledger;
        (ledger.summary().frames_dropped, ledger.lost_bytes())
    }

    /// None of the attempts to dial has succeeded. Whether the other connection of a prelude goes on
    /// alone.
    pub(super) fn had_a_prelude(&mut self, now: Instant, id: ConnectionId) -> bool {
        if self.prelude.is_none() {
            return false;
        }
        if self.is_beside(id) {
            self.connections.remove(id);
            self.books.push(Output::HangUp(id));
            self.end_prelude(now, PreludeEnd::Lost);
        } else {
            self.move_early(now);
        }
        true
    }

    /// A connection that live audio had left has ended.
    pub(super) fn beside_ended(&mut self, now: Instant) {
        let was_awaited = self.tail.take().is_some_and(|it| self.phase == Phase::Served(it));
        if was_awaited {
            self.end(now);
        }
    }

    /// The connection of the live audio has ended as it was asked to; the one before may have yet to.
    pub(super) fn end_behind_tail(&mut self, now: Instant) {
        match self.tail {
            Some(tail) => self.phase = Phase::Served(tail),
            None => self.end(now),
        }
    }
}
