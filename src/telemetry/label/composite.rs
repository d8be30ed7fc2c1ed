//! Label sets that are not a single vocabulary: several labels, or a vocabulary with extra words.

use super::Label;
use crate::live::Speaker;
use session::death::{Class, Reason, Trigger};
use session::dial::DialReason;
use session::fact::VadModeSource;
use session::gate::VadMode;
use session::{Dialect, ErrorCode, LossCause, Sdk, Vocabulary};

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

    fn names() -> Vec<&'static str> {
        vec![Reason::KEY, Trigger::KEY, Class::KEY]
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

/// How an attempt to reach Deepgram ended: the `result`, and the `reason` of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectResult {
    Ok,
    Failed(DialReason),
}

impl Label for ConnectResult {
    fn all() -> Vec<Self> {
        std::iter::once(Self::Ok).chain(DialReason::ALL.map(Self::Failed)).collect()
    }

    fn names() -> Vec<&'static str> {
        vec!["result", DialReason::KEY]
    }

    fn index(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Failed(reason) => 1 + reason as usize,
        }
    }

    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Ok => vec!["ok", "none"],
            Self::Failed(reason) => vec!["failed", reason.as_str()],
        }
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

    fn names() -> Vec<&'static str> {
        vec![ErrorCode::KEY]
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

/// `what` was dropped, and the `cause`.
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
    /// PRELUDE frames that came too late.
    Prelude,
    /// Messages for an application that had left.
    Message,
}

impl Dropped {
    const OTHERS: [Self; 6] =
        [Self::Binary, Self::EmptyAudio, Self::Text, Self::Update, Self::Prelude, Self::Message];
}

impl Label for Dropped {
    fn all() -> Vec<Self> {
        let audio = LossCause::ALL.into_iter().map(Self::Audio);
        audio.chain(Self::OTHERS).collect()
    }

    fn names() -> Vec<&'static str> {
        vec!["what", LossCause::KEY]
    }

    fn index(self) -> usize {
        match self {
            Self::Audio(cause) => cause as usize,
            Self::Binary => LossCause::ALL.len(),
            Self::EmptyAudio => LossCause::ALL.len() + 1,
            Self::Text => LossCause::ALL.len() + 2,
            Self::Update => LossCause::ALL.len() + 3,
            Self::Prelude => LossCause::ALL.len() + 4,
            Self::Message => LossCause::ALL.len() + 5,
        }
    }

    fn values(self) -> Vec<&'static str> {
        match self {
            Self::Audio(cause) => vec!["audio", cause.as_str()],
            Self::Binary => vec!["binary_message", "unsupported"],
            Self::EmptyAudio => vec!["audio", "empty"],
            Self::Text => vec!["text", "session_over"],
            Self::Update => vec!["update", "session_over"],
            Self::Prelude => vec!["prelude", "session_over"],
            Self::Message => vec!["message", "app_gone"],
        }
    }
}

/// The `mode` of a VAD gate that judges audio: every one but off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listening {
    Shadow,
    Active,
}

impl Listening {
    pub(crate) const ALL: [Self; 2] = [Self::Shadow, Self::Active];

    pub(crate) fn of(mode: VadMode) -> Option<Self> {
        match mode {
            VadMode::Off => None,
            VadMode::Shadow => Some(Self::Shadow),
            VadMode::Active => Some(Self::Active),
        }
    }
}

impl Label for Listening {
    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn names() -> Vec<&'static str> {
        vec![VadMode::KEY]
    }

    fn index(self) -> usize {
        self as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![match self {
            Self::Shadow => VadMode::Shadow.as_str(),
            Self::Active => VadMode::Active.as_str(),
        }]
    }
}

/// What a VAD gate is set to now, and `by` what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModeChange {
    pub(crate) to: VadMode,
    pub(crate) by: VadModeSource,
}

impl Label for ModeChange {
    fn all() -> Vec<Self> {
        let changes_to = |to| VadModeSource::ALL.map(|by| Self { to, by });
        VadMode::ALL.into_iter().flat_map(changes_to).collect()
    }

    fn names() -> Vec<&'static str> {
        vec!["to", VadModeSource::KEY]
    }

    fn index(self) -> usize {
        self.to as usize * VadModeSource::ALL.len() + self.by as usize
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.to.as_str(), self.by.as_str()]
    }
}

/// The `dialect` that an application speaks, and the `sdk`, of which only Deepgram's dialect has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Native,
    Compatible(Sdk),
}

impl Spoken {
    pub(crate) fn of(speaker: &Speaker) -> Self {
        match speaker.dialect {
            Dialect::Native => Self::Native,
            Dialect::Compatible => Self::Compatible(speaker.sdk.unwrap_or(Sdk::Other)),
        }
    }

    pub(crate) fn dialect(self) -> &'static str {
        match self {
            Self::Native => Dialect::Native.as_str(),
            Self::Compatible(_) => Dialect::Compatible.as_str(),
        }
    }

    /// `none` in the native dialect.
    pub(crate) fn sdk(self) -> &'static str {
        match self {
            Self::Native => "none",
            Self::Compatible(sdk) => sdk.as_str(),
        }
    }
}

impl Label for Spoken {
    fn all() -> Vec<Self> {
        std::iter::once(Self::Native).chain(Sdk::ALL.map(Self::Compatible)).collect()
    }

    fn names() -> Vec<&'static str> {
        vec![Dialect::KEY, Sdk::KEY]
    }

    fn index(self) -> usize {
        match self {
            Self::Native => 0,
            Self::Compatible(sdk) => 1 + sdk as usize,
        }
    }

    fn values(self) -> Vec<&'static str> {
        vec![self.dialect(), self.sdk()]
    }
}
