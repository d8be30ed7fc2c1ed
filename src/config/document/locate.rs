//! Finds the line of a node.
//!
//! The parser's values carry no positions, but its errors do. So this walks the document again,
//! straight to the node, and fails there on purpose.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The line, from 1, of the key or list item at the end of `trail`; of the root for an empty one.
pub(super) fn line_of(document: serde_yaml::Deserializer<'_>, trail: &[usize]) -> Option<usize> {
    let failure = match trail {
        [] => Here.deserialize(document).err()?,
        _ => Walk { trail }.deserialize(document).err()?,
    };
    failure.location().map(|location| location.line())
}

/// Goes down `trail`, which is never empty.
#[derive(Clone, Copy)]
struct Walk<'a> {
    trail: &'a [usize],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (index, rest) = self.trail.split_first().expect("a trail in a walk is never empty");
        for _ in 0..*index {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if rest.is_empty() {
            return map.next_key_seed(Here).map(|_| ());
        }
        map.next_key::<IgnoredAny>()?;
        map.next_value_seed(Walk { trail: rest })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let (index, rest) = self.trail.split_first().expect("a trail in a walk is never empty");
        for _ in 0..*index {
            list.next_element::<IgnoredAny>()?;
        }
        match rest {
            [] => list.next_element_seed(Here).map(|_| ()),
            _ => list.next_element_seed(Walk { trail: rest }).map(|_| ()),
        }
    }
}

/// Fails on whatever it meets: no visit method is given, and each one's default is an error.
struct Here;

impl<'de> DeserializeSeed<'de> for Here {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing, so that the parser tells where it is")
    }
}
