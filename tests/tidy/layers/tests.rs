//! Ways around each rule, in small daemons made for them.

use std::collections::BTreeMap;

use super::code::{Modules, read_crate};
use super::crates::{Rule, forbidden};
use super::walls::{Room, circles, passages, trespasses};

/// `relay` may use both sides, which may use nothing.
const ROOMS: [Room<'_>; 3] = [("ipc", &[]), ("relay", &["ipc", "upstream"]), ("upstream", &[])];

const ROOT: (&str, &str) = ("src/lib.rs", "pub mod ipc; pub mod relay; pub mod upstream;");
const UPSTREAM: (&str, &str) = ("src/upstream.rs", "pub struct Link; pub fn dial() {}");

fn daemon(files: &[(&str, &str)]) -> Modules {
    let texts: BTreeMap<_, _> = [ROOT, UPSTREAM].iter().chain(files).copied().collect();
    let mut modules = Modules::new();
    read_crate("daemon", "src/lib.rs", &texts, &mut modules);
    modules
}

fn caught(relay: &str, ipc: &str) -> Vec<String> {
    let modules = daemon(&[("src/relay.rs", relay), ("src/ipc.rs", ipc)]);
    trespasses(&modules, "daemon", &ROOMS, &[])
}

/// Asserts that this use of `upstream` in `ipc` is found.
#[track_caller]
fn assert_caught(relay: &str, ipc: &str) {
    let found = caught(relay, ipc);
    assert!(found.iter().any(|it| it.starts_with("src/ipc.rs knows upstream")), "{found:?}");
}

#[test]
fn what_is_allowed_passes() {
    let ipc = "use std::io; pub struct Socket; fn f(upstream: u8) -> u8 { upstream }
        /// [`crate::upstream`] is only spoken of.
        #[cfg(test)] mod tests { use crate::upstream::Link; }
        #[cfg(test)] fn g() { crate::upstream::dial(); }";
    assert_eq!(caught("use crate::{ipc::Socket, upstream::Link};", ipc), [""; 0]);
}

#[test]
fn a_room_is_known_however_it_is_named() {
    for ipc in [
        "use crate::upstream::Link;",
        "use crate::{relay, upstream::{self as other}};",
        "use crate::upstream::*;",
        "use super::upstream;",
        "mod inner { fn f() { super::super::upstream::dial() } }",
        "mod inner { mod deep { use super::super::super::upstream as x; } }",
        "use crate as all; fn f() { all::upstream::dial() }",
        "use super::*; fn f() { upstream::dial() }",
        "extern crate self as me; fn f() -> me::upstream::Link { todo!() }",
        "fn f() { use crate::upstream as x; }",
        "fn f() { let _ = <u8 as From<crate::upstream::Link>>::from; }",
        "fn f() { println!(\"{:?}\", crate::upstream::dial()) }",
        "macro_rules! m { () => { $crate::upstream::dial() } }",
        "#[derive(Debug)] #[serde(with(crate::upstream))] struct S;",
        "struct S { r#in: Vec<Option<crate::r#upstream::Link>> }",
    ] {
        assert_caught("", ipc);
    }
}

#[test]
fn a_room_is_known_through_what_a_third_one_imports() {
    for (relay, ipc) in [
        ("pub use crate::upstream::Link;", "use crate::relay::Link;"),
        ("pub use crate::upstream::Link as Line;", "use super::relay::Line;"),
        ("pub use crate::upstream;", "fn f() { crate::relay::upstream::dial() }"),
        ("pub use crate::upstream as other;", "use crate::relay::other::dial;"),
        ("pub use crate::upstream::*;", "use crate::relay::Link;"),
        (
            "pub mod a { pub use super::b::Link; } pub mod b { pub use crate::upstream::*; }",
            "use crate::relay::a::*; fn f(_: Link) {}",
        ),
        (
            "use crate::upstream as x; pub mod inner { pub use super::*; }",
            "fn f() { crate::relay::inner::x::dial() }",
        ),
    ] {
        assert_caught(relay, ipc);
    }
}

#[test]
fn no_room_hands_on_what_is_anothers() {
    for relay in [
        "pub use crate::upstream::Link;",
        "pub(crate) use super::upstream;",
        "pub(super) use super::upstream::*;",
        "pub type Line = crate::upstream::Link;",
        "use crate::upstream::Link; pub(crate) type Lines = Vec<Link>;",
        "use crate::upstream as x; pub use x::Link;",
        "mod inner { pub(crate) use crate::upstream::Link; }",
        "pub extern crate daemon;",
        "#[path = \"upstream.rs\"] mod mine;",
        "#[macro_use] mod mine {}",
        "include!(\"upstream.rs\");",
    ] {
        let files = [("src/relay.rs", relay), ("src/ipc.rs", ""), ("src/relay/mine.rs", "")];
        assert_ne!(passages(&daemon(&files)), [""; 0], "{relay}");
    }
    let own = "mod inner { pub struct A; } pub use inner::A; use crate::upstream::Link;";
    assert_eq!(passages(&daemon(&[("src/relay.rs", own), ("src/ipc.rs", "")])), [""; 0]);
}

#[test]
fn no_crate_hands_on_what_is_anothers() {
    let texts = BTreeMap::from([("a/lib.rs", "pub use b::B;"), ("b/lib.rs", "pub struct B;")]);
    let mut modules = Modules::new();
    for (name, root) in [("a", "a/lib.rs"), ("b", "b/lib.rs")] {
        read_crate(name, root, &texts, &mut modules);
    }
    assert_eq!(passages(&modules), ["a/lib.rs hands on b: b::B"]);
}

/// The circles if `relay` has these two children.
fn circles_of(relay: &str, one: &str, other: &str) -> Vec<String> {
    let files = [("src/relay/one.rs", one), ("src/relay/other.rs", other)];
    circles(&daemon(&[&[("src/relay.rs", relay), ("src/ipc.rs", "")], &files[..]].concat()))
}

#[test]
fn files_that_need_each_other_are_found() {
    let relay = "mod one; mod other; use one::One; use other::Other; pub struct Own;";
    for (one, other) in [
        ("use super::other::Other; pub struct One;", "use super::one::One; pub struct Other;"),
        // Through the parent's imports.
        ("use super::*; pub struct One(Other);", "pub struct Other(super::One);"),
        (
            "use super::Other; pub struct One;",
            "fn f() { matches!(x, crate::relay::One) } pub struct Other;",
        ),
    ] {
        let found = circles_of(relay, one, other);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("src/relay/one.rs names"), "{found:?}");
    }
    // A parent and its children may use each other.
    let other = "use super::Own; pub struct Other;";
    assert_eq!(circles_of(relay, "use super::{Other, Own}; pub struct One;", other), [""; 0]);
}

#[test]
fn rooms_that_need_each_other_are_found() {
    let files =
        [("src/relay.rs", "use crate::ipc::A;"), ("src/ipc.rs", "pub struct A(super::relay::B);")];
    assert_eq!(circles(&daemon(&files)).len(), 1);
}

/// The findings for a crate with this dependency, as `cargo metadata` describes it.
fn built_with(dependency: &str) -> Vec<String> {
    let package = format!(r#"{{"packages":[{{"name":"m","dependencies":[{dependency}]}}]}}"#);
    let (own, foreign, tests): (&[_], &[_], &[_]) = (&["below"], &["bytes"], &["clock"]);
    let rule = Rule {
        package: "m",
        own,
        by_feature: &["lab"],
        foreign: Some(foreign),
        own_for_tests: Some(tests),
    };
    forbidden(&serde_json::from_str(&package).unwrap(), &[rule])
}

#[test]
fn no_manifest_names_a_crate_that_it_must_not() {
    let line = |name: &str, kind: &str, optional: bool, path: &str| {
        format!(r#"{{"name":"{name}","kind":{kind},"optional":{optional},"path":{path}}}"#)
    };
    for (name, kind, optional, path) in [
        ("upstream", "null", false, r#""elsewhere/upstream""#),
        ("upstream", r#""build""#, false, r#""elsewhere/upstream""#),
        ("upstream", r#""dev""#, false, r#""elsewhere/upstream""#),
        // A path dependency with the name of an allowed foreign crate.
        ("bytes", "null", false, r#""elsewhere/bytes""#),
        ("lab", "null", false, r#""crates/lab""#),
        ("tokio", "null", false, "null"),
        ("cc", r#""build""#, false, "null"),
    ] {
        let found = built_with(&line(name, kind, optional, path));
        assert_eq!(found, [format!("m is built with {name}")]);
    }
    for (name, kind, optional, path) in [
        ("below", "null", false, r#""crates/below""#),
        ("lab", "null", true, r#""crates/lab""#),
        ("clock", r#""dev""#, false, r#""crates/clock""#),
        ("bytes", "null", false, "null"),
        ("proptest", r#""dev""#, false, "null"),
    ] {
        assert_eq!(built_with(&line(name, kind, optional, path)), [""; 0]);
    }
}
