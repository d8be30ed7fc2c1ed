//! What a value says of itself, member by member: the one list from which its JSON, its log line and
//! its entry in the flight recorder are made.

use std::time::Duration;

use crate::{Vocabulary, millis};

/// A value with named members.
pub trait Members {
    /// Names every member in order.
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>);
}

/// The value of a member.
#[derive(Clone, Copy)]
pub enum Member<'a> {
    /// Nothing is known, or there is none.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A count, or whole milliseconds.
    Count(u64),
    /// Text, or a word of a vocabulary.
    Text(&'a str),
    /// Members of its own.
    Object(&'a dyn Members),
}

/// Whoever is told the members.
pub struct Visitor<'v, 'a>(&'v mut dyn FnMut(&'static str, Member<'a>));

impl<'v, 'a> Visitor<'v, 'a> {
    /// A visitor that calls this for each member.
    pub fn new(each: &'v mut dyn FnMut(&'static str, Member<'a>)) -> Self {
        Self(each)
    }

    /// A member; a duration's key ends in `_ms`.
    pub fn member(&mut self, key: &'static str, value: impl Into<Member<'a>>) -> &mut Self {
        (self.0)(key, value.into());
        self
    }

    /// A word, under its vocabulary's key.
    pub fn word<V: Vocabulary>(&mut self, word: V) -> &mut Self {
        self.member(V::KEY, word.word())
    }

    /// A word that may be missing, under its vocabulary's key.
    pub fn word_if_any<V: Vocabulary>(&mut self, word: Option<V>) -> &mut Self {
        self.member(V::KEY, word.map(V::word))
    }

    /// A member that has members.
    pub fn object(&mut self, key: &'static str, object: &'a dyn Members) -> &mut Self {
        self.member(key, Member::Object(object))
    }

    /// All members of another value, as if they were its own.
    pub fn flatten(&mut self, value: &'a dyn Members) -> &mut Self {
        value.visit(&mut Visitor(self.0));
        self
    }
}

impl From<bool> for Member<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Member<'_> {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Member<'_> {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u16> for Member<'_> {
    fn from(count: u16) -> Self {
        Self::Count(count.into())
    }
}

impl From<usize> for Member<'_> {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<Duration> for Member<'_> {
    fn from(duration: Duration) -> Self {
        Self::Count(millis(duration))
    }
}

impl<'a> From<&'a str> for Member<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Member<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a, T: Into<Member<'a>>> From<Option<T>> for Member<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Members + ?Sized> Members for &T {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        (**self).visit(visitor);
    }
}

impl<T: Members + ?Sized> Members for Box<T> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        (**self).visit(visitor);
    }
}
