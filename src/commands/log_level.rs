//! `log-level`: shows or changes a running daemon's log level.

use std::process::ExitCode;

use anyhow::Context;
use clap::builder::PossibleValuesParser;

use super::admin;
use super::output::print_line;
use crate::config::LogLevel;

const PAGE: &str = "/log-level";

/// Show the log level of a running daemon, or change it until the daemon exits.
///
/// The initial level is telemetry.logs.level in the configuration. Only a daemon on this machine or
/// in this pod can be changed.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Minimum level to log.
    #[arg(value_name = "LEVEL", value_parser = PossibleValuesParser::new(words()))]
    pub level: Option<String>,

    #[command(flatten)]
    daemon: admin::Args,
}

fn words() -> impl Iterator<Item = &'static str> {
    LogLevel::ALL.iter().map(|level| level.as_str())
}

/// Queries or changes the level, and prints it.
///
/// # Errors
/// A daemon that does not respond, or refuses.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let address = &args.daemon.admin;
    let answer = match &args.level {
        Some(level) => runtime.block_on(admin::put(address, PAGE, level))?,
        None => runtime.block_on(admin::get(address, PAGE))?,
    };
    print_line(super::plain::line(answer.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}
