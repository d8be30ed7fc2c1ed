//! Which room, crate and file may use which: the architecture's invariants about names.
//!
//! The sources are parsed and paths are resolved, because there are many ways to name a room: from
//! the root, relative to a neighbour, by an alias, through a third module's imports.

mod code;
mod crates;
mod names;
mod tests;
mod walls;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use code::Modules;
use crates::Rule;
use walls::Room;

use crate::sources;

const DAEMON: &str = "deepgram_sidecar";

/// Which other rooms, and which crates of the workspace, each room of the daemon may use.
const ROOMS: [Room<'_>; 10] = [
    ("admin", &["json", "live", "telemetry", "clock", "session"]),
    ("config", &[]),
    (
        "daemon",
        &["admin", "config", "drain", "live", "relay", "telemetry", "upstream", "clock", "session"],
    ),
    ("drain", &["live", "session"]),
    ("ipc", &["json", "live", "protocol", "session"]),
    ("json", &["session"]),
    ("live", &["json", "session"]),
    ("relay", &["drain", "ipc", "live", "telemetry", "upstream", "clock", "session", "vad"]),
    ("telemetry", &["config", "json", "live", "clock", "session"]),
    ("upstream", &["clock", "session"]),
];

/// Rooms that may use everything.
const FREE: [&str; 1] = ["commands"];

/// What each crate may depend on. Dependencies by feature are not part of the shipped daemon.
const CRATES: [Rule; 8] = [
    Rule {
        by_feature: &["deepgram-emulator", "deepgram-sidecar-lab"],
        ..rule(
            "deepgram-sidecar",
            &[
                "deepgram-sidecar-client",
                "deepgram-sidecar-clock",
                "deepgram-sidecar-protocol",
                "deepgram-sidecar-session",
                "deepgram-sidecar-vad",
            ],
        )
    },
    Rule {
        foreign: Some(SESSION),
        own_for_tests: Some(&["deepgram-sidecar-clock"]),
        ..rule("deepgram-sidecar-session", &[])
    },
    Rule { foreign: Some(&["tokio"]), ..rule("deepgram-sidecar-clock", &[]) },
    rule("deepgram-sidecar-protocol", &[]),
    rule("deepgram-sidecar-client", &["deepgram-sidecar-protocol"]),
    rule("deepgram-emulator", &["deepgram-sidecar-clock"]),
    rule(
        "deepgram-sidecar-lab",
        &["deepgram-emulator", "deepgram-sidecar-client", "deepgram-sidecar-clock"],
    ),
    rule("deepgram-sidecar-vad", &["deepgram-sidecar-session"]),
];

/// All that the session machine needs from others.
const SESSION: &[&str] = &["bytes"];

const fn rule(package: &'static str, own: &'static [&'static str]) -> Rule {
    Rule { package, own, by_feature: &[], foreign: None, own_for_tests: None }
}

/// Crates that the shipped daemon must not contain: the emulator, the lab, and what only they use.
const NOT_SHIPPED: [&str; 4] = ["deepgram-emulator", "deepgram-sidecar-lab", "sha2", "tempfile"];

#[test]
fn no_room_knows_a_room_that_it_must_not_know() {
    none(&walls::trespasses(&MODULES, DAEMON, &ROOMS, &FREE));
}

#[test]
fn no_room_lets_others_past_a_wall() {
    none(&walls::passages(&MODULES));
}

#[test]
fn no_files_need_each_other() {
    none(&walls::circles(&MODULES));
}

#[test]
fn no_crate_is_built_with_one_that_it_must_not_know() {
    none(&crates::forbidden(&crates::workspace(), &CRATES));
}

#[test]
fn the_daemon_ships_without_emulator_and_lab() {
    let shipped = crates::shipped("deepgram-sidecar");
    assert!(shipped.iter().any(|it| it == "deepgram-sidecar-session"), "{shipped:?}");
    none(
        &NOT_SHIPPED
            .map(str::to_owned)
            .into_iter()
            .filter(|it| shipped.contains(it))
            .collect::<Vec<_>>(),
    );
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// All libraries of the workspace. Parsed once, because that takes most of the time.
static MODULES: LazyLock<Modules> = LazyLock::new(|| {
    let sources = sources::of_library();
    let texts: BTreeMap<_, _> = sources.iter().map(|it| (&*it.path, &*it.text)).collect();
    let mut modules = Modules::new();
    for root in texts.keys().filter(|path| path.ends_with("src/lib.rs")) {
        let name = root.strip_prefix("crates/").and_then(|it| it.split('/').next());
        code::read_crate(name.unwrap_or(DAEMON), root, &texts, &mut modules);
    }
    modules
});
