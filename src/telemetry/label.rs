//! Closed enums as label values, so that no other label value can be written.

use crate::config::LogLevel;
use session::State;
use session::close::DgCode;
use session::death::{Class, Reason};
use session::dial::{Blocker, DialReason};
use session::drain::{Flush, LastFrame};
use session::fact::{
    GapLevel, NotRecoverable, ParkCause, PreludeEnd, SkipCause, Stage, StallOutcome,
};
use session::gate::{GateState, VadMode, VadUnavailable};
use session::summary::{EndCause, Outcome};
use session::{Endpoint, KeepaliveKind, LossCause, Side, Vocabulary};

mod composite;
mod message;

pub(crate) use composite::{
    ConnectResult, DeathLabels, Dropped, Listening, ModeChange, ProtocolError, Spoken,
};
pub(crate) use message::WireMessage;

/// The labels of one child of a family: a closed set, known at compile time.
pub(crate) trait Label: Copy {
    /// Every label set that has a child.
    fn all() -> Vec<Self>;
    /// The label names. A vocabulary's is its key.
    fn names() -> Vec<&'static str>;
    /// The index in [`Label::all`].
    fn index(self) -> usize;
    /// One value per label name.
    fn values(self) -> Vec<&'static str>;
}

/// Implements labels for vocabularies.
macro_rules! labels {
    ($($name:ty),+ $(,)?) => {$(
        impl Label for $name {
            fn all() -> Vec<Self> {
                <$name>::ALL.to_vec()
            }
            fn names() -> Vec<&'static str> {
                vec![<$name as Vocabulary>::KEY]
            }
            fn index(self) -> usize {
                self as usize
            }
            fn values(self) -> Vec<&'static str> {
                vec![self.as_str()]
            }
        }
    )+};
}

/// Declares vocabularies that exist only as labels.
macro_rules! label_enums {
    ($(
        $(#[$about:meta])*
        enum $name:ident: $key:literal { $($variant:ident = $word:literal),+ $(,)? }
    )+) => {$(
        session::vocabulary! {
            $(#[$about])*
            pub enum $name: $key { $($variant = $word,)+ }
        }

        labels!($name);
    )+};
}

labels!(
    Blocker,
    Class,
    DgCode,
    DialReason,
    EndCause,
    Endpoint,
    Flush,
    GapLevel,
    GateState,
    KeepaliveKind,
    LastFrame,
    LossCause,
    NotRecoverable,
    Outcome,
    ParkCause,
    PreludeEnd,
    Reason,
    Side,
    SkipCause,
    Stage,
    StallOutcome,
    VadMode,
    VadUnavailable,
);

label_enums! {
    /// A timed part of a dial.
    enum DialPhase: "phase" {
        Queued = "queued",
        Dns = "dns",
        Tcp = "tcp",
        Tls = "tls",
        Upgrade = "upgrade",
        Total = "total",
    }

    /// Why a keepalive was not written.
    enum KeepaliveError: "reason" { WriteBlocked = "write_blocked", SocketError = "socket_error" }

    /// How a Finalize failed on a live connection.
    enum FinalizeError: "reason" { WriteFailed = "write_failed", Timeout = "timeout" }

    /// The result of an application's connection at accept.
    enum ConnectionResult: "result" {
        Accepted = "accepted",
        RejectedPeer = "rejected_peer",
        RejectedDraining = "rejected_draining",
        AcceptFailed = "accept_failed",
        Error = "error",
    }

    /// Why an accepted connection ended without an OPEN.
    enum UnopenedCause: "cause" { Timeout = "timeout", Evicted = "evicted", Left = "left" }

    /// Why an OPEN was refused, from the operator's point of view.
    enum RejectReason: "reason" {
        Limit = "limit",
        Draining = "draining",
        Peer = "peer",
        InvalidRequest = "invalid_request",
    }

    /// The HTTP status with which the sidecar itself refuses a request for a session.
    enum RefusedStatus: "status" {
        S400 = "400",
        S403 = "403",
        S404 = "404",
        S405 = "405",
        S409 = "409",
        S426 = "426",
        S431 = "431",
        S503 = "503",
        Other = "other",
    }

    /// The result of reloading the API key.
    enum KeyReload: "result" { Replaced = "replaced", Failed = "failed" }

    /// The result of a request to the collector, or of the spans in it.
    enum ExportResult: "result" { Success = "success", Failure = "failure" }

    /// Why a span was never sent to the collector.
    enum SpanDrop: "reason" { QueueFull = "queue_full", Oversize = "oversize", Shutdown = "shutdown" }

    /// A page that a scraper reads.
    enum ScrapePage: "page" { Metrics = "metrics", Sessions = "sessions" }

    /// Which way bytes go on the connections to Deepgram.
    enum Direction: "direction" { Sent = "sent", Received = "received" }

    /// A queue, by the side it is for.
    enum Queue: "queue" { ToUpstream = "to_upstream", Ring = "ring", ToApp = "to_app" }

    /// How a gap between two connections ended.
    enum RecoveryOutcome: "outcome" { Recovered = "recovered", Failed = "failed" }

    /// An account in the audio accounting.
    enum Account: "account" {
        Accepted = "accepted",
        Finalized = "finalized",
        Gated = "gated",
        Lost = "lost",
        Unknown = "unknown",
    }

    /// Whether Deepgram may still change a result.
    enum ResultKind: "kind" { Interim = "interim", Final = "final" }

    /// A close's code, as RFC 6455 names it: 1005 without a code, 1006 without a close frame.
    enum CloseCode: "code" {
        C1000 = "1000",
        C1001 = "1001",
        C1002 = "1002",
        C1003 = "1003",
        C1005 = "1005",
        C1006 = "1006",
        C1007 = "1007",
        C1008 = "1008",
        C1009 = "1009",
        C1011 = "1011",
        C1012 = "1012",
        C1013 = "1013",
        C1014 = "1014",
        Other = "other",
    }
}

impl CloseCode {
    pub(crate) fn of(code: u16) -> Self {
        match code {
            1000 => Self::C1000,
            1001 => Self::C1001,
            1002 => Self::C1002,
            1003 => Self::C1003,
            1005 => Self::C1005,
            1006 => Self::C1006,
            1007 => Self::C1007,
            1008 => Self::C1008,
            1009 => Self::C1009,
            1011 => Self::C1011,
            1012 => Self::C1012,
            1013 => Self::C1013,
            1014 => Self::C1014,
            _ => Self::Other,
        }
    }
}

impl RefusedStatus {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            400 => Self::S400,
            403 => Self::S403,
            404 => Self::S404,
            405 => Self::S405,
            409 => Self::S409,
            426 => Self::S426,
            431 => Self::S431,
            503 => Self::S503,
            _ => Self::Other,
        }
    }
}

/// A word of the configuration, under the name it has on log lines.
impl Label for LogLevel {
    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn names() -> Vec<&'static str> {
        vec!["level"]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.as_str()]
    }
}

/// Every state except the last: an ended session is not active, so that value has no child.
impl Label for State {
    fn all() -> Vec<Self> {
        Self::ALL.into_iter().filter(|state| *state != Self::Ended).collect()
    }

    fn names() -> Vec<&'static str> {
        vec![State::KEY]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.as_str()]
    }
}

/// Two labels, in every combination.
impl<A: Label, B: Label> Label for (A, B) {
    fn all() -> Vec<Self> {
        let pairs_of = |a: A| B::all().into_iter().map(move |b| (a, b));
        A::all().into_iter().flat_map(pairs_of).collect()
    }

    fn names() -> Vec<&'static str> {
        [A::names(), B::names()].concat()
    }

    fn index(self) -> usize {
        self.0.index() * B::all().len() + self.1.index()
    }

    fn values(self) -> Vec<&'static str> {
        [self.0.values(), self.1.values()].concat()
    }
}

#[cfg(test)]
mod tests;
