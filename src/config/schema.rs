//! The list of keys, as something that can be walked.

use serde_yaml::Value;

use super::rule::Rule;
use super::setting::Setting;

/// A part of the configuration that holds keys or further sections.
pub(super) trait Section {
    /// The type's documentation.
    const ABOUT: &'static str;

    /// Shows every key and section to `walk`, in the order of the reference.
    fn walk(&mut self, walk: &mut impl Walk);
}

/// What can be done with each key.
pub(super) trait Walk {
    /// Meets a section; to see what is in it, walk on.
    fn section<S: Section>(&mut self, name: &'static str, section: &mut S);

    /// Meets a key.
    fn key<T: Setting + 'static>(
        &mut self,
        name: &'static str,
        about: &'static str,
        value: &mut T,
        rule: Rule<T>,
    );
}

/// Defines a section: each key with documentation, type, default and bound, all in one place.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr, $rule:expr; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $section {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::config::schema::Section for $section {
            const ABOUT: &'static str = concat!($($about),+);

            fn walk(&mut self, walk: &mut impl $crate::config::schema::Walk) {
                $( walk.key(stringify!($key), concat!($($doc),+), &mut self.$key, $rule); )+
            }
        }
    };
}

/// Defines a section that holds sections.
macro_rules! sections {
    (
        $(#[doc = $about:literal])+
        $group:ident {
            $( $(#[doc = $doc:literal])+ $name:ident: $section:ty; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $group {
            $( $(#[doc = $doc])+ pub $name: $section, )+
        }

        impl $crate::config::schema::Section for $group {
            const ABOUT: &'static str = concat!($($about),+);

            fn walk(&mut self, walk: &mut impl $crate::config::schema::Walk) {
                $( walk.section(stringify!($name), &mut self.$name); )+
            }
        }
    };
}

pub(super) use {section, sections};

/// One key of a configuration.
#[derive(Debug)]
pub(super) struct Key {
    /// The names on the way from the root, its own last.
    pub(super) names: Vec<&'static str>,
    /// Its documentation.
    pub(super) about: &'static str,
    /// What it takes, type and bound.
    pub(super) takes: String,
    /// Its value.
    pub(super) value: Value,
}

impl Key {
    /// The key `name` in these sections.
    pub(super) fn new<T: Setting>(
        sections: &[&'static str],
        name: &'static str,
        about: &'static str,
        value: &T,
        rule: &Rule<T>,
    ) -> Self {
        let names = sections.iter().copied().chain([name]).collect();
        Self { names, about: about.trim(), takes: takes(rule), value: value.write() }
    }

    /// The dotted path.
    pub(super) fn path(&self) -> String {
        self.names.join(".")
    }

    /// The key's own name.
    pub(super) fn name(&self) -> &'static str {
        self.names.last().expect("a key has a name")
    }

    /// The sections that it stands in, outermost first.
    pub(super) fn sections(&self) -> &[&'static str] {
        &self.names[..self.names.len() - 1]
    }

    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("{}{}", super::VARIABLE_PREFIX, self.names.join("_").to_uppercase())
    }
}

/// Every key of `root` with its value.
pub(super) fn keys<S: Section + Clone>(root: &S) -> Vec<Key> {
    let mut list = KeyList::default();
    root.clone().walk(&mut list);
    list.keys
}

/// What a key takes, in words.
pub(super) fn takes<T: Setting>(rule: &Rule<T>) -> String {
    match rule.allows.as_str() {
        "" => T::wants(),
        allows => format!("{}, {allows}", T::wants()),
    }
}

#[derive(Default)]
struct KeyList {
    sections: Vec<&'static str>,
    keys: Vec<Key>,
}

impl Walk for KeyList {
    fn section<S: Section>(&mut self, name: &'static str, section: &mut S) {
        self.sections.push(name);
        section.walk(self);
        self.sections.pop();
    }

    fn key<T: Setting>(
        &mut self,
        name: &'static str,
        about: &'static str,
        value: &mut T,
        rule: Rule<T>,
    ) {
        self.keys.push(Key::new(&self.sections, name, about, value, &rule));
    }
}
