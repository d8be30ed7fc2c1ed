//! What the application does to the session.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connection::Connection;
use super::timer::SessionTimer;
use super::{Closing, Intent, Output, Phase, Route, Session, drain};
use crate::counts::Count;
use crate::fact::{AppStalled, Fact, SkipCause};
use crate::gate::{Heard, VadMode};
use crate::summary::EndCause;
use crate::{
    AppFrame, AppInput, EndKind, ErrorCode, LossCause, Observation, Outgoing, Refusal, Side,
};

impl Session {
    /// The application sent something, or its socket's state changed.
    pub fn handle_app(&mut self, now: Instant, input: AppInput) {
        let bytes = drain::size_of(&input);
        self.take_app(now, input);
        self.count_read_out(now, bytes);
    }

    /// The application sent audio, and a detector has listened to it: while
    /// [`Session::wants_hearing`], audio comes this way. A frame may come in pieces, each with what was
    /// heard in it; `is_end` says that it is complete.
    pub fn handle_heard(&mut self, now: Instant, audio: Bytes, heard: Heard, is_end: bool) {
        let bytes = drain::size_of_audio(&audio);
        self.app_audio(now, audio, heard, is_end);
        self.count_read_out(now, bytes);
    }

    fn take_app(&mut self, now: Instant, input: AppInput) {
        if input.is_from_app() {
            self.app.ping_since = None;
        }
        match input {
            AppInput::Audio(audio) => self.app_audio(now, audio, Heard::Nothing, true),
            AppInput::Text(text) => self.app_text(now, text),
            AppInput::Finalize { channel } => self.finalize(now, channel),
            AppInput::Finish => self.app_finish(now),
            AppInput::Update { vad } => self.app_update(now, vad),
            AppInput::Prelude(audio) => self.app_prelude(now, audio),
            AppInput::Breach(refusal) => self.app_breach(now, *refusal),
            AppInput::KeepAlive => self.books.counts[Count::AppKeepalives] += 1,
            AppInput::Pong => {}
            AppInput::Closed(cause) => self.app_closed(now, cause),
            AppInput::Eof => self.app_eof(now),
            AppInput::WriteFailed => self.app_gone(now),
            AppInput::WriteBlocked => self.app_write_blocked(now),
            AppInput::WriteProgress => self.app_write_progress(now),
            AppInput::WriteDrained => self.app_write_drained(now),
            AppInput::Emptied => self.emptied(now),
        }
    }

    fn app_audio(&mut self, now: Instant, audio: Bytes, heard: Heard, is_end: bool) {
        self.books.ledger.receive(u64::from(is_end), audio.len() as u64);
        if audio.is_empty() {
            self.books.drops.empty_frames += 1;
            return self.books.ledger.drop_empty();
        }
        match self.route() {
            _ if self.intent.is_some() => self.drop_audio(&audio, is_end, self.late_cause()),
            Route::Latched | Route::Ending => self.drop_audio(&audio, is_end, LossCause::Dead),
            _ => self.gate_audio(now, audio, heard, is_end),
        }
    }

    /// Audio that the gate lets through.
    pub(super) fn pass_audio(&mut self, now: Instant, outgoing: Outgoing) {
        let Some(outgoing) = self.whole_samples_of(outgoing) else { return };
        if !self.is_move_due() {
            return self.route_audio(now, outgoing);
        }
        // The sample that was begun goes where its first half has gone.
        let (rest_of_sample, behind) = outgoing.split_audio(self.missing_of_sample() as usize);
        self.route_audio(now, rest_of_sample);
        self.move_if_due(now);
        if let Some(behind) = behind {
            self.route_audio(now, behind);
        }
    }

    fn route_audio(&mut self, now: Instant, outgoing: Outgoing) {
        self.books.ledger.pass(outgoing.audio_len() as u64);
        match self.route() {
            _ if self.is_holding() => {
                self.keep_audio(now, outgoing.audio(), outgoing.frames());
                self.wake(now);
            }
            Route::Open(id) => self.send_kept(now, id, outgoing),
            Route::Parked => {
                self.backlog.push(outgoing);
                self.dial(now);
            }
            _ => self.backlog.push(outgoing),
        }
    }

    /// What audio is lost to that comes after the end has been asked for.
    fn late_cause(&self) -> LossCause {
        match self.intent {
            Some(Intent::Abort(_)) => LossCause::AppGone,
            _ => LossCause::AfterFinish,
        }
    }

    fn drop_audio(&mut self, audio: &Bytes, is_end: bool, cause: LossCause) {
        self.books.ledger.drop_frames(u64::from(is_end), audio.len() as u64, cause);
    }

    fn app_text(&mut self, now: Instant, text: Bytes) {
        if self.intent.is_none() {
            self.text_to_prelude(now, &text);
        }
        match self.route() {
            _ if self.intent.is_some() => self.books.drops.texts += 1,
            _ if self.is_holding() => self.mark(now, Outgoing::Text(text)),
            Route::Open(id) => self.send_kept(now, id, Outgoing::Text(text)),
            Route::Dialing | Route::Closing(_) => self.backlog.push(Outgoing::Text(text)),
            // It is kept for the connection that the next audio opens, or that it opens itself when
            // there is no room for that audio.
            Route::Parked => {
                self.backlog.push(Outgoing::Text(text));
                if self.backlog.is_full() {
                    self.dial(now);
                }
            }
            Route::Latched | Route::Ending => self.books.drops.texts += 1,
        }
    }

    /// After FINISH it is counted like the other frames.
    fn app_update(&mut self, now: Instant, vad: Option<VadMode>) {
        if self.intent.is_some() {
            self.books.drops.updates += 1;
        } else if let Some(mode) = vad {
            self.update_vad(now, mode);
        }
    }

    /// Deepgram is to finalize what it has: the application asks for it, or the gate.
    pub(super) fn finalize(&mut self, now: Instant, channel: Option<u64>) {
        self.books.counts[Count::FinalizesRequested] += 1;
        let finalize = Outgoing::Finalize { channel, again: false };
        match self.route() {
            Route::Latched => self.books.skip_finalizes(1, SkipCause::Dead),
            _ if self.intent.is_some() => self.books.skip_finalizes(1, SkipCause::Superseded),
            _ if self.is_holding() => {
                self.mark(now, finalize);
                self.wake(now);
            }
            Route::Open(id) => self.send_kept(now, id, finalize),
            Route::Dialing => self.backlog.push(finalize),
            // Closing the stream has flushed it, and nothing has been sent since.
            Route::Parked | Route::Ending => self.books.skip_finalizes(1, SkipCause::Superseded),
            Route::Closing(_) if self.backlog.has_audio() => self.backlog.push(finalize),
            Route::Closing(_) => self.books.skip_finalizes(1, SkipCause::Superseded),
        }
    }

    fn app_finish(&mut self, now: Instant) {
        if self.intent.is_none() {
            self.intent = Some(Intent::Finish);
            self.pursue_intent(now);
        }
    }

    pub(super) fn app_breach(&mut self, now: Instant, refusal: Refusal) {
        if self.app.breached || self.phase == Phase::Ending {
            return;
        }
        self.deliver_error(now, refusal);
        self.app.breached = true;
        self.intent = Some(Intent::Abort(EndCause::AppProtocol));
        self.pursue_intent(now);
    }

    fn app_eof(&mut self, now: Instant) {
        self.app.eof = true;
        let is_cancelled = self.route() == Route::Dialing && !self.outlives_app();
        if is_cancelled && !self.app.opened && self.intent.is_none() {
            self.deliver_error(now, left_while_dialing());
        }
        self.app_left(now, EndCause::AppLeft);
    }

    /// The application has ended the conversation: nothing can be delivered either.
    fn app_closed(&mut self, now: Instant, cause: EndCause) {
        self.app.eof = true;
        if self.config.endpoint.traits().end == EndKind::Frame && cause == EndCause::AppLeft {
            self.app_finish(now);
        }
        if cause == EndCause::AppStalled && self.intent.is_none() {
            self.record(Fact::AppStalled(AppStalled));
        }
        self.app_left(now, cause);
        self.app_gone(now);
    }

    /// The application will send nothing more: without FINISH that ends the session.
    fn app_left(&mut self, now: Instant, cause: EndCause) {
        if self.intent.is_none() {
            self.intent = Some(Intent::Abort(cause));
            self.pursue_intent(now);
        }
    }

    pub(super) fn abandon_app(&mut self, now: Instant) {
        self.app_gone(now);
        self.books.push(Output::AbandonApp);
    }

    fn app_gone(&mut self, now: Instant) {
        let blocked_since = self.app.blocked_since.take();
        self.books.unblocked(now, Side::App, blocked_since);
        self.app.message_since = None;
        self.app.gone = true;
        self.app.unwritten = false;
        self.timers.clear(SessionTimer::AppWrite);
        // Its end of stream may lie behind audio that a full ring has no room for, and another
        // connection would have nobody to talk to.
        if self.is_holding() && self.drain.is_none() {
            self.app_left(now, EndCause::AppLeft);
        }
    }

    /// Takes the next step towards the end that [`Intent`] asks for.
    fn pursue_intent(&mut self, now: Instant) {
        let abort = matches!(self.intent, Some(Intent::Abort(_)));
        self.bound_finish(now);
        match self.route() {
            Route::Open(id) => self.close_when_sent(now, id),
            Route::Dialing if abort && !self.outlives_app() => {
                self.end_unconnected(now, LossCause::AppGone)
            }
            // CloseStream is out. If audio waits for the next connection, that one is still dialled.
            Route::Closing(Closing::Park) if abort || !self.backlog.has_audio() => {
                self.close_for_good();
            }
            Route::Dialing | Route::Closing(_) | Route::Ending => {}
            Route::Parked if self.is_holding() && !abort => self.wake(now),
            Route::Parked | Route::Latched => self.end(now),
        }
    }

    fn app_write_blocked(&mut self, now: Instant) {
        self.app.blocked_since.get_or_insert(now);
        // What it does not take may be an answer to a Ping of its own.
        self.bound_app_write(now);
        self.connections.iter_mut().for_each(Connection::pause_verdicts);
    }

    /// Some of what waits for the application must be taken in time.
    pub(super) fn bound_app_write(&mut self, now: Instant) {
        if !self.timers.is_running(SessionTimer::AppWrite) {
            self.timers.set(SessionTimer::AppWrite, now + self.config.app_stall_timeout);
        }
    }

    fn app_write_progress(&mut self, now: Instant) {
        if self.app.unwritten {
            self.timers.set(SessionTimer::AppWrite, now + self.config.app_stall_timeout);
        }
    }

    fn app_write_drained(&mut self, now: Instant) {
        self.app.unwritten = false;
        self.timers.clear(SessionTimer::AppWrite);
        if let Some(since) = self.app.message_since.take() {
            let latency = now.duration_since(since);
            self.books.observe(Observation::Delivered { latency });
        }
        let blocked_since = self.app.blocked_since.take();
        if blocked_since.is_some() {
            self.books.unblocked(now, Side::App, blocked_since);
            for id in self.connections.ids().into_iter().flatten() {
                self.with(now, id, Connection::resume_verdicts);
            }
        }
    }

    /// The application has left its socket unread for too long; or we did not look.
    pub(super) fn app_write_deadline(&mut self, now: Instant, lateness: Duration) {
        if self.books.is_too_late(lateness) {
            return self.timers.set(SessionTimer::AppWrite, now + self.config.app_stall_timeout);
        }
        self.app_stalled(now);
    }

    fn app_stalled(&mut self, now: Instant) {
        if self.phase == Phase::Ending {
            return self.abandon_app(now);
        }
        self.record(Fact::AppStalled(AppStalled));
        // Before it is gone, which may be the end by itself.
        self.intent = Some(Intent::Abort(EndCause::AppStalled));
        self.abandon_app(now);
        self.pursue_intent(now);
    }

    /// Arms the next question whether the application is still there.
    pub(super) fn ask_app_later(&mut self, now: Instant) {
        if let Some(interval) = self.config.dialect.ping_interval() {
            self.timers.set(SessionTimer::AppPing, now + interval);
        }
    }

    /// The application is to be asked whether it is still there, or should have shown it by now. What
    /// we do not read is no evidence.
    pub(super) fn app_ping_due(&mut self, now: Instant, lateness: Duration) {
        if self.app.gone || self.app.eof || self.phase == Phase::Ending {
            return;
        }
        let Some(since) = self.app.ping_since else {
            self.app.ping_since = Some(now);
            self.deliver(now, AppFrame::Ping);
            return self.ask_app_later(now);
        };
        let is_evidence = !self.books.is_too_late(lateness) && self.wants_app_input();
        let since = if is_evidence { since } else { now };
        let patience = self.config.app_stall_timeout;
        if now.duration_since(since) >= patience {
            return self.app_stalled(now);
        }
        self.app.ping_since = Some(since);
        self.timers.set(SessionTimer::AppPing, since + patience);
    }
}

fn left_while_dialing() -> Refusal {
    let message = "the application closed its side before Deepgram was connected, so the dial was \
                   cancelled; send FINISH first to have what was sent transcribed";
    Refusal { connect: Some(Box::default()), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}
