//! The queue of dials: what holds it back.

use std::time::Duration;

use tracing::Level;

use super::Emit;
use super::line::LogLine;
use crate::telemetry::Telemetry;
use session::dial::{Blocker, DialFailure, Release};
use session::members::{Members, Visitor};

/// Nothing is dialled for a while: too many dials in a row have failed, or the credential was
/// refused.
#[derive(Clone, Copy, Debug)]
pub struct DialsHeld<'a> {
    /// The latest symptom.
    pub failure: &'a DialFailure,
    pub blocker: Blocker,
    /// Until the next probe.
    pub hold: Duration,
    /// How many probes have failed.
    pub probes: u32,
    /// Whether operators do not know it yet.
    pub is_news: bool,
}

impl Members for DialsHeld<'_> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.blocker);
        visitor.word(self.failure.reason);
        visitor.member("status", self.failure.status);
        visitor.member("detail", &self.failure.detail);
        visitor.member("hold_ms", self.hold);
        visitor.member("probes", self.probes);
    }
}

impl Emit for DialsHeld<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        show(telemetry, Some(self.blocker));
        let level = match self.blocker {
            // Each probe that fails is the same story.
            _ if !self.is_news => Level::DEBUG,
            Blocker::CredentialRefused | Blocker::OwnResources => Level::ERROR,
            Blocker::UpstreamBusy | Blocker::UpstreamBroken => Level::WARN,
        };
        LogLine::at(level, "dials to Deepgram are held back for all sessions; one will probe")
            .write("dials_held", self);
    }
}

/// Dials are no longer held back.
#[derive(Clone, Copy, Debug)]
pub struct DialsReleased {
    pub release: Release,
    pub blocker: Blocker,
    /// For how long they were.
    pub held: Duration,
}

impl Members for DialsReleased {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.release);
        visitor.word(self.blocker);
        visitor.member("held_ms", self.held);
    }
}

impl Emit for DialsReleased {
    fn emit(&self, telemetry: &Telemetry) {
        show(telemetry, None);
        let line = match self.release {
            Release::Lifted => LogLine::info("dials to Deepgram are no longer held back"),
            // Whatever held them may last; only a dial shows it.
            Release::Lapsed => LogLine::debug("nobody has dialled Deepgram; the next dial probes"),
        };
        line.write("dials_released", self);
    }
}

fn show(telemetry: &Telemetry, held_by: Option<Blocker>) {
    for blocker in Blocker::ALL {
        telemetry.metrics.upstream.dials_held[blocker].set((held_by == Some(blocker)).into());
    }
}
