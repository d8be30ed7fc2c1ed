//! `lab fault` and `lab faults`.

use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;

use super::NoteArgs;
use crate::commands::output::print_line;
use lab::{Fault, ask_for};

/// Inject a fault into the running lab; `none` removes it
///
/// The current fault is removed first. The command returns once the fault is in place, which takes
/// a few seconds if the sidecar must be restarted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The fault; `deepgram-sidecar lab faults` lists them
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    note: NoteArgs,
}

pub(super) async fn inject(args: Args) -> anyhow::Result<ExitCode> {
    // An unknown name is better reported here than by the lab.
    let fault = Fault::named(&args.name)?;
    let note = &args.note.note;
    let no_lab =
        || format!("no running lab found in {note}: start one with `deepgram-sidecar lab up`");
    let control: SocketAddr = fs::read_to_string(note).with_context(no_lab)?.trim().parse()?;
    let said = ask_for(control, &fault.name).await?;
    print_line(said)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list() -> anyhow::Result<ExitCode> {
    for Fault { name, does, sign, alerts, factor, .. } in Fault::all() {
        print_line(format_args!("{name:20} {does}"))?;
        if let Some(sign) = sign {
            print_line(format_args!("{:20}   says    {sign}", ""))?;
        }
        if !alerts.is_empty() {
            let alerts = alerts.join(", ");
            let needs = factor.map(|factor| format!(" (with `lab up --factor {factor}`)"));
            print_line(format_args!("{:20}   raises  {alerts}{}", "", needs.unwrap_or_default()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
