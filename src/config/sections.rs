//! Every section and key. The documentation here is the text of the reference page.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::endpoint::collector_url;
use super::rule::{any, checked, within};
use super::schema::{section, sections};
use super::setting::SocketMode;
use super::words::{Auth, LogFormat, LogLevel, OtlpProtocol, RecoveryMode, VadMode};

/// The shortest sensible timer; zero would fire forever.
const MOMENT: Duration = Duration::from_millis(1);

/// The longest. Anything longer means "never", or is a mistake in the unit.
const DAY: Duration = seconds(24 * 60 * 60);

/// Linux's `sun_path`, without the terminating NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Deepgram's host for the Voice Agent.
const AGENT_URL: &str = "wss://agent.deepgram.com";

sections! {
    /// The whole configuration: validated, never changed.
    Config {
        /// The application's side.
        ipc: Ipc;
        /// Deepgram's side.
        upstream: Upstream;
        /// Keeping idle connections alive.
        keepalive: Keepalive;
        /// How dead connections are detected.
        liveness: Liveness;
        /// A session's buffers and deadlines.
        session: SessionTimes;
        /// What happens after a connection dies.
        recovery: Recovery;
        /// The gate that holds silence back.
        vad: Vad;
        /// The admin server.
        admin: Admin;
        /// Logs, traces and metrics.
        telemetry: Telemetry;
        /// Shutdown.
        drain: Drain;
    }
}

section! {
    /// The Unix socket for applications.
    Ipc {
        /// The socket file: an absolute path of at most 107 bytes, the kernel's limit.
        socket: PathBuf = "/run/deepgram-sidecar/sidecar.sock".into(),
            checked("absolute, at most 107 bytes", socket_path);
        /// The socket file's permissions. By default owner and group may connect, because a pod's
        /// containers are more likely to share a group than a user.
        socket_mode: SocketMode = SocketMode::DEFAULT, any();
        /// Numeric ids of users allowed to open sessions. Empty: anyone who can open the socket file.
        allow_uids: Vec<u32> = Vec::new(), any();
        /// Numeric ids of groups allowed to open sessions. Empty: anyone who can open the socket
        /// file.
        allow_gids: Vec<u32> = Vec::new(), any();
        /// Maximum concurrent sessions; further ones are refused with `too_many_sessions`. The
        /// default is far more than one application needs, but still bounds memory.
        max_sessions: usize = 2000, within(1..=100_000);
        /// Maximum payload of a frame from an application, in bytes; larger ones are refused
        /// before memory is allocated. The default holds 32 s of 16 kHz linear16.
        max_frame_bytes: u32 = 1 << 20, within(1 << 10..=16 << 20);
        /// An application that has not sent OPEN, or its request, within this time is disconnected.
        open_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// An address for the Deepgram-compatible dialect over TCP, such as `127.0.0.1:7070`, for SDKs
        /// that cannot use a Unix socket. Every process in the pod can reach it. Null: none.
        tcp_listen: Option<SocketAddr> = None,
            checked("on loopback, such as 127.0.0.1:7070", loopback);
        /// A file with the token that the port asks for, and nothing else; SDKs send it as their API
        /// key. Null: the port serves whoever reaches it. Read once, at the start.
        tcp_token_file: Option<PathBuf> = None, any();
    }
}

section! {
    /// The connections to Deepgram.
    Upstream {
        /// Deepgram's address, only scheme and host: applications choose the path, and the key is
        /// set separately.
        url: Url = "wss://api.deepgram.com".parse().expect("the literal is a URL"),
            checked("wss://HOST[:PORT], or ws:// with allow_plaintext", upstream_url);
        /// The same for the Voice Agent (`/v1/agent/converse`). Null: `wss://agent.deepgram.com` if `url` is
        /// Deepgram's own default, else `url`.
        agent_url: Option<Url> = None,
            checked("as url", |url: &Option<Url>| url.as_ref().map_or(Ok(()), upstream_url));
        /// How the API key is sent. `none` needs no key, for a self-hosted Deepgram.
        auth: Auth = Auth::Token, any();
        /// A file that contains the API key and nothing else. It is reread when it changes. Without
        /// it, the key is taken from the environment variable `DEEPGRAM_API_KEY`.
        api_key_file: Option<PathBuf> = None, any();
        /// PEM certificates to trust in addition to the system's, for a self-hosted Deepgram.
        ca_file: Option<PathBuf> = None, any();
        /// Allows `ws://` addresses. Key and audio are then sent in the clear, so this takes two
        /// settings.
        allow_plaintext: bool = false, any();
        /// Timeout of one attempt, from DNS lookup to the upgrade's response. Applications wait
        /// through all attempts, so a failed one must not take long.
        connect_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// Total attempts to open a connection, with waits of about 1, 2, 4 ... seconds in between.
        connect_attempts: u32 = 3, within(1..=10);
        /// A connection that accepts no data for this long is dead. Half of Deepgram's own timeout
        /// of about 10 s, so that we can report the cause before Deepgram closes.
        write_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// Maximum concurrent connections: this pod's share of what your Deepgram project allows. At that
        /// number a session that needs one gets that of the session that has been idle for longest, at
        /// least 10 s; if none is idle, OPEN is refused with `too_many_sessions`. Null: no limit.
        max_connections: Option<usize> = None, within(1..=100_000).or_null();
    }
}

section! {
    /// Keeping a connection alive while the application sends nothing.
    Keepalive {
        /// Send a KeepAlive after nothing was sent for this long. Half of Deepgram's limit of
        /// about 10 s, so that a late one does no harm.
        interval: Duration = seconds(5), within(MOMENT..seconds(10)).because(
            "Deepgram closes a connection after about 10s without audio or a KeepAlive",
        );
        /// After this long with nothing but KeepAlives the connection is closed cleanly, and
        /// reopened by the next audio: idle connections use up concurrency. 0s: never. Near
        /// `upstream.max_connections` the longest idle go earlier.
        max_idle: Duration = seconds(600), within(Duration::ZERO..=DAY);
        /// How much silence to send on a fresh connection while the application sends nothing.
        /// Without any audio, KeepAlives only keep a connection alive for about 30 s. 0s: none,
        /// because Deepgram bills it as audio.
        prime_silence: Duration = Duration::ZERO, within(Duration::ZERO..=seconds(60));
    }
}

section! {
    /// Detecting connections that are dead without any sign of it.
    Liveness {
        /// How often to ping Deepgram. Often enough to detect a half-open connection before
        /// Deepgram's own limit of about 10 s.
        ping_interval: Duration = seconds(5), within(MOMENT..=DAY);
        /// A connection without a sign of life for this long after a ping is dead. A pong takes
        /// one round trip; the rest is slack for a slow network.
        ping_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// Audio without a result for this long raises a `stalled` event. Deepgram answers speech
        /// within about 1 s; the margin is for long pauses in speech.
        stall_after: Duration = seconds(20), within(MOMENT..=DAY);
        /// Treat a stall as a death. Off by default, because silence looks the same to us.
        kill_stalled: bool = false, any();
    }
}

section! {
    /// A session's buffers and deadlines.
    SessionTimes {
        /// How much audio to buffer while dialling Deepgram; beyond it the application waits. The
        /// default covers one attempt that times out. Never more than 1 MiB.
        connect_buffer: Duration = seconds(10), within(MOMENT..=seconds(600));
        /// How long a Finalize may go unanswered before it counts as timed out: Deepgram does not
        /// guarantee an answer.
        finalize_timeout: Duration = seconds(5), within(MOMENT..=DAY);
        /// How long Deepgram may say nothing after FINISH until it has closed; each message starts it
        /// anew. Shorter than `drain.timeout`, so that sessions can end cleanly when the pod stops.
        finish_timeout: Duration = seconds(10), within(MOMENT..=DAY);
        /// How long it may take in all. Deepgram transcribes little faster than real time: a recording
        /// that was sent at once takes most of its own length.
        finish_max: Duration = seconds(60), within(MOMENT..=DAY);
        /// How long an application may leave its socket unread while data is waiting. Longer than
        /// any pause of a healthy one, but short enough to free a hung one's connection.
        app_stall_timeout: Duration = seconds(30), within(MOMENT..=DAY);
    }
}

section! {
    /// What happens after a connection dies.
    Recovery {
        /// With `latch` a dead session stays dead, and the application decides what to do. With
        /// `reconnect` another connection takes over, and gets again what was not final. OPEN can choose
        /// for its session. Sessions whose encoding has no known duration (compressed audio), or whose
        /// results go to a `callback`, cannot have it, and latch.
        mode: RecoveryMode = RecoveryMode::Latch, any();
        /// How much audio to keep since the last final result. Final results lag by a few seconds; the
        /// rest is how long Deepgram may be away without a word being lost. 16 kHz linear16 has 32 kB/s, so
        /// the default is 938 KiB a session while Deepgram is away: see [deploy.md](deploy.md#sizing). At
        /// most 8 MiB a session.
        ring: Duration = seconds(30), within(MOMENT..=seconds(600));
        /// Maximum dials in a row after a death, after which the session ends as `dead`. Only a connection
        /// that has answered and lived for a minute starts the count anew, so that connections which
        /// recover and die within a minute use it up as well. With waits of about 0, 1, 2, 4 ... 32 s in
        /// between, the default covers over two minutes.
        max_reconnects: u32 = 10, within(0..=1000);
        /// How many connections of a session may be replaced in quick succession, and per minute from then
        /// on: the default allows four, and one more every 15 s. So a connection that keeps dying is not
        /// replaced in a loop, and no dial waits for longer than that because of it.
        reconnects_per_minute: u32 = 4, within(1..=60);
    }
}

section! {
    /// The VAD gate, which holds silence back. [vad.md](vad.md) says what it costs and saves.
    Vad {
        /// With `off` all audio is sent. With `shadow` all audio is sent too, and the gate counts what it
        /// would have held back; start with this. With `active` silence is not sent. OPEN can choose for its
        /// session, UPDATE can change it, and a session with a prelude goes from `shadow` to `active` when
        /// that is over ([prelude.md](prelude.md#with-the-vad-gate)). Sessions that cannot have a gate (compressed audio, `/v2/listen`, a
        /// `callback`) send everything. The boolean false also means `off`.
        mode: VadMode = VadMode::Off, any();
        /// Audio is speech when the detector's score is over this. Lower for quiet or distant microphones:
        /// 0.50 still ignores most noise, and noise opens the gate below 0.45. Above 0.60 little is gained; for
        /// noise that holds the gate open try 0.60 to 0.70, and check clipped speech with
        /// `deepgram-sidecar vad --compare`.
        threshold: f64 = 0.55, within((Bound::Excluded(0.0), Bound::Excluded(1.0)));
        /// How much of the audio before the first speech is sent too. The detector needs up to 0.2 s to
        /// recognise a soft beginning.
        preroll: Duration = millis(300), within(Duration::ZERO..=seconds(5));
        /// How long audio is still sent after the last speech. Most pauses in speech are shorter, so this
        /// decides how much is saved. Sessions whose `endpointing` or `utterance_end_ms` needs longer get
        /// that plus 500 ms, at most 60 s.
        hangover: Duration = seconds(4), within(MOMENT..=seconds(60));
        /// How long nobody must have spoken before Deepgram is asked to finalize what it has. At most
        /// `vad.hangover`.
        finalize_after: Duration = millis(300), within(MOMENT..=seconds(60));
        /// What Deepgram charges you for a minute of audio, in USD. It is exported as a metric, so that
        /// what the gate has saved can be shown in money. Null: no money figures.
        price_per_minute: Option<f64> = None, within(0.0..=100.0).or_null();
    }
}

section! {
    /// The admin server: metrics, probes, sessions.
    Admin {
        /// The address to listen on. Loopback by default, because it exposes session ids, tags and
        /// this configuration. For probes and scrapes from outside the pod, use 0.0.0.0:9464.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
            checked("such as 127.0.0.1:9464", |_| Ok(()));
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
        /// The format of lines. JSON by default, for log collectors.
        format: LogFormat = LogFormat::Json, any();
        /// Minimum level to log. `deepgram-sidecar log-level` changes it while the daemon is
        /// running.
        level: LogLevel = LogLevel::Info, any();
    }
}

section! {
    /// Traces.
    Otlp {
        /// The collector's base URL, such as `http://collector:4318`; spans go to `/v1/traces` below
        /// it. Null: as OpenTelemetry's own variables say; without those, tracing is off.
        endpoint: Option<Url> = None,
            checked("http:// or https://, without credentials", collector_url).or_null();
        /// The export protocol.
        protocol: OtlpProtocol = OtlpProtocol::Http, any();
        /// The share of sessions to trace if the application has not decided. All by default:
        /// sessions last minutes, so there are few.
        sample_ratio: f64 = 1.0, within(0.0..=1.0);
    }
}

section! {
    /// Metrics.
    Metrics {
        /// Maximum number of sessions with their own series; the others are only in the totals.
        /// Bounds the cost of a scrape.
        per_session_max: usize = 1000, within(0..=100_000);
        /// How long an ended session keeps its series. Longer than the usual scrape interval of
        /// 15 to 30 s, so that its last values are scraped.
        per_session_linger: Duration = seconds(60), within(Duration::ZERO..=seconds(3600));
    }
}

section! {
    /// Shutdown.
    Drain {
        /// How long sessions may take to end after SIGTERM. Shorter than Kubernetes' default grace
        /// period of 30 s, so that the daemon exits before it is killed.
        timeout: Duration = seconds(25), within(Duration::ZERO..=DAY);
        /// How long live applications may go on after `draining`, before their sessions are ended: for
        /// pods whose containers all get SIGTERM at once, as long as the application takes to send
        /// FINISH. Part of `drain.timeout`, and shorter. 0s: not at all.
        linger: Duration = Duration::ZERO, within(Duration::ZERO..=DAY);
    }
}

impl Upstream {
    /// Where the Voice Agent is: Deepgram has a host of its own for it, and nobody else does.
    pub fn agent_url(&self) -> Url {
        match &self.agent_url {
            Some(url) => url.clone(),
            None if self.url == Self::default().url => {
                AGENT_URL.parse().expect("the literal is a URL")
            }
            None => self.url.clone(),
        }
    }
}

impl Keepalive {
    /// [`Keepalive::max_idle`] with its zero read as "no limit".
    pub fn idle_budget(&self) -> Option<Duration> {
        (!self.max_idle.is_zero()).then_some(self.max_idle)
    }
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

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

/// Whoever is on the network must not reach Deepgram with our key.
fn loopback(addr: &Option<SocketAddr>) -> Result<(), &'static str> {
    let is_near = addr.is_none_or(|addr| addr.ip().is_loopback());
    is_near.then_some(()).ok_or("must be a loopback address, such as 127.0.0.1:7070 or [::1]:7070")
}

/// Never repeats the URL: it may contain credentials.
fn upstream_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "wss" | "ws") {
        return Err("must start with wss:// (or ws:// with upstream.allow_plaintext)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials; the key belongs in upstream.api_key_file or \
                    DEEPGRAM_API_KEY");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain a query or fragment; applications send parameters in OPEN");
    }
    if !matches!(url.path(), "" | "/") {
        return Err("must not contain a path; applications choose the endpoint in OPEN");
    }
    Ok(())
}
