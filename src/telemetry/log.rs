//! Log lines on stderr: their format, level and rate.
//!
//! A JSON line is one object: `ts` (RFC 3339, UTC, milliseconds), `level` (lower case, as the
//! in the metrics' labels), `event` (a closed set, see [`super::event`]; `library` for lines from
//! other crates), `msg`, then the event's fields and those of its spans. Absent values are omitted,
//! except in `session_end`, whose members are the contract's.

mod line;
mod rate;

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::event::{Emit, LogLevelChanged};
use super::{Telemetry, trace};
use crate::config::{LogLevel, Logs};
use line::LineFormat;

/// Maximum lines queued while standard error blocks: enough for thousands of sessions ending at
/// once. Further ones are dropped and counted.
const LINES_MAX: usize = 8192;

/// The level of a line, as the configuration spells it.
fn level_of(level: &Level) -> LogLevel {
    match *level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// Passes our own lines from this level up, and other crates' from at least WARN.
fn filter_of(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_target("deepgram_sidecar", own)
        .with_target(trace::TARGET, LevelFilter::OFF)
        .with_default(own.min(LevelFilter::WARN))
}

/// Changes the log level of a running daemon. Clones share the level.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
    level: Arc<Mutex<LogLevel>>,
}

impl LogHandle {
    /// The current level.
    pub fn level(&self) -> LogLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all levels, most urgent first.
    pub fn levels() -> impl Iterator<Item = &'static str> {
        LogLevel::ALL.iter().map(|level| level.as_str())
    }

    /// Changes to the level of this name. Logs the change while the line passes the old or the new
    /// level.
    ///
    /// # Errors
    /// If no level has this name.
    pub fn change(&self, telemetry: &Telemetry, name: &[u8]) -> Result<(), NoLevel> {
        let to = level_named(name).ok_or(NoLevel)?;
        let from = self.level();
        let event = LogLevelChanged { from, to };
        if to < from {
            event.emit(telemetry);
        }
        self.set_level(to).expect("the process's log is never taken down");
        if to > from {
            event.emit(telemetry);
        }
        Ok(())
    }

    /// Sets the minimum level from now on.
    ///
    /// # Errors
    /// If the log that this handle belongs to is gone.
    fn set_level(&self, level: LogLevel) -> Result<(), reload::Error> {
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(filter_of(level))?;
        *current = level;
        Ok(())
    }
}

/// The given name is not a level's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoLevel;

fn level_named(name: &[u8]) -> Option<LogLevel> {
    LogLevel::ALL.iter().copied().find(|level| level.as_str().as_bytes() == name)
}

/// The process's log. When it is dropped, at exit, queued lines are written, for at most a second.
#[derive(Debug)]
pub struct Log {
    handle: LogHandle,
    _writer: WorkerGuard,
}

impl Log {
    /// Changes the level at run time.
    pub fn handle(&self) -> &LogHandle {
        &self.handle
    }
}

/// Sends the whole process's log lines to stderr, and its session spans to the tracer.
///
/// # Errors
/// If the process already has a log.
pub fn init(telemetry: &Telemetry, config: &Logs) -> Result<Log, SetGlobalDefaultError> {
    let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (writer, guard) = unblocked(telemetry, io::stderr());
    let (subscriber, handle) = subscriber(telemetry, config, writer, is_coloured);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(Log { handle, _writer: guard })
}

/// A writer that never blocks: a separate thread does, so that a hanging log collector does not
/// hold up sessions.
fn unblocked<W>(telemetry: &Telemetry, writer: W) -> (NonBlocking, WorkerGuard)
where
    W: io::Write + Send + 'static,
{
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(writer);
    telemetry.watch_log(writer.error_counter());
    (writer, guard)
}

/// The log, written to any writer.
fn subscriber<W>(
    telemetry: &Telemetry,
    config: &Logs,
    writer: W,
    is_coloured: bool,
) -> (impl Subscriber + Send + Sync, LogHandle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter_of(config.level));
    let lines = fmt::layer()
        .event_format(LineFormat::new(config.format, telemetry.clone()))
        .fmt_fields(config.format)
        .with_ansi(is_coloured)
        .with_writer(writer)
        .with_filter(filter);
    let spans = telemetry.tracers.as_deref().map(trace::layer);
    let handle = LogHandle { filter: handle, level: Arc::new(Mutex::new(config.level)) };
    (Registry::default().with(lines).with(spans), handle)
}

#[cfg(test)]
pub(super) mod tests;
