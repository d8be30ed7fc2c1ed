//! What the kernel has taken: what that means for the clocks, the books and the figures.

use std::time::{Duration, Instant};

use super::super::books::FirstAudio;
use super::{Connection, Context, Event, State, Timer};
use crate::counts::{Count, Counted};
use crate::fact::{Fact, GapLevel, KeepaliveGap, KeepaliveSent};
use crate::{Observation, Side, Written};

/// A pause between two sends from which on it is worth measuring; streaming has none.
const GAP_NOTICED: Duration = Duration::from_millis(500);

/// A pause between two sends from which on Deepgram's idle timeout is our doing.
pub(super) const GAP_LONG: Duration = Duration::from_secs(9);

impl Connection {
    /// The kernel has all that was sent.
    pub(super) fn written(&mut self, cx: &mut Context<'_>, written: Written) -> Event {
        self.unwritten = Written::default();
        self.unwritten_bytes = 0;
        cx.books.unblocked(cx.now, Side::Upstream, self.blocked_since.take());
        self.timers.clear(Timer::Write);
        count(&mut cx.books.counts, &written);
        self.audio_sent_on(cx, &written);
        self.pings_written(cx, written.pings);
        self.finalizes_written(cx, written.finalizes, written.finalizes_again);
        self.keepalives_written(cx, written.keepalives);
        if written.is_activity() {
            self.sent(cx, &written);
        }
        if written.has_audio() || written.texts + written.finalizes > 0 {
            self.active_at = cx.now;
            self.arm_parking(cx);
        }
        self.close_written |= written.close_streams > 0;
        let stalled = if written.has_audio() { self.audio_written(cx) } else { None };
        Event::Written { stalled }
    }

    fn audio_sent_on(&mut self, cx: &mut Context<'_>, written: &Written) {
        let messages = written.audio_frames + written.replays;
        cx.books.ledger.send(written.audio_frames, written.audio_bytes);
        cx.books.ledger.finalize(self.stream.send(messages, written.all_audio_bytes()));
    }

    /// Deepgram has answered what was not known to be with the kernel: it has been.
    pub(in crate::machine) fn take_answered_as_written(&mut self, cx: &mut Context<'_>) {
        let answered = self.unwritten.take_audio(self.stream.answered_early());
        self.audio_sent_on(cx, &answered);
        let count = self.finalizes.answered_early();
        let again = count.min(self.unwritten.finalizes_again);
        self.unwritten.finalizes -= count;
        self.unwritten.finalizes_again -= again;
        self.finalizes_written(cx, count, again);
    }

    /// A text or binary message is with the kernel: the keepalive clock starts anew.
    fn sent(&mut self, cx: &mut Context<'_>, written: &Written) {
        self.end_gap(cx);
        self.text_written |= written.texts > 0;
        self.last_send = cx.now;
        self.arm_keepalive(cx);
    }

    /// The silence since the last send is over, by a send or by the connection's death. Where nothing
    /// was to be sent it is no gap.
    pub(super) fn end_gap(&mut self, cx: &mut Context<'_>) {
        if !self.owes_keepalives(cx) {
            return;
        }
        let gap = cx.now.duration_since(self.last_send);
        cx.books.send_gap_max = cx.books.send_gap_max.max(gap);
        cx.books.segment.send_gap_max = cx.books.segment.send_gap_max.max(gap);
        if gap >= GAP_NOTICED {
            cx.books.observe(Observation::SendGap { gap });
        }
        if gap >= GAP_LONG {
            self.long_gap = Some((cx.now, gap));
        }
        if let Some(level) = GapLevel::of(gap) {
            cx.books.record(Fact::KeepaliveGap(KeepaliveGap { gap, level }));
        }
    }

    fn keepalives_written(&mut self, cx: &mut Context<'_>, count: u64) {
        let lateness = self.keepalive_lateness.take().unwrap_or_default();
        cx.books.counts[Count::Keepalives] += count;
        if count > 0 {
            let endpoint = cx.config.endpoint;
            cx.books.record(Fact::KeepaliveSent(KeepaliveSent { endpoint, lateness }));
        }
    }

    /// Tells for how long nothing has come out if that is a stall.
    fn audio_written(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        self.audio_sent = true;
        if cx.books.first_audio == FirstAudio::NotSent {
            cx.books.first_audio = FirstAudio::SentAt(cx.now);
        }
        let transcribes = cx.config.endpoint.traits().transcribes;
        let is_due = transcribes && !cx.config.results_elsewhere && cx.is_reading;
        let is_watched = self.state == State::Open && is_due;
        if is_watched { self.stall.audio_written(cx.now, cx.config.stall_after) } else { None }
    }

    pub(super) fn write_blocked(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        self.blocked_since.get_or_insert(cx.now);
        None
    }

    pub(super) fn write_progress(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if self.timers.is_running(Timer::Write) {
            self.timers.set(Timer::Write, cx.now + cx.config.write_timeout);
        }
        None
    }

    /// Since the last send, for its books at its end.
    pub(super) fn send_age(&self, now: Instant) -> Duration {
        now.duration_since(self.last_send)
    }
}

/// Keepalives and Finalizes are counted with what follows from them.
fn count(counts: &mut Counted, written: &Written) {
    counts[Count::FramesSent] += written.audio_frames;
    counts[Count::TextsSent] += written.texts;
    counts[Count::CloseStreamsSent] += written.close_streams;
    counts[Count::PingsSent] += written.pings;
}
