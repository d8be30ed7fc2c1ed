//! Events on the applications' socket outside sessions, and refusals.

use std::io;

use tracing::Level;

use super::Emit;
use super::line::LogLine;
use crate::telemetry::Telemetry;
use crate::telemetry::label::{
    ConnectionResult, ProtocolError, RefusedStatus, RejectReason, UnopenedCause,
};
use session::members::{Members, Visitor};
use session::{Dialect, ErrorCode, Refusal};

/// A refusal without a session: where the application came in, and how it was told.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    pub refusal: &'a Refusal,
    /// `socket` or `port`.
    pub door: &'static str,
    /// The HTTP status, if it was told in the compatible dialect.
    pub status: Option<u16>,
    /// What an HTTP request asked for, without its query.
    pub path: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

impl Rejected<'_> {
    fn count(&self, telemetry: &Telemetry) {
        count_told(telemetry, self.refusal);
        if let Some(status) = self.status {
            telemetry.metrics.app.requests_refused[RefusedStatus::of(status)].inc();
        }
    }
}

impl Members for Rejected<'_> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.flatten(self.refusal);
        // Deepgram's own would be `status`.
        visitor.member("door", self.door).member("http_status", self.status);
        visitor.member("path", self.path).member("user_agent", self.user_agent);
    }
}

/// A connection was refused before it could ask for a session: the peer is not allowed, what it sent
/// is no request for one, or the daemon is draining.
#[derive(Clone, Copy, Debug)]
pub struct AppRejected<'a>(pub Rejected<'a>);

impl Emit for AppRejected<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let result = match self.0.refusal.code {
            ErrorCode::PeerNotAllowed => ConnectionResult::RejectedPeer,
            ErrorCode::Draining => ConnectionResult::RejectedDraining,
            _ => ConnectionResult::Error,
        };
        telemetry.metrics.app.connections[result].inc();
        self.0.count(telemetry);
        LogLine::warn("connection refused").write("app_rejected", &self.0);
    }
}

/// `accept` failed: usually because file descriptors ran out. Only the first in a row is logged.
#[derive(Clone, Copy, Debug)]
pub struct AcceptFailed<'a> {
    pub error: &'a io::Error,
    /// How many have failed in a row before.
    pub failures: u64,
}

impl Emit for AcceptFailed<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.connections[ConnectionResult::AcceptFailed].inc();
        if self.failures == 0 {
            tracing::error!(
                name: "accept_failed",
                error = %self.error,
                "cannot accept connections; check the file descriptor limit"
            );
        }
    }
}

/// `accept` works again.
#[derive(Clone, Copy, Debug)]
pub struct AcceptResumed {
    /// Which listener: `ipc` or `admin`.
    pub of: &'static str,
    /// How many had failed in a row.
    pub failures: u64,
}

impl Emit for AcceptResumed {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::warn!(
            name: "accept_resumed",
            listener = self.of,
            failures = self.failures,
            "accepting connections again"
        );
    }
}

/// An accepted connection ended without an OPEN, and without an ERROR.
#[derive(Clone, Copy, Debug)]
pub struct OpenMissed {
    pub cause: UnopenedCause,
}

impl Emit for OpenMissed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.unopened[self.cause].inc();
        tracing::debug!(
            name: "open_missed",
            cause = self.cause.as_str(),
            "connection closed without an OPEN"
        );
    }
}

/// A connection asked for a session, and was refused one.
#[derive(Clone, Copy, Debug)]
pub struct SessionRejected<'a> {
    pub rejected: Rejected<'a>,
    /// It is one of a row of refusals for lack of slots, of which the first was logged.
    pub is_repeated: bool,
}

impl Emit for SessionRejected<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let reason = match self.rejected.refusal.code {
            ErrorCode::TooManySessions => RejectReason::Limit,
            ErrorCode::Draining => RejectReason::Draining,
            ErrorCode::PeerNotAllowed => RejectReason::Peer,
            _ => RejectReason::InvalidRequest,
        };
        telemetry.metrics.session.rejected[reason].inc();
        self.rejected.count(telemetry);
        let level = if self.is_repeated { Level::DEBUG } else { Level::WARN };
        LogLine::at(level, "session refused").write("session_rejected", &self.rejected);
    }
}

/// A session was accepted after others had been refused for lack of slots.
#[derive(Clone, Copy, Debug)]
pub struct SessionsAdmitted {
    /// How many had been refused in a row.
    pub refused: u64,
}

impl Emit for SessionsAdmitted {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "sessions_admitted",
            refused = self.refused,
            "a slot is free again; sessions were refused meanwhile"
        );
    }
}

/// A session's application was sent an ERROR: it broke the contract, or no connection to Deepgram
/// could be made. Emit it within the session's span.
#[derive(Clone, Copy, Debug)]
pub struct FrameRefused<'a> {
    pub refusal: &'a Refusal,
    /// In which dialect it is told.
    pub dialect: Dialect,
    /// The HTTP status, if it is told instead of an upgrade.
    pub http_status: Option<u16>,
}

impl FrameRefused<'_> {
    fn message(&self) -> &'static str {
        match (self.dialect, self.http_status) {
            (Dialect::Native, _) => "ERROR sent to the application",
            (Dialect::Compatible, Some(_)) => "HTTP refusal sent to the application",
            (Dialect::Compatible, None) => "refusal sent to the application in its close frame",
        }
    }
}

impl Members for FrameRefused<'_> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.flatten(self.refusal);
        visitor.member("http_status", self.http_status);
    }
}

impl Emit for FrameRefused<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        count_told(telemetry, self.refusal);
        LogLine::warn(self.message()).write("session_error", self);
    }
}

/// OPEN's `traceparent` was malformed: the session continues in a new trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceparentMalformed;

impl Emit for TraceparentMalformed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.protocol_errors[ProtocolError::BadTraceparent].inc();
        tracing::debug!(name: "traceparent_malformed", "malformed traceparent in OPEN ignored");
    }
}

fn count_told(telemetry: &Telemetry, refusal: &Refusal) {
    telemetry.metrics.app.protocol_errors[ProtocolError::Told(refusal.code)].inc();
}
