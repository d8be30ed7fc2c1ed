//! What the application does to the session.

use std::time::Instant;

use bytes::Bytes;

use super::{Closing, Intent, Output, Phase, Session, Timer};
use crate::fact::{AppStalled, EndCause, Fact, FinalizeSkipped, SkipCause};
use crate::{AppInput, ErrorCode, LossCause, Observation, Outgoing, Refusal, Side};

impl Session {
    /// The application sent something, or its socket's state changed.
    pub fn handle_app(&mut self, now: Instant, input: AppInput) {
        match input {
            AppInput::Audio(audio) => self.app_audio(now, audio),
            AppInput::Text(text) => self.app_text(now, text),
            AppInput::Finalize { channel } => self.app_finalize(now, channel),
            AppInput::Finish => self.app_finish(now),
            AppInput::Update => self.app_update(),
            AppInput::Breach(refusal) => self.app_breach(now, *refusal),
            AppInput::Eof => self.app_eof(now),
            AppInput::WriteFailed => self.app_gone(now),
            AppInput::WriteBlocked => self.app_write_blocked(now),
            AppInput::WriteProgress => self.app_write_progress(now),
            AppInput::WriteDrained => self.app_write_drained(now),
        }
    }

    fn app_audio(&mut self, now: Instant, audio: Bytes) {
        self.ledger.receive(audio.len() as u64);
        if audio.is_empty() {
            self.counts.drops.empty_frames += 1;
            return self.ledger.drop_empty();
        }
        match self.phase {
            _ if self.intent.is_some() => self.drop_audio(&audio, LossCause::AfterFinish),
            Phase::Open => {
                self.timers.clear(Timer::Prime);
                self.send(now, Outgoing::Audio(audio));
            }
            Phase::Dialing | Phase::Closing(_) => self.backlog.push(Outgoing::Audio(audio)),
            Phase::Parked => {
                self.backlog.push(Outgoing::Audio(audio));
                self.dial(now);
            }
            Phase::Latched | Phase::Ending => self.drop_audio(&audio, LossCause::Dead),
        }
    }

    fn drop_audio(&mut self, audio: &Bytes, cause: LossCause) {
        self.ledger.drop_frames(1, audio.len() as u64, cause);
    }

    fn app_text(&mut self, now: Instant, text: Bytes) {
        match self.phase {
            _ if self.intent.is_some() => self.counts.drops.texts += 1,
            Phase::Open => self.send(now, Outgoing::Text(text)),
            Phase::Dialing | Phase::Closing(_) => self.backlog.push(Outgoing::Text(text)),
            // It is kept for the connection that the next audio opens, or that it opens itself when
            // there is no room for that audio.
            Phase::Parked => {
                self.backlog.push(Outgoing::Text(text));
                if self.backlog.is_full() {
                    self.dial(now);
                }
            }
            Phase::Latched | Phase::Ending => self.counts.drops.texts += 1,
        }
    }

    /// It changes nothing in this build; after FINISH it is counted like the other frames.
    fn app_update(&mut self) {
        if self.intent.is_some() {
            self.counts.drops.updates += 1;
        }
    }

    fn app_finalize(&mut self, now: Instant, channel: Option<u64>) {
        self.counts.finalizes_requested += 1;
        match self.phase {
            Phase::Latched => self.skip_finalizes(1, SkipCause::Dead),
            _ if self.intent.is_some() => self.skip_finalizes(1, SkipCause::Superseded),
            Phase::Open => self.send(now, Outgoing::Finalize { channel }),
            Phase::Dialing => self.backlog.push(Outgoing::Finalize { channel }),
            // Closing the stream has flushed it, and nothing has been sent since.
            Phase::Parked | Phase::Ending => self.skip_finalizes(1, SkipCause::Superseded),
            Phase::Closing(_) if self.backlog.has_audio() => {
                self.backlog.push(Outgoing::Finalize { channel });
            }
            Phase::Closing(_) => self.skip_finalizes(1, SkipCause::Superseded),
        }
    }

    pub(super) fn skip_finalizes(&mut self, count: u64, cause: SkipCause) {
        if count > 0 {
            self.record(Fact::FinalizeSkipped(FinalizeSkipped { count, cause }));
        }
        if cause == SkipCause::Dead {
            self.counts.finalizes.skipped_dead += count;
        }
    }

    fn app_finish(&mut self, now: Instant) {
        if self.intent.is_none() {
            self.intent = Some(Intent::Finish);
            self.pursue_intent(now);
        }
    }

    fn app_breach(&mut self, now: Instant, refusal: Refusal) {
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
        if self.phase == Phase::Dialing && !self.app.opened && self.intent.is_none() {
            self.deliver_error(now, left_while_dialing());
        }
        self.app_left(now);
    }

    /// The application will send nothing more: without FINISH that ends the session.
    fn app_left(&mut self, now: Instant) {
        if self.intent.is_none() {
            self.intent = Some(Intent::Abort(EndCause::AppLeft));
            self.pursue_intent(now);
        }
    }

    pub(super) fn abandon_app(&mut self, now: Instant) {
        self.app_gone(now);
        self.outputs.push_back(Output::AbandonApp);
    }

    fn app_gone(&mut self, now: Instant) {
        let blocked_since = self.app.blocked_since.take();
        self.unblocked(now, Side::App, blocked_since);
        self.app.message_since = None;
        self.app.gone = true;
        self.app.unwritten = false;
        self.timers.clear(Timer::AppWrite);
    }

    /// Takes the next step towards the end that [`Intent`] asks for.
    fn pursue_intent(&mut self, now: Instant) {
        let abort = matches!(self.intent, Some(Intent::Abort(_)));
        match self.phase {
            Phase::Open => self.close_when_sent(now),
            Phase::Dialing if abort => self.end_unconnected(now, LossCause::AppGone),
            // CloseStream is out. If audio waits for the next connection, that one is still dialled.
            Phase::Closing(Closing::Park) if abort || !self.backlog.has_audio() => {
                self.phase = Phase::Closing(Closing::End);
            }
            Phase::Dialing | Phase::Closing(_) | Phase::Ending => {}
            Phase::Parked | Phase::Latched => self.end(now),
        }
    }

    fn app_write_blocked(&mut self, now: Instant) {
        self.app.blocked_since.get_or_insert(now);
        // A pong that we do not read proves nothing.
        self.timers.clear(Timer::Pong);
        self.timers.clear(Timer::Ping);
    }

    fn app_write_progress(&mut self, now: Instant) {
        if self.app.unwritten {
            self.timers.set(Timer::AppWrite, now + self.config.app_stall_timeout);
        }
    }

    fn app_write_drained(&mut self, now: Instant) {
        self.app.unwritten = false;
        self.timers.clear(Timer::AppWrite);
        if let Some(since) = self.app.message_since.take() {
            let latency = now.duration_since(since);
            self.observe(Observation::Delivered { latency });
        }
        let blocked_since = self.app.blocked_since.take();
        if blocked_since.is_some() {
            self.unblocked(now, Side::App, blocked_since);
            self.resume_verdicts(now);
        }
    }

    /// The application has left its socket unread for too long.
    pub(super) fn app_write_deadline(&mut self, now: Instant) {
        self.abandon_app(now);
        if self.phase == Phase::Ending {
            return;
        }
        self.record(Fact::AppStalled(AppStalled));
        self.intent = Some(Intent::Abort(EndCause::AppStalled));
        self.pursue_intent(now);
    }
}

fn left_while_dialing() -> Refusal {
    let message = "the application closed its side before Deepgram was connected, so the dial was \
                   cancelled; send FINISH first to have what was sent transcribed";
    Refusal { connect: Some(Box::default()), ..Refusal::new(ErrorCode::ConnectFailed, message) }
}
