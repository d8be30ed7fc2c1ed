//! `lab matrix`: every fault in its own lab.

use std::process::ExitCode;

use super::PlanArgs;
use crate::commands::output::print_line;
use lab::{Fault, Row, page, run_matrix};

/// Run faults, each in its own lab, and check the results
///
/// Prints the page docs/faults.md at the end. Fails if a fault raises other alerts than expected,
/// or if a dashboard panel that it should fill stays empty. A fault that fails while the machine is
/// starved of CPU is retried once, and the output says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The faults; all of them by default
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// How many labs to run at the same time, as long as the machine has CPU to spare
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    at_a_time: usize,

    #[command(flatten)]
    plan: PlanArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = args.plan.plan()?;
    let faults = match &args.names[..] {
        [] => Fault::all(),
        names => names.iter().map(|name| Fault::named(name)).collect::<anyhow::Result<_>>()?,
    };
    let rows = run_matrix(&plan, faults, args.at_a_time, report).await?;
    print_line(page(&rows, plan.factor).trim_end())?;
    let is_well = rows.iter().all(|row| row.problems.is_empty());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Progress goes to standard error, because it is not part of the page.
fn report(row: &Row) {
    eprintln!("{}", row.told());
}
