//! `lab`: the sidecar with everything around it, watched by a real Prometheus, with faults on
//! demand.

mod fault;
mod matrix;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;

use lab::{Factor, Plan, Tools};

/// Learn what goes wrong and how it shows: emulated Deepgram, load, real Prometheus and
/// Alertmanager.
///
/// `lab up` brings up an emulated Deepgram, a sidecar, applications that call all the time, a
/// Prometheus with the project's alert rules and an Alertmanager, all on this machine and all gone
/// afterwards. `lab fault NAME` then breaks something. The rules run 60 times as fast as in
/// production, so that an alert takes seconds.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "docs/lab.md is a walk through it, docs/faults.md lists every fault with \
                        the alerts that it raises.")]
pub enum Command {
    #[expect(missing_docs, reason = "its help stands at the arguments")]
    Up(up::Args),
    #[expect(missing_docs, reason = "its help stands at the arguments")]
    Fault(fault::Args),
    #[expect(missing_docs, reason = "its help stands at the arguments")]
    Matrix(matrix::Args),
    /// List the faults: what each does, and which alerts it raises
    Faults,
}

/// Where the lab finds what it runs.
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

/// Where a running lab notes how it is reached.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct NoteArgs {
    /// The file in which the running lab notes where it is reached
    #[arg(long, value_name = "FILE", default_value = ".lab", value_parser = NonEmptyStringValueParser::new())]
    note: String,
}

impl PlanArgs {
    fn plan(&self) -> anyhow::Result<Plan> {
        // Absolute, since not every program of the lab runs in this directory.
        let root = std::path::absolute(&self.root).context("cannot tell where --root is")?;
        Ok(Plan {
            sidecar: std::env::current_exe().context("cannot find this program's own file")?,
            tools: Tools::find(&root)?,
            factor: Factor::new(self.factor),
        })
    }
}

/// Runs a command of the lab.
///
/// # Errors
/// What kept it from running, with what to do.
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

/// A minute in a second: production's 30 s between scrapes become half a second, and the longest
/// wait but those of hours, 10 minutes behind a window of 10, becomes 20 s.
const FACTOR: u32 = 60;
