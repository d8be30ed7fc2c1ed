//! One type for each thing that happens. [`Emit::emit`] updates its metrics and writes its log
//! line, so that the two cannot drift apart.
//!
//! Names of log events are a closed set: [`session::fact::Fact::NAMES`] and the `name` of each line
//! below. A session's facts have their own names and members, which are not repeated here: see
//! `Measure`. Levels say who must act:
//! ERROR an operator, WARN nobody yet; INFO is the lifecycle of sessions and daemon, DEBUG the rest.
//! Nothing here runs per audio frame.

mod app;
mod connection;
mod daemon;
mod dials;
mod fact;
mod lifecycle;
mod line;
mod observation;
mod otlp;
mod recovery;
mod stream;
mod vad;

pub use app::{
    AcceptFailed, AcceptResumed, AppRejected, FrameRefused, OpenMissed, Rejected, SessionRejected,
    SessionsAdmitted, TraceparentMalformed,
};
pub use daemon::{
    AdminAcceptFailed, AdminExchangeFailed, ConfigLoaded, DrainBegun, DrainEnded, HangupIgnored,
    KeyReloadFailed, KeyReplaced, Listening, LogLevelChanged, Panicked, ProxyUsed, SessionsCapped,
    ShutdownComplete,
};
pub use dials::{DialsHeld, DialsReleased};
pub(super) use fact::FactEvent;
pub use lifecycle::SessionReceipt;
pub(super) use lifecycle::{FlightRecorded, SessionCancelled, SessionClosed, SessionOpened};
pub(super) use line::{LogLine, Measure, NAMED_BY_FIELD};
pub(super) use observation::Observed;
pub(super) use otlp::{ExportFailed, OtlpFailing, OtlpRecovered, SpansExported, SpansFailed};

use super::Telemetry;

/// Something that happened.
pub trait Emit {
    /// Records it: metrics and log line together.
    fn emit(&self, telemetry: &Telemetry);
}
