//! The load harness: sessions in real time through the real binary, against the emulator in a
//! process of its own.
//!
//! ```text
//! cargo bench --bench load -- --sessions 1000 --frame 20ms --duration 30s
//! ```
//!
//! It reports what the hop between application and Deepgram costs: CPU per frame, memory per
//! session, and the time from the send of an audio frame to the result that covers it. The same
//! sessions run without a hop as well, so that what a hop adds is a difference within one run. Only
//! ratios between runs on one machine mean anything: the harness and the emulator share its cores.

mod caller;
mod hop;
mod process;
mod report;
mod stage;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;

use caller::{Phase, Plan, Tally};
use hop::{Hop, Way};
use report::{Load, Memory, Report, Work};
use stage::Stage;

const QUICK_SESSIONS: u32 = 10;
const QUICK_WARMUP: Duration = Duration::from_secs(1);
const QUICK_DURATION: Duration = Duration::from_secs(2);

/// Between the last OPENED and the look at idle memory.
const SETTLE: Duration = Duration::from_secs(2);

/// Between the last frame and the look at memory at rest: past a keepalive.
const REST: Duration = Duration::from_secs(6);

/// Slower answers are recorded as this.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// Measures what sessions cost the sidecar.
#[derive(Debug, Parser)]
struct Args {
    /// Sessions at once, repeatable. [default: 100, 500 and 1000]
    #[arg(long)]
    sessions: Vec<u32>,

    /// Audio in each frame, repeatable. [default: 100ms]
    #[arg(long = "frame", value_parser = parse_frame)]
    frames: Vec<Duration>,

    /// The way to Deepgram, repeatable; each load is run over each. [default: direct and sidecar]
    #[arg(long = "way", value_enum)]
    ways: Vec<Way>,

    /// How long to measure.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,

    /// How long to stream before measuring.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    warmup: Duration,

    /// Speak to the emulator without TLS.
    #[arg(long)]
    plain: bool,

    /// Let the hop run on every core, instead of the last one alone.
    #[arg(long)]
    unpinned: bool,

    /// A smoke test: few sessions, two seconds.
    #[arg(long)]
    quick: bool,

    /// Also write the reports as a JSON array.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// The sidecar to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_deepgram-sidecar"))]
    sidecar: PathBuf,

    /// The emulator to measure against.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_deepgram-emulator"))]
    emulator: PathBuf,

    /// Given by `cargo bench`, and not by `cargo test --all-targets`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.bench {
        println!("this measures for minutes; run it with `cargo bench --bench load`");
        return Ok(());
    }
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    tokio::runtime::Runtime::new()?.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    println!("{}", report::HEADING);
    for load in args.loads() {
        let stage = Stage::start(&args.emulator, &load).await?;
        for way in args.ways() {
            let report = measure(args, &stage, way, load).await?;
            println!("{report}");
            reports.push(report);
        }
    }
    for line in report::added_latencies(&reports) {
        println!("{line}");
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&reports)?)?;
    }
    let unfinished: u64 = reports.iter().map(|report| report.unfinished).sum();
    ensure!(unfinished == 0, "{unfinished} sessions did not end whole and as asked");
    Ok(())
}

impl Args {
    fn loads(&self) -> Vec<Load> {
        let frames = or_default(&self.frames, &[Duration::from_millis(100)]);
        let sessions = match self.quick {
            true => vec![QUICK_SESSIONS],
            false => or_default(&self.sessions, &[100, 500, 1_000]),
        };
        let load = |sessions, frame| Load {
            sessions,
            frame,
            warmup: if self.quick { QUICK_WARMUP } else { self.warmup },
            duration: if self.quick { QUICK_DURATION } else { self.duration },
            tls: !self.plain,
        };
        sessions.iter().flat_map(|&s| frames.iter().map(move |&f| load(s, f))).collect()
    }

    fn ways(&self) -> Vec<Way> {
        or_default(&self.ways, &[Way::Direct, Way::Sidecar, Way::Compatible])
    }
}

fn or_default<T: Clone>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

fn parse_frame(text: &str) -> anyhow::Result<Duration> {
    let frame = humantime::parse_duration(text)?;
    ensure!(frame >= Duration::from_millis(10), "choose 10ms or more");
    Ok(frame)
}

async fn measure(args: &Args, stage: &Stage, way: Way, load: Load) -> anyhow::Result<Report> {
    let hop = Hop::start(way, stage, &load, &args.sidecar, !args.unpinned).await?;
    let pids = Pids { hop: hop.pid(), emulator: stage.emulator_pid() };
    let empty_kib = pids.hop_pss_kib()?;
    let (phase, _) = watch::channel(Phase::Idle);
    let tally = Arc::new(Tally::default());
    let mut sessions = open_sessions(&hop, &load, &tally, &phase).await?;
    tokio::time::sleep(SETTLE).await;
    let idle_kib = pids.hop_pss_kib()?;

    phase.send_replace(Phase::Stream);
    tokio::time::sleep(load.warmup).await;
    let before = pids.work(tally.frames())?;
    tokio::time::sleep(load.duration).await;
    let work = pids.work(tally.frames())?.since(&before);
    let active_kib = pids.hop_pss_kib()?;
    tokio::time::sleep(caller::TAIL + REST).await;
    let rested_kib = pids.hop_pss_kib()?;

    phase.send_replace(Phase::Finish);
    let (latencies, unfinished) = collect(&mut sessions).await?;
    let memory = Memory { empty_kib, idle_kib, active_kib, rested_kib };
    Ok(Report::new(way, &load, work, memory, &latencies, unfinished))
}

/// Opens every session; their frames will be spread evenly over a frame's time.
async fn open_sessions(
    hop: &Hop,
    load: &Load,
    tally: &Arc<Tally>,
    phase: &watch::Sender<Phase>,
) -> anyhow::Result<JoinSet<anyhow::Result<caller::Outcome>>> {
    let mut sessions = JoinSet::new();
    for number in 0..load.sessions {
        let stream = hop.open(number).await.with_context(|| format!("session {number}"))?;
        let plan = Plan { load: *load, offset: load.frame * number / load.sessions };
        sessions.spawn(caller::run(stream, plan, tally.clone(), phase.subscribe()));
    }
    Ok(sessions)
}

async fn collect(
    sessions: &mut JoinSet<anyhow::Result<caller::Outcome>>,
) -> anyhow::Result<(Histogram<u64>, u64)> {
    let mut latencies = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?;
    let mut unfinished = 0;
    while let Some(session) = sessions.join_next().await {
        let session = session??;
        unfinished += u64::from(!session.is_finished);
        for micros in session.latency_micros {
            latencies.saturating_record(micros.into());
        }
    }
    Ok((latencies, unfinished))
}

/// The processes that work.
struct Pids {
    hop: Option<u32>,
    emulator: u32,
}

impl Pids {
    fn work(&self, frames: u64) -> anyhow::Result<Work> {
        let cpu = process::cpu;
        Ok(Work {
            frames,
            hop: self.hop.map(cpu).transpose()?.unwrap_or_default(),
            emulator: cpu(self.emulator)?,
            harness: cpu(std::process::id())?,
        })
    }

    fn hop_pss_kib(&self) -> anyhow::Result<u64> {
        Ok(self.hop.map(process::pss_kib).transpose()?.unwrap_or_default())
    }
}
