//! Messages as Deepgram might send them: members in any order, known and unknown, blanks and numbers
//! written in every way that JSON allows.

use proptest::prelude::*;
use proptest::sample::select;

/// JSON but for its blanks.
#[derive(Clone, Debug)]
pub(super) enum Json {
    /// As it is written.
    Scalar(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn text(text: &str) -> Self {
        Self::Scalar(format!("\"{text}\""))
    }

    /// Writes it with blanks between its tokens, over and over the same ones.
    pub(super) fn written(&self, blanks: &[&str]) -> String {
        let mut tokens = Vec::new();
        self.tokens(&mut tokens);
        let blanks = blanks.iter().cycle();
        tokens.iter().zip(blanks).flat_map(|(token, blank)| [*blank, token]).collect()
    }

    fn tokens(&self, into: &mut Vec<String>) {
        let mut list = |brackets: [&str; 2], elements: Vec<(Option<&String>, &Json)>| {
            into.push(brackets[0].to_owned());
            for (place, (key, value)) in elements.into_iter().enumerate() {
                into.extend((place > 0).then(|| ",".to_owned()));
                into.extend(key.into_iter().flat_map(|key| [format!("\"{key}\""), ":".to_owned()]));
                value.tokens(into);
            }
            into.push(brackets[1].to_owned());
        };
        match self {
            Self::Scalar(written) => into.push(written.clone()),
            Self::Array(all) => list(["[", "]"], all.iter().map(|it| (None, it)).collect()),
            Self::Object(all) => {
                list(["{", "}"], all.iter().map(|(key, it)| (Some(key), it)).collect());
            }
        }
    }
}

pub(super) fn blanks() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(vec!["", "", "", " ", "\n", "\t\r\n  "]), 1..6)
}

pub(super) fn message() -> impl Strategy<Value = Json> {
    prop_oneof![4 => results(), 1 => others(), 1 => turn_info()]
}

/// Words and all are within what the message is about, as they are with Deepgram.
fn results() -> impl Strategy<Value = Json> {
    (0..8_000_u32).prop_flat_map(|start| {
        object(vec![
            ("type", Just(Json::text("Results")).boxed()),
            ("channel_index", Just(Json::Scalar("[0,2]".to_owned())).boxed()),
            ("start", number(start)),
            ("duration", (0..6_000_u32).prop_flat_map(number).boxed()),
            ("channel", channel(start)),
        ])
    })
}

fn channel(start: u32) -> BoxedStrategy<Json> {
    let hit = object(vec![("start", after(start)), ("end", after(start)), ("snippet", string())]);
    let search = object(vec![("query", string()), ("hits", array(hit))]);
    let alternative = object(vec![
        ("transcript", string()),
        ("confidence", (0..1_000_u32).prop_flat_map(number).boxed()),
        ("words", array(word(start))),
    ]);
    object(vec![("search", array(search)), ("alternatives", array(alternative))])
}

fn word(start: u32) -> BoxedStrategy<Json> {
    (0..5_000_u32, 20..900_u32)
        .prop_flat_map(move |(begin, length)| {
            object(vec![
                ("word", string()),
                ("start", number(start + begin)),
                ("end", number(start + begin + length)),
                ("punctuated_word", string()),
            ])
        })
        .boxed()
}

fn others() -> impl Strategy<Value = Json> {
    let kinds = ["SpeechStarted", "UtteranceEnd", "Metadata", "Error", "News"];
    (select(kinds.to_vec()), 0..9_000_u32).prop_flat_map(|(kind, time)| {
        object(vec![
            ("type", Just(Json::text(kind)).boxed()),
            ("timestamp", number(time)),
            ("last_word_end", odd(time)),
            ("duration", number(time)),
            ("start", number(time)),
        ])
    })
}

fn turn_info() -> impl Strategy<Value = Json> {
    (0..8_000_u32).prop_flat_map(|start| {
        object(vec![
            ("type", Just(Json::text("TurnInfo")).boxed()),
            ("audio_window_start", number(start)),
            ("audio_window_end", after(start)),
            ("words", array(word(start))),
            ("sequence_id", (0..100_000_u32).prop_map(|it| Json::Scalar(it.to_string())).boxed()),
        ])
    })
}

fn after(start: u32) -> BoxedStrategy<Json> {
    (0..6_000_u32).prop_flat_map(move |it| odd(start + it)).boxed()
}

/// A time, or something in its place.
fn odd(millis: u32) -> BoxedStrategy<Json> {
    let marks = select(vec!["-1", "-0.5", "null", "\"1.0\"", "true", "[1.0]", "{\"start\":2.5}"]);
    prop_oneof![9 => number(millis), 1 => marks.prop_map(|it| Json::Scalar(it.to_owned()))].boxed()
}

/// Seconds, as they may be written.
fn number(millis: u32) -> BoxedStrategy<Json> {
    let seconds = f64::from(millis) / 1_000.0;
    let written = vec![
        format!("{seconds}"),
        format!("{seconds:?}"),
        format!("{seconds:.3}"),
        format!("{seconds:.25}"),
        format!("{:.7}", (seconds - 1e-7).max(0.0)),
        format!("{}", seconds as f32),
        format!("{millis}e-3"),
        format!("{:E}", seconds),
    ];
    select(written).prop_map(Json::Scalar).boxed()
}

fn string() -> BoxedStrategy<Json> {
    let texts = vec![
        "",
        "word",
        "W\\u00f6rd,",
        "wörd 🦀",
        "\\\\",
        "\\\"",
        "\\\\\\\"start",
        "{\\\"start\\\":1.0,\\\"end\\\":2.0}",
        "]}",
        ",",
    ];
    select(texts).prop_map(Json::text).boxed()
}

/// What nobody knows: within a channel its times move, elsewhere they do not.
fn unknown() -> BoxedStrategy<Json> {
    let scalars =
        select(vec!["1", "-2.50", "1e5", "0.30000000000000004", "true", "null", "[]", "{}"]);
    let leaf = prop_oneof![string(), scalars.prop_map(|it| Json::Scalar(it.to_owned()))];
    let keys = select(vec!["start", "end", "words", "\\\"start\\\"", "other"]);
    leaf.prop_recursive(2, 8, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::btree_map(keys.clone(), inner, 0..3).prop_map(|members| {
                Json::Object(members.into_iter().map(|(key, it)| (key.to_owned(), it)).collect())
            }),
        ]
    })
    .boxed()
}

fn array(element: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    prop::collection::vec(element, 0..4).prop_map(Json::Array).boxed()
}

/// Some or all of these members and up to two unknown ones, in any order. A type is always there.
fn object(members: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let member = |(key, value): (&'static str, BoxedStrategy<Json>)| {
        let member = value.prop_map(move |it| Some((key.to_owned(), it)));
        let absences = u32::from(key != "type");
        prop_oneof![9 => member, absences => Just(None)]
    };
    let known: Vec<_> = members.into_iter().map(member).collect();
    let names = select(vec!["new", "start_time", "\\\"end", "n\\u0065w", "{"]);
    let unknown = prop::collection::btree_map(names, unknown(), 0..3);
    (known, unknown)
        .prop_map(|(known, unknown)| {
            let unknown = unknown.into_iter().map(|(key, it)| (key.to_owned(), it));
            known.into_iter().flatten().chain(unknown).collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(Json::Object)
        .boxed()
}
