//! The rules between rooms, crates and files.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Module, Modules};
use super::names::{follow, root_of};

/// A room, and the rooms and crates that it may use.
pub(super) type Room<'a> = (&'a str, &'a [&'a str]);

/// Paths into rooms and crates that a room must not use. `free` rooms may use everything.
pub(super) fn trespasses(
    modules: &Modules,
    daemon: &str,
    rooms: &[Room<'_>],
    free: &[&str],
) -> Vec<String> {
    let mut found = Vec::new();
    for (at, module) in modules.iter().filter(|(at, _)| root_of(at) == daemon) {
        let Some(room) = room_of(at).filter(|room| !free.contains(room)) else { continue };
        let Some((_, known)) = rooms.iter().find(|(name, _)| *name == room) else {
            found.push(format!("{}: {room} is in no list", module.file));
            continue;
        };
        for path in &module.named {
            let foreign = foreign(modules, at, path).into_iter();
            let wrong = foreign.filter(|it| !known.contains(&&**it));
            found.extend(wrong.map(|it| format!("{} knows {it}: {path}", module.file)));
        }
    }
    found
}

/// Re-exports of another room's or crate's items, and code included without being named.
pub(super) fn passages(modules: &Modules) -> Vec<String> {
    let mut found = Vec::new();
    for (at, module) in modules {
        for path in &module.handed_on {
            let foreign = foreign(modules, at, path);
            found
                .extend(foreign.first().map(|it| format!("{} hands on {it}: {path}", module.file)));
        }
        found.extend(module.smuggled.iter().map(|it| format!("{} has {it}", module.file)));
    }
    found
}

/// Other rooms and crates on the way of a path.
fn foreign(modules: &Modules, at: &str, path: &str) -> BTreeSet<String> {
    let way = follow(modules, at, path);
    let mut foreign = BTreeSet::new();
    for it in way.through {
        match room_of(&it) {
            _ if it.starts_with(&format!("{at}::")) => false,
            _ if root_of(&it) != root_of(at) => foreign.insert(root_of(&it).to_owned()),
            Some(room) if Some(room) != room_of(at) => foreign.insert(room.to_owned()),
            // Absolute paths start at the root; its own items would belong to every room.
            None if way.ends.contains(&it) && it != at => foreign.insert("the root".to_owned()),
            Some(_) | None => false,
        };
    }
    foreign
}

/// The first module below the crate's root.
fn room_of(path: &str) -> Option<&str> {
    path.split("::").nth(1)
}

/// Circular dependencies between modules with the same parent, each with all its descendants. A
/// module and its own descendants may use each other.
pub(super) fn circles(modules: &Modules) -> Vec<String> {
    let ways: Vec<_> = modules.iter().map(|(at, module)| (at, aims(modules, at, module))).collect();
    let mut found = Vec::new();
    for (parent, module) in modules.iter().filter(|(_, it)| it.children.len() > 1) {
        let mut edges: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (at, aims) in &ways {
            let Some(from) = child_of(parent, at) else { continue };
            for (aim, path) in aims {
                if let Some(to) = child_of(parent, aim).filter(|to| *to != from) {
                    let why = || format!("{} names {path}", modules[*at].file);
                    edges.entry(from).or_default().entry(to).or_insert_with(why);
                }
            }
        }
        let circle = circle(&edges);
        found.extend(
            (!circle.is_empty()).then(|| format!("below {}: {}", module.file, circle.join(", "))),
        );
    }
    found
}

/// The modules that a module uses, each with one path that shows it.
fn aims(modules: &Modules, at: &str, module: &Module) -> BTreeMap<String, String> {
    let ways = module.named.iter().map(|path| (path, follow(modules, at, path)));
    let aims = ways.flat_map(|(path, way)| way.through.into_iter().map(|it| (it, path.clone())));
    aims.filter(|(aim, _)| aim != at).collect()
}

/// The child of `parent` that is, or contains, the module `path`.
fn child_of<'a>(parent: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(parent)?.strip_prefix("::")?.split("::").next()
}

/// The first circle, as one reason for each step. Empty if there is none.
fn circle(edges: &BTreeMap<&str, BTreeMap<&str, String>>) -> Vec<String> {
    let mut edges = edges.clone();
    // A node without edges to the remaining ones is in no circle.
    loop {
        let left: BTreeSet<_> = edges.keys().copied().collect();
        edges.values_mut().for_each(|targets| targets.retain(|it, _| left.contains(it)));
        edges.retain(|_, targets| !targets.is_empty());
        if edges.len() == left.len() {
            break;
        }
    }
    // Each remaining node has an edge to another, so any walk ends in a circle.
    let Some(mut at) = edges.keys().next().copied() else { return Vec::new() };
    let mut walked: Vec<(&str, String)> = Vec::new();
    while !walked.iter().any(|(it, _)| *it == at) {
        let (to, why) = edges[at].first_key_value().expect("each remaining node has an edge");
        walked.push((at, why.clone()));
        at = to;
    }
    let circle = walked.into_iter().skip_while(|(it, _)| *it != at);
    circle.map(|(_, why)| why).collect()
}
