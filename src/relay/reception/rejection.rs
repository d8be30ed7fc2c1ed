//! Why a connection does not become a session, and how its application is told.

use bytes::Bytes;

use super::door::Door;
use crate::ipc::compatible::{self, Caller, HttpRefusal, Unserved};
use crate::ipc::payload;
use crate::ipc::socket::PreOpen;
use crate::telemetry::event::Rejected;
use crate::telemetry::label::UnopenedCause;
use session::{Dialect, ErrorCode, Refusal};

pub(super) enum Rejection {
    /// Is told, and counts as a refused connection.
    Connection(Refusal),
    /// Is told, and counts as a refused session.
    Session(Refusal),
    /// Gets an HTTP response, and counts as either.
    Request { refused: HttpRefusal, wants_session: bool },
    /// Closed without a word.
    Silent(UnopenedCause),
}

impl From<PreOpen> for Rejection {
    fn from(missed: PreOpen) -> Self {
        match missed {
            PreOpen::Refused(refusal) => Self::Connection(refusal),
            PreOpen::Left => Self::Silent(UnopenedCause::Left),
        }
    }
}

impl From<Unserved> for Rejection {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Refused(refused) => {
                // Otherwise it has asked for something that is no session.
                let wants_session = refused.refusal.code == ErrorCode::InvalidOpen;
                Self::Request { refused, wants_session }
            }
            Unserved::Left => Self::Silent(UnopenedCause::Left),
        }
    }
}

impl Rejection {
    /// The same, of a request that has been read.
    pub(super) fn told_to(self, caller: Caller) -> Self {
        let (refusal, wants_session) = match self {
            Self::Connection(refusal) => (refusal, false),
            Self::Session(refusal) => (refusal, true),
            Self::Request { .. } | Self::Silent(_) => return self,
        };
        Self::Request { refused: HttpRefusal::from(refusal).told_to(caller), wants_session }
    }
}

/// A refusal in the application's dialect.
pub(super) enum Told {
    Native(Refusal),
    Http(HttpRefusal),
}

impl Told {
    pub(super) fn of(dialect: Dialect, refusal: Refusal) -> Self {
        match dialect {
            Dialect::Native => Self::Native(refusal),
            Dialect::Compatible => Self::Http(refusal.into()),
        }
    }

    pub(super) fn refusal(&self) -> &Refusal {
        match self {
            Self::Native(refusal) | Self::Http(HttpRefusal { refusal, .. }) => refusal,
        }
    }

    /// The HTTP status, if it is one.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Native(_) => None,
            Self::Http(refused) => Some(refused.status),
        }
    }

    /// Whose request it is, if it is one.
    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Native(_) => None,
            Self::Http(refused) => refused.caller.as_deref(),
        }
    }

    /// What operators are told.
    pub(super) fn rejected(&self, door: Door) -> Rejected<'_> {
        let caller = self.caller();
        Rejected {
            refusal: self.refusal(),
            door: door.as_str(),
            status: self.status(),
            path: caller.map(|it| it.path.as_str()),
            user_agent: caller.and_then(|it| it.user_agent.as_deref()),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Native(refusal) => payload::refusal(refusal),
            Self::Http(refused) => compatible::refusal(&refused),
        }
    }
}
