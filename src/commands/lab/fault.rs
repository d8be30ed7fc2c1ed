//! `lab fault` and `lab faults`.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;

use super::NoteArgs;
use lab::{Fault, ask_for};

/// Inject a fault into the running lab; `none` takes it back
///
/// A fault that is at hand is taken back first. The answer comes once the fault is in place: a few
/// seconds where the sidecar must be started anew.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which; `deepgram-sidecar lab faults` lists them
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    note: NoteArgs,
}

pub(super) async fn inject(args: Args) -> anyhow::Result<ExitCode> {
    // A name that nobody knows is better told here than by the lab.
    let fault = Fault::named(&args.name)?;
    let note = &args.note.note;
    let no_lab = || format!("no lab is noted in {note}: start one with `deepgram-sidecar lab up`");
    let desk: SocketAddr = fs::read_to_string(note).with_context(no_lab)?.trim().parse()?;
    let said = ask_for(desk, &fault.name).await?;
    writeln!(std::io::stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list() -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    for Fault { name, does, sign, alerts, factor, .. } in Fault::all() {
        writeln!(output, "{name:20} {does}")?;
        if let Some(sign) = sign {
            writeln!(output, "{:20}   says    {sign}", "")?;
        }
        if !alerts.is_empty() {
            let alerts = alerts.join(", ");
            let needs = factor.map(|factor| format!(" (with `lab up --factor {factor}`)"));
            writeln!(output, "{:20}   raises  {alerts}{}", "", needs.unwrap_or_default())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
