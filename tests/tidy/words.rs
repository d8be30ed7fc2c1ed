//! The form of all closed vocabularies, wherever they are declared.

use std::collections::BTreeSet;

use crate::sources::{self, Source};

/// Their words are URL paths.
const OF_PATHS: [&str; 1] = ["Endpoint"];

/// An enum that `vocabulary!` declares, or `label_enums!`.
struct Vocabulary<'a> {
    name: &'a str,
    key: &'a str,
    words: Vec<&'a str>,
}

/// `enum NAME: "KEY" {`, then `VARIANT = "WORD",` up to the brace that closes it.
fn vocabularies(source: &Source) -> Vec<Vocabulary<'_>> {
    let heads = source.text.split("enum ").skip(1);
    heads.filter_map(vocabulary).collect()
}

fn vocabulary(text: &str) -> Option<Vocabulary<'_>> {
    let (name, rest) = text.split_once(": \"")?;
    let (key, rest) = rest.split_once("\" {")?;
    let is_head = name.chars().all(char::is_alphanumeric) && !key.contains('\n');
    let (body, _) = rest.split_once('}')?;
    let code = body.lines().filter(|line| !line.trim_start().starts_with("///"));
    let variants = code.flat_map(|line| line.split(',')).filter_map(|it| it.split_once(" = \""));
    let words = variants.map(|(_, word)| word.trim_end().trim_end_matches('"')).collect();
    is_head.then_some(Vocabulary { name, key, words })
}

fn is_snake_case(word: &str) -> bool {
    let is_sound = |part: &str| {
        !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    word.split('_').all(is_sound)
}

#[test]
fn keys_and_words_are_snake_case_and_no_word_comes_twice() {
    let library = sources::of_library();
    let all: Vec<_> = library.iter().flat_map(vocabularies).collect();
    assert!(all.len() > 30, "only {} vocabularies found: did their syntax change?", all.len());
    for Vocabulary { name, key, words } in all {
        let distinct: BTreeSet<_> = words.iter().collect();
        assert!(!words.is_empty() && distinct.len() == words.len(), "{name}: {words:?}");
        assert!(is_snake_case(key), "{name}'s key is {key}");
        let is_sound = |word: &&str| is_snake_case(word) || OF_PATHS.contains(&name);
        assert!(words.iter().all(is_sound), "{name}: {words:?}");
    }
}

/// With serde, a word could be spelled a second time and drift from its vocabulary.
#[test]
fn the_sessions_crate_has_no_second_way_to_spell_a_word() {
    let manifest = sources::read("crates/session/Cargo.toml");
    let (_, dependencies) = manifest.text.split_once("[dependencies]\n").unwrap();
    let dependencies: Vec<_> = dependencies.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(dependencies, ["bytes.workspace = true"]);
}
