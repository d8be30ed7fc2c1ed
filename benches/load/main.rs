//! The load harness: sessions in real time through the real binary, against the emulator in a
//! process of its own.
//!
//! ```text
//! cargo bench --bench load -- --sessions 1000 --frame 20ms --duration 30s
//! ```
//!
//! It reports the sidecar's CPU per frame, its memory per session, and the time from the send of an
//! audio frame to the result that covers it, through sidecar and emulator. Only ratios between
//! runs on one machine mean anything: the harness and the emulator share its cores.

mod children;
mod process;
mod report;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use children::Children;
use process::Usage;
use report::{Load, Report};
use session::{Plan, Tally};

/// Measures what sessions cost the sidecar.
#[derive(Debug, Parser)]
struct Args {
    /// Sessions at once.
    #[arg(long, default_value_t = 100)]
    sessions: u32,

    /// Audio in each frame, repeatable; each makes a run of its own. [default: 20ms and 100ms]
    #[arg(long = "frame", value_parser = parse_frame)]
    frames: Vec<Duration>,

    /// How long to measure.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,

    /// How long to stream before measuring.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    warmup: Duration,

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
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    tokio::runtime::Runtime::new()?.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    println!("{}", report::HEADING);
    for load in loads(args) {
        let report = measure(args, load).await?;
        println!("{report}");
        reports.push(report);
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&reports)?)?;
    }
    let unfinished: u64 = reports.iter().map(|report| report.unfinished).sum();
    ensure!(unfinished == 0, "{unfinished} sessions did not end as `finished`");
    Ok(())
}

fn parse_frame(text: &str) -> anyhow::Result<Duration> {
    let frame = humantime::parse_duration(text)?;
    ensure!(frame >= Duration::from_millis(10), "choose 10ms or more");
    Ok(frame)
}

fn loads(args: &Args) -> Vec<Load> {
    let usual = [Duration::from_millis(20), Duration::from_millis(100)];
    let frames = if args.frames.is_empty() { &usual[..] } else { &args.frames };
    let load = |&frame| Load {
        sessions: if args.quick { QUICK_SESSIONS } else { args.sessions },
        frame,
        warmup: if args.quick { QUICK_WARMUP } else { args.warmup },
        duration: if args.quick { QUICK_DURATION } else { args.duration },
    };
    frames.iter().map(load).collect()
}

async fn measure(args: &Args, load: Load) -> anyhow::Result<Report> {
    let children = Children::start(&args.sidecar, &args.emulator, &load).await?;
    let idle = Usage::of(children.sidecar_pid())?;
    let tally = Arc::new(Tally::default());
    let mut sessions = open_sessions(&children, &load, &tally).await?;
    tokio::time::sleep(load.warmup).await;
    let before = (Usage::of(children.sidecar_pid())?, tally.frames());
    tokio::time::sleep(load.duration).await;
    let after = (Usage::of(children.sidecar_pid())?, tally.frames());
    let mut latencies = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?;
    let mut unfinished = 0;
    while let Some(session) = sessions.join_next().await {
        let session = session??;
        unfinished += u64::from(!session.is_finished);
        for micros in session.latency_micros {
            latencies.saturating_record(micros.into());
        }
    }
    let frames = after.1 - before.1;
    let cpu = after.0.cpu.saturating_sub(before.0.cpu);
    let pss_kib = after.0.pss_kib.saturating_sub(idle.pss_kib);
    Ok(Report::new(&load, frames, cpu, idle.pss_kib, pss_kib, &latencies, unfinished))
}

/// Opens every session and spreads their frames evenly over a frame's time.
async fn open_sessions(
    children: &Children,
    load: &Load,
    tally: &Arc<Tally>,
) -> anyhow::Result<JoinSet<anyhow::Result<session::Outcome>>> {
    let mut sessions = JoinSet::new();
    for number in 0..load.sessions {
        let client = session::open(children.socket(), number).await?;
        let plan = Plan { load: *load, offset: load.frame * number / load.sessions };
        sessions.spawn(session::run(client, plan, tally.clone()));
    }
    Ok(sessions)
}

const QUICK_SESSIONS: u32 = 10;
const QUICK_WARMUP: Duration = Duration::from_secs(1);
const QUICK_DURATION: Duration = Duration::from_secs(2);

/// Slower answers are recorded as this.
const LATENCY_MICROS_MAX: u64 = 60_000_000;
