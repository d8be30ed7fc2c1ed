//! Why a connection does not become a session, and how its application is told.

use bytes::Bytes;

use crate::ipc::compatible::{self, HttpRefusal, Unserved};
use crate::ipc::payload;
use crate::ipc::socket::PreOpen;
use crate::telemetry::label::UnopenedCause;
use session::{Dialect, Refusal};

pub(super) enum Rejection {
    /// Is told, and counts as a refused connection.
    Connection(Refusal),
    /// Is told, and counts as a refused session.
    Session(Refusal),
    /// Gets an HTTP response: it has asked for something that is no session, or for one in the wrong
    /// terms.
    Request(HttpRefusal),
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
            Unserved::Refused(refused) => Self::Request(refused),
            Unserved::Left => Self::Silent(UnopenedCause::Left),
        }
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
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Native(_) => None,
            Self::Http(refused) => Some(refused.status),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Native(refusal) => payload::refusal(refusal),
            Self::Http(refused) => compatible::refusal(&refused),
        }
    }
}
