//! The WebSocket codec, judged by the cases of the Autobahn suite.
//!
//! The suite itself is Python 2 and a client of its own; `suite.py` reads its cases, and `client.py`
//! plays them. `UPDATE_DOCS=1` writes the page that says what came of them.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic as its tests do")]

mod echo;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const PAGE: &str = "docs/autobahn.md";

/// All of the suite's but those of compression, which is never agreed on.
const CASES: usize = 301;

/// What a case may come to: as the standard has it, or where the standard leaves a choice.
const GOOD: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 make autobahn`, which plays every case. -->

# Autobahn

What the cases of the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) 25.10.1 say of the WebSocket codec
towards applications. They judge an echo on top of it, since that is what they need of a server; `make autobahn` plays them. The
cases of compression are left out: it is never agreed on.

The suite takes a connection that just ends for a right answer to a breach. Here there must be a close frame, and the codes are
all that have been received.

| cases | what of | verdicts | the server's close codes |
| --- | --- | --- | --- |
";

/// What the player writes.
#[derive(Deserialize)]
struct Played {
    groups: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    behavior: String,
    close: String,
    result: String,
    code: Option<u16>,
    failed_by_server: bool,
    close_frame: bool,
}

impl Case {
    fn is_good(&self) -> bool {
        let verdicts = [&self.behavior, &self.close];
        let has_answer = !self.failed_by_server || self.close_frame && self.code.is_some();
        verdicts.iter().all(|it| GOOD.contains(&&***it)) && has_answer
    }

    /// What the suite calls the cases that it belongs to: `1.1` of 1.1.8, `2` of 2.11.
    fn group(&self) -> &str {
        self.case.rsplit_once('.').unwrap().0
    }
}

#[test]
fn the_codec_passes_the_autobahn_suite() {
    let played = play();
    assert_eq!(played.cases.len(), CASES);
    let bad = played.cases.iter().filter(|it| !it.is_good());
    let bad: Vec<_> = bad.map(|it| format!("{}: {} ({:?})", it.case, it.result, it.code)).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    check_page(&page(&played));
}

fn play() -> Played {
    let address = echo::start();
    let output = Command::new(python())
        .args(["-B", "crates/protocol/tests/autobahn/play.py", &address.port().to_string()])
        .current_dir(ROOT)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the player failed; see its traceback above");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The interpreter that `make tools` has given the suite.
fn python() -> PathBuf {
    let python = Path::new(ROOT).join(".tools/autobahn/bin/python");
    assert!(python.exists(), "{} is missing; run `make tools` first", python.display());
    python
}

fn page(played: &Played) -> String {
    let mut page = HEAD.to_owned();
    for cases in played.cases.chunk_by(|one, next| one.group() == next.group()) {
        let group = cases[0].group();
        let title = played.groups[group].as_str();
        let verdicts = tally(cases.iter().map(|it| it.behavior.as_str()));
        let verdicts = verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}"));
        let codes =
            tally(cases.iter().map(|it| it.code.map_or("none".into(), |it| it.to_string())));
        let codes: Vec<_> = codes.into_keys().collect();
        let verdicts: Vec<_> = verdicts.collect();
        writeln!(page, "| {group} | {title} | {} | {} |", verdicts.join(", "), codes.join(", "))
            .unwrap();
    }
    page
}

fn tally<T: Ord>(words: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut tally = BTreeMap::new();
    for word in words {
        *tally.entry(word).or_default() += 1;
    }
    tally
}

fn check_page(page: &str) {
    let path = Path::new(ROOT).join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, page).unwrap();
        return;
    }
    let published = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(published, page, "{PAGE} is out of date: UPDATE_DOCS=1 make autobahn");
}
