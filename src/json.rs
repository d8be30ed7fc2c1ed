//! What the session's words say of themselves, as JSON: the one bridge from [`Members`] to serde.

use std::fmt::Display;

use serde::ser::{Serialize, SerializeMap, Serializer};
use session::Vocabulary;
use session::members::{Member, Members, Visitor};

/// A value with members, as a JSON object.
#[derive(Clone, Copy)]
pub struct Json<'a>(pub &'a dyn Members);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut result = Ok(());
        let mut each = |key: &'static str, member: Member<'_>| {
            if result.is_ok() {
                result = map.serialize_entry(key, &Value(member));
            }
        };
        self.0.visit(&mut Visitor::new(&mut each));
        result?;
        map.end()
    }
}

/// A member's value.
struct Value<'a>(Member<'a>);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Member::Null => serializer.serialize_unit(),
            Member::Flag(flag) => serializer.serialize_bool(flag),
            Member::Count(count) => serializer.serialize_u64(count),
            Member::Text(text) => serializer.serialize_str(text),
            Member::Object(object) => Json(object).serialize(serializer),
        }
    }
}

/// For a field that holds a value with members.
///
/// # Errors
/// The serializer's.
pub fn members<S: Serializer>(value: &impl Members, serializer: S) -> Result<S::Ok, S::Error> {
    Json(value).serialize(serializer)
}

/// For a field that may hold one.
///
/// # Errors
/// The serializer's.
pub fn members_if_any<S: Serializer>(
    value: &Option<impl Members>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(|value| Json(value)).serialize(serializer)
}

/// For a field that is shown as it is printed.
///
/// # Errors
/// The serializer's.
pub fn display<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// For a field that holds a word.
///
/// # Errors
/// The serializer's.
pub fn word<S: Serializer>(word: &impl Vocabulary, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(word.word())
}

/// For a field that may hold one.
///
/// # Errors
/// The serializer's.
pub fn word_if_any<S: Serializer>(
    word: &Option<impl Vocabulary>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    word.map(Vocabulary::word).serialize(serializer)
}
