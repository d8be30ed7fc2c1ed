//! Whether the other end is still there: evidence first, then a verdict.

use std::time::Duration;

use super::{Connection, Context, Event, State, Timer};
use crate::death::{Reason, Trigger};
use crate::fact::StallOutcome;
use crate::{Observation, Outgoing, millis};

impl Connection {
    /// Any sign of life.
    pub(super) fn received(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        self.last_receive = cx.now;
        self.timers.clear(Timer::Pong);
        self.arm_ping(cx);
        None
    }

    /// Asks for a sign of life after an interval without one.
    pub(super) fn arm_ping(&mut self, cx: &mut Context<'_>) {
        if self.state == State::Open && cx.is_reading {
            self.timers.set(Timer::Ping, cx.now + cx.config.ping_interval);
        }
    }

    pub(super) fn ping_due(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if self.is_write_blocked() {
            // Behind what waits it would measure the wait. The write deadline watches that.
            self.arm_ping(cx);
        } else {
            self.send(cx, Outgoing::Ping);
        }
        None
    }

    /// Asks for a sign of life now, unless one is due already.
    pub(in crate::machine) fn ask(&mut self, cx: &mut Context<'_>) {
        if self.state == State::Open && self.ping_written_at.is_none() {
            self.ping_due(cx);
        }
    }

    /// Whether no ping waits for its pong, written or not.
    pub(in crate::machine) fn has_answered_ping(&self) -> bool {
        self.ping_written_at.is_none() && self.unwritten.pings == 0
    }

    pub(super) fn pings_written(&mut self, cx: &mut Context<'_>, count: u64) {
        if count == 0 {
            return;
        }
        self.ping_written_at.get_or_insert(cx.now);
        if self.state == State::Open && cx.is_reading {
            self.timers.set(Timer::Pong, cx.now + cx.config.ping_timeout);
        }
    }

    pub(super) fn pong_received(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if let Some(written_at) = self.ping_written_at.take() {
            let round_trip = cx.now.duration_since(written_at);
            cx.books.observe(Observation::PingAnswered { round_trip });
        }
        self.received(cx)
    }

    pub(super) fn pong_deadline(
        &mut self,
        cx: &mut Context<'_>,
        lateness: Duration,
    ) -> Option<Event> {
        if cx.books.is_too_late(lateness) {
            return self.ping_due(cx);
        }
        let timeout = millis(cx.config.ping_timeout);
        let detail = format!("nothing received within {timeout} ms of a ping");
        Some(Event::Died { reason: Reason::PingTimeout, trigger: Trigger::Ping, detail })
    }

    pub(super) fn write_deadline(
        &mut self,
        cx: &mut Context<'_>,
        lateness: Duration,
    ) -> Option<Event> {
        // A Deepgram that cannot get rid of its results may stop reading as well.
        if !cx.is_reading || cx.books.is_too_late(lateness) {
            self.timers.set(Timer::Write, cx.now + cx.config.write_timeout);
            return None;
        }
        let timeout = millis(cx.config.write_timeout);
        let detail = format!("the kernel took nothing for {timeout} ms");
        Some(Event::Died { reason: Reason::WriteStalled, trigger: Trigger::Watchdog, detail })
    }

    /// The application does not read, so we do not: a pong that we do not read proves nothing.
    pub(in crate::machine) fn pause_verdicts(&mut self) {
        self.timers.clear(Timer::Pong);
        self.timers.clear(Timer::Ping);
    }

    /// The application reads again, and so do we: what could not reach us meanwhile is no evidence,
    /// so every wait for it begins anew.
    pub(in crate::machine) fn resume_verdicts(&mut self, cx: &mut Context<'_>) {
        self.arm_ping(cx);
        self.end_stall(cx, StallOutcome::Ended);
        self.ping_written_at = None;
        self.restart_finalizes(cx);
        if self.timers.is_running(Timer::Close) {
            self.timers.set(Timer::Close, cx.now + cx.config.finish_timeout);
        }
    }
}
