//! A mistake as it is found: with the place of the value, but not yet its line.

use super::document::Trail;

/// A mistake, before its line is known.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) origin: Origin,
    pub(super) key: String,
    pub(super) message: String,
}

/// Where a value was given. Ordered as problems are reported: a trail orders as its node does in the
/// file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The file is not a document; the line, if known.
    Text(Option<usize>),
    Document(Trail),
    Variable(String),
    CommandLine,
}
