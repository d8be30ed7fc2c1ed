//! The project's files, by path from its root.

use std::fs;
use std::path::Path;

/// A file of the project.
pub(crate) struct Source {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// What comes before the tests that stand at the end.
    pub(crate) fn without_tests(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap()
    }
}

/// Reads a file that must be there.
pub(crate) fn read(path: &str) -> Source {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path: path.to_owned(), text }
}

/// The daemon, the binaries and the crates below them, without files of tests.
pub(crate) fn of_library() -> Vec<Source> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let paths = paths_under("src").into_iter().chain(paths_under("crates"));
    let sources = paths.filter(|path| path.ends_with(".rs") && !is_test(path));
    sources.map(|path| read(&path)).collect()
}

/// Everything that people write here.
pub(crate) fn of_project() -> Vec<Source> {
    let paths = paths_under(".").into_iter().map(|path| path.trim_start_matches("./").to_owned());
    let is_text = |path: &String| TEXTS.iter().any(|end| path.ends_with(end));
    paths.filter(is_text).map(|path| read(&path)).collect()
}

fn paths_under(directory: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        // What a link leads to is read where it stands.
        if MADE.contains(&&*name) || entry.file_type().unwrap().is_symlink() {
            continue;
        }
        if Path::new(&path).is_dir() {
            paths.extend(paths_under(&path));
        } else {
            paths.push(path);
        }
    }
    paths
}

/// Directories that are no part of the project.
const MADE: [&str; 8] =
    [".git", ".tools", ".venv", "node_modules", "target", "artifacts", "corpus", "coverage"];

const TEXTS: [&str; 7] = [".rs", ".md", ".toml", ".yaml", ".ci/run", "Makefile", ".gitignore"];
