//! Log lines on stderr: what they look like, which are let through, how many.
//!
//! A JSON line is one object: `ts` (RFC 3339, UTC, milliseconds), `level` (lower case, as the
//! metrics' labels have it), `event` (a closed set, see [`super::event`]; `library` for lines of
//! other crates), `msg`, then the event's fields and those of its spans. Absent values are left
//! out, except in `session_end`, whose members are the contract's.

mod line;
mod rate;

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::Telemetry;
use line::LineFormat;

/// `telemetry.logs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// What a line looks like.
    pub format: LogFormat,
    /// The least urgent level that is let through.
    pub level: LogLevel,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object.
    #[default]
    Json,
    /// Text for people, coloured on a terminal.
    Text,
}

/// How urgent a line is; as a setting, the least urgent that is let through. Other crates' lines
/// are let through from WARN on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// Every level, in declaration order.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The label value, and the `level` of a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn of(level: &Level) -> Self {
        match *level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Trace,
        }
    }

    fn filter(self) -> Targets {
        let own = match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        };
        Targets::new().with_target("deepgram_sidecar", own).with_default(own.min(LevelFilter::WARN))
    }
}

/// Changes the log level of a running daemon.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
}

impl LogHandle {
    /// Lets through lines of this level and of more urgent ones from now on.
    ///
    /// # Errors
    /// When the log that this handle belongs to is gone.
    pub fn set_level(&self, level: LogLevel) -> Result<(), reload::Error> {
        self.filter.reload(level.filter())
    }
}

/// Sends the whole process's log lines to stderr.
///
/// # Errors
/// When the process has a log already.
pub fn init(telemetry: &Telemetry, config: LogConfig) -> Result<LogHandle, SetGlobalDefaultError> {
    let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (subscriber, handle) = subscriber(telemetry, config, io::stderr, is_coloured);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(handle)
}

/// The log, written to any writer.
fn subscriber<W>(
    telemetry: &Telemetry,
    config: LogConfig,
    writer: W,
    is_coloured: bool,
) -> (impl Subscriber + Send + Sync, LogHandle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(config.level.filter());
    let lines = fmt::layer()
        .event_format(LineFormat::new(config.format, telemetry.clone()))
        .fmt_fields(config.format)
        .with_ansi(is_coloured)
        .with_writer(writer)
        .with_filter(filter);
    (Registry::default().with(lines), LogHandle { filter: handle })
}

#[cfg(test)]
mod tests;
