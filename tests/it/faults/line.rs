//! What became of a fault, and the page that lists all of them.

use std::fmt::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// A fault that is yet to happen.
pub(super) type Fault = Pin<Box<dyn Future<Output = Line>>>;

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 cargo test --test it faults`, which runs every fault; edit tests/it/faults. -->
# Fault table

How sessions with [`recovery.mode: reconnect`](configuration.md#recovery) handled each fault in the tests. Every line is a sidecar
and an emulated Deepgram of its own, as processes, and an application that streams speech in real time and does nothing about the
fault. The tests hold the reason, what is lost and whether the session recovers, and that every sample is in exactly one final
result unless it is counted as lost. The times are from one run: from the fault to the moment when the application has read of
it. Deadlines are short: a Ping every 500 ms with 500 ms for the Pong, 1 s for a write, 2 s until speech without a result is a
stall.

[faults.md](faults.md) lists which faults raise which alerts.

| fault | reason | noticed within | lost | recovered |
| --- | --- | --- | --- | --- |
";

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) fault: String,
    /// As the events or the refusal named it.
    pub(super) reason: String,
    /// `None` where there was nothing to notice.
    pub(super) noticed: Option<Duration>,
    /// `None` where no session has opened.
    pub(super) lost_ms: Option<u64>,
    pub(super) recovered: String,
}

impl Line {
    fn rendered(&self) -> String {
        let noticed =
            self.noticed.map_or("—".into(), |noticed| format!("{} ms", noticed.as_millis()));
        let lost = self.lost_ms.map_or("—".into(), |lost| format!("{lost} ms"));
        let Self { fault, reason, recovered, .. } = self;
        format!("| {fault} | {reason} | {noticed} | {lost} | {recovered} |")
    }
}

/// A line without what differs from run to run.
fn lasting(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
    match cells.as_slice() {
        [fault, reason, _, _, recovered] => Some([fault, reason, recovered]),
        _ => None,
    }
}

/// Compares the lines with the page, or writes it.
pub(super) fn publish(lines: &[Line]) {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/fault-table.md");
    let mut now = HEAD.to_owned();
    for line in lines {
        writeln!(now, "{}", line.rendered()).unwrap();
    }
    print!("{now}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, now).unwrap();
        return;
    }
    let published = std::fs::read_to_string(&page).unwrap_or_default();
    let [published, now] =
        [&published, &now].map(|page| page.lines().filter_map(lasting).collect::<Vec<_>>());
    assert_eq!(published, now, "stale: UPDATE_DOCS=1 cargo test --test it faults");
}
