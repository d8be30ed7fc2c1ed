//! Who may know whom: the architecture's invariants about imports.

use crate::sources::{self, Source};

/// What each room of the daemon may name of the others; `std` and other crates apart. The binaries
/// and `commands` may name everything.
const ROOMS: [(&str, &[&str]); 10] = [
    ("admin", &["json", "live", "telemetry"]),
    ("config", &[]),
    ("daemon", &["admin", "config", "drain", "live", "relay", "telemetry", "upstream"]),
    ("drain", &["live"]),
    ("ipc", &["json", "live"]),
    ("json", &[]),
    ("live", &["json"]),
    ("relay", &["drain", "ipc", "live", "telemetry", "upstream"]),
    ("telemetry", &["config", "json", "live"]),
    ("upstream", &[]),
];

#[test]
fn no_room_names_a_room_that_it_must_not_know() {
    for source in sources::of_library().iter().filter(|it| it.path.starts_with("src/")) {
        let room = room_of(source);
        let Some((_, known)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            assert!(["bin", "commands", "lib", "main"].contains(&room), "{room} is in no list");
            continue;
        };
        for path in own_paths(source) {
            let within = |known: &&str| path == *known || path.starts_with(&format!("{known}::"));
            let is_known = within(&room) || known.iter().any(within);
            assert!(is_known, "{} names crate::{path}", source.path);
        }
    }
}

/// The first folder under `src`, or the file there.
fn room_of(source: &Source) -> &str {
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
