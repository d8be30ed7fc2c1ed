//! When a keepalive is due, when its budget is spent, and how a fresh connection is primed.
//!
//! The machine is the only sender of keepalives. The deadline is exact: the interval after the
//! last message that the kernel took, from the moment the connection is up.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Closing, Phase, Session, Timer};
use crate::fact::{Fact, KeepaliveBlocked};
use crate::{Outgoing, Written};

/// How much priming silence goes out at a time, at the pace of real time.
const PRIME_STEP: Duration = Duration::from_millis(100);

impl Session {
    /// Starts the keepalive clock anew. None is sent after CloseStream.
    pub(super) fn arm_keepalive(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.timers.set(Timer::Keepalive, now + self.config.keepalive_interval);
            if self.timers.get(Timer::Park).is_none() {
                self.arm_parking();
            }
        }
    }

    /// Starts the keepalive budget anew.
    pub(super) fn arm_parking(&mut self) {
        if let (Phase::Open, Some(max_idle)) = (self.phase, self.config.keepalive_max_idle) {
            self.timers.set(Timer::Park, self.idle_since + max_idle);
        }
    }

    pub(super) fn keepalive_due(&mut self, now: Instant, lateness: Duration) {
        let Some(connection) = &mut self.connection else { return };
        if connection.unwritten.is_activity() {
            // What waits will start the clock anew when it goes out, and if it does not, the write
            // deadline speaks. A keepalive behind it could help neither.
            self.record(Fact::KeepaliveBlocked(KeepaliveBlocked));
        } else {
            connection.keepalive_lateness = Some(lateness);
            self.send(now, Outgoing::KeepAlive);
        }
    }

    /// The budget is spent: Deepgram is asked to close, and the next audio reopens.
    pub(super) fn park(&mut self, now: Instant) {
        self.close_stream(now, Closing::Park);
    }

    /// Begins priming, if that is configured, nothing else is about to be sent, and the encoding
    /// says what silence is.
    pub(super) fn arm_priming(&mut self, now: Instant) {
        let wanted = self.config.prime_silence > Duration::ZERO && self.config.audio.is_some();
        if wanted && !self.backlog.has_audio() && self.intent.is_none() {
            self.timers.set(Timer::Prime, now);
        }
    }

    pub(super) fn prime_due(&mut self, now: Instant) {
        let (Some(connection), Some(format)) = (&mut self.connection, self.config.audio) else {
            return;
        };
        let left = format.bytes(self.config.prime_silence).saturating_sub(connection.silence_bytes);
        let step = left.min(format.bytes(PRIME_STEP));
        if step == 0 {
            return;
        }
        self.timers.set(Timer::Prime, now + PRIME_STEP);
        if connection.unwritten == Written::default() {
            connection.silence_bytes += step;
            let length = usize::try_from(step).expect("a step is 100 ms of audio");
            self.send(now, Outgoing::Silence(Bytes::from(vec![format.silence; length])));
        }
    }
}
