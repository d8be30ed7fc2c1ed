//! Shutdown: the application goes on for a while if it may, what it has written until then is still
//! read, and then the stream is closed behind it.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::timer::SessionTimer;
use super::{Closing, Intent, Phase, Route, Session};
use crate::drain::{DrainTimes, Drained, Flush};
use crate::summary::Outcome;
use crate::{AppInput, ErrorCode, Event, LossCause, Refusal, millis};

/// How long, and how much of, an application's socket is read before CloseStream (contract, section 10).
const READ_OUT_MAX: Duration = Duration::from_secs(1);
const READ_OUT_BYTES_MAX: usize = 1 << 20;

/// How long the last frame of a session that was cut may wait to be taken. With the second in which it
/// may be read, and the time for the last spans, it must fit in the 5 s that pods allow for the end.
pub const LAST_WRITE_MAX: Duration = Duration::from_millis(500);

/// A shutdown, as far as one session is concerned.
#[derive(Debug)]
pub(super) struct Drain {
    since: Instant,
    /// What had been lost by then.
    before: Lost,
    /// Bytes read from the application since it is read for the last time; `None` while it is not.
    read_out: Option<usize>,
    /// What had been lost when its socket was empty for the first time since.
    emptied: Option<Lost>,
}

/// Bytes lost at some time.
#[derive(Clone, Copy, Debug)]
struct Lost {
    all: u64,
    /// Those that came after the end had been asked for.
    after_finish: u64,
}

impl Session {
    /// Shutdown has begun. Only the first call counts, except for the deadline.
    pub(super) fn drain(&mut self, now: Instant, times: DrainTimes) {
        self.timers.set(SessionTimer::Drain, times.deadline);
        if self.drain.is_some() {
            return;
        }
        let before = self.lost();
        self.drain = Some(Drain { since: now, before, read_out: None, emptied: None });
        if self.phase == Phase::Ending {
            return;
        }
        let deadline_ms = millis(times.deadline.saturating_duration_since(now));
        self.deliver_event(now, Event::Draining { deadline_ms });
        if self.intent.is_some() {
            return;
        }
        if times.linger_until > now && !self.app.gone {
            self.timers.set(SessionTimer::DrainLinger, times.linger_until);
        } else {
            self.read_out(now);
        }
    }

    /// Reads what the application has written until now: until its socket is empty once, within
    /// bounds.
    pub(super) fn read_out(&mut self, now: Instant) {
        if self.intent.is_some() || self.phase == Phase::Ending {
            return;
        }
        if let Some(drain) = &mut self.drain {
            drain.read_out = Some(0);
        }
        self.timers.set(SessionTimer::DrainRead, now + READ_OUT_MAX);
    }

    /// Whether [`AppInput::Emptied`] is awaited.
    pub fn wants_emptied(&self) -> bool {
        let is_full = |it: &Drain| it.read_out.is_some() && it.emptied.is_none();
        let is_ours = matches!(self.intent, None | Some(Intent::Drain));
        self.drain.as_ref().is_some_and(is_full) && is_ours && self.phase != Phase::Ending
    }

    /// Nothing is left of what the application wrote before shutdown.
    pub(super) fn emptied(&mut self, now: Instant) {
        if self.wants_emptied() {
            let lost = self.lost();
            self.drain.as_mut().expect("it is awaited in shutdown only").emptied = Some(lost);
            self.drain_close(now);
        }
    }

    /// Counts what is read for the last time, up to the bound.
    pub(super) fn count_read_out(&mut self, now: Instant, bytes: usize) {
        let Some(read) = self.drain.as_mut().and_then(|it| it.read_out.as_mut()) else { return };
        *read += bytes;
        if *read >= READ_OUT_BYTES_MAX {
            self.drain_close(now);
        }
    }

    /// The application's socket is empty, or has been read for long enough: what was read is flushed.
    pub(super) fn drain_close(&mut self, now: Instant) {
        if self.intent.is_some() || self.phase == Phase::Ending {
            return;
        }
        self.timers.clear(SessionTimer::DrainRead);
        self.intent = Some(Intent::Drain);
        self.bound_finish(now);
        match self.route() {
            Route::Open(id) => self.close_when_sent(now, id),
            Route::Dialing if self.is_holding() && !self.has_waiting_audio() => {
                self.end_unconnected(now, LossCause::DrainDeadline);
            }
            Route::Dialing if !self.has_waiting_audio() => self.drain_deadline(now),
            Route::Closing(Closing::Park) if !self.backlog.has_audio() => self.close_for_good(),
            Route::Dialing | Route::Closing(_) | Route::Ending => {}
            Route::Parked if self.has_waiting_audio() => self.wake(now),
            Route::Parked | Route::Latched => self.end(now),
        }
    }

    /// Whether an application that leaves while the session dials is to have what it wrote sent all
    /// the same: in a pod that ends it has died with the pod, and not changed its mind.
    pub(super) fn outlives_app(&self) -> bool {
        self.drain.is_some() && self.has_waiting_audio() && !self.app.breached
    }

    /// Whether audio waits for a connection.
    fn has_waiting_audio(&self) -> bool {
        let is_kept = self.recovery.as_ref().is_some_and(|it| it.has_waiting_audio());
        is_kept || self.backlog.has_audio()
    }

    /// Shutdown waits no longer.
    pub(super) fn drain_deadline(&mut self, now: Instant) {
        if self.phase == Phase::Ending {
            return self.abandon_app(now);
        }
        let cause = LossCause::DrainDeadline;
        self.fail_gap(now);
        let mut unsent = self.unwritten_audio();
        self.let_all_go(now, cause);
        let kept = self.drop_backlog(cause);
        unsent = (unsent.0 + kept.0, unsent.1 + kept.1);
        if unsent.0 > 0 {
            let (frames, bytes) = unsent;
            self.deliver_event(now, Event::AudioDropped { frames, bytes, cause });
        }
        if !self.app.opened {
            self.deliver_error(now, draining_refusal());
        }
        let outcome = self.outcome_or(Outcome::Drained);
        self.end_as(now, outcome, self.app.opened || unsent.0 > 0);
        // An application that does not even take its last frame is waited for no longer than this.
        self.timers.set(SessionTimer::Drain, now + LAST_WRITE_MAX);
    }

    /// Frames and bytes of audio that were sent and are not known to be with the kernel.
    fn unwritten_audio(&self) -> (u64, u64) {
        self.connections
            .iter()
            .map(Connection::unwritten)
            .fold((0, 0), |(frames, bytes), it| (frames + it.audio_frames, bytes + it.audio_bytes))
    }

    /// What shutdown has come to, once the books are closed; `None` without one.
    pub(super) fn drained(&self, now: Instant, cut: bool) -> Option<Drained> {
        let drain = self.drain.as_ref()?;
        let bytes = self.unflushed_bytes(drain);
        Some(Drained {
            lasted: now.duration_since(drain.since),
            flush: Flush::of(cut, bytes),
            unflushed: self.config.audio.map(|it| it.duration(bytes)),
        })
    }

    /// Bytes lost since shutdown, except those that came after the end had been asked for. What the
    /// bounds left unread when they ended the reading had been written before, as far as is known.
    fn unflushed_bytes(&self, drain: &Drain) -> u64 {
        let lost = self.lost();
        let late_from = match (self.intent, drain.emptied) {
            (Some(Intent::Drain), None) => lost.after_finish,
            (Some(Intent::Drain), Some(emptied)) => emptied.after_finish,
            _ => drain.before.after_finish,
        };
        lost.all - drain.before.all - (lost.after_finish - late_from)
    }

    fn lost(&self) -> Lost {
        let ledger = &self.books.ledger;
        let after_finish = ledger.lost_bytes_to(LossCause::AfterFinish);
        Lost { all: ledger.lost_bytes(), after_finish }
    }
}

/// What a frame's header takes on the socket: what bounds reading must not be free.
const HEADER_BYTES: usize = 5;

/// Bytes that an input has taken on the socket, roughly.
pub(super) fn size_of(input: &AppInput) -> usize {
    match input {
        AppInput::Audio(payload) | AppInput::Text(payload) | AppInput::Prelude(payload) => {
            size_of_audio(payload)
        }
        AppInput::Finalize { .. } | AppInput::Finish | AppInput::Update { .. } => HEADER_BYTES,
        _ => 0,
    }
}

/// The same for a frame of audio.
pub(super) fn size_of_audio(payload: &[u8]) -> usize {
    HEADER_BYTES + payload.len()
}

/// What an application is told that comes, or still dials, during shutdown.
pub fn draining_refusal() -> Refusal {
    Refusal::new(ErrorCode::Draining, "the sidecar is shutting down; connect to its successor")
}
