//! A real Prometheus, and the lab's queries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use url::form_urlencoded::Serializer;

use super::child::Child;
use super::patience;
use super::rules::RuleFile;
use super::scale::Factor;
use super::tools::Tools;
use super::web;

/// Only reached on a very busy machine.
const LOADING: Duration = Duration::from_secs(60);

/// Production's evaluation and scrape intervals.
const EVALUATION: Duration = Duration::from_secs(30);
const SCRAPE: Duration = Duration::from_secs(30);

/// On a busy machine a healthy sidecar may need half a second to answer. At 60 times the speed, one
/// second is one minute in production, the longest interval that `alerts/README.md` allows.
const SCRAPE_MIN: Duration = Duration::from_secs(1);

/// Prometheus' own defaults.
const LOOKBACK: Duration = Duration::from_secs(5 * 60);
const RESEND: Duration = Duration::from_secs(60);

/// A running Prometheus.
#[derive(Debug)]
pub(super) struct Prometheus {
    child: Child,
    api: Api,
    targets: PathBuf,
    rules: PathBuf,
}

/// The client of a Prometheus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    addr: SocketAddr,
}

/// What it is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The admin server that it scrapes.
    pub(super) sidecar: SocketAddr,
    /// Where it sends alerts.
    pub(super) alertmanager: SocketAddr,
}

/// One series of an answer: its labels, and its samples.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Series {
    /// The labels, the name among them.
    pub(super) metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Series {
    /// The samples' values; those of a range in their order.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        let samples = self.value.iter().chain(&self.values);
        samples.map(|(_, value)| value.parse().unwrap_or(f64::NAN))
    }
}

impl Prometheus {
    /// Starts it on a free port, with these rules, delivering to this Alertmanager.
    pub(super) async fn start(
        tools: &Tools,
        directory: &Path,
        factor: Factor,
        ends: Ends,
    ) -> anyhow::Result<Self> {
        let rules = directory.join("rules");
        fs::create_dir(&rules)?;
        let targets = directory.join("targets.json");
        write_targets(&targets, Some(ends.sidecar))?;
        let config = directory.join("prometheus.yaml");
        fs::write(&config, configuration(factor, &rules, ends.alertmanager, &targets).to_string())?;
        let mut command = Command::new(&tools.prometheus);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("tsdb").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--enable-feature=exemplar-storage")
            .arg(format!("--query.lookback-delta={}", millis(factor.divide(LOOKBACK))))
            .arg(format!("--rules.alert.resend-delay={}", millis(factor.divide(RESEND))));
        let mut child = Child::spawn("prometheus", &mut command, directory)?;
        let addr = child.line(0, |line| listening(line, "component=web")).await?;
        let ready = |line: &str| line.contains("Server is ready").then_some(());
        child.line(0, ready).await?;
        Ok(Self { child, api: Api { addr }, targets, rules })
    }

    /// Has it evaluate the rules from now on.
    ///
    /// Not from its start: it takes 5 s to look for targets, in which the sidecar would seem to be
    /// absent, as it would for 5 minutes in production.
    pub(super) async fn load_rules(&self, tools: &Tools, rules: &[RuleFile]) -> anyhow::Result<()> {
        for rule in rules {
            fs::write(self.rules.join(rule.name), &rule.text)?;
        }
        check_rules(tools, &self.rules).await?;
        self.child.signal(Signal::HUP)?;
        // It also rediscovers Alertmanager, and alerts that fire meanwhile are not delivered.
        let loaded = async || {
            let has_rules = self.api.groups().await?.len() >= rules.len();
            Ok((has_rules && self.api.has_alertmanager().await?).then_some(()))
        };
        patience::until("Prometheus to load the rules", LOADING, loaded).await
    }

    pub(super) fn api(&self) -> Api {
        self.api
    }

    /// Scrapes the sidecar at this address from now on; `None` for no target at all.
    pub(super) fn scrape(&self, sidecar: Option<SocketAddr>) -> anyhow::Result<()> {
        write_targets(&self.targets, sidecar)
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }
}

impl Api {
    pub(super) fn addr(self) -> SocketAddr {
        self.addr
    }

    /// The series of an expression, now.
    ///
    /// # Errors
    /// No answer, or Prometheus' own sentence about what is wrong with the expression.
    pub(super) async fn query(self, expression: &str) -> anyhow::Result<Vec<Series>> {
        self.series("/api/v1/query", &[("query", expression)]).await
    }

    /// The series of an expression over the time just past.
    ///
    /// # Errors
    /// As for [`Api::query`].
    pub(super) async fn query_range(
        self,
        expression: &str,
        past: Duration,
        step: Duration,
    ) -> anyhow::Result<Vec<Series>> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let (start, end) = ((now - past).as_secs_f64().to_string(), now.as_secs_f64().to_string());
        let step = step.as_secs_f64().to_string();
        let asked = [("query", expression), ("start", &start), ("end", &end), ("step", &step)];
        self.series("/api/v1/query_range", &asked).await
    }

    /// The names of all metrics that it has.
    ///
    /// # Errors
    /// No answer.
    pub(super) async fn names(self) -> anyhow::Result<BTreeSet<String>> {
        self.data("/api/v1/label/__name__/values", &[]).await
    }

    /// Names and states of the rules that do not evaluate.
    ///
    /// # Errors
    /// No answer.
    pub(super) async fn unhealthy_rules(self) -> anyhow::Result<Vec<String>> {
        let groups = self.groups().await?;
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let unhealthy = rules.filter(|rule| rule["health"] == "err");
        Ok(unhealthy.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect())
    }

    async fn has_alertmanager(self) -> anyhow::Result<bool> {
        let data: Value = self.data("/api/v1/alertmanagers", &[]).await?;
        Ok(data["activeAlertmanagers"].as_array().is_some_and(|known| !known.is_empty()))
    }

    async fn groups(self) -> anyhow::Result<Vec<Value>> {
        let mut data: Value = self.data("/api/v1/rules", &[]).await?;
        Ok(serde_json::from_value(data["groups"].take())?)
    }

    async fn series(self, path: &str, asked: &[(&str, &str)]) -> anyhow::Result<Vec<Series>> {
        let data: Value = self.data(path, asked).await?;
        match data["resultType"].as_str() {
            Some("scalar") => Ok(vec![Series {
                metric: BTreeMap::new(),
                value: serde_json::from_value(data["result"].clone())?,
                values: Vec::new(),
            }]),
            _ => Ok(serde_json::from_value(data["result"].clone())?),
        }
    }

    async fn data<T: serde::de::DeserializeOwned>(
        self,
        path: &str,
        asked: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let path =
            format!("{path}?{}", Serializer::new(String::new()).extend_pairs(asked).finish());
        let (_, answer) = web::ask(self.addr, http::Method::GET, &path, "").await?;
        let mut answer: Value = serde_json::from_str(&answer)
            .with_context(|| format!("Prometheus' response to {path} is not JSON"))?;
        if answer["status"] != "success" {
            bail!("{}", answer["error"].as_str().unwrap_or("Prometheus gives no reason"));
        }
        Ok(serde_json::from_value(answer["data"].take())?)
    }
}

fn write_targets(file: &Path, sidecar: Option<SocketAddr>) -> anyhow::Result<()> {
    let labels = json!({"namespace": "lab", "pod": "sidecar-0"});
    let group = sidecar.map(|addr| json!({"targets": [addr.to_string()], "labels": labels}));
    // Prometheus must never see a file that is half written.
    let next = file.with_extension("next");
    fs::write(&next, json!(Vec::from_iter(group)).to_string())?;
    Ok(fs::rename(next, file)?)
}

/// JSON is YAML too.
fn configuration(factor: Factor, rules: &Path, alertmanager: SocketAddr, targets: &Path) -> Value {
    let evaluate = millis(factor.divide(EVALUATION));
    // Prometheus allows no timeout longer than the interval.
    let scrape = millis(factor.divide(SCRAPE).max(SCRAPE_MIN));
    let job = |name: &str, path: &str| {
        json!({
            "job_name": name,
            "metrics_path": path,
            "file_sd_configs": [{"files": [targets], "refresh_interval": "1s"}],
        })
    };
    json!({
        "global": {
            "scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": evaluate,
        },
        "rule_files": [rules.join("*.yaml")],
        "alerting": {"alertmanagers": [
            {"static_configs": [{"targets": [alertmanager.to_string()]}]},
        ]},
        "scrape_configs": [
            job("deepgram-sidecar", "/metrics"),
            job("deepgram-sidecar-sessions", "/metrics/sessions"),
        ],
    })
}

async fn check_rules(tools: &Tools, directory: &Path) -> anyhow::Result<()> {
    let files = fs::read_dir(directory)?.map(|file| Ok(file?.path()));
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    let mut promtool = Command::new(&tools.promtool);
    let checked = promtool.args(["check", "rules"]).args(files).kill_on_drop(true).output().await?;
    if !checked.status.success() {
        bail!("promtool rejects the scaled rules: {}", String::from_utf8_lossy(&checked.stderr));
    }
    Ok(())
}

/// The address in the line with which both programs say that they listen.
pub(super) fn listening(line: &str, of: &str) -> Option<SocketAddr> {
    let said = line.contains("\"Listening on\"") && line.contains(of);
    let (_, addr) = line.split_once("address=").filter(|_| said)?;
    addr.trim_matches('"').parse().ok()
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
