//! Every section and key. Documentation here is the text of the reference page.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::collector::collector_url;
use super::rule::{any, checked, only, within};
use super::schema::{section, sections};
use super::setting::SocketMode;
use super::words::{Auth, LogFormat, LogLevel, OtlpProtocol, RecoveryMode, VadMode};

sections! {
    /// The whole configuration: validated, never changed.
    Config {
        /// The application's side.
        ipc: Ipc;
        /// Deepgram's side.
        upstream: Upstream;
        /// What holds an idle connection.
        keepalive: Keepalive;
        /// How a dead connection is noticed.
        liveness: Liveness;
        /// A session's buffers and deadlines.
        session: SessionTimes;
        /// What follows the death of a connection.
        recovery: Recovery;
        /// The gate that leaves silence out.
        vad: Vad;
        /// What operators see over HTTP.
        admin: Admin;
        /// Logs, traces and metrics.
        telemetry: Telemetry;
        /// The end of the process.
        drain: Drain;
    }
}

section! {
    /// The Unix socket that applications open.
    Ipc {
        /// The socket file: an absolute path. The kernel takes no more than 107 bytes.
        socket: PathBuf = "/run/deepgram-sidecar/sidecar.sock".into(),
            checked("absolute, at most 107 bytes", socket_path);
        /// The permissions of the socket file. By default owner and group may connect: containers
        /// of a pod share a group more often than a user.
        socket_mode: SocketMode = SocketMode::DEFAULT, any();
        /// Users who may open sessions, as numeric ids. Empty: whoever may open the socket file.
        allow_uids: Vec<u32> = Vec::new(), any();
        /// Groups whose members may open sessions, as numeric ids. Empty: whoever may open the
        /// socket file.
        allow_gids: Vec<u32> = Vec::new(), any();
        /// Sessions at a time; one more is refused with `too_many_sessions`. The default is far
        /// above what one application has, and bounds memory all the same.
        max_sessions: usize = 2000, within(1..=100_000);
        /// Largest payload of a frame from an application, in bytes; a larger one is refused
        /// before memory for it is taken. The default holds 32 s of 16 kHz linear16.
        max_frame_bytes: u32 = 1 << 20, within(1 << 10..=16 << 20);
        /// An application that has not sent OPEN so long after it connected is disconnected. OPEN is
        /// its first write, so this is generous.
        open_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// A loopback address for the Deepgram-compatible dialect over TCP.
        tcp_listen: Option<SocketAddr> = None, only(None);
    }
}

section! {
    /// The connections to Deepgram.
    Upstream {
        /// Deepgram's address, scheme and host alone: applications choose the path, and the key
        /// has its own place.
        url: Url = "wss://api.deepgram.com".parse().expect("the literal is a URL"),
            checked("wss://HOST[:PORT], or ws:// with allow_plaintext", upstream_url);
        /// How the API key is shown. With `none` no key is needed: for a self-hosted Deepgram.
        auth: Auth = Auth::Token, any();
        /// A file that holds the API key and nothing else. It is read again when it changes.
        /// Without it the key is the environment variable `DEEPGRAM_API_KEY`.
        api_key_file: Option<PathBuf> = None, any();
        /// Certificates, as PEM, to trust in addition to the system's: for a self-hosted Deepgram.
        ca_file: Option<PathBuf> = None, any();
        /// Whether the address may be `ws://`. Key and audio then travel in the clear, so it takes
        /// two settings to ask for it.
        allow_plaintext: bool = false, any();
        /// For one attempt, from the name lookup to the answered upgrade. Applications wait
        /// through all attempts, so a lost one must not take long.
        connect_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// Attempts in all to open a connection, waiting about 1, 2, 4 ... seconds in between.
        connect_attempts: u32 = 3, within(1..=10);
        /// A connection that takes none of what is written to it for so long is dead. Half of
        /// Deepgram's own patience of about 10 s, so that we say why before Deepgram does.
        write_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// The most connections at a time that your Deepgram project allows. Null: not known.
        max_connections: Option<usize> = None, within(1..=100_000).or_null();
    }
}

section! {
    /// What holds a connection on which the application sends nothing.
    Keepalive {
        /// A KeepAlive goes out when nothing was sent for so long. Half of Deepgram's limit of
        /// about 10 s: one may come late without harm.
        interval: Duration = seconds(5), within(MOMENT..seconds(10)).because(
            "Deepgram ends a connection that gets neither audio nor a KeepAlive for about 10s",
        );
        /// After so long of nothing but KeepAlives the connection is closed cleanly, and opened
        /// again by the next audio: an idle connection costs concurrency. 0s: never.
        max_idle: Duration = seconds(600), within(Duration::ZERO..=DAY);
        /// Silence sent on a fresh connection for as long as the application sends nothing.
        /// KeepAlives alone hold a connection that never had audio for about 30 s. 0s: none, since
        /// Deepgram bills it as audio.
        prime_silence: Duration = Duration::ZERO, within(Duration::ZERO..=seconds(60));
    }
}

section! {
    /// How a connection is noticed to be dead although nothing says so.
    Liveness {
        /// How often Deepgram is pinged. Often enough that a half-open connection is noticed before
        /// Deepgram's own limit of about 10 s.
        ping_interval: Duration = seconds(5), within(MOMENT..=DAY);
        /// Without a sign of life for so long after a ping the connection is dead. A pong takes
        /// one round trip; the rest is patience with a slow network.
        ping_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// Audio that stays unanswered for so long makes a `stalled` event. Deepgram answers
        /// speech within about 1 s; long pauses of speech are the reason for the distance.
        stall_after: Duration = seconds(20), within(MOMENT..=DAY);
        /// Whether a stall is a death. Off by default: silence looks the same to us.
        kill_stalled: bool = false, any();
    }
}

section! {
    /// A session's buffers and deadlines.
    SessionTimes {
        /// How much audio is kept while Deepgram is dialled; beyond it the application waits. The
        /// default covers one attempt that runs into its timeout. Never more than 1 MiB.
        connect_buffer: Duration = seconds(10), within(MOMENT..=seconds(600));
        /// How long a Finalize may stay unanswered before it counts as a timeout: Deepgram does not
        /// promise an answer.
        finalize_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// How long Deepgram has to deliver the rest and close after FINISH. Smaller than
        /// `drain.timeout`, so that a session that ends with the pod can end well.
        finish_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// How long an application may leave its socket unread while something waits for it. Longer
        /// than any pause of a healthy one, short enough that a hung one frees its connection.
        app_stall_timeout: Duration = seconds(30), within(MOMENT..=DAY);
    }
}

section! {
    /// What follows the death of a connection.
    Recovery {
        /// With `latch` a death is final for the session, and the application decides what follows.
        mode: RecoveryMode = RecoveryMode::Latch, only(RecoveryMode::Latch);
        /// How much audio is kept to be sent again. Deepgram's final results trail by a few
        /// seconds; the rest is room for a slow reconnect.
        ring: Duration = seconds(30), within(MOMENT..=seconds(600));
        /// New connections in the life of a session.
        max_reconnects: u32 = 10, within(0..=1000);
        /// New connections in a minute of a session: a fault that comes back at once is not
        /// chased.
        reconnects_per_minute: u32 = 4, within(1..=60);
    }
}

section! {
    /// The gate that leaves silence out.
    Vad {
        /// With `off` all audio is sent. The boolean false is read as `off`.
        mode: VadMode = VadMode::Off, only(VadMode::Off);
    }
}

section! {
    /// What operators see over HTTP: metrics, probes, sessions.
    Admin {
        /// Where it listens. Loopback by default: whoever reaches it sees session ids, tags and this
        /// configuration. For probes and scrapes from outside the pod, 0.0.0.0:9464.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)), any();
    }
}

sections! {
    /// Logs, traces and metrics.
    Telemetry {
        /// The log on standard error.
        logs: Logs;
        /// Traces.
        otlp: Otlp;
        /// Metrics.
        metrics: Metrics;
    }
}

section! {
    /// The log.
    Logs {
        /// How lines are written. Pods are read by log collectors, so JSON.
        format: LogFormat = LogFormat::Json, any();
        /// The least important lines that are written. `deepgram-sidecar log-level` changes it while
        /// the daemon runs.
        level: LogLevel = LogLevel::Info, any();
    }
}

section! {
    /// Traces.
    Otlp {
        /// The collector's base URL, such as `http://collector:4318`; spans go to `/v1/traces` below
        /// it. Null: what OpenTelemetry's own variables say, and without those no traces.
        endpoint: Option<Url> = None,
            checked("http:// or https://, without credentials", collector_url).or_null();
        /// How traces travel.
        protocol: OtlpProtocol = OtlpProtocol::Http, any();
        /// The share of sessions that are traced where the application has not decided. All by
        /// default: a session is minutes long, so there are few.
        sample_ratio: f64 = 1.0, within(0.0..=1.0);
    }
}

section! {
    /// Metrics.
    Metrics {
        /// Sessions that have series of their own; further ones are in the totals only. It bounds
        /// what a scrape costs.
        per_session_max: usize = 1000, within(0..=100_000);
        /// How long an ended session keeps its series: longer than a usual scrape interval of
        /// 15 to 30 s, so that the last values are seen.
        per_session_linger: Duration = seconds(60), within(Duration::ZERO..=seconds(3600));
    }
}

section! {
    /// The end of the process.
    Drain {
        /// How long sessions have to end after SIGTERM. Smaller than the 30 s that Kubernetes
        /// gives a pod by default, so that the end is ours.
        timeout: Duration = seconds(25), within(Duration::ZERO..=DAY);
    }
}

impl Keepalive {
    /// [`Keepalive::max_idle`] with its zero read as "no limit".
    pub fn idle_budget(&self) -> Option<Duration> {
        (!self.max_idle.is_zero()).then_some(self.max_idle)
    }
}

impl Config {
    /// What single keys cannot see.
    pub(super) fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        if self.upstream.url.scheme() == "ws" && !self.upstream.allow_plaintext {
            found.push(Contradiction {
                keys: &[&["upstream", "url"], &["upstream", "allow_plaintext"]],
                message: "ws:// sends key and audio in the clear; use wss://, or set \
                          upstream.allow_plaintext to true",
            });
        }
        found
    }
}

/// Sound values that do not go together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contradiction {
    /// The names of each key, the one to blame first.
    pub(super) keys: &'static [&'static [&'static str]],
    /// What to do, in a sentence.
    pub(super) message: &'static str,
}

/// The shortest timer that makes sense; zero would fire for ever.
const MOMENT: Duration = Duration::from_millis(1);

/// The longest. Longer is meant as "never", and a mistake of the unit.
const DAY: Duration = seconds(24 * 60 * 60);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// `sun_path` of Linux, less the NUL at its end.
const SOCKET_PATH_MAX: usize = 107;

#[expect(clippy::ptr_arg, reason = "a rule checks the field as it is")]
fn socket_path(path: &PathBuf) -> Result<(), &'static str> {
    let path: &Path = path;
    if !path.is_absolute() {
        return Err("must be an absolute path, starting with /");
    }
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err("must be at most 107 bytes long, the kernel's limit; choose a shorter path");
    }
    if path.file_name().is_none() || path.to_string_lossy().ends_with('/') {
        return Err("must name a file, not a directory");
    }
    Ok(())
}

/// Never repeats the URL: it may hold credentials.
fn upstream_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "wss" | "ws") {
        return Err("must start with wss:// (or ws:// with upstream.allow_plaintext)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; the key belongs in upstream.api_key_file or \
                    DEEPGRAM_API_KEY");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or fragment; applications send parameters in OPEN");
    }
    if !matches!(url.path(), "" | "/") {
        return Err("must not hold a path; applications choose the endpoint in OPEN");
    }
    Ok(())
}
