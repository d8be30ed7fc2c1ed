//! `lab`: the sidecar with everything around it, monitored by a real Prometheus, with faults on
//! demand.

mod fault;
mod matrix;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;

use lab::{Factor, Plan, Tools};

/// A minute in a second: production's scrape interval of 30 s becomes half a second, and the
/// longest wait short of hours, 10 minutes after a window of 10, becomes 20 s.
const FACTOR: u32 = 60;

/// Practise incidents: emulated Deepgram, load, real Prometheus and Alertmanager, faults by name.
///
/// `lab up` starts an emulated Deepgram, a sidecar, applications that stream all the time, a
/// Prometheus with the project's alert rules and an Alertmanager, all on this machine, and removes
/// everything afterwards. `lab fault NAME` then breaks something. The rules run 60 times as fast as
/// in production, so that alerts take seconds.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "docs/lab.md is a walkthrough, docs/faults.md lists every fault with the \
                        alerts it raises.")]
pub enum Command {
    Up(up::Args),
    Fault(fault::Args),
    Matrix(matrix::Args),
    /// List the faults: what each does, and which alerts it raises
    Faults,
}

/// Where the lab finds the programs it runs.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct PlanArgs {
    /// The directory that has `.tools` after `make tools`; other programs are looked up in PATH
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// How much faster than production the alert rules run
    #[arg(long, value_name = "N", default_value_t = FACTOR)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60))]
    factor: u32,
}

/// Where a running lab records its address.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct NoteArgs {
    /// The file in which the running lab records its address
    #[arg(long, value_name = "FILE", default_value = ".lab", value_parser = NonEmptyStringValueParser::new())]
    note: String,
}

impl PlanArgs {
    fn plan(&self) -> anyhow::Result<Plan> {
        // Absolute, because not every program of the lab runs in this directory.
        let root = std::path::absolute(&self.root).context("cannot resolve --root")?;
        Ok(Plan {
            sidecar: std::env::current_exe().context("cannot find this program's executable")?,
            tools: Tools::find(&root)?,
            factor: Factor::new(self.factor),
        })
    }
}

/// Runs a command of the lab.
///
/// # Errors
/// Why it could not run, and what to do.
pub fn main(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Faults => fault::list(),
        Command::Fault(args) => block_on(fault::inject(args)),
        Command::Matrix(args) => block_on(matrix::run(args)),
        Command::Up(args) => block_on(up::run(args)),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(work)
}
