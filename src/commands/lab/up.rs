//! `lab up`: the lab in the foreground, until Ctrl-C.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::interval;

use super::{NoteArgs, PlanArgs};
use crate::commands::output::{OutputError, print_line};
use crate::commands::plain;
use lab::{Addresses, Delivery, Fault, Inbox, Lab, Order};

/// Soon enough for the eye.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Run the lab, in the foreground
///
/// Prints where everything is, and then each alert as Alertmanager delivers it. Ctrl-C stops
/// everything, and leaves nothing behind.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,

    #[command(flatten)]
    note: NoteArgs,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let plan = args.plan.plan()?;
    let mut signals = Signals::new()?;
    print_line(
        "Starting the emulated Deepgram, the sidecar, Alertmanager, Prometheus and the load ...",
    )?;
    let lab = tokio::select! {
        lab = Lab::start(&plan) => lab?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let addresses = lab.addresses()?;
    let note = Note::write(&args.note.note, &addresses)?;
    introduce(&addresses)?;
    let mut bench = Bench { lab, factor: plan.factor.get(), began: clock::now(), told: 0 };
    let watched = bench.watch(&mut signals).await;
    print_line(
        "Stopping the load, the sidecar, Prometheus, Alertmanager and the emulated Deepgram ...",
    )?;
    drop(note);
    bench.lab.shutdown().await?;
    watched.map(|()| ExitCode::SUCCESS)
}

fn introduce(addresses: &Addresses) -> Result<(), OutputError> {
    let Addresses { socket, admin, emulator, prometheus, alertmanager, control, logs } = addresses;
    print_line(format!(
        "
sidecar        {}
               http://{admin}/sessions
Deepgram       http://{emulator}/emulator/connections
Prometheus     http://{prometheus}/alerts
Alertmanager   http://{alertmanager}
logs           {}

In another terminal, in the same directory:

  deepgram-sidecar lab faults           list the faults
  deepgram-sidecar lab fault net0001    or: curl -X PUT http://{control}/fault/net0001
  deepgram-sidecar lab fault none       back to normal
  deepgram-sidecar top --admin {admin}

Alerts appear below as they are delivered. Ctrl-C stops the lab.
",
        socket.display(),
        logs.display()
    ))
}

/// The lab, and how far it has been reported.
struct Bench {
    lab: Lab,
    factor: u32,
    began: Instant,
    told: usize,
}

impl Bench {
    /// Executes requests and prints alerts until a signal arrives.
    async fn watch(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = signals.next() => return Ok(()),
                Some(order) = self.lab.next_order() => self.obey(order).await?,
                _ = looks.tick() => tell(self.lab.inbox(), &mut self.told, self.began)?,
            }
        }
    }

    /// A fault that cannot be injected does not stop the lab.
    async fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        let Order { fault, answer } = order;
        line(self.began, format_args!("fault {}", plain::line(&fault)))?;
        let inbox = self.lab.inbox().clone();
        let mut looks = interval(LOOK_EVERY);
        let injecting = async {
            let fault = Fault::named(&fault)?;
            self.lab.inject(&fault).await?;
            anyhow::Ok(expectation(&fault, self.factor))
        };
        tokio::pin!(injecting);
        let done = loop {
            tokio::select! {
                done = &mut injecting => break done,
                _ = looks.tick() => tell(&inbox, &mut self.told, self.began)?,
            }
        };
        let done = done.map_err(|error| format!("{error:#}"));
        line(self.began, done.as_ref().unwrap_or_else(|sentence| sentence))?;
        // The client may have left.
        let _ = answer.send(done);
        Ok(())
    }
}

fn expectation(fault: &Fault, factor: u32) -> String {
    let alerts: Vec<_> = fault.delivered().map(String::as_str).collect();
    let expected = if alerts.is_empty() { "no alerts".to_owned() } else { alerts.join(", ") };
    let told = format!("{}: {} Expected: {expected}.", fault.name, fault.does);
    match fault.factor.filter(|most| *most < factor) {
        Some(most) => format!("{told} It needs slower rules: `lab up --factor {most}`."),
        None => told,
    }
}

fn tell(inbox: &Inbox, told: &mut usize, began: Instant) -> Result<(), OutputError> {
    for delivery in inbox.since(*told) {
        *told += 1;
        let Delivery { alert, severity, summary, is_firing, receiver, .. } = delivery;
        let state = if is_firing { "firing  " } else { "resolved" };
        line(began, format_args!("{state} {alert} ({severity}, to {receiver}): {summary}"))?;
    }
    Ok(())
}

fn line(began: Instant, what: impl std::fmt::Display) -> Result<(), OutputError> {
    print_line(format_args!("{:7.1} s  {what}", (clock::now() - began).as_secs_f64()))
}

/// The file with the lab's address; removed with it.
struct Note<'a>(&'a Path);

impl<'a> Note<'a> {
    fn write(path: &'a str, addresses: &Addresses) -> anyhow::Result<Self> {
        fs::write(path, format!("{}\n", addresses.control))
            .with_context(|| format!("cannot write {path}; choose another file with --note"))?;
        Ok(Self(Path::new(path)))
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        // Somebody may have removed it.
        let _ = fs::remove_file(self.0);
    }
}

/// The signals that stop the lab.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal is gone.
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
