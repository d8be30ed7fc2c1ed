//! A real OpenTelemetry collector that writes the spans it is sent into a file.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::process::tool;
use super::{Process, eventually};

/// A collector, which can be killed and come back.
#[derive(Debug)]
pub(crate) struct Collector {
    process: Process,
    addr: SocketAddr,
    directory: TempDir,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let addr = own_address();
        let config = json!({
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": addr.to_string()}}}},
            "exporters": {"file": {
                "path": directory.path().join("spans.json"),
                "append": true,
                "flush_interval": "50ms",
            }},
            "service": {
                "telemetry": {"metrics": {"level": "none"}, "logs": {"encoding": "json"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        });
        std::fs::write(directory.path().join("config.yaml"), config.to_string()).unwrap();
        let process = run(&directory).await;
        Self { process, addr, directory }
    }

    /// What `telemetry.otlp.endpoint` is set to.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.exit().await;
    }

    /// Starts it again after a kill, at the same address.
    pub(crate) async fn restart(&mut self) {
        self.process = run(&self.directory).await;
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let file = self.directory.path().join("spans.json");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // A last line without its end is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let requests = whole.lines().map(|line| serde_json::from_str(line).unwrap());
        requests.flat_map(spans_of).collect()
    }

    /// All spans, once so many of them have this name.
    pub(crate) async fn spans_with(&self, count: usize, name: &str) -> Vec<Span> {
        eventually(name, async || {
            let spans = self.spans();
            let there = spans.iter().filter(|span| span.name == name).count();
            (there >= count).then_some(spans)
        })
        .await
    }
}

async fn run(directory: &TempDir) -> Process {
    let mut command = Command::new(tool("bin/otelcol"));
    let process = Process::spawn(command.arg("--config").arg(directory.path().join("config.yaml")));
    let is_ready =
        |line: &Value| line["msg"].as_str().is_some_and(|it| it.starts_with("Everything is ready"));
    process.log().line_where("the collector", is_ready).await;
    process
}

/// A loopback address of its own, so that nobody takes its port while it is down.
fn own_address() -> SocketAddr {
    static COLLECTORS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, high, low, COLLECTORS.fetch_add(1, Relaxed));
    SocketAddr::from((own, 4318))
}

/// A span as the collector wrote it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: String,
    pub(crate) name: String,
    /// 1 internal, 2 server, 3 client.
    pub(crate) kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    pub(crate) status: Status,
    pub(crate) links: Vec<Link>,
}

/// How a span went: code 2 for an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u8,
    pub(crate) message: String,
}

/// Another span that a span names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Link {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Attribute {
    key: String,
    value: Value,
}

impl Span {
    /// When it began and when it ended, in nanoseconds.
    pub(crate) fn lasted(&self) -> std::ops::RangeInclusive<u64> {
        self.start_time_unix_nano.parse().unwrap()..=self.end_time_unix_nano.parse().unwrap()
    }

    /// The keys of its attributes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|it| it.key.as_str())
    }

    /// An attribute as text, whatever its type; empty where it is missing.
    pub(crate) fn attribute(&self, key: &str) -> String {
        let found = self.attributes.iter().find(|it| it.key == key);
        // One member, which is called as the type is. OTLP writes integers as strings.
        let value = found.and_then(|it| it.value.as_object()?.values().next());
        match value {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }

    /// What makes it an error, if it is one.
    pub(crate) fn error(&self) -> Option<String> {
        (self.status.code == 2).then(|| self.attribute("error.type"))
    }
}

fn spans_of(mut request: Value) -> Vec<Span> {
    let take = |value: &mut Value, member: &str| -> Vec<Value> {
        serde_json::from_value(value[member].take()).unwrap()
    };
    let mut scopes = take(&mut request, "resourceSpans").into_iter().flat_map(|mut resource| {
        assert_eq!(
            resource["resource"]["attributes"].as_array().map(|it| !it.is_empty()),
            Some(true)
        );
        take(&mut resource, "scopeSpans")
    });
    let spans = scopes.by_ref().flat_map(|mut scope| take(&mut scope, "spans"));
    spans.map(|span| serde_json::from_value(span).unwrap()).collect()
}
