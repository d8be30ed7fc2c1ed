//! Log lines with the name and members of what they report, so that neither is spelled twice.

use tracing::Level;

use crate::json::Json;
use crate::telemetry::Telemetry;
use session::fact::Fact;
use session::members::{Member, Members, Visitor};

/// The name of these lines for `tracing`, which has one call site per level; the line's own name is
/// its field `event`.
pub(in crate::telemetry) const NAMED_BY_FIELD: &str = "named_by_field";

/// A session's fact: it updates its metrics, and chooses its log line's level and message.
pub(in crate::telemetry) trait Measure {
    /// Updates the metrics. The caller writes the line, with the fact's own name and members.
    fn measure(&self, telemetry: &Telemetry) -> LogLine;
}

/// A log line without name and members.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct LogLine {
    level: Level,
    message: &'static str,
}

impl LogLine {
    pub(super) fn at(level: Level, message: &'static str) -> Self {
        Self { level, message }
    }

    pub(super) fn warn(message: &'static str) -> Self {
        Self::at(Level::WARN, message)
    }

    pub(super) fn info(message: &'static str) -> Self {
        Self::at(Level::INFO, message)
    }

    pub(super) fn debug(message: &'static str) -> Self {
        Self::at(Level::DEBUG, message)
    }

    /// Writes it with a fact's name and known members.
    pub(in crate::telemetry) fn write_fact(self, fact: &Fact) {
        self.write(fact.name(), fact.members());
    }

    /// Writes it without the members that are null.
    pub(super) fn write(self, name: &'static str, members: &dyn Members) {
        self.write_whole(name, &Known(members));
    }

    /// Writes it with every member, including those that are null.
    pub(in crate::telemetry) fn write_whole(self, name: &'static str, members: &dyn Members) {
        let json = || serde_json::to_string(&Json(members)).expect("plain values are JSON");
        self.write_json(name, json);
    }

    /// Writes it with members from the text of a JSON object, created only if the level is enabled.
    pub(super) fn write_json(self, event: &'static str, json: impl FnOnce() -> String) {
        let message = self.message;
        match self.level {
            Level::ERROR => {
                tracing::error!(name: NAMED_BY_FIELD, event, members = json(), message);
            }
            Level::WARN => tracing::warn!(name: NAMED_BY_FIELD, event, members = json(), message),
            Level::INFO => tracing::info!(name: NAMED_BY_FIELD, event, members = json(), message),
            _ => tracing::debug!(name: NAMED_BY_FIELD, event, members = json(), message),
        }
    }
}

/// The members that are not null.
struct Known<'a>(&'a dyn Members);

impl Members for Known<'_> {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        self.0.visit(&mut Visitor::new(&mut |key, member| {
            if !matches!(member, Member::Null) {
                visitor.member(key, member);
            }
        }));
    }
}
