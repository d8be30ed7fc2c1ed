//! The list of keys, as a visitor can walk it.

use serde_yaml::Value;

use super::rule::Rule;
use super::setting::Setting;

/// A part of the configuration with keys or further sections.
pub(super) trait Section {
    const ABOUT: &'static str;

    /// Visits every key and section, in reference order.
    fn walk(&mut self, walk: &mut impl Walk);
}

/// A visitor of all keys.
pub(super) trait Walk {
    /// Visits a section; call its `walk` to visit its contents.
    fn section<S: Section>(&mut self, name: &'static str, section: &mut S);

    /// Visits a key.
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

/// Defines a section that contains sections.
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
    /// The names from the root down, its own last.
    pub(super) names: Vec<&'static str>,
    pub(super) about: &'static str,
    /// The values it accepts: type and bound.
    pub(super) takes: String,
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

    pub(super) fn path(&self) -> String {
        self.names.join(".")
    }

    pub(super) fn name(&self) -> &'static str {
        self.names.last().expect("a key has a name")
    }

    /// The sections that contain it, outermost first.
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

/// The values a key accepts, in words.
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
