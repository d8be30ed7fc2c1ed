//! The lab: every fault raises its alerts and no others, every panel shows something, and whoever
//! brings a lab up can inject a fault and leaves nothing behind.
//!
//! Real sidecars, Prometheis and Alertmanagers, several labs side by side. `UPDATE_DOCS=1` writes
//! docs/faults.md from what was seen. A fault is only retried if the lab's own timers were late, and
//! standard error says so even if the retry succeeds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod coverage;
mod up;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use lab::{Factor, Fault, Plan, Row, Tools, page, run_matrix, without_seconds};

/// Labs at the same time on an idle machine: each spends most of its time waiting.
const AT_A_TIME: usize = 12;

const FACTOR: Factor = Factor::new(60);

const PAGE: &str = "docs/faults.md";

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn plan() -> Plan {
    let tools = Tools::find(&root()).unwrap_or_else(|missing| panic!("{missing}"));
    let sidecar = env!("CARGO_BIN_EXE_deepgram-sidecar").into();
    Plan { sidecar, tools, factor: FACTOR }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_raises_its_alerts_and_no_others_and_fills_its_panels() {
    let rows = run_matrix(&plan(), Fault::all(), AT_A_TIME, tell).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error:#}"));
    let problems: Vec<_> = rows.iter().filter_map(described).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    compare_with_the_page(&page(&rows, FACTOR), &root().join(PAGE));
}

/// Progress, visible with `--nocapture`; retries are always visible.
fn tell(row: &Row) {
    println!("{} {:.1?}", row.told(), row.seconds);
    if row.is_retried() {
        // libtest hides what a passing test prints, but not what it writes.
        std::io::stderr().write_all(format!("{}\n", row.told()).as_bytes()).unwrap();
    }
}

fn described(row: &Row) -> Option<String> {
    (!row.problems.is_empty()).then(|| row.told())
}

/// The seconds differ from run to run; the rest of the page must not.
fn compare_with_the_page(seen: &str, file: &Path) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, seen).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        without_seconds(&written),
        without_seconds(seen),
        "{PAGE} is out of date: UPDATE_DOCS=1 cargo test --test lab"
    );
}
