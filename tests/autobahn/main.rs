//! The WebSocket codec, judged by the cases of the Autobahn suite through both of the doors that
//! applications come in by; and what stands on it in a session, by those cases that it can play.
//!
//! The suite itself is Python 2 and a client of its own; `suite.py` reads its cases, and `client.py`
//! plays them. `UPDATE_DOCS=1` writes the page that says what came of them.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic as its tests do")]

mod doors;
mod echo;
mod echoing;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;
use tokio::runtime::Runtime;

use doors::{Doors, Server};
use echo::Echo;
use echoing::EchoingSession;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const PAGE: &str = "docs/autobahn.md";

/// All of the suite's but those of compression, which is never agreed on.
const CASES: usize = 301;

/// Those that need no binary message back, by how they begin.
const OF_TEXT: [&str; 12] =
    ["1.1.", "2.", "3.", "4.", "5.", "6.", "7.", "9.1.", "9.3.", "9.5.", "9.7.", "10."];

/// What a case may come to: as the standard has it, or where the standard leaves a choice.
const GOOD: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

const HEAD: &str = "\
<!-- Written by `UPDATE_DOCS=1 make autobahn`, which plays every case. -->

# Autobahn

What the cases of the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) 25.10.1 say of the WebSocket codec
towards applications. They judge an echo on top of it, since that is what they need of a server; `make autobahn` plays them, once
through a Unix socket and once through a loopback port, and both must come to the same. The cases of compression are left out: it
is never agreed on.

Sessions send no binary messages. The cases that want none back are also played against the socket of a session, with its
handshake, its Pongs and its closes, in front of an echo; it too must come to the same.

The suite takes a connection that just ends for a right answer to a breach. Here there must be a close frame, and the codes are
all that have been received.

| cases | what of | verdicts | the server's close codes | a session's socket |
| --- | --- | --- | --- | --- |
";

/// What the player writes.
#[derive(Deserialize)]
struct Played {
    groups: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Debug, PartialEq, Deserialize)]
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
fn the_codec_and_a_sessions_socket_pass_the_autobahn_suite() {
    let runtime = Runtime::new().unwrap();
    let played = thread::scope(|scope| {
        let codec = scope.spawn(|| play_both::<Echo>(&runtime, &[]));
        let sessions = scope.spawn(|| play_both::<EchoingSession>(&runtime, &OF_TEXT));
        [codec.join().unwrap(), sessions.join().unwrap()]
    });
    let [codec, sessions] = played;
    assert_eq!(codec.cases.len(), CASES);
    assert!(sessions.cases.iter().all(|it| codec.cases.contains(it)), "a session's differs");
    check_page(&page(&codec, &sessions));
}

/// Plays the cases through either door, which must make no difference.
fn play_both<S: Server + 'static>(runtime: &Runtime, prefixes: &[&str]) -> Played {
    let doors = runtime.block_on(async { Doors::open::<S>() });
    let [socket, port] = doors.addresses();
    let (socket, port) = (play(&socket, prefixes), play(&port, prefixes));
    assert_eq!(socket.cases, port.cases);
    let bad = socket.cases.iter().filter(|it| !it.is_good());
    let bad: Vec<_> = bad.map(|it| format!("{}: {} ({:?})", it.case, it.result, it.code)).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    socket
}

fn play(address: &str, prefixes: &[&str]) -> Played {
    let output = Command::new(python())
        .args(["-B", "tests/autobahn/play.py", address])
        .args(prefixes)
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

fn page(codec: &Played, sessions: &Played) -> String {
    let mut page = HEAD.to_owned();
    for cases in codec.cases.chunk_by(|one, next| one.group() == next.group()) {
        let group = cases[0].group();
        let title = codec.groups[group].as_str();
        let verdicts = tally(cases.iter().map(|it| it.behavior.as_str()));
        let verdicts = verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}"));
        let codes =
            tally(cases.iter().map(|it| it.code.map_or("none".into(), |it| it.to_string())));
        let codes: Vec<_> = codes.into_keys().collect();
        let verdicts: Vec<_> = verdicts.collect();
        let of_session = sessions.cases.iter().filter(|it| it.group() == group).count();
        let of_session = if of_session == 0 { "–" } else { "the same" };
        let (verdicts, codes) = (verdicts.join(", "), codes.join(", "));
        writeln!(page, "| {group} | {title} | {verdicts} | {codes} | {of_session} |").unwrap();
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
