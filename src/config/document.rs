//! A YAML file as written: order, duplicate keys, and the line of everything in it.
//!
//! It does not know which keys exist. Mistakes are kept in the tree where possible, so that the
//! reader can report all of them.

mod locate;

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

#[derive(Debug)]
pub(super) struct Document {
    text: String,
    /// Null for an empty file.
    pub(super) root: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Entries in the order of the file, repeated names included.
    Map(Vec<(String, Node)>),
    /// A value with a `!tag`; no key accepts one.
    Tagged,
}

/// Text that is not one YAML document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Counted from 1, if the parser knows.
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

/// The path to a node: at each level the index of an entry or an item, from 0.
pub(super) type Trail = Vec<usize>;

impl Document {
    pub(super) fn parse(text: String) -> Result<Self, SyntaxError> {
        let root = parse_root(&text)?;
        Ok(Self { text, root })
    }

    /// The line of the key or list item at the end of `trail`, counted from 1.
    pub(super) fn line(&self, trail: &[usize]) -> Option<usize> {
        let document = serde_yaml::Deserializer::from_str(&self.text).next()?;
        locate::line_of(document, trail)
    }

    /// The value of the key with these names, and the path to it; the first one of a duplicate key.
    pub(super) fn find(&self, names: &[&str]) -> Option<(Trail, &Node)> {
        let mut trail = Trail::new();
        let mut node = &self.root;
        for name in names {
            let Node::Map(entries) = node else { return None };
            let index = entries.iter().position(|(entry, _)| entry == name)?;
            trail.push(index);
            node = &entries[index].1;
        }
        Some((trail, node))
    }
}

fn parse_root(text: &str) -> Result<Node, SyntaxError> {
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let root = match documents.next() {
        Some(first) => Node::deserialize(first)?,
        None => Node::Null,
    };
    match documents.next() {
        None => Ok(root),
        Some(second) => Err(SyntaxError {
            line: locate::line_of(second, &[]),
            message: "a second document starts here; keep one and remove the `---`".into(),
        }),
    }
}

impl From<serde_yaml::Error> for SyntaxError {
    fn from(error: serde_yaml::Error) -> Self {
        let line = error.location().map(|location| location.line());
        Self { line, message: format!("not valid YAML: {error}") }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(i128::try_from(value).map_or(Node::Float(f64::INFINITY), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Node::Tagged)
    }
}
