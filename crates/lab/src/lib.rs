//! A lab: the sidecar between an emulated Deepgram and applications that stream all the time,
//! monitored by a real Prometheus and a real Alertmanager, with faults to inject by name.
//!
//! Everything runs on this machine and is removed afterwards. Sidecar, Prometheus and Alertmanager
//! are separate processes; the emulator, the applications and the collector run in this one.
//!
//! ```text
//! load ──▶ sidecar ──▶ emulator          fault: changes any of these
//!             │ /metrics
//!             ▼
//!         Prometheus ──▶ Alertmanager ──▶ control   rules and waits: scale
//! ```

mod alertmanager;
mod asset;
mod child;
mod collector;
mod control;
mod fault;
mod lag;
mod load;
mod matrix;
mod panel;
mod patience;
mod prometheus;
mod report;
mod room;
mod rules;
mod scale;
mod sidecar;
mod tools;
mod web;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::sync::mpsc;

use alertmanager::Alertmanager;
use collector::Collector;
use control::Control;
pub use control::{Delivery, Inbox, Order, ask_for};
use emulator::{Change, Emulator, Script, Settings};
pub use fault::Fault;
use fault::{NONE, Process};
use load::{Load, Profile};
pub use matrix::{Row, run as run_matrix};
use prometheus::{Api, Ends, Prometheus, Series};
pub use report::{page, uninjected, without_seconds};
pub use scale::Factor;
use sidecar::Sidecar;
pub use tools::{Missing, Tools};

const NEVER_RAN: &str = "the sidecar has never run";

/// What the emulator does when all is well.
const WELL: &str = "{connections: [], now: [resume]}";

/// Both pages scraped, and some Finalizes answered.
const AT_WORK: &str = "sum(up) == 2 and sum(deepgram_sidecar_finalizes_answered_total) > 3";

/// Differs for every process of a lab.
const STARTED_AT: &str = r#"process_start_time_seconds{job="deepgram-sidecar"}"#;

/// One fault is requested at a time.
const ORDERS_MAX: usize = 8;

/// Only reached on a very busy machine.
const STARTING: Duration = Duration::from_secs(60);

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sidecar's binary.
    pub sidecar: PathBuf,
    /// The programs that are not ours.
    pub tools: Tools,
    /// How much faster than production the rules run.
    pub factor: Factor,
}

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    // In the order in which they are stopped.
    load: Load,
    sidecar: Sidecar,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    collector: Collector,
    emulator: Emulator,
    control: Control,
    orders: mpsc::Receiver<Order>,
    fault: String,
    directory: TempDir,
}

/// Where to look.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The applications' socket.
    pub socket: PathBuf,
    /// The sidecar's admin server.
    pub admin: SocketAddr,
    /// The emulated Deepgram.
    pub emulator: SocketAddr,
    pub prometheus: SocketAddr,
    pub alertmanager: SocketAddr,
    /// The lab's control server, which takes faults.
    pub control: SocketAddr,
    /// The directory with all their logs.
    pub logs: PathBuf,
}

impl Lab {
    /// Starts everything, and returns once Prometheus has seen the sidecar at work.
    ///
    /// # Errors
    /// A program that does not start: said with its last lines of log.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let rules = rules::scaled(plan.factor)?;
        let directory = tempfile::Builder::new().prefix("deepgram-lab-").tempdir()?;
        let path = directory.path();
        let (order, orders) = mpsc::channel(ORDERS_MAX);
        let control = Control::open(order).await?;
        let emulator = Emulator::bind(("127.0.0.1", 0), deepgram(), Script::default()).await?;
        let collector = Collector::start().await?;
        let settings = settings(emulator.addr(), collector.addr());
        let mut sidecar = Sidecar::new(plan.sidecar.clone(), path, settings);
        sidecar.start().await?;
        let admin = sidecar.admin().context(NEVER_RAN)?;
        let (alertmanager, prometheus) = watchers(plan, path, control.addr(), admin).await?;
        let load = Load::new(sidecar.socket());
        let fault = NONE.to_owned();
        let mut lab = Self {
            load,
            sidecar,
            prometheus,
            alertmanager,
            collector,
            emulator,
            control,
            orders,
            fault,
            directory,
        };
        lab.load.set(&Profile::default()).await;
        lab.see_it_at_work().await?;
        lab.prometheus.load_rules(&plan.tools, &rules).await?;
        Ok(lab)
    }

    /// Where to look.
    ///
    /// # Errors
    /// The sidecar has never run.
    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            socket: self.sidecar.socket(),
            admin: self.admin()?,
            emulator: self.emulator.addr(),
            prometheus: self.prometheus.api().addr(),
            alertmanager: self.alertmanager.addr(),
            control: self.control.addr(),
            logs: self.directory.path().to_owned(),
        })
    }

    /// What Alertmanager has delivered.
    pub fn inbox(&self) -> &Inbox {
        self.control.inbox()
    }

    /// The next fault requested at the control server. Cancel safe.
    pub async fn next_order(&mut self) -> Option<Order> {
        self.orders.recv().await
    }

    /// Removes the current fault and injects another; `none` only removes it.
    ///
    /// # Errors
    /// What could not be done.
    pub async fn inject(&mut self, fault: &Fault) -> anyhow::Result<()> {
        if self.fault != NONE {
            self.heal().await?;
        }
        self.fault.clone_from(&fault.name);
        if !fault.sidecar.is_empty() {
            self.load.quiet().await;
            self.sidecar.restart(&self.addressed(&fault.sidecar)).await?;
        }
        if let Some(change) = fault.change()? {
            self.emulator.change(&change)?;
        }
        if fault.collector_down {
            self.collector.close().await;
        }
        if fault.unscraped {
            self.prometheus.scrape(None)?;
        }
        if fault.load.is_some() || !fault.sidecar.is_empty() {
            self.load.set(fault.load.as_ref().unwrap_or(&Profile::default())).await;
        }
        tokio::time::sleep(fault.settle).await;
        match &fault.process {
            Some(process) => self.handle_process(process).await,
            None => Ok(()),
        }
    }

    async fn handle_process(&mut self, process: &Process) -> anyhow::Result<()> {
        match process {
            Process::Pause(pause) => self.sidecar.pause(*pause).await,
            Process::Kill => self.sidecar.kill().await,
            Process::CrashLoop(times) => {
                for _ in 0..*times {
                    self.crash().await?;
                }
                Ok(())
            }
            Process::Drain => {
                self.sidecar.stop().await?;
                self.sidecar.start().await
            }
        }
    }

    /// Kills and restarts the sidecar, and returns once Prometheus has scraped the new process.
    async fn crash(&mut self) -> anyhow::Result<()> {
        let before = self.first(STARTED_AT).await?;
        self.sidecar.kill().await?;
        self.sidecar.start().await?;
        let after = async || Ok(self.first(STARTED_AT).await?.filter(|at| Some(*at) != before));
        patience::until("Prometheus to scrape the restarted sidecar", STARTING, after).await?;
        Ok(())
    }

    /// Undoes whatever a fault changed.
    async fn heal(&mut self) -> anyhow::Result<()> {
        self.load.quiet().await;
        self.emulator.change(&Change::from_yaml(WELL)?)?;
        self.collector.open().await?;
        if self.sidecar.is_changed() {
            self.sidecar.restart(&sidecar::Settings::new()).await?;
        }
        self.sidecar.start().await?;
        self.prometheus.scrape(Some(self.admin()?))?;
        self.load.set(&Profile::default()).await;
        NONE.clone_into(&mut self.fault);
        Ok(())
    }

    /// Stops everything, in order, and removes what it left behind.
    ///
    /// # Errors
    /// What could not be stopped.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        self.load.quiet().await;
        self.sidecar.stop().await?;
        self.prometheus.stop().await?;
        self.alertmanager.stop().await?;
        self.collector.close().await;
        self.emulator.shutdown().await;
        self.directory.close().context("cannot remove the lab's directory")
    }

    fn prometheus(&self) -> Api {
        self.prometheus.api()
    }

    /// A fault's settings may name the emulator's address.
    fn addressed(&self, settings: &sidecar::Settings) -> sidecar::Settings {
        let emulator = self.emulator.addr().to_string();
        let addressed = |value: &String| value.replace("{emulator}", &emulator);
        settings.iter().map(|(key, value)| (key.clone(), addressed(value))).collect()
    }

    fn admin(&self) -> anyhow::Result<SocketAddr> {
        self.sidecar.admin().context(NEVER_RAN)
    }

    /// Waits until both pages are scraped and words are being finalized.
    async fn see_it_at_work(&self) -> anyhow::Result<()> {
        let at_work = async || self.first(AT_WORK).await;
        patience::until("Prometheus to see the sidecar at work", STARTING, at_work).await?;
        Ok(())
    }

    /// The first value of Prometheus' answer, if any.
    async fn first(&self, expression: &str) -> anyhow::Result<Option<f64>> {
        let series = self.prometheus().query(expression).await?;
        Ok(series.iter().flat_map(Series::values).next())
    }
}

/// Starts the monitoring: production's rules, faster.
async fn watchers(
    plan: &Plan,
    directory: &Path,
    control: SocketAddr,
    sidecar: SocketAddr,
) -> anyhow::Result<(Alertmanager, Prometheus)> {
    let Plan { tools, factor, .. } = plan;
    let config = rules::alertmanager(*factor, control)?;
    let alertmanager = Alertmanager::start(tools, directory, &config).await?;
    let ends = Ends { sidecar, alertmanager: alertmanager.addr() };
    let prometheus = Prometheus::start(tools, directory, *factor, ends).await?;
    Ok((alertmanager, prometheus))
}

/// Deepgram as it is, but close by.
fn deepgram() -> Settings {
    Settings {
        upgrade_latency: Duration::from_millis(20),
        result_latency: Duration::from_millis(50),
        finalize_latency: Duration::from_millis(80),
        interim_every: Duration::from_millis(300),
        hash_audio: false,
        ..Settings::default()
    }
}

/// The sidecar's configuration, with deadlines that are short but not too short for a busy machine.
/// Faults that are about a deadline set their own.
fn settings(emulator: SocketAddr, collector: SocketAddr) -> sidecar::Settings {
    [
        ("upstream.url", format!("ws://{emulator}")),
        ("upstream.allow_plaintext", "true".into()),
        ("upstream.connect_timeout", "4s".into()),
        ("upstream.connect_attempts", "2".into()),
        ("telemetry.otlp.endpoint", format!("http://{collector}")),
        ("telemetry.metrics.per_session_linger", "10s".into()),
        ("ipc.max_sessions", "40".into()),
        ("liveness.ping_interval", "1s".into()),
        ("liveness.ping_timeout", "5s".into()),
        ("liveness.stall_after", "5s".into()),
        ("session.finalize_timeout", "8s".into()),
        ("session.app_stall_timeout", "8s".into()),
        ("drain.timeout", "10s".into()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
