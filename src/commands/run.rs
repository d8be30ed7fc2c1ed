//! `run`: the daemon, from configuration to exit code.

use std::process::ExitCode;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::configuration::{Args, EXIT_USAGE};
use crate::config::key::{ApiKey, KeyStore};
use crate::config::{self, Collector, Config, Proxy};
use crate::daemon::{self, Daemon};
use crate::telemetry::event::{ConfigLoaded, Emit, HangupIgnored, ProxyUsed, ShutdownComplete};
use crate::telemetry::log::{self, LogHandle};
use crate::telemetry::otlp::SpanExport;
use crate::telemetry::{SeriesLimits, Telemetry};

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// Why it cannot start, other than the configuration.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sources = args.sources();
    let Loaded { config, keys, token, proxy, collector } = match load(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let telemetry = Telemetry::new(SeriesLimits {
        sessions_max: config.telemetry.metrics.per_session_max,
        linger: config.telemetry.metrics.per_session_linger,
    });
    let collector_proxy = collector.as_ref().and_then(|it| it.proxy.clone());
    let (telemetry, spans) = match collector {
        Some(collector) => {
            let (telemetry, spans) = telemetry.with_traces(collector, &config);
            (telemetry, Some(spans))
        }
        None => (telemetry, None),
    };
    let log = log::init(&telemetry, &config.telemetry.logs)?;
    telemetry.install_panic_hook();
    // Each session uses two descriptors; the usual soft limit of 1024 would allow 500 sessions.
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(name: "descriptor_limit", %error, "cannot raise the file descriptor limit");
    }
    let loaded = ConfigLoaded {
        file: sources.file.as_deref(),
        sessions_max: daemon::sessions_max(&config),
        keepalive_interval: config.keepalive.interval,
        frame_bytes_max: config.ipc.max_frame_bytes,
        price_per_minute: config.vad.price_per_minute,
    };
    loaded.emit(&telemetry);
    for (destination, proxy) in [("upstream.url", &proxy), ("telemetry.otlp", &collector_proxy)] {
        if let Some(proxy) = proxy {
            ProxyUsed { destination, proxy: &proxy.uri }.emit(&telemetry);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("sidecar")
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(serve(
        &config,
        keys,
        token,
        proxy,
        telemetry,
        spans,
        log.handle().clone(),
    ))?;
    // A blocking read of the key file may hang on a dead mount; it must not block the exit.
    runtime.shutdown_background();
    Ok(code)
}

/// What the file, the environment and the command line say.
struct Loaded {
    config: Config,
    keys: KeyStore,
    /// What the loopback port asks for.
    token: Option<ApiKey>,
    /// On the way to Deepgram.
    proxy: Option<Proxy>,
    collector: Option<Collector>,
}

fn load(sources: &config::Sources) -> Result<Loaded, String> {
    let config = config::load(sources).map_err(|error| error.to_string())?;
    let keys = KeyStore::load(&config.upstream, &sources.environment)
        .map_err(|error| error.to_string())?;
    let token = config.ipc.tcp_token_file.as_deref().map(ApiKey::read_token).transpose();
    let token = token.map_err(|error| error.to_string())?;
    let collector = Collector::find(&config.telemetry.otlp, &sources.environment)
        .map_err(|error| error.to_string())?;
    let proxy = Proxy::find(&config.upstream.url, &sources.environment)
        .map_err(|error| error.to_string())?;
    Ok(Loaded { config, keys, token, proxy, collector })
}

async fn serve(
    config: &Config,
    keys: KeyStore,
    token: Option<ApiKey>,
    proxy: Option<Proxy>,
    telemetry: Telemetry,
    spans: Option<SpanExport>,
    log: LogHandle,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new(telemetry.clone()).context("cannot listen for signals")?;
    let daemon =
        Daemon::start(config, keys, token, proxy, telemetry.clone(), spans, Some(log)).await?;
    signals.next().await;
    tokio::select! {
        () = daemon.shutdown() => Ok(ExitCode::SUCCESS),
        () = signals.next() => {
            // The daemon is dropped here, and its socket file with it.
            ShutdownComplete { forced: true }.emit(&telemetry);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// SIGTERM and SIGINT, which mean the same; SIGHUP, which means nothing, would otherwise kill.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    telemetry: Telemetry,
}

impl Signals {
    fn new(telemetry: Telemetry) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            telemetry,
        })
    }

    /// The next signal to end.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => HangupIgnored.emit(&self.telemetry),
            }
        }
    }
}
