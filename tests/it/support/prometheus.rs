//! A real Prometheus that scrapes one daemon, and its `promtool`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use url::form_urlencoded;

use super::process::{run_on_input, tool};
use super::{Process, Sidecar, eventually, http};

/// The labels of a series, `__name__` too.
pub(crate) type Labels = BTreeMap<String, String>;

/// What the daemon's names begin with; queries leave it out.
const PREFIX: &str = "deepgram_sidecar_";

/// Two jobs, every two seconds each: a scrape must be answered before the next, and a busy machine
/// takes its time.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    addr: SocketAddr,
    _directory: TempDir,
}

impl Prometheus {
    /// One that has scraped both pages.
    pub(crate) async fn scraping(sidecar: &Sidecar) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = write_config(directory.path(), sidecar.admin());
        let mut command = Command::new(tool("prometheus/usr/bin/prometheus"));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        let process = Process::spawn(command.arg("--enable-feature=exemplar-storage"));
        let said = |text| move |line: &Value| line["msg"] == text;
        let listening = process.log().line_where("its address", said("Listening on")).await;
        let ready = said("Server is ready to receive web requests.");
        process.log().line_where("readiness", ready).await;
        let addr = listening["address"].as_str().unwrap().parse().unwrap();
        let prometheus = Self { process, addr, _directory: directory };
        prometheus.scrape().await;
        prometheus
    }

    /// Waits until both pages were scraped anew, so that it knows what is true now.
    pub(crate) async fn scrape(&self) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        eventually("a scrape of both pages", async || {
            let scrapes = self.query("timestamp(up) and up == 1").await;
            let is_new = scrapes.len() == 2 && scrapes.iter().all(|(_, at)| *at > now);
            is_new.then_some(())
        })
        .await;
    }

    /// The series that a query in PromQL gives, each with its value. `$` stands for the prefix.
    pub(crate) async fn query(&self, query: &str) -> Vec<(Labels, f64)> {
        let data = self.ask("query", &[("query", &query.replace('$', PREFIX))]).await;
        let series = data["result"].as_array().unwrap().iter();
        let value = |it: &Value| it["value"][1].as_str().unwrap().parse().unwrap();
        series.map(|it| (labels(&it["metric"]), value(it))).collect()
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> f64 {
        match self.query(query).await.as_slice() {
            [(_, value)] => *value,
            other => panic!("{query} gives {other:?} and not one number"),
        }
    }

    /// Every series of the daemon's that it has ever scraped.
    pub(crate) async fn series(&self) -> Vec<Labels> {
        let selector = format!("{{__name__=~\"({PREFIX}|process_).+\"}}");
        let data = self.ask("series", &[("match[]", &selector)]).await;
        data.as_array().unwrap().iter().map(labels).collect()
    }

    /// The trace ids of a family's exemplars, each with the labels of its series.
    pub(crate) async fn exemplars(&self, family: &str) -> Vec<(Labels, String)> {
        let query = family.replace('$', PREFIX);
        let parameters = [("query", &*query), ("start", "0"), ("end", "9999999999")];
        let data = self.ask("query_exemplars", &parameters).await;
        let series = data.as_array().unwrap().iter();
        let of_series = |series: &Value| {
            let exemplars = series["exemplars"].as_array().unwrap().clone().into_iter();
            let labels = labels(&series["seriesLabels"]);
            exemplars.map(move |it| (labels.clone(), text(&it["labels"]["trace_id"])))
        };
        series.flat_map(of_series).collect()
    }

    /// The data of the API's answer.
    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let (status, answer) = http::get(self.addr, &format!("/api/v1/{what}?{query}")).await;
        assert_eq!(status, 200, "{query}: {answer}; it runs as process {}", self.process.pid());
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        answer["data"].take()
    }
}

fn labels(of: &Value) -> Labels {
    of.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The scrape configuration that the page on metrics tells operators to use.
fn write_config(directory: &Path, admin: SocketAddr) -> PathBuf {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (published, _) = rest.split_once("```").unwrap();
    let published = published.replace("127.0.0.1:9464", &admin.to_string());
    let file = directory.join("prometheus.yaml");
    let global = "global: {scrape_interval: 2s, scrape_timeout: 2s}\n";
    std::fs::write(&file, format!("{global}{published}")).unwrap();
    file
}

/// Checks that `promtool` finds nothing to say about a page in Prometheus' text format.
pub(crate) async fn assert_promtool_finds_nothing(page: &str) {
    let mut command = Command::new(tool("prometheus/usr/bin/promtool"));
    let output = run_on_input(command.args(["check", "metrics"]), page).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "promtool: {said}");
}
