//! Events of the daemon itself.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::time::Duration;

use super::Emit;
use super::line::LogLine;
use crate::config::LogLevel;
use crate::telemetry::label::{KeyReload, Queue};
use crate::telemetry::{REVISION, Telemetry, VERSION};
use session::bound::{
    APP_UNWRITTEN_BYTES_MAX, BACKLOG_BYTES_MAX, MARKS_BYTES_MAX, MESSAGE_BYTES_MAX, RING_BYTES_MAX,
};
use session::drain::{Flush, LastFrame, Tally};
use session::members::{Members, Visitor};
use session::millis;

/// The configuration was loaded.
#[derive(Clone, Copy, Debug)]
pub struct ConfigLoaded<'a> {
    /// The file, if there was one.
    pub file: Option<&'a Path>,
    /// `ipc.max_sessions`.
    pub sessions_max: usize,
    /// `keepalive.interval`.
    pub keepalive_interval: Duration,
    /// `ipc.max_frame_bytes`.
    pub frame_bytes_max: u32,
    /// `vad.price_per_minute`, in US dollars.
    pub price_per_minute: Option<f64>,
}

impl Emit for ConfigLoaded<'_> {
    fn emit(&self, telemetry: &Telemetry) {
        let limit = i64::try_from(self.sessions_max).unwrap_or(i64::MAX);
        telemetry.metrics.session.limit.set(limit);
        let queues = &telemetry.metrics.flow.queue_limit;
        // The frame or message that reaches a bound is accepted whole.
        let to_upstream = BACKLOG_BYTES_MAX + u64::from(self.frame_bytes_max);
        let to_app = APP_UNWRITTEN_BYTES_MAX + MESSAGE_BYTES_MAX;
        // `recovery.ring` is a time; what it comes to in bytes is for each session's encoding to say.
        let ring = RING_BYTES_MAX + MARKS_BYTES_MAX as u64 + u64::from(self.frame_bytes_max);
        queues[Queue::ToUpstream].set(to_upstream as i64);
        queues[Queue::Ring].set(ring as i64);
        queues[Queue::ToApp].set(to_app as i64);
        telemetry.metrics.vad.price.set(self.price_per_minute.unwrap_or_default());
        telemetry.metrics.keepalive.interval.set(self.keepalive_interval.as_secs_f64());
        tracing::info!(
            name: "config_loaded",
            version = VERSION,
            revision = REVISION,
            file = self.file.map(|file| tracing::field::display(file.display())),
            max_sessions = self.sessions_max,
            keepalive_interval_ms = millis(self.keepalive_interval),
            "configuration loaded"
        );
    }
}

/// All addresses are bound.
#[derive(Clone, Copy, Debug)]
pub struct Listening<'a> {
    /// The applications' socket.
    pub socket: &'a Path,
    /// Their port, if there is one, as it was bound.
    pub tcp: Option<SocketAddr>,
    /// The admin server's address, with the port that was bound.
    pub admin: Option<SocketAddr>,
}

impl Emit for Listening<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "listening",
            socket = %self.socket.display(),
            tcp = self.tcp.map(tracing::field::display),
            admin = self.admin.map(tracing::field::display),
            "ready for applications"
        );
    }
}

/// The API key's file changed and the new key is in use.
#[derive(Clone, Copy, Debug)]
pub struct KeyReplaced;

impl Emit for KeyReplaced {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.upstream.key_reloads[KeyReload::Replaced].inc();
        tracing::info!(name: "key_replaced", "API key replaced; new connections use the new one");
    }
}

/// The changed API key file could not be read; the old key stays.
#[derive(Clone, Copy, Debug)]
pub struct KeyReloadFailed<'a, E> {
    /// Why; must not contain the file's contents.
    pub error: &'a E,
}

impl<E: Display> Emit for KeyReloadFailed<'_, E> {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.upstream.key_reloads[KeyReload::Failed].inc();
        tracing::error!(
            name: "key_reload_failed",
            error = %self.error,
            "cannot reload the API key; the old key stays in use"
        );
    }
}

/// The log level was changed, until the daemon exits.
#[derive(Clone, Copy, Debug)]
pub struct LogLevelChanged {
    /// The level before.
    pub from: LogLevel,
    /// The level from now on.
    pub to: LogLevel,
}

impl Emit for LogLevelChanged {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "log_level_changed",
            from = self.from.as_str(),
            to = self.to.as_str(),
            "log level changed until the daemon exits"
        );
    }
}

/// SIGHUP came: it means nothing to the daemon, and must not end it.
#[derive(Clone, Copy, Debug)]
pub struct HangupIgnored;

impl Emit for HangupIgnored {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "signal_ignored",
            signal = "SIGHUP",
            "SIGHUP ignored; the configuration is read at startup only, so restart to change it"
        );
    }
}

/// Shutdown has started.
#[derive(Clone, Copy, Debug)]
pub struct DrainBegun {
    /// Sessions that were live.
    pub sessions: usize,
    /// How long they may take.
    pub deadline: Duration,
    /// How long live applications go on.
    pub linger: Duration,
}

impl Emit for DrainBegun {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "drain_begin",
            sessions = self.sessions,
            deadline_ms = millis(self.deadline),
            linger_ms = millis(self.linger),
            "shutting down: no new sessions"
        );
    }
}

/// Every session has ended, by itself or by the deadline.
#[derive(Clone, Copy, Debug)]
pub struct DrainEnded {
    pub duration: Duration,
    /// Sessions that the deadline cut.
    pub cut: usize,
    /// The sessions' receipts.
    pub tally: Tally,
}

impl Members for DrainEnded {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.member("duration_ms", self.duration);
        visitor.member("sessions", self.tally.sessions());
        visitor.member("cut", self.cut);
        visitor.member("incomplete", self.tally.flushes(Flush::Incomplete));
        visitor.member("unflushed_ms", self.tally.unflushed);
        for last_frame in LastFrame::ALL {
            visitor.member(last_frame.as_str(), self.tally.last_frames(last_frame));
        }
    }
}

impl Emit for DrainEnded {
    fn emit(&self, _telemetry: &Telemetry) {
        let line = if self.cut > 0 {
            let message =
                "sessions cut by the deadline; raise drain.timeout and the pod's grace period";
            LogLine::warn(message)
        } else if self.tally.flushes(Flush::Incomplete) > 0 {
            LogLine::warn("all sessions ended, some without all of their text")
        } else {
            LogLine::info("all sessions ended")
        };
        line.write("drain_end", self);
    }
}

/// The process is about to exit.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownComplete {
    /// Whether a second signal forced it.
    pub forced: bool,
}

impl Emit for ShutdownComplete {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(name: "shutdown_complete", forced = self.forced, "shutdown complete");
    }
}

/// Connections go through a proxy that the environment names.
#[derive(Clone, Copy, Debug)]
pub struct ProxyUsed<'a> {
    /// The setting that names where they go.
    pub destination: &'static str,
    /// The proxy, without credentials.
    pub proxy: &'a http::Uri,
}

impl Emit for ProxyUsed<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::info!(
            name: "proxy_used",
            destination = self.destination,
            proxy = %self.proxy,
            "connections go through a proxy"
        );
    }
}

/// The file descriptor limit allows fewer sessions than configured.
#[derive(Clone, Copy, Debug)]
pub struct SessionsCapped {
    /// How many it allows.
    pub sessions: usize,
    /// How many are configured.
    pub wanted: usize,
    /// The limit on file descriptors.
    pub limit: usize,
}

impl Emit for SessionsCapped {
    fn emit(&self, telemetry: &Telemetry) {
        let sessions = i64::try_from(self.sessions).unwrap_or(i64::MAX);
        telemetry.metrics.session.limit.set(sessions);
        tracing::warn!(
            name: "sessions_capped",
            sessions = self.sessions,
            wanted = self.wanted,
            nofile = self.limit,
            "the file descriptor limit allows fewer sessions than ipc.max_sessions; raise RLIMIT_NOFILE"
        );
    }
}

/// The admin server could not accept a connection: usually because file descriptors ran out. Only the
/// first in a row is logged.
#[derive(Clone, Copy, Debug)]
pub struct AdminAcceptFailed<'a> {
    pub error: &'a io::Error,
    /// How many have failed in a row before.
    pub failures: u64,
}

impl Emit for AdminAcceptFailed<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        if self.failures == 0 {
            tracing::error!(
                name: "admin_accept_failed",
                error = %self.error,
                "cannot accept scrapes and probes; check the file descriptor limit"
            );
        }
    }
}

/// A client of the admin server got no response: it was silent, did not speak HTTP, or left.
#[derive(Clone, Copy, Debug)]
pub struct AdminExchangeFailed<'a> {
    pub error: &'a hyper::Error,
}

impl Emit for AdminExchangeFailed<'_> {
    fn emit(&self, _telemetry: &Telemetry) {
        tracing::debug!(name: "admin_exchange_failed", error = %self.error, "no response sent");
    }
}

/// Some code panicked: a bug.
#[derive(Debug)]
pub struct Panicked<'a, 'b>(
    /// What the panic hook received.
    pub &'a PanicHookInfo<'b>,
);

impl Emit for Panicked<'_, '_> {
    fn emit(&self, telemetry: &Telemetry) {
        telemetry.metrics.daemon.panics.inc();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        tracing::error!(
            name: "panic",
            detail = self.detail(),
            location = self.0.location().map(tracing::field::display),
            backtrace = backtrace.map(tracing::field::display),
            "a bug in the sidecar; please report this line"
        );
    }
}

impl Panicked<'_, '_> {
    /// The panic message.
    fn detail(&self) -> Option<&str> {
        let payload = self.0.payload();
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(|s| &**s))
    }
}
