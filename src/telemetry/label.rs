//! Closed enums as label values, so that no other label value can be written.

use crate::config::LogLevel;
use session::State;
use session::close::DgCode;
use session::death::{Class, Reason, Trigger};
use session::dial::DialReason;
use session::fact::{EndCause, GapLevel, SkipCause, Stage, StallOutcome};
use session::summary::Outcome;
use session::{ErrorCode, LossCause, Side, Vocabulary};

mod message;

pub(crate) use message::WireMessage;

/// The labels of one child of a family: a closed set, known at compile time.
pub(crate) trait Label: Copy {
    /// Every label set that has a child.
    fn all() -> Vec<Self>;
    /// The index in [`Label::all`].
    fn index(self) -> usize;
    /// One value per label name.
    fn values(self) -> Vec<&'static str>;

    /// The label names, as far as they are keys of vocabularies, under which the same words appear in
    /// events and logs.
    fn keys() -> Vec<Option<&'static str>>;
}

/// Implements labels for enums with `ALL` in declaration order, and `as_str`.
macro_rules! labels {
    ($key:expr => $($name:ty),+ $(,)?) => {$(
        impl Label for $name {
            fn all() -> Vec<Self> {
                <$name>::ALL.to_vec()
            }
            fn index(self) -> usize {
                self as usize
            }
            fn values(self) -> Vec<&'static str> {
                vec![self.as_str()]
            }
            fn keys() -> Vec<Option<&'static str>> {
                let key: fn() -> Option<&'static str> = $key;
                vec![key()]
            }
        }
    )+};
}

/// Declares enums that exist only for their label values.
macro_rules! label_enums {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident => $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        labels!(|| None => $name);
    )+};
}

/// Implements labels for the session's vocabularies.
macro_rules! vocabularies {
    ($($name:ty),+ $(,)?) => {$( labels!(|| Some(<$name as Vocabulary>::KEY) => $name); )+};
}

vocabularies!(
    Class,
    DgCode,
    EndCause,
    GapLevel,
    LossCause,
    Outcome,
    Reason,
    Side,
    SkipCause,
    Stage,
    StallOutcome,
);

labels!(|| None => LogLevel);

label_enums! {
    /// A timed part of a dial.
    DialPhase { Dns => "dns", Tcp => "tcp", Tls => "tls", Upgrade => "upgrade", Total => "total" }

    /// What a keepalive is on the wire: a text message on v1, a Ping on v2.
    KeepaliveKind { Text => "text", Ping => "ping" }

    /// Why a keepalive was not written.
    KeepaliveError { WriteBlocked => "write_blocked", SocketError => "socket_error" }

    /// How a Finalize failed on a live connection.
    FinalizeError { WriteFailed => "write_failed", Timeout => "timeout" }

    /// The result of an application's connection at accept.
    ConnectionResult {
        Accepted => "accepted",
        RejectedPeer => "rejected_peer",
        RejectedDraining => "rejected_draining",
        Error => "error",
    }

    /// Why an accepted connection ended without an OPEN.
    UnopenedCause { Timeout => "timeout", Evicted => "evicted", Left => "left" }

    /// Why an OPEN was refused, from the operator's point of view.
    RejectReason {
        Limit => "limit",
        Draining => "draining",
        Peer => "peer",
        InvalidRequest => "invalid_request",
    }

    /// The result of reloading the API key.
    KeyReload { Replaced => "replaced", Failed => "failed" }

    /// The result of a request to the collector, or of the spans in it.
    ExportResult { Success => "success", Failure => "failure" }

    /// Why a span was never sent to the collector.
    SpanDrop { QueueFull => "queue_full", Oversize => "oversize", Shutdown => "shutdown" }

    /// A page that a scraper reads.
    ScrapePage { Metrics => "metrics", Sessions => "sessions" }

    /// Which way bytes go on the connections to Deepgram.
    Direction { Sent => "sent", Received => "received" }

    /// A queue, by the side it is for.
    Queue { ToUpstream => "to_upstream", ToApp => "to_app" }

    /// An account in the audio accounting.
    Account { Accepted => "accepted", Finalized => "finalized", Lost => "lost" }

    /// Whether Deepgram may still change a result.
    ResultKind { Interim => "interim", Final => "final" }

    /// A close's code, as RFC 6455 names it: 1005 without a code, 1006 without a close frame.
    CloseCode {
        C1000 => "1000",
        C1001 => "1001",
        C1002 => "1002",
        C1003 => "1003",
        C1005 => "1005",
        C1006 => "1006",
        C1007 => "1007",
        C1008 => "1008",
        C1009 => "1009",
        C1011 => "1011",
        C1012 => "1012",
        C1013 => "1013",
        Other => "other",
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
            _ => Self::Other,
        }
    }
}

/// Every state except the last: an ended session is not active, so that value has no child.
impl Label for State {
    fn all() -> Vec<Self> {
        Self::ALL.into_iter().filter(|state| *state != Self::Ended).collect()
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.as_str()]
    }

    fn keys() -> Vec<Option<&'static str>> {
        vec![Some(State::KEY)]
    }
}

/// Two labels, in every combination.
impl<A: Label, B: Label> Label for (A, B) {
    fn all() -> Vec<Self> {
        let pairs_of = |a: A| B::all().into_iter().map(move |b| (a, b));
        A::all().into_iter().flat_map(pairs_of).collect()
    }

    fn index(self) -> usize {
        self.0.index() * B::all().len() + self.1.index()
    }

    fn values(self) -> Vec<&'static str> {
        [self.0.values(), self.1.values()].concat()
    }

    fn keys() -> Vec<Option<&'static str>> {
        [A::keys(), B::keys()].concat()
    }
}

/// `reason`, `trigger`, `class` of a death: only the pairs in [`Reason::triggers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeathLabels {
    reason: Reason,
    trigger: Trigger,
}

impl DeathLabels {
    /// A pair outside the vocabulary is a bug, but the death is real: it is counted under the
    /// reason's usual trigger.
    pub(crate) fn new(reason: Reason, trigger: Trigger) -> Self {
        let usual = reason.triggers()[0];
        let trigger = if reason.triggers().contains(&trigger) { trigger } else { usual };
        Self { reason, trigger }
    }
}

impl Label for DeathLabels {
    fn all() -> Vec<Self> {
        let pairs_of = |reason: Reason| {
            reason.triggers().iter().map(move |trigger| Self { reason, trigger: *trigger })
        };
        Reason::ALL.into_iter().flat_map(pairs_of).collect()
    }

    fn index(self) -> usize {
        let earlier = &Reason::ALL[..self.reason as usize];
        let before: usize = earlier.iter().map(|reason| reason.triggers().len()).sum();
        let within = self.reason.triggers().iter().position(|trigger| *trigger == self.trigger);
        before + within.expect("new() admits only triggers of the reason")
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.reason.as_str(), self.trigger.as_str(), self.reason.class().as_str()]
    }

    fn keys() -> Vec<Option<&'static str>> {
        vec![Some(Reason::KEY), Some(Trigger::KEY), Some(Class::KEY)]
    }
}

/// How an attempt to reach Deepgram ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectResult {
    Ok,
    Failed(DialReason),
}

impl Label for ConnectResult {
    fn all() -> Vec<Self> {
        std::iter::once(Self::Ok).chain(DialReason::ALL.map(Self::Failed)).collect()
    }

    fn index(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Failed(reason) => 1 + reason as usize,
        }
    }

    fn values(self) -> Vec<&'static str> {
        vec![match self {
            Self::Ok => "ok",
            Self::Failed(reason) => reason.as_str(),
        }]
    }

    fn keys() -> Vec<Option<&'static str>> {
        vec![None]
    }
}

/// What was wrong with an application's input: an ERROR frame's code, or a malformed traceparent,
/// which is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    Told(ErrorCode),
    BadTraceparent,
}

impl Label for ProtocolError {
    fn all() -> Vec<Self> {
        let told = ErrorCode::ALL.into_iter().map(Self::Told);
        told.chain(std::iter::once(Self::BadTraceparent)).collect()
    }

    fn index(self) -> usize {
        match self {
            Self::Told(code) => code as usize,
            Self::BadTraceparent => ErrorCode::ALL.len(),
        }
    }

    fn values(self) -> Vec<&'static str> {
        vec![match self {
            Self::Told(code) => code.as_str(),
            Self::BadTraceparent => "bad_traceparent",
        }]
    }

    fn keys() -> Vec<Option<&'static str>> {
        vec![Some(ErrorCode::KEY)]
    }
}

/// `what` was dropped, and the `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// AUDIO frames.
    Audio(LossCause),
    /// Binary messages from Deepgram, for which the contract has no frame.
    Binary,
    /// Empty AUDIO frames.
    EmptyAudio,
    /// TEXT frames that came too late.
    Text,
    /// UPDATE frames that came too late.
    Update,
    /// Messages for an application that had left.
    Message,
}

impl Label for Dropped {
    fn all() -> Vec<Self> {
        let audio = LossCause::ALL.into_iter().map(Self::Audio);
        let others = [Self::Binary, Self::EmptyAudio, Self::Text, Self::Update, Self::Message];
        audio.chain(others).collect()
    }

    fn index(self) -> usize {
        match self {
            Self::Audio(cause) => cause as usize,
            Self::Binary => LossCause::ALL.len(),
            Self::EmptyAudio => LossCause::ALL.len() + 1,
            Self::Text => LossCause::ALL.len() + 2,
            Self::Update => LossCause::ALL.len() + 3,
            Self::Message => LossCause::ALL.len() + 4,
        }
    }

    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Audio(cause) => vec!["audio", cause.as_str()],
            Self::Binary => vec!["binary_message", "unsupported"],
            Self::EmptyAudio => vec!["audio", "empty"],
            Self::Text => vec!["text", "session_over"],
            Self::Update => vec!["update", "session_over"],
            Self::Message => vec!["message", "app_gone"],
        }
    }

    fn keys() -> Vec<Option<&'static str>> {
        vec![None, Some(LossCause::KEY)]
    }
}

#[cfg(test)]
mod tests;
