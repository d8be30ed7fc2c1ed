//! What the kernel has taken: what that means for the clocks, the books and the figures.

use std::time::{Duration, Instant};

use super::{FirstAudio, Phase, Session, Timer};
use crate::death::{Reason, Trigger};
use crate::fact::{
    Fact, FinalizeAnswered, GapLevel, KeepaliveGap, KeepaliveSent, TranscriptStalled,
};
use crate::{Event, Observation, Side, Written, millis};

/// A pause between two sends from which on it is worth measuring; streaming has none.
const GAP_NOTICED: Duration = Duration::from_millis(500);

impl Session {
    /// The kernel has all that was sent.
    pub(super) fn written(&mut self, now: Instant, written: Written) {
        let Some(connection) = &mut self.connection else { return };
        connection.unwritten = Written::default();
        connection.unwritten_bytes = 0;
        let blocked_since = connection.blocked_since.take();
        self.unblocked(now, Side::Upstream, blocked_since);
        self.timers.clear(Timer::Write);
        self.counts.written.merge(&written);
        self.ledger.send(written.audio_frames, written.audio_bytes);
        self.pings_written(now, written.pings);
        self.finalizes_written(now, written.finalizes);
        self.keepalives_written(written.keepalives);
        if written.is_activity() {
            self.sent(now);
        }
        if written.audio_frames + written.texts + written.finalizes > 0 {
            self.idle_since = now;
            self.arm_parking();
        }
        self.close_written(written.close_streams > 0);
        if written.audio_frames > 0 {
            self.audio_written(now);
        }
        if self.phase == Phase::Open && !self.backlog.is_empty() {
            self.send_backlog(now);
        }
    }

    /// A text or binary message is with the kernel: the keepalive clock starts anew.
    fn sent(&mut self, now: Instant) {
        self.end_gap(now);
        if let Some(connection) = &mut self.connection {
            connection.last_send = now;
            self.arm_keepalive(now);
        }
    }

    /// The silence since the last send is over, by a send or by the connection's death.
    pub(super) fn end_gap(&mut self, now: Instant) {
        let Some(connection) = &self.connection else { return };
        let gap = now.duration_since(connection.last_send);
        self.counts.send_gap_max = self.counts.send_gap_max.max(gap);
        self.segment.send_gap_max = self.segment.send_gap_max.max(gap);
        if gap >= GAP_NOTICED {
            self.observe(Observation::SendGap { gap });
        }
        if let Some(level) = GapLevel::of(gap) {
            self.record(Fact::KeepaliveGap(KeepaliveGap { gap, level }));
        }
    }

    fn keepalives_written(&mut self, count: u64) {
        let Some(connection) = &mut self.connection else { return };
        let lateness = connection.keepalive_lateness.take().unwrap_or_default();
        self.counts.keepalives += count;
        if count > 0 {
            let endpoint = self.config.endpoint;
            self.record(Fact::KeepaliveSent(KeepaliveSent { endpoint, lateness }));
        }
    }

    fn finalizes_written(&mut self, now: Instant, count: u64) {
        let Some(connection) = &mut self.connection else { return };
        let answered = std::mem::take(&mut connection.finalizes_answered_early).min(count);
        self.counts.finalizes.sent += count;
        if count > answered {
            connection.finalizes.push(now, count - answered);
            if self.timers.get(Timer::Finalize).is_none() {
                self.timers.set(Timer::Finalize, now + self.config.finalize_timeout);
            }
        }
        if answered > 0 {
            let latency = Duration::ZERO;
            self.record(Fact::FinalizeAnswered(FinalizeAnswered { latency, count: answered }));
        }
    }

    fn close_written(&mut self, close_stream: bool) {
        if let Some(connection) = &mut self.connection {
            connection.close_written |= close_stream;
        }
    }

    fn audio_written(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        connection.audio_sent = true;
        if self.first_audio == FirstAudio::NotSent {
            self.first_audio = FirstAudio::SentAt(now);
        }
        if self.phase != Phase::Open || self.app.blocked_since.is_some() {
            return;
        }
        if let Some(silent) = connection.stall.audio_written(now, self.config.stall_after) {
            self.record(Fact::TranscriptStalled(TranscriptStalled { silent }));
            self.deliver_event(now, Event::Stalled { silent_ms: millis(silent) });
            if self.config.kill_stalled {
                let detail = format!("no message for {} ms of audio", millis(silent));
                self.die(now, Reason::StalledTranscript, Trigger::Watchdog, detail);
            }
        }
    }

    pub(super) fn write_progress(&mut self, now: Instant) {
        if self.timers.get(Timer::Write).is_some() {
            self.timers.set(Timer::Write, now + self.config.write_timeout);
        }
    }
}
