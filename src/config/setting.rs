//! How values of each type are read from YAML and from plain text, and written back.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_yaml::Value;
use url::Url;

use super::document::Node;

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// Whether the text may contain credentials, and so must not be shown.
    const IS_PRIVATE: bool = false;

    /// What is expected, as in "must be a whole number".
    fn wants() -> String;

    /// What is expected of each item of a list.
    fn wants_item() -> String {
        Self::wants()
    }

    /// Reads plain text: an environment variable, a command line, a YAML string.
    fn parse(text: &str) -> Option<Self>;

    fn read(node: &Node) -> Result<Self, Wrong> {
        match node {
            Node::Text(text) => Self::parse(text),
            other => Self::read_other(other),
        }
        .ok_or(Wrong::Value)
    }

    /// Reads YAML that is not a string; most settings are strings.
    fn read_other(_: &Node) -> Option<Self> {
        None
    }

    /// As written in the file.
    fn write(&self) -> Value;
}

/// Which part of a YAML value cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The value as a whole.
    Value,
    /// These items of a list, from 0.
    Items(Vec<usize>),
}

/// The file mode of the socket: the nine permission bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    /// Owner and group may connect, others may not.
    pub(super) const DEFAULT: Self = Self(0o660);

    /// The permission bits, as `chmod` takes them.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketMode({:04o})", self.0)
    }
}

impl Setting for SocketMode {
    fn wants() -> String {
        "octal digits in quotes such as \"0660\", at most \"0777\"".into()
    }

    fn parse(text: &str) -> Option<Self> {
        // `from_str_radix` would also accept a sign.
        let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| is_octal)?;
        (bits <= 0o777).then_some(Self(bits))
    }

    fn write(&self) -> Value {
        format!("{:04o}", self.0).into()
    }
}

impl Setting for bool {
    fn wants() -> String {
        "true or false".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn read(node: &Node) -> Result<Self, Wrong> {
        if let Node::Bool(value) = node { Ok(*value) } else { Err(Wrong::Value) }
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

macro_rules! whole_number {
    ($($number:ty),+) => {$(
        impl Setting for $number {
            fn wants() -> String {
                "a whole number".into()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn read(node: &Node) -> Result<Self, Wrong> {
                whole(node).and_then(|value| value.try_into().ok()).ok_or(Wrong::Value)
            }

            fn write(&self) -> Value {
                (*self).into()
            }
        }
    )+};
}

whole_number!(u32, usize);

fn whole(node: &Node) -> Option<i128> {
    match node {
        Node::Integer(value) => Some(*value),
        // Template engines write 1048576 as 1.048576e+06. All floats below 2^53 are exact.
        Node::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i128),
        _ => None,
    }
}

impl Setting for f64 {
    fn wants() -> String {
        "a number".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn read(node: &Node) -> Result<Self, Wrong> {
        match node {
            Node::Integer(value) => Ok(*value as f64),
            Node::Float(value) => Ok(*value),
            _ => Err(Wrong::Value),
        }
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for Duration {
    fn wants() -> String {
        "a duration such as 5s, 500ms or 10m".into()
    }

    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }

    fn read_other(node: &Node) -> Option<Self> {
        // Zero is the same in every unit; any other number needs one.
        (*node == Node::Integer(0)).then_some(Duration::ZERO)
    }

    fn write(&self) -> Value {
        humantime::format_duration(*self).to_string().into()
    }
}

impl Setting for PathBuf {
    fn wants() -> String {
        "a path".into()
    }

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| text.into())
    }

    fn write(&self) -> Value {
        // A path came from UTF-8 text, so nothing is lost here.
        self.to_string_lossy().into_owned().into()
    }
}

impl Setting for Url {
    const IS_PRIVATE: bool = true;

    fn wants() -> String {
        "a URL".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn write(&self) -> Value {
        self.as_str().trim_end_matches('/').into()
    }
}

impl Setting for SocketAddr {
    fn wants() -> String {
        "an IP address and a port".into()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn write(&self) -> Value {
        self.to_string().into()
    }
}

impl<T: Setting> Setting for Option<T> {
    const IS_PRIVATE: bool = T::IS_PRIVATE;

    fn wants() -> String {
        format!("null or {}", T::wants())
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "null" { Some(None) } else { T::parse(text).map(Some) }
    }

    fn read(node: &Node) -> Result<Self, Wrong> {
        if *node == Node::Null { Ok(None) } else { T::read(node).map(Some) }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, Setting::write)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn wants() -> String {
        format!("a list, each item {}", T::wants())
    }

    fn wants_item() -> String {
        T::wants()
    }

    fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|item| T::parse(item.trim())).collect()
    }

    fn read(node: &Node) -> Result<Self, Wrong> {
        let Node::List(nodes) = node else { return Err(Wrong::Value) };
        let items: Vec<_> = nodes.iter().map(T::read).collect();
        let wrong: Vec<_> = (0..items.len()).filter(|index| items[*index].is_err()).collect();
        if wrong.is_empty() {
            Ok(items.into_iter().flatten().collect())
        } else {
            Err(Wrong::Items(wrong))
        }
    }

    fn write(&self) -> Value {
        self.iter().map(Setting::write).collect::<Vec<_>>().into()
    }
}
