//! The documents: their links, and the words that they share with the code.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use session::ErrorCode;
use session::death::{Class, Reason, Trigger};
use session::dial::DialReason;

use crate::sources::{self, Source};

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in documents() {
        for target in links(&document) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = resolve(&document.path, path);
            assert!(path.exists(), "{} links to {target}", document.path);
            if !anchor.is_empty() {
                let there = sources::read(path.to_str().unwrap());
                let is_there = anchors(&there).contains(anchor);
                assert!(is_there, "{} links to {target}: no such heading", document.path);
            }
        }
    }
}

#[test]
fn the_contract_names_every_word_of_its_vocabularies() {
    let contract = sources::read("docs/ipc-protocol.md");
    let words = ErrorCode::ALL.map(ErrorCode::as_str).into_iter();
    let words = words.chain(Reason::ALL.map(Reason::as_str));
    let words = words.chain(Trigger::ALL.map(Trigger::as_str));
    let words = words.chain(Class::ALL.map(Class::as_str));
    for word in words.chain(DialReason::ALL.map(DialReason::as_str)) {
        assert!(contract.text.contains(&format!("`{word}`")), "{word} stands nowhere");
    }
}

#[test]
fn every_task_that_a_document_names_exists() {
    let makefile = sources::read("Makefile");
    for document in documents() {
        for task in document.text.split("`make ").skip(1) {
            let task = task.split(|it: char| !it.is_ascii_lowercase() && it != '-').next().unwrap();
            let exists = makefile.text.contains(&format!("\n{task}:"));
            assert!(exists, "{} names `make {task}`", document.path);
        }
    }
    assert!(sources::read(".ci/run").text.ends_with("\nmake test\n"));
}

#[test]
fn the_architecture_names_every_module_of_the_data_path() {
    let architecture = sources::read("ARCHITECTURE.md");
    for Source { path, .. } in sources::of_library() {
        let session = path.strip_prefix("crates/session/src/");
        let Some(module) = session.or(path.strip_prefix("src/")) else { continue };
        let depth = module.matches('/').count();
        let rooms = ["ipc/", "live/", "relay/", "upstream/"];
        let is_named = depth == 0 || depth == 1 && rooms.iter().any(|it| module.starts_with(it));
        if is_named {
            let name = format!("`{module}`");
            assert!(architecture.text.contains(&name), "{name} is missing in the module map");
        }
    }
}

fn documents() -> impl Iterator<Item = Source> {
    sources::of_project().into_iter().filter(|it| it.path.ends_with(".md"))
}

/// The targets of a document's links to other files and to headings.
fn links(document: &Source) -> Vec<String> {
    let targets = prose(document).flat_map(|line| {
        line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|it| it.0))
    });
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The lines outside of blocks of code.
fn prose(document: &Source) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    document.text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// The anchors of a document's headings, as the forges make them.
fn anchors(document: &Source) -> BTreeSet<String> {
    let headings = prose(document).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = |it: &char| it.is_alphanumeric() || " -_".contains(*it);
    heading.to_lowercase().chars().filter(kept).map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// A link's path from the root; an empty one is the document itself.
fn resolve(document: &str, link: &str) -> PathBuf {
    if link.is_empty() {
        return document.into();
    }
    let mut path = Path::new(document).parent().unwrap().to_owned();
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => assert!(path.pop(), "{document} links out of the project"),
            other => path.push(other),
        }
    }
    if path.as_os_str().is_empty() { ".".into() } else { path }
}
