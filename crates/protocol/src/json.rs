//! JSON as the contract defines it: RFC 8259 in UTF-8 without BOM, one value, at most 32 levels
//! deep, and no duplicate members at any level.

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Maximum nesting; the top-level value is 1 deep.
pub const DEPTH_MAX: usize = 32;

/// Member names with a special meaning in serde_json. Applications have no use for them.
const PRIVATE_PREFIX: &str = "$serde_json::private::";

/// Parses a JSON object. The error is a sentence for the application.
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, String> {
    check(text).map_err(|error| format!("invalid JSON: {error}"))?;
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("expected a JSON object".to_owned()),
        Err(error) => Err(format!("invalid JSON: {error}")),
    }
}

/// Checks what serde_json's own values allow: depth and duplicate members.
fn check(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Check { depth: 1 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Walks one value at this depth.
#[derive(Clone, Copy)]
struct Check {
    depth: usize,
}

impl Check {
    fn enter<E: de::Error>(self) -> Result<Self, E> {
        if self.depth > DEPTH_MAX {
            return Err(E::custom(format!("nested more than {DEPTH_MAX} levels deep")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Check {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if name.starts_with(PRIVATE_PREFIX) {
                return Err(de::Error::custom(format!("member \"{name}\" is reserved")));
            }
            members.next_value_seed(inner)?;
            if let Some(twice) = names.replace(name) {
                return Err(de::Error::custom(format!("member \"{twice}\" appears twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", r#"{"a":"#.repeat(depth - 1), "{}") + &"}".repeat(depth - 1)
    }

    #[test]
    fn objects_of_every_kind_of_value_are_taken() {
        let text =
            br#"{"a":[1,-2,3.5e1,"x",null,true,{"b":{}}],"c":123456789012345678901234567890}"#;
        assert_eq!(parse_object(text).unwrap().len(), 2);
    }

    #[test]
    fn thirty_two_deep_is_taken_and_one_more_is_not() {
        assert!(parse_object(nested(32).as_bytes()).is_ok());
        assert!(parse_object(nested(33).as_bytes()).unwrap_err().contains("32 levels deep"));
        let number_at_the_bottom = nested(32).replace("{}", r#"{"n":1}"#);
        assert!(parse_object(number_at_the_bottom.as_bytes()).is_ok());
    }

    #[test]
    fn the_parsers_private_names_smuggle_nothing() {
        for name in ["RawValue", "Number"] {
            let text = format!(r#"{{"\u0024serde_json::private::{name}":"{{\"protocol\":1}}"}}"#);
            assert!(parse_object(text.as_bytes()).unwrap_err().contains("reserved"));
        }
    }

    #[test]
    fn a_repeated_member_is_refused_at_any_level_and_however_escaped() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"\u0061":2}}"#, r#"{"x":[{"a":1,"a":1}]}"#]
        {
            assert!(parse_object(text.as_bytes()).unwrap_err().contains("twice"), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_json_object_is_refused() {
        let bad: [&[u8]; 9] = [
            b"",
            b"{",
            b"[]",
            b"1",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":NaN}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\\ud800\"}",
        ];
        for text in bad {
            assert!(parse_object(text).is_err(), "{text:?}");
        }
    }
}
