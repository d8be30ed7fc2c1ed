//! `doctor`: is this pod able to stream, and if not, why? With `--probe` also: does the peer behave
//! as we believe that Deepgram does?

mod advice;
mod answer;
mod conversation;
mod local;
mod network;
mod probe;
mod recorded;
mod report;
mod stream;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::configuration::{self, EXIT_USAGE};
use super::output::{OutputError, print_line};
use crate::config::key::{KeyError, KeySource, KeyStore};
use crate::config::{self, Auth, Config, Proxy, Sources};
use crate::daemon;
use crate::upstream::dial::Dialer;
use network::{Key, Secured};
use report::{Check, Report, Row};

/// How long any step may take, however patient the configuration is.
const STEP_MAX: Duration = Duration::from_secs(60);

const AFTER_HELP: &str = "Examples:
  deepgram-sidecar doctor --config /etc/deepgram-sidecar/config.yaml
  deepgram-sidecar doctor --json | jq '.checks[] | select(.status == \"failed\")'
  deepgram-sidecar doctor --probe --only idle_close --only keepalive_only";

/// Check whether this pod can stream: one row for each thing that it needs, with what to do.
///
/// Run it where the daemon runs, with the daemon's configuration:
///
/// kubectl exec POD -c deepgram-sidecar -- deepgram-sidecar doctor
///
/// It checks the configuration, the key, file descriptors, the applications' socket and port, DNS, TCP
/// and TLS of each address, the upgrade, the clock, and streams one second of silence. It takes the
/// daemon's own steps, each limited by upstream.connect_timeout and a minute at most, touches no
/// running daemon, and never prints the key. Deepgram bills the second.
///
/// Exit codes: 0 if all is well, 1 if anything failed or could not be checked, 2 for usage or
/// configuration errors.
#[derive(Clone, Debug, clap::Args)]
// Its name is also that of the arguments that it takes in.
#[group(skip)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    configuration: configuration::Args,

    /// Print one JSON object, for other programs; docs/doctor.md describes it.
    #[arg(long)]
    json: bool,

    /// Then ask the peer what Deepgram does not document, and compare with what we expect.
    ///
    /// For example when an idle stream is closed and with which code, or what a Finalize on silence
    /// answers. Opens 17 streams, takes about 40 s, and Deepgram bills about 50 s of audio.
    #[arg(long)]
    probe: bool,

    #[command(flatten)]
    probing: probe::Probing,

    /// The model to ask for.
    #[arg(long, value_name = "MODEL", default_value = "nova-3")]
    model: String,
}

/// Checks, and prints what it finds.
///
/// # Errors
/// When the runtime cannot be started, or JSON cannot be written.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let mut report = Report::new(!args.json);
    let code = runtime.block_on(examine(args, &mut report));
    // A lookup that hangs must not hold up the exit.
    runtime.shutdown_background();
    report.begin("");
    match args.json {
        true => unless_unread(print_line(format_args!("{:#}", report.to_json())))?,
        false => report.print(format_args!("\n{}", report.verdict())),
    }
    Ok(code)
}

/// Whoever does not read the report still gets the exit code.
fn unless_unread(printed: Result<(), OutputError>) -> Result<(), OutputError> {
    printed.or_else(|error| if error.is_reader_gone() { Ok(()) } else { Err(error) })
}

async fn examine(args: &Args, report: &mut Report) -> ExitCode {
    let sources = args.configuration.sources();
    let since = clock::now();
    let config = match config::load(&sources) {
        Ok(config) => config,
        Err(problems) => {
            let detail = problems.to_string().lines().collect::<Vec<_>>().join("; ");
            let advice = "correct these; `check-config` shows them one by one";
            report.add(Row::failed(Check::Config, local::elapsed(since), detail, advice));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    report.about(config.upstream.url.to_string());
    let from = match &sources.file {
        Some(file) => format!("{}, environment and --set", file.display()),
        None => "defaults, environment and --set; no file".to_owned(),
    };
    report.add(Row::ok(Check::Config, local::elapsed(since), from));
    let keys = check_key(&config, &sources, report);
    report.add(local::descriptors(&config));
    report.add(local::socket(&config));
    local::port(&config).into_iter().for_each(|row| report.add(row));
    // A proxy that cannot be used was reported with the configuration.
    let proxy = Proxy::find(&config.upstream.url, &sources.environment).ok().flatten();
    if let Some(proxy) = &proxy {
        let config::Proxy { uri, variable, .. } = proxy;
        report.print(format_args!("through the proxy {uri} from {variable}"));
    }
    reach(args, &config, keys, proxy, report).await;
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The keys, if there are any to be had.
fn check_key(config: &Config, sources: &Sources, report: &mut Report) -> Option<KeyStore> {
    let since = clock::now();
    let keys: Result<_, KeyError> = KeyStore::load(&config.upstream, &sources.environment);
    report.add(local::key(config, keys.as_ref(), since));
    let keys = keys.ok()?;
    report.hide(keys.current());
    Some(keys)
}

/// Without a key the way is checked as far as none is needed.
async fn reach(
    args: &Args,
    config: &Config,
    keys: Option<KeyStore>,
    proxy: Option<Proxy>,
    report: &mut Report,
) {
    let has_key = keys.is_some();
    let source = keys.as_ref().and_then(KeyStore::source).map(KeySource::to_string);
    let source = source.unwrap_or_else(|| "upstream.auth (none)".to_owned());
    let keys = keys.unwrap_or_else(keyless);
    let since = clock::now();
    let lookups = Arc::new(tokio::sync::Semaphore::new(1));
    let dialer =
        match daemon::dialer::of(config, &config.upstream.url, Arc::new(keys), proxy, lookups) {
            Ok(dialer) => dialer,
            Err(error) => {
                let advice = "correct upstream.ca_file, or install ca-certificates in the image";
                report.add(Row::failed(
                    Check::Roots,
                    local::elapsed(since),
                    error.to_string(),
                    advice,
                ));
                return skip(report, &[Check::Dns, Check::Upgrade, Check::Clock, Check::Stream]);
            }
        };
    report.add(Row::ok(Check::Roots, local::elapsed(since), roots(config)));
    let streaming = Streaming { args, config, has_key, source };
    streaming.check(&dialer, report).await;
}

/// A store for a peer that needs no key.
fn keyless() -> KeyStore {
    let upstream = config::Upstream { auth: Auth::None, ..Config::default().upstream };
    KeyStore::load(&upstream, &[]).expect("without authentication no key is needed")
}

fn roots(config: &Config) -> String {
    match &config.upstream.ca_file {
        _ if config.upstream.url.scheme() == "ws" => {
            "not needed: upstream.url is plain ws://".into()
        }
        Some(file) => format!("the system's and {}", file.display()),
        None => "the system's".into(),
    }
}

fn skip(report: &mut Report, checks: &[Check]) {
    for check in checks {
        report.add(Row::skipped(*check, "not checked, because something above failed"));
    }
}

/// What the checks of the way to Deepgram need.
struct Streaming<'a> {
    args: &'a Args,
    config: &'a Config,
    has_key: bool,
    /// Where the key comes from, for advice.
    source: String,
}

impl Streaming<'_> {
    async fn check<K: Key>(&self, dialer: &Dialer<K>, report: &mut Report) {
        let limit = self.config.upstream.connect_timeout.min(STEP_MAX);
        let rest = [Check::Upgrade, Check::Clock, Check::Stream];
        report.begin("dns: looking up the host");
        let (row, addresses) = network::lookup(dialer, limit).await;
        report.add(row);
        if addresses.is_empty() {
            return skip(report, &rest);
        }
        report.begin("tcp, tls: connecting to each address");
        let (rows, first) = network::connect(dialer, &addresses, limit).await;
        rows.into_iter().for_each(|row| report.add(row));
        let Some((address, secured)) = first else { return skip(report, &rest) };
        if !self.has_key {
            return skip(report, &rest);
        }
        self.stream(dialer, address, secured, report).await;
    }

    async fn stream<K: Key>(
        &self,
        dialer: &Dialer<K>,
        address: SocketAddr,
        secured: Secured,
        report: &mut Report,
    ) {
        let query = self.query();
        let limit = self.config.upstream.connect_timeout.min(STEP_MAX);
        report.begin("upgrade: waiting for the answer");
        let upgrade = network::upgrade(dialer, secured, &query, dialer.credentials(), limit).await;
        report.add(upgrade.row(&self.source));
        report.add(upgrade.clock(SystemTime::now()));
        let Ok(opened) = upgrade.result else { return skip(report, &[Check::Stream]) };
        report.begin("stream: sending a second of silence");
        let answers = self.config.session.finish_timeout.min(STEP_MAX);
        report.add(stream::check(opened, answers).await);
        if self.args.probe {
            let sends_key = self.config.upstream.auth != Auth::None;
            let peer = probe::Peer { dialer, address, limit, query, sends_key };
            self.probe(&peer, report).await;
        }
    }

    async fn probe<K: Key>(&self, peer: &probe::Peer<'_, K>, report: &mut Report) {
        if !report.can_stream() {
            return report.print("probe: not started, because no stream works");
        }
        let narrates = !self.args.json;
        report.answer(probe::run(peer, &self.args.probing, narrates).await);
    }

    /// The parameters of an OPEN, as the daemon encodes them.
    fn query(&self) -> String {
        let model = utf8_percent_encode(&self.args.model, NON_ALPHANUMERIC);
        format!("model={model}&encoding=linear16&sample_rate=16000&channels=1&interim_results=true")
    }
}
