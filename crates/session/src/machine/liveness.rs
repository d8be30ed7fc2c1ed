//! Whether the other end is still there: evidence first, then a verdict.

use std::time::{Duration, Instant};

use super::{Phase, Session, Timer};
use crate::death::{Reason, Trigger};
use crate::fact::{Fact, StallOutcome, TimerLate};
use crate::{Observation, Outgoing, millis};

/// A verdict that comes later than this says more about our own pause (CPU throttling, a stopped
/// process) than about the peer, so it is put off until a fresh probe has had its time.
const LATENESS_MAX: Duration = Duration::from_secs(1);

impl Session {
    /// Asks for a sign of life after an interval without one.
    pub(super) fn arm_ping(&mut self, now: Instant) {
        if self.phase == Phase::Open && self.wants_upstream_input() {
            self.timers.set(Timer::Ping, now + self.config.ping_interval);
        }
    }

    pub(super) fn ping_due(&mut self, now: Instant) {
        let Some(connection) = &self.connection else { return };
        if connection.is_write_blocked() {
            // Behind what waits it would measure the wait. The write deadline watches that.
            self.arm_ping(now);
        } else {
            self.send(now, Outgoing::Ping);
        }
    }

    pub(super) fn pings_written(&mut self, now: Instant, count: u64) {
        if count > 0
            && let Some(connection) = &mut self.connection
        {
            connection.ping_written_at.get_or_insert(now);
        }
        if count > 0 && self.phase == Phase::Open && self.wants_upstream_input() {
            self.timers.set(Timer::Pong, now + self.config.ping_timeout);
        }
    }

    pub(super) fn pong_received(&mut self, now: Instant) {
        let connection = self.connection.as_mut();
        if let Some(written_at) = connection.and_then(|it| it.ping_written_at.take()) {
            let round_trip = now.duration_since(written_at);
            self.observe(Observation::PingAnswered { round_trip });
        }
        self.received(now);
    }

    pub(super) fn pong_deadline(&mut self, now: Instant, lateness: Duration) {
        if self.is_too_late(lateness) {
            self.ping_due(now);
        } else {
            let timeout = millis(self.config.ping_timeout);
            let detail = format!("nothing received within {timeout} ms of a ping");
            self.die(now, Reason::PingTimeout, Trigger::Ping, detail);
        }
    }

    pub(super) fn write_deadline(&mut self, now: Instant, lateness: Duration) {
        // A Deepgram that cannot get rid of its results may stop reading as well.
        if !self.wants_upstream_input() || self.is_too_late(lateness) {
            self.timers.set(Timer::Write, now + self.config.write_timeout);
        } else {
            let timeout = millis(self.config.write_timeout);
            let detail = format!("the kernel took nothing for {timeout} ms");
            self.die(now, Reason::WriteStalled, Trigger::Watchdog, detail);
        }
    }

    /// The application reads again, and so do we: what could not reach us meanwhile is no evidence,
    /// so every wait for it begins anew.
    pub(super) fn resume_verdicts(&mut self, now: Instant) {
        self.arm_ping(now);
        self.end_stall(now, StallOutcome::Ended);
        let Some(connection) = &mut self.connection else { return };
        connection.ping_written_at = None;
        connection.finalizes.restart(now);
        if self.timers.get(Timer::Finalize).is_some() {
            self.timers.set(Timer::Finalize, now + self.config.finalize_timeout);
        }
        if self.timers.get(Timer::Close).is_some() {
            self.timers.set(Timer::Close, now + self.config.finish_timeout);
        }
    }

    fn is_too_late(&mut self, lateness: Duration) -> bool {
        let late = lateness > LATENESS_MAX;
        if late {
            self.record(Fact::TimerLate(TimerLate { lateness }));
        }
        late
    }
}
