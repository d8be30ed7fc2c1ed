//! What Deepgram says: in the books, as figures, and on its way to the application.

use bytes::Bytes;

use super::stream::Window;
use super::{Connection, Context, Event, Timer};
use crate::close::DeepgramError;
use crate::counts::Count;
use crate::fact::{BinaryDropped, Fact, StallOutcome, UpstreamError};
use crate::{MessageKind, Observation, TimeMap};

impl Connection {
    pub(super) fn message(
        &mut self,
        cx: &mut Context<'_>,
        text: Bytes,
        kind: MessageKind,
    ) -> Event {
        self.received(cx);
        self.end_stall(cx, StallOutcome::Recovered);
        self.spoken = true;
        self.answered |= kind.is_answer();
        self.timers.clear(Timer::Prime);
        cx.books.counts[Count::Messages] += 1;
        let times = self.times(cx);
        self.observe(cx, kind, &times);
        self.account(cx, kind);
        self.await_close(cx);
        Event::Message { text, kind, times }
    }

    /// Deepgram's voice, where it has one.
    pub(super) fn binary(&mut self, cx: &mut Context<'_>, payload: Bytes) -> Option<Event> {
        self.received(cx);
        if !cx.config.endpoint.traits().speaks {
            cx.books.record(Fact::BinaryDropped(BinaryDropped { bytes: payload.len() }));
            return None;
        }
        self.spoken = true;
        cx.books.counts[Count::BinaryMessages] += 1;
        cx.books.counts[Count::BinaryBytes] += payload.len() as u64;
        self.await_close(cx);
        Some(Event::Binary { payload })
    }

    /// Deepgram refuses something, or says what it will die of.
    pub(super) fn error_message(
        &mut self,
        cx: &mut Context<'_>,
        text: Bytes,
        error: Box<DeepgramError>,
    ) -> Event {
        let DeepgramError { code, description } = (*error).clone();
        cx.books.record(Fact::UpstreamError(UpstreamError { code, description }));
        self.error = Some((cx.now, error));
        self.message(cx, text, MessageKind::Error)
    }

    /// What the connection's times mean now.
    fn times(&self, cx: &Context<'_>) -> TimeMap {
        let Some(format) = cx.config.audio else {
            return TimeMap::of_unknown_audio(self.base.processed);
        };
        let lead = format.samples(self.stream.lead());
        TimeMap {
            rate: format.sample_rate,
            lead,
            known: lead,
            base: format.samples(self.base.position),
            joints: cx.books.joints.clone(),
        }
    }

    /// Tells how late a message is, before it enters the books.
    fn observe(&mut self, cx: &mut Context<'_>, kind: MessageKind, times: &TimeMap) {
        let mut observed = (None, None);
        if let MessageKind::Results { end, .. } | MessageKind::TurnInfo { end, .. } = kind {
            self.stream.result(end);
            let is_of_audio = !times.is_of_lead_alone(kind);
            let waited = is_of_audio.then(|| cx.books.first_audio.answer(cx.now)).flatten();
            observed = (self.stream.lag(cx.config.audio, end), waited);
        }
        let (lag, first_result) = observed;
        cx.books.observe(Observation::Message { kind, lag, first_result });
    }

    /// Enters a message into the books.
    fn account(&mut self, cx: &mut Context<'_>, kind: MessageKind) {
        match kind {
            MessageKind::Results { start, is_final, from_finalize, end, channel, channels } => {
                if is_final {
                    self.finalize(cx, Window { start: Some(start), end, channel, channels });
                }
                if from_finalize {
                    self.finalize_answered(cx);
                }
            }
            MessageKind::TurnInfo { end_of_turn: true, end } => {
                self.finalize(cx, Window { start: None, end, channel: 0, channels: 1 });
            }
            // Before CloseStream it is the first half of a timeout.
            MessageKind::Metadata { processed } if self.close_written => {
                self.metadata = Some(processed);
            }
            MessageKind::Configured => self.texts_read += 1,
            MessageKind::TurnInfo { end_of_turn: false, .. }
            | MessageKind::Metadata { .. }
            | MessageKind::SpeechStarted { .. }
            | MessageKind::UtteranceEnd { .. }
            | MessageKind::Error
            | MessageKind::Other => {}
        }
    }

    /// Text is final.
    fn finalize(&mut self, cx: &mut Context<'_>, window: Window) {
        cx.books.counts[Count::Finals] += 1;
        if let Some(format) = cx.config.audio {
            let bytes = self.stream.finalize(format, window);
            cx.books.ledger.finalize(bytes);
        }
    }
}
