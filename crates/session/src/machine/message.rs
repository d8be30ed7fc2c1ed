//! What Deepgram says: its messages on their way to the application, in the books, and as figures.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{FirstAudio, Session, Timer};
use crate::fact::{Fact, FinalizeAnswered, FinalizeTimedOut, StallOutcome};
use crate::{AppFrame, MessageKind, Observation, TimeMap};

impl Session {
    pub(super) fn message(&mut self, now: Instant, text: Bytes, kind: MessageKind) {
        self.received(now);
        self.end_stall(now, StallOutcome::Recovered);
        let Some(connection) = &mut self.connection else { return };
        connection.answered = true;
        let lead =
            self.config.audio.map_or(Duration::ZERO, |it| it.duration(connection.silence_bytes));
        self.timers.clear(Timer::Prime);
        self.counts.messages.received += 1;
        self.observe_message(now, kind);
        self.account_message(now, kind, lead);
        if self.app.breached || self.app.gone {
            self.counts.drops.messages += 1;
            return;
        }
        if !kind.is_of_lead_alone(lead) {
            self.deliver(now, AppFrame::Message { text, times: TimeMap { lead } });
        }
    }

    /// Enters a message into the books. `lead` is how far Deepgram's clock is ahead.
    fn account_message(&mut self, now: Instant, kind: MessageKind, lead: Duration) {
        match kind {
            MessageKind::Results { is_final, from_finalize, end, channel, channels } => {
                if is_final {
                    self.counts.messages.finals += 1;
                    self.ledger.finalize(end.saturating_sub(lead), channel, channels);
                }
                if from_finalize {
                    self.finalize_answered(now);
                }
            }
            MessageKind::TurnInfo { end_of_turn: true, end } => {
                self.counts.messages.finals += 1;
                self.ledger.finalize(end.saturating_sub(lead), 0, 1);
            }
            MessageKind::Metadata => {
                if let Some(connection) = &mut self.connection {
                    connection.metadata_received |= connection.close_written;
                }
            }
            MessageKind::TurnInfo { end_of_turn: false, .. }
            | MessageKind::SpeechStarted
            | MessageKind::UtteranceEnd
            | MessageKind::Error
            | MessageKind::Other => {}
        }
    }

    fn finalize_answered(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if let Some((count, latency)) = connection.finalizes.answer(now) {
            self.timers.clear(Timer::Finalize);
            self.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count }));
        } else {
            // The kernel has taken it and not yet all that went along with it.
            connection.finalizes_answered_early = connection.unwritten.finalizes;
        }
    }

    pub(super) fn finalize_deadline(&mut self, now: Instant) {
        let timeout = self.config.finalize_timeout;
        if !self.wants_upstream_input() {
            // Its answer may lie unread behind what the application does not take.
            return self.timers.set(Timer::Finalize, now + timeout);
        }
        let Some(connection) = &mut self.connection else { return };
        let count = connection.finalizes.expire(now, timeout);
        if let Some(deadline) = connection.finalizes.deadline(timeout) {
            self.timers.set(Timer::Finalize, deadline);
        }
        if count > 0 {
            self.counts.finalizes.timeouts += count;
            self.record(Fact::FinalizeTimedOut(FinalizeTimedOut { waited: timeout, count }));
        }
    }

    /// Tells how late a message is, before it enters the books.
    fn observe_message(&mut self, now: Instant, kind: MessageKind) {
        let mut observed = (None, None);
        if let MessageKind::Results { end, .. } | MessageKind::TurnInfo { end, .. } = kind {
            if let Some(connection) = &mut self.connection {
                connection.result_end = connection.result_end.max(end);
            }
            observed = (self.lag_behind(end), self.first_result(now));
        }
        let (lag, first_result) = observed;
        self.observe(Observation::Message { kind, lag, first_result });
    }

    fn first_result(&mut self, now: Instant) -> Option<Duration> {
        let FirstAudio::SentAt(sent_at) = self.first_audio else { return None };
        self.first_audio = FirstAudio::Answered;
        Some(now.duration_since(sent_at))
    }

    /// How far the latest result is behind the audio that was sent on its connection.
    pub(super) fn lag(&self) -> Option<Duration> {
        self.connection.as_ref().and_then(|it| self.lag_behind(it.result_end))
    }

    /// How far `end`, in a connection's time, is behind what was sent on it.
    fn lag_behind(&self, end: Duration) -> Option<Duration> {
        let connection = self.connection.as_ref()?;
        let sent = self.ledger.stream_bytes() + connection.silence_bytes;
        Some(self.config.audio?.duration(sent).saturating_sub(end))
    }
}
