//! What happens at the applications' socket outside of sessions, and refusals.

use std::io;

use super::Emit;
use crate::telemetry::Telemetry;
use crate::telemetry::label::{ConnectionResult, ProtocolError, RejectReason, UnopenedCause};
use session::{ErrorCode, Refusal};

/// A connection was refused at accept, before it could say anything: the peer is not allowed, or
/// the daemon drains.
#[derive(Clone, Copy, Debug)]
pub struct AppRejected<'a> {
    /// What it was told.
    pub refusal: &'a Refusal,
}

impl Emit for AppRejected<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let result = match self.refusal.code {
            ErrorCode::PeerNotAllowed => ConnectionResult::RejectedPeer,
            ErrorCode::Draining => ConnectionResult::RejectedDraining,
            _ => ConnectionResult::Error,
        };
        telemetry.metrics.app.connections[result].inc();
        count_told(telemetry, self.refusal);
        tracing::warn!(
            name: "app_rejected",
            code = self.refusal.code.as_str(),
            detail = self.refusal.message,
            "connection refused at accept"
        );
    }
}

/// `accept` failed: most often for want of file descriptors.
#[derive(Clone, Copy, Debug)]
pub struct AcceptFailed<'a> {
    /// Why.
    pub error: &'a io::Error,
}

impl Emit for AcceptFailed<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.connections[ConnectionResult::Error].inc();
        tracing::error!(
            name: "accept_failed",
            error = %self.error,
            "no connection can be accepted; look at the file descriptor limit"
        );
    }
}

/// An accepted connection ended without an OPEN, and was told nothing.
#[derive(Clone, Copy, Debug)]
pub struct OpenMissed {
    /// Why.
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

/// A connection asked for a session, or sent rubbish instead, and got an ERROR.
#[derive(Clone, Copy, Debug)]
pub struct SessionRejected<'a> {
    /// What it was told.
    pub refusal: &'a Refusal,
}

impl Emit for SessionRejected<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let reason = match self.refusal.code {
            ErrorCode::TooManySessions => RejectReason::Limit,
            ErrorCode::Draining => RejectReason::Draining,
            ErrorCode::PeerNotAllowed => RejectReason::Peer,
            _ => RejectReason::InvalidRequest,
        };
        telemetry.metrics.session.rejected[reason].inc();
        count_told(telemetry, self.refusal);
        tracing::warn!(
            name: "session_rejected",
            code = self.refusal.code.as_str(),
            field = self.refusal.field.as_deref(),
            detail = self.refusal.message,
            "no session for this connection"
        );
    }
}

/// A session's application was sent an ERROR: it broke the contract, or no connection to Deepgram
/// could be had. Emit it within the session's span.
#[derive(Clone, Copy, Debug)]
pub struct FrameRefused<'a> {
    /// What it was told.
    pub refusal: &'a Refusal,
}

impl Emit for FrameRefused<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        count_told(telemetry, self.refusal);
        tracing::warn!(
            name: "session_error",
            code = self.refusal.code.as_str(),
            field = self.refusal.field.as_deref(),
            detail = self.refusal.message,
            "the application was sent an ERROR"
        );
    }
}

/// OPEN's `traceparent` was malformed: the session goes on in a new trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceparentMalformed;

impl Emit for TraceparentMalformed {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.app.protocol_errors[ProtocolError::BadTraceparent].inc();
        tracing::debug!(name: "traceparent_malformed", "OPEN's traceparent was ignored");
    }
}

fn count_told(telemetry: &Telemetry, refusal: &Refusal) {
    telemetry.metrics.app.protocol_errors[ProtocolError::Told(refusal.code)].inc();
}
