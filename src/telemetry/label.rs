//! Closed enums to label text. A label value that is not one of these cannot be written.

use crate::config::LogLevel;
use crate::session::death::{Class, Reason, Trigger};
use crate::session::dial::DialReason;
use crate::session::fact::{EndCause, SkipCause, Stage};
use crate::session::live::State;
use crate::session::summary::Outcome;
use crate::session::{ErrorCode, LossCause};

/// The labels of one child of a family: a closed set, known at compile time.
pub(crate) trait Label: Copy {
    /// Every label set for which a child exists.
    fn all() -> Vec<Self>;
    /// The place in [`Label::all`].
    fn index(self) -> usize;
    /// One value for each label name.
    fn values(self) -> Vec<&'static str>;
}

/// Makes labels of enums that have `ALL` in declaration order, and `as_str`.
macro_rules! labels {
    ($($name:ty),+ $(,)?) => {$(
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
        }
    )+};
}

/// Declares enums that exist for their label values alone.
macro_rules! label_enums {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident => $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is spelled out by its label value")]
        pub enum $name { $($variant),+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        labels!($name);
    )+};
}

labels!(Class, EndCause, LogLevel, LossCause, Outcome, Reason, Stage);

label_enums! {
    /// A timed part of a dial.
    DialPhase { Dns => "dns", Tcp => "tcp", Tls => "tls", Upgrade => "upgrade", Total => "total" }

    /// What a keepalive is on the wire: a text message on v1, a Ping on v2.
    KeepaliveKind { Text => "text", Ping => "ping" }

    /// Why a keepalive was not written.
    KeepaliveError { WriteBlocked => "write_blocked", SocketError => "socket_error" }

    /// How a Finalize failed on a live connection.
    FinalizeError { WriteFailed => "write_failed", Timeout => "timeout" }

    /// What became of an application's connection at accept.
    ConnectionResult {
        Accepted => "accepted",
        RejectedPeer => "rejected_peer",
        RejectedDraining => "rejected_draining",
        Error => "error",
    }

    /// Why an accepted connection ended without an OPEN.
    UnopenedCause { Timeout => "timeout", Evicted => "evicted", Left => "left" }

    /// Why an OPEN was refused, as an operator asks it.
    RejectReason {
        Limit => "limit",
        Draining => "draining",
        Peer => "peer",
        InvalidRequest => "invalid_request",
    }

    /// What re-reading the API key came to.
    KeyReload { Replaced => "replaced", Failed => "failed" }

    /// A page that a scraper reads.
    ScrapePage { Metrics => "metrics" }
}

impl Label for SkipCause {
    fn all() -> Vec<Self> {
        vec![Self::Dead, Self::Superseded]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![match self {
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }]
    }
}

/// Every state but the last: an ended session is not active, so that value has no child.
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
}

/// Two labels whose every combination exists.
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
}

/// `reason`, `trigger`, `class` of a death: the pairs of [`Reason::triggers`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeathLabels {
    reason: Reason,
    trigger: Trigger,
}

impl DeathLabels {
    /// A pair outside the vocabulary is a bug of ours, but the death is real: it is counted under
    /// the reason's usual trigger.
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
}

/// What was wrong with an application's input: an ERROR frame's code, or a malformed traceparent,
/// which is counted and forgiven.
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
}

/// `what` was dropped, and the `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// AUDIO frames.
    Audio(LossCause),
    /// Binary messages of Deepgram's, which the contract has no frame for.
    Binary,
    /// AUDIO frames without a byte.
    EmptyAudio,
    /// TEXT frames that came too late.
    Text,
    /// UPDATE frames that came too late.
    Update,
    /// Messages that the application was no longer there to read.
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
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Debug;

    use super::*;

    /// The metrics library hashes label values without a separator, so their concatenations must
    /// differ, or two children are one.
    fn assert_sound<L: Label + Debug>() {
        let mut seen = HashSet::new();
        for (place, label) in L::all().into_iter().enumerate() {
            assert_eq!(label.index(), place, "{label:?}");
            assert!(seen.insert(label.values().concat()), "{label:?} collides");
        }
    }

    #[test]
    fn every_label_is_found_at_its_place_and_is_like_no_other() {
        assert_sound::<Class>();
        assert_sound::<ConnectResult>();
        assert_sound::<ConnectionResult>();
        assert_sound::<DeathLabels>();
        assert_sound::<DialPhase>();
        assert_sound::<Dropped>();
        assert_sound::<EndCause>();
        assert_sound::<FinalizeError>();
        assert_sound::<KeepaliveError>();
        assert_sound::<KeepaliveKind>();
        assert_sound::<KeyReload>();
        assert_sound::<LogLevel>();
        assert_sound::<LossCause>();
        assert_sound::<Outcome>();
        assert_sound::<ProtocolError>();
        assert_sound::<Reason>();
        assert_sound::<RejectReason>();
        assert_sound::<ScrapePage>();
        assert_sound::<SkipCause>();
        assert_sound::<(Stage, Class)>();
        assert_sound::<State>();
        assert_sound::<UnopenedCause>();
    }

    #[test]
    fn a_death_outside_the_vocabulary_is_still_counted() {
        let odd = DeathLabels::new(Reason::PingTimeout, Trigger::Fault);
        assert_eq!(odd, DeathLabels::new(Reason::PingTimeout, Trigger::Ping));
    }
}
