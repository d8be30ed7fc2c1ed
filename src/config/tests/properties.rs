//! One mistake anywhere, and rubbish everywhere.

use proptest::prelude::*;

use super::super::Config;
use super::super::schema::keys;
use super::{Setup, told};

/// A block-style file of all defaults, and the line of each key's value in it.
fn printed_defaults() -> (Vec<String>, Vec<(String, usize)>) {
    let lines: Vec<_> = Config::default().to_yaml().lines().map(str::to_owned).collect();
    let mut places = Vec::new();
    let mut from = 0;
    for key in keys(&Config::default()) {
        let start = format!("{}{}:", "  ".repeat(key.sections().len()), key.name());
        let offset = lines[from..].iter().position(|line| line.starts_with(&start)).unwrap();
        from += offset + 1;
        places.push((key.path(), from));
    }
    (lines, places)
}

#[derive(Clone, Copy, Debug)]
enum Slip {
    WrongType,
    Repeated,
    UnknownKey,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_mistake_anywhere_is_told_with_its_own_path_and_line(
        pick in any::<prop::sample::Index>(),
        blank in 0_usize..4,
        slip in prop::sample::select(vec![Slip::WrongType, Slip::Repeated, Slip::UnknownKey]),
    ) {
        let (mut lines, places) = printed_defaults();
        let (path, line) = pick.get(&places);
        let at_line = lines[line - 1].clone();
        let (head, _) = at_line.split_once(':').unwrap();
        let (expected_path, expected_line) = match slip {
            Slip::WrongType => {
                lines[line - 1] = format!("{head}: {{}}");
                (path.clone(), line + blank)
            }
            Slip::Repeated => {
                lines.insert(*line, at_line.clone());
                (path.clone(), line + blank + 1)
            }
            Slip::UnknownKey => {
                lines.insert(*line, format!("{head}zzz: 1"));
                (format!("{path}zzz"), line + blank + 1)
            }
        };
        let text = format!("{}{}\n", "\n".repeat(blank), lines.join("\n"));
        prop_assert_eq!(told(&text), [(expected_line, expected_path)], "{}", text);
    }

    #[test]
    fn no_tree_makes_it_panic(text in tree()) {
        let _ = Setup::file(&text).load().map_err(|error| error.to_string());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\]&*!|>#'\", \n\t-]{0,80}") {
        let _ = Setup::file(&text).load().map_err(|error| error.to_string());
    }
}

/// YAML in flow style whose names and values are often the right ones.
fn tree() -> impl Strategy<Value = String> {
    let names: Vec<_> = keys(&Config::default()).iter().flat_map(|key| key.names.clone()).collect();
    let name = prop_oneof![
        4 => prop::sample::select(names).prop_map(str::to_owned),
        1 => "[a-z]{1,6}",
        1 => Just("? [1]".to_owned()),
    ];
    let leaf = prop_oneof![
        Just("off".to_owned()),
        Just("!tag x".to_owned()),
        Just("~".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        Just("340282366920938463463374607431768211455".to_owned()),
        "[0-9]{1,3}(s|ms|h|y)",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let entry = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("{name}: {value}"));
        prop_oneof![
            3 => prop::collection::vec(entry, 0..6).prop_map(|entries| format!("{{{}}}", entries.join(", "))),
            1 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}
