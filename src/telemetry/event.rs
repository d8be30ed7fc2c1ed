//! One type for each thing that happens. [`Emit::emit`] updates its metrics and writes its log
//! line, so that the two cannot drift apart.
//!
//! Names of log events are a closed set: the `name` of each line below. Levels say who must act:
//! ERROR an operator, WARN nobody yet; INFO is the lifecycle of sessions and daemon, DEBUG the rest.
//! Nothing here runs per audio frame.

mod app;
mod connection;
mod daemon;
mod lifecycle;
mod observation;
mod otlp;
mod stream;

pub use app::{
    AcceptFailed, AppRejected, FrameRefused, OpenMissed, SessionRejected, TraceparentMalformed,
};
pub(super) use connection::Died;
pub use daemon::{
    AdminAcceptFailed, AdminExchangeFailed, ConfigLoaded, DrainBegun, DrainEnded, KeyReloadFailed,
    KeyReplaced, Listening, LogLevelChanged, Panicked, ShutdownComplete,
};
pub(super) use lifecycle::{FlightRecorded, SessionCancelled, SessionClosed, SessionOpened};
pub(super) use observation::Observed;
pub(super) use otlp::{ExportFailed, OtlpFailing, OtlpRecovered, SpansExported, SpansFailed};
pub(super) use stream::Answered;

use super::Telemetry;

/// Something that happened.
pub trait Emit {
    /// Records it: metrics and log line together.
    fn emit(&self, telemetry: &Telemetry);
}

/// A log line whose level depends on what happened; `tracing` needs one macro call per level.
macro_rules! line {
    ($level:expr, name: $name:literal, $($rest:tt)*) => {
        match $level {
            tracing::Level::ERROR => tracing::error!(name: $name, $($rest)*),
            tracing::Level::WARN => tracing::warn!(name: $name, $($rest)*),
            tracing::Level::INFO => tracing::info!(name: $name, $($rest)*),
            _ => tracing::debug!(name: $name, $($rest)*),
        }
    };
}
use line;
