//! Who may know whom: the architecture's invariants about imports.

use crate::sources::{self, Source};

/// What each part may name of the others; `std` and other crates apart. The binaries and `commands`
/// may name everything.
const PARTS: [(&str, &[&str]); 11] = [
    ("admin", &["session", "telemetry"]),
    ("client", &["ipc::frame"]),
    ("config", &[]),
    ("daemon", &["admin", "config", "drain", "ipc", "session", "telemetry", "upstream"]),
    ("drain", &["session"]),
    ("emulator", &["session::clock"]),
    ("ipc", &["drain", "session", "telemetry"]),
    ("lab", &["client", "emulator", "session::clock"]),
    ("session", &[]),
    ("telemetry", &["config", "session"]),
    ("upstream", &["session"]),
];

/// The one place where the application's side and Deepgram's meet.
const DRIVER: &str = "src/session/driver.rs";

/// Reads no clock, does no I/O, logs nothing.
const MACHINE: &str = "src/session/machine";

const OUTSIDE_WORLD: [&str; 6] =
    ["std::env", "std::fs", "std::io", "std::net", "std::process", "std::thread"];

#[test]
fn no_part_names_a_part_that_it_must_not_know() {
    for source in sources::of_library() {
        let part = part_of(&source);
        let Some((_, known)) = PARTS.iter().find(|(name, _)| *name == part) else {
            assert!(["bin", "commands", "lib", "main"].contains(&part), "{part} stands in no list");
            continue;
        };
        let met: &[&str] = if source.path == DRIVER { &["ipc", "upstream"] } else { &[] };
        for path in own_paths(&source) {
            let within = |known: &&str| path == *known || path.starts_with(&format!("{known}::"));
            let is_known = within(&part) || known.iter().chain(met).any(within);
            assert!(is_known, "{} names crate::{path}", source.path);
        }
    }
}

#[test]
fn the_session_machine_names_nothing_but_std_bytes_and_the_sessions_words() {
    let mut strangers = dependencies();
    strangers.retain(|name| name != "bytes");
    strangers.extend(OUTSIDE_WORLD.map(str::to_owned));
    for source in sources::of_library().iter().filter(|it| it.path.starts_with(MACHINE)) {
        for path in own_paths(source) {
            assert!(path.starts_with("session"), "{} names crate::{path}", source.path);
        }
        for line in code(source) {
            let is_named = |name: &&String| line.contains(&format!("{name}::"));
            assert_eq!(strangers.iter().find(is_named), None, "{}: {line}", source.path);
            assert!(!line.contains("::now()"), "{} reads a clock: {line}", source.path);
        }
    }
}

/// The crates that the package names, as the code spells them.
fn dependencies() -> Vec<String> {
    let manifest = sources::read("Cargo.toml");
    let (_, table) = manifest.text.split_once("\n[dependencies]\n").unwrap();
    let (table, _) = table.split_once("\n[").unwrap();
    let names = table.lines().filter_map(|line| line.split_once(" = "));
    let names: Vec<_> = names.map(|(name, _)| name.replace('-', "_")).collect();
    assert!(names.iter().any(|name| name == "tokio"), "read as {names:?}");
    names
}

/// The first folder under `src`, or the file there.
fn part_of(source: &Source) -> &str {
    let inner = source.path.strip_prefix("src/").unwrap();
    inner.split(['/', '.']).next().unwrap()
}

/// What stands behind `crate::`, of a source's code.
fn own_paths(source: &Source) -> Vec<&str> {
    let end = |it: char| !(it.is_alphanumeric() || "_:".contains(it));
    code(source)
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(end).next().unwrap().trim_end_matches(':'))
        .inspect(|path| assert!(!path.is_empty(), "{}: one path in each line", source.path))
        .collect()
}

fn code(source: &Source) -> impl Iterator<Item = &str> {
    source.without_tests().lines().filter(|line| !line.trim_start().starts_with("//"))
}
