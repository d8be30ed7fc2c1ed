//! What a process has written to its standard error, line by line.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::within;

/// A log that is read as it is written.
#[derive(Debug)]
pub(crate) struct Log {
    lines: watch::Receiver<Vec<String>>,
    /// Owns the reading.
    _reader: JoinSet<()>,
}

impl Log {
    pub(super) fn of(stderr: ChildStderr) -> Self {
        let (written, lines) = watch::channel(Vec::new());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                written.send_modify(|lines| lines.push(line));
            }
        });
        Self { lines, _reader: reader }
    }

    /// The first line of an event, awaited.
    pub(crate) async fn event(&self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// The first line of an event that fits, awaited.
    pub(crate) async fn event_where(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.line_where(name, |line| line["event"] == name && fits(line)).await
    }

    /// The first line of JSON that fits, awaited.
    pub(crate) async fn line_where(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self.lines.clone();
        let found = |lines: &Vec<String>| lines.iter().find_map(|line| fitting(line, &fits));
        let seen = within(what, lines.wait_for(|lines| found(lines).is_some())).await;
        match seen {
            Ok(lines) => found(&lines).unwrap(),
            Err(_) => panic!("no {what}, and the process has ended:\n{}", self.text()),
        }
    }

    /// The lines of an event so far.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let is_event = |line: &Value| line["event"] == name;
        self.lines.borrow().iter().filter_map(|line| fitting(line, is_event)).collect()
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Everything until the process closed its end.
    pub(crate) async fn whole(&self) -> String {
        let mut lines = self.lines.clone();
        within("the end of the log", async { while lines.changed().await.is_ok() {} }).await;
        self.text()
    }

    fn text(&self) -> String {
        self.lines.borrow().join("\n")
    }
}

fn fitting(line: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    serde_json::from_str(line).ok().filter(fits)
}
