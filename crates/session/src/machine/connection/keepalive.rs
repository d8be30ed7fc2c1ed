//! When a keepalive is due, when its budget is spent, and how a fresh connection is primed.
//!
//! The machine is the only sender of keepalives. The deadline is exact: the interval after the
//! last message that the kernel took, from the moment the connection is up.

use std::time::Duration;

use bytes::Bytes;

use super::{Connection, Context, Event, State, Timer};
use crate::fact::{Fact, KeepaliveBlocked};
use crate::{Outgoing, Written};

/// How much priming silence goes out at a time, at the pace of real time.
const PRIME_STEP: Duration = Duration::from_millis(100);

impl Connection {
    /// Starts the keepalive clock anew. None is sent after CloseStream.
    pub(super) fn arm_keepalive(&mut self, cx: &mut Context<'_>) {
        if self.state == State::Open {
            if self.owes_keepalives(cx) {
                let keepalive_max = cx.config.endpoint.traits().keepalive_max;
                let interval = cx.config.keepalive_interval.min(keepalive_max);
                self.timers.set(Timer::Keepalive, cx.now + interval);
            }
            if !self.timers.is_running(Timer::Park) {
                self.arm_parking(cx);
            }
        }
    }

    /// Whether it is kept alive: not where nothing needs to, nor before what must come first.
    pub(super) fn owes_keepalives(&self, cx: &Context<'_>) -> bool {
        let traits = cx.config.endpoint.traits();
        let is_early = traits.begins_with_text && !self.text_written;
        traits.keepalive.is_some() && !is_early
    }

    /// Starts the keepalive budget anew.
    pub(super) fn arm_parking(&mut self, cx: &mut Context<'_>) {
        let max_idle = cx.config.keepalive_max_idle;
        let max_idle = max_idle.filter(|_| cx.config.endpoint.traits().transcribes);
        if let (State::Open, Some(max_idle)) = (self.state, max_idle) {
            self.timers.set(Timer::Park, self.active_at + max_idle);
        }
    }

    pub(super) fn keepalive_due(
        &mut self,
        cx: &mut Context<'_>,
        lateness: Duration,
    ) -> Option<Event> {
        if self.unwritten.is_activity() {
            // What waits will start the clock anew when it goes out, and if it does not, the write
            // deadline speaks. A keepalive behind it could help neither.
            cx.books.record(Fact::KeepaliveBlocked(KeepaliveBlocked));
        } else {
            self.keepalive_lateness = Some(lateness);
            self.send(cx, Outgoing::KeepAlive);
        }
        None
    }

    /// Begins priming, if that is configured and the encoding says what silence is. Audio ends it.
    pub(in crate::machine) fn prime(&mut self, cx: &mut Context<'_>) {
        if cx.config.prime_silence > Duration::ZERO && cx.config.audio.is_some() {
            self.timers.set(Timer::Prime, cx.now);
        }
    }

    /// Sends what is not the application's live audio, and goes ahead of it.
    pub(in crate::machine) fn send_lead(&mut self, cx: &mut Context<'_>, lead: Bytes) {
        self.stream.send_lead(lead.len() as u64);
        self.send(cx, Outgoing::Lead(lead));
    }

    /// That nothing is sent is meant: the budget begins anew.
    pub(in crate::machine) fn stay(&mut self, cx: &mut Context<'_>) {
        self.active_at = cx.now;
        self.arm_parking(cx);
    }

    pub(super) fn prime_due(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        let format = cx.config.audio?;
        let left = format.bytes(cx.config.prime_silence).saturating_sub(self.stream.lead());
        let step = left.min(format.bytes(PRIME_STEP));
        if step == 0 {
            return None;
        }
        self.timers.set(Timer::Prime, cx.now + PRIME_STEP);
        if self.unwritten == Written::default() {
            self.send_lead(cx, format.silence(step));
        }
        None
    }
}
