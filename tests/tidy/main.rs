//! What no compiler checks: the layers, the sizes, the links, and that words which stand in
//! several places are the same everywhere; and what Prometheus' own tools do not check of the alerts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alerts;
mod catalogue;
mod documents;
mod endpoints;
mod layers;
mod lint;
mod promql;
mod rules;
mod sources;
mod words;

use sources::Source;

/// Lines of a source file, tests apart.
const LINES_MAX: usize = 400;

#[test]
fn no_source_file_is_too_long() {
    for source in sources::of_library() {
        let lines = source.without_tests().lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", source.path);
    }
}

#[test]
fn nothing_is_left_for_later() {
    assert_absent(&["to do", "fix me", "x x x"].map(|mark| mark.replace(' ', "").to_uppercase()));
}

/// What holds on one machine alone does not belong here.
#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    assert_absent(&["root", "home", "work"].map(|directory| format!("/{directory}/")));
}

fn assert_absent(words: &[String]) {
    for Source { path, text } in sources::of_project() {
        for (line, number) in text.lines().zip(1..) {
            let found = words.iter().find(|word| line.contains(&***word));
            assert_eq!(found, None, "{path}:{number}");
        }
    }
}
