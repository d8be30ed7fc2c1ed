//! The summary of a session, reported once at its end: FINISHED and the `session_end` log line.

use super::SessionId;
use super::death::{Class, Reason, Trigger};
use super::gate::VadMode;
use crate::members::{Member, Members, Visitor};

crate::vocabulary! {
    /// How a session ended. The first terminal event decides.
    pub enum Outcome: "outcome" {
        /// FINISH, and Deepgram closed cleanly.
        Finished = "finished",
        /// The connection died and was not recovered.
        Dead = "dead",
        /// The application left without FINISH, stalled or broke the contract.
        Aborted = "aborted",
        /// Shutdown ended it.
        Drained = "drained",
        /// FINISH, and Deepgram said nothing for `session.finish_timeout`, or had not closed within
        /// `session.finish_max`.
        TimedOut = "timed_out",
        /// No connection ever came up. Such a session ends with ERROR, not FINISHED.
        ConnectFailed = "connect_failed",
    }
}

crate::vocabulary! {
    /// Why a session was aborted.
    pub enum EndCause: "cause" {
        /// The application left without FINISH.
        AppLeft = "app_left",
        /// The application did not read its socket.
        AppStalled = "app_stalled",
        /// The application broke the contract.
        AppProtocol = "app_protocol",
        /// What the application was sent is above a limit of its own.
        AppLimit = "app_limit",
        /// The session was parked and no new connection could be made.
        ResumeFailed = "resume_failed",
    }
}

/// The session's summary. Member names and meanings are the contract's, section 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub session_id: SessionId,
    pub outcome: Outcome,
    /// Whether the shutdown deadline ended it.
    pub cut: bool,
    /// The first death of a connection.
    pub death: Option<DeathSummary>,
    /// From the last byte of OPEN to now.
    pub duration_ms: u64,
    /// How many connections there were.
    pub connections: u32,
    /// The audio accounting: `bytes_received = bytes_sent + bytes_dropped + bytes_gated`.
    pub audio: AudioSummary,
    /// KeepAlives written, over all connections.
    pub keepalives: u64,
    /// The outcome of the Finalizes.
    pub finalizes: FinalizeSummary,
    /// What Deepgram sent.
    pub messages: MessageSummary,
    /// Deaths that were recovered from.
    pub recoveries: u32,
    /// Audio for which no final result can be claimed, in milliseconds; `None` where the encoding tells
    /// no time.
    pub lost_ms: Option<u64>,
    /// Audio that a clean end leaves where nothing tells how far Deepgram got; likewise.
    pub unknown_ms: Option<u64>,
    /// What the VAD gate did; `None` without one.
    pub vad: Option<VadSummary>,
}

impl Members for Summary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("session_id", self.session_id.as_str());
        visitor.word(self.outcome);
        visitor.member("cut", self.cut);
        match &self.death {
            Some(death) => visitor.object("death", death),
            None => visitor.member("death", Member::Null),
        };
        visitor.member("duration_ms", self.duration_ms);
        visitor.member("connections", self.connections);
        visitor.object("audio", &self.audio);
        visitor.member("keepalives", self.keepalives);
        visitor.object("finalizes", &self.finalizes);
        visitor.object("messages", &self.messages);
        visitor.member("recoveries", self.recoveries);
        visitor.member("lost_ms", self.lost_ms);
        visitor.member("unknown_ms", self.unknown_ms);
        match &self.vad {
            Some(vad) => visitor.object("vad", vad),
            None => visitor.member("vad", Member::Null),
        };
    }
}

/// A death, without the details of its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeathSummary {
    /// The first cause.
    pub reason: Reason,
    /// The operation that detected it.
    pub trigger: Trigger,
    /// Who must act.
    pub class: Class,
    /// Close code and text, or the error.
    pub detail: String,
}

impl Members for DeathSummary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.reason);
        visitor.word(self.trigger);
        visitor.word(self.class);
        visitor.member("detail", &self.detail);
    }
}

/// The audio accounting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioSummary {
    /// AUDIO frames read, including empty ones.
    pub frames: u64,
    pub bytes_received: u64,
    /// Bytes written to Deepgram; replays are not counted twice.
    pub bytes_sent: u64,
    /// AUDIO frames never sent.
    pub frames_dropped: u64,
    pub bytes_dropped: u64,
    /// Bytes that the VAD gate held back.
    pub bytes_gated: u64,
}

impl Members for AudioSummary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("frames", self.frames);
        visitor.member("bytes_received", self.bytes_received);
        visitor.member("bytes_sent", self.bytes_sent);
        visitor.member("frames_dropped", self.frames_dropped);
        visitor.member("bytes_dropped", self.bytes_dropped);
        visitor.member("bytes_gated", self.bytes_gated);
    }
}

/// What the VAD gate did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VadSummary {
    /// What it was set to at the end.
    pub mode: VadMode,
    /// How often it opened.
    pub opens: u64,
    /// Finalizes that it asked for; they are counted in `finalizes` as well.
    pub finalizes: u64,
    /// Audio in which someone spoke, in milliseconds, hangover apart.
    pub speech_ms: u64,
    /// Audio that was held back.
    pub held_ms: u64,
    /// Audio that would have been, while it was in shadow.
    pub would_hold_ms: u64,
    /// Whether its detector failed; from then on everything was sent.
    pub failed: bool,
}

impl Members for VadSummary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.mode);
        visitor.member("opens", self.opens);
        visitor.member("finalizes", self.finalizes);
        visitor.member("speech_ms", self.speech_ms);
        visitor.member("held_ms", self.held_ms);
        visitor.member("would_hold_ms", self.would_hold_ms);
        visitor.member("failed", self.failed);
    }
}

/// The outcome of the Finalizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinalizeSummary {
    /// Written.
    pub sent: u64,
    /// Could not be written on a live connection.
    pub errors: u64,
    /// No answer within `session.finalize_timeout`.
    pub timeouts: u64,
    /// Queued or requested after a death.
    pub skipped_dead: u64,
}

impl Members for FinalizeSummary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("sent", self.sent);
        visitor.member("errors", self.errors);
        visitor.member("timeouts", self.timeouts);
        visitor.member("skipped_dead", self.skipped_dead);
    }
}

/// What Deepgram sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSummary {
    /// Text messages.
    pub received: u64,
    /// Final results: `is_final` of each channel, Flux's `EndOfTurn`.
    pub finals: u64,
}

impl Members for MessageSummary {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("received", self.received);
        visitor.member("finals", self.finals);
    }
}
