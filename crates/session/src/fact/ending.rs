//! What a session loses, and how it ends.

use crate::members::{Members, Visitor};
use std::time::Duration;

use crate::LossCause;
use crate::drain::Drained;
use crate::summary::{EndCause, Summary};

/// The session has no connection until the next audio.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionParked {
    /// How long nothing but keepalives was sent.
    pub idle: Duration,
    pub cause: ParkCause,
}

crate::vocabulary! {
    /// Why a connection was closed that the session still had use for.
    pub enum ParkCause: "cause" {
        /// The keepalive budget was used up.
        Idle = "idle",
        /// Another session needed a connection, and there are no more than upstream.max_connections.
        Shed = "shed",
        /// It died, and so did the one that took over, and neither had anything to do.
        Dead = "dead",
    }
}

impl Members for SessionParked {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("idle_ms", self.idle);
        visitor.word(self.cause);
    }
}

/// Audio reopened a parked session.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionResumed {
    /// How long nothing but keepalives was sent, parked time included.
    pub idle: Duration,
}

impl Members for SessionResumed {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("idle_ms", self.idle);
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AudioLost {
    /// AUDIO frames that were never sent; 0 if all had been sent but not become final.
    pub frames: u64,
    /// Bytes, sent or not, that never became final.
    pub bytes: u64,
    /// The same as a duration, if the encoding has a known one.
    pub duration: Duration,
    pub cause: LossCause,
}

impl Members for AudioLost {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("frames", self.frames);
        visitor.member("bytes", self.bytes);
        visitor.member("lost_ms", self.duration);
        visitor.word(self.cause);
    }
}

/// The application did not read its socket for `session.app_stall_timeout`.
#[derive(Clone, Debug, PartialEq)]
pub struct AppStalled;

impl Members for AppStalled {
    fn visit<'a>(&'a self, _visitor: &mut Visitor<'_, 'a>) {}
}

/// The session is over; nothing follows.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEnded {
    pub summary: Summary,
    /// Why, if the outcome does not say it.
    pub cause: Option<EndCause>,
    /// The longest time between two successful sends on one connection.
    pub send_gap_max: Duration,
    /// Audio received; `None` if the encoding has no known duration.
    pub audio: Option<Duration>,
    /// What shutdown has come to; `None` without one.
    pub drained: Option<Drained>,
    pub finalizes_requested: u64,
    /// What was dropped besides non-empty audio.
    pub drops: Drops,
}

impl Members for SessionEnded {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.flatten(&self.summary);
        visitor.word_if_any(self.cause);
        visitor.member("send_gap_max_ms", self.send_gap_max);
        visitor.member("audio_ms", self.audio);
        visitor.member("drain_ms", self.drained.map(|it| it.lasted));
        visitor.word_if_any(self.drained.map(|it| it.flush));
        visitor.member("unflushed_ms", self.drained.and_then(|it| it.unflushed));
        visitor.member("finalizes_requested", self.finalizes_requested);
    }
}

/// What a session dropped besides non-empty audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Empty AUDIO frames: Deepgram would treat one as the end of the stream.
    pub empty_frames: u64,
    /// TEXT frames after FINISH or after a death.
    pub texts: u64,
    /// UPDATE frames after FINISH.
    pub updates: u64,
    /// PRELUDE frames after FINISH, or after the prelude had ended without its connection.
    pub preludes: u64,
    /// Messages from Deepgram for an application that had left.
    pub messages: u64,
}
