//! What watching costs: a frame of audio with and without telemetry, a result's figures, and the
//! scrapes of a full daemon.
//!
//! Telemetry on is metrics, log and a trace of the session.

#[path = "fixture/connected.rs"]
#[expect(dead_code, reason = "sessions are made by the path")]
mod connected;
#[path = "fixture/path.rs"]
mod path;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use deepgram_sidecar::live::LiveSession;
use deepgram_sidecar::telemetry::{
    Format, ReadinessSample, SeriesLimits, SessionTelemetry, Telemetry,
};
use path::{Nobody, Path};
use session::fact::Observer;
use session::{Dialect, Endpoint, MessageKind, Observation, SessionId};

const PAYLOADS: [usize; 2] = [640, 3_200];

/// What the daemon takes by default.
const SESSIONS: usize = 2_000;

fn frames(criterion: &mut Criterion, telemetry: &Telemetry) {
    let mut group = criterion.benchmark_group("frame, socket to WebSocket");
    group.throughput(Throughput::Elements(1));
    for length in PAYLOADS {
        let audio = vec![7; length];
        let mut off = Path::open(Dialect::Native, |_| Nobody);
        group.bench_function(format!("{length} B, telemetry off"), |bencher| {
            bencher.iter(|| off.pass(black_box(&audio)));
        });
        let mut on = Path::open(Dialect::Native, |live| telemetry.session(live));
        group.bench_function(format!("{length} B, telemetry on"), |bencher| {
            bencher.iter(|| on.pass(black_box(&audio)));
        });
    }
    group.finish();
}

fn results(criterion: &mut Criterion, telemetry: &Telemetry) {
    let handle = telemetry.session(live(0));
    let kind = MessageKind::Results {
        start: Duration::ZERO,
        is_final: false,
        from_finalize: false,
        end: Duration::from_millis(3_300),
        channel: 0,
        channels: 1,
    };
    let lag = Some(Duration::from_millis(300));
    let observation = Observation::Message { kind, lag, first_result: None };
    criterion.bench_function("figures of a result", |bencher| {
        bencher.iter(|| handle.observe(black_box(&observation)));
    });
}

fn scrapes(criterion: &mut Criterion) {
    let limits = SeriesLimits { sessions_max: SESSIONS, linger: Duration::ZERO };
    let telemetry = Telemetry::new(limits);
    let _sessions: Vec<SessionTelemetry> =
        (0..SESSIONS).map(|number| telemetry.session(live(number))).collect();
    let mut group = criterion.benchmark_group(format!("scrape, {SESSIONS} sessions"));
    for format in [Format::Text, Format::OpenMetrics] {
        let size = telemetry.scrape(format, ReadinessSample::default()).len();
        group.bench_function(format!("/metrics, {format:?}, {} KiB", size >> 10), |bencher| {
            bencher.iter(|| telemetry.scrape(format, ReadinessSample::default()));
        });
        let size = telemetry.scrape_sessions(format).len();
        let name = format!("/metrics/sessions, {format:?}, {} KiB", size >> 10);
        group.bench_function(name, |bencher| bencher.iter(|| telemetry.scrape_sessions(format)));
    }
    group.finish();
}

fn live(number: usize) -> std::sync::Arc<LiveSession> {
    let id = SessionId::parse(&format!("01985b3e-4f7e-7d1c-a6a3-{number:012}"));
    let id = id.expect("hexadecimal digits and hyphens");
    let audio = connected::config().audio;
    LiveSession::new(id, Endpoint::V1Listen, audio, clock::now(), Vec::new())
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let telemetry = path::telemetry();
    frames(&mut criterion, &telemetry);
    results(&mut criterion, &telemetry);
    scrapes(&mut criterion);
    criterion.final_summary();
}
