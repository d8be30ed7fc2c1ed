//! How an event becomes a line.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::level_of;
use super::rate::{Admission, Rates};
use crate::config::LogFormat;

use crate::telemetry::Telemetry;
use crate::telemetry::event::NAMED_BY_FIELD;

/// The `event` of lines from other crates, which have no name.
const LIBRARY: &str = "library";

/// The field with the name of a [`NAMED_BY_FIELD`] line.
const NAME: &str = "event";

/// Formats lines, and suppresses those of an event over its rate.
pub(super) struct LineFormat {
    format: LogFormat,
    telemetry: Telemetry,
    rates: Rates,
}

impl LineFormat {
    pub(super) fn new(format: LogFormat, telemetry: Telemetry) -> Self {
        Self { format, telemetry, rates: Rates::default() }
    }

    /// Counts the line. Returns how many were suppressed since the last one written, or `None` to
    /// suppress this one.
    fn admit(&self, event: &Event<'_>, name: &str) -> Option<u64> {
        let daemon = &self.telemetry.metrics.daemon;
        let level = level_of(event.metadata().level());
        match self.rates.admit(event.metadata().callsite(), name, clock::now()) {
            Admission::Suppressed => {
                daemon.log_suppressed[level].inc();
                None
            }
            Admission::Admitted { suppressed } => {
                daemon.log_messages[level].inc();
                Some(suppressed)
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (level, name) = (event.metadata().level(), event_name(event));
        let Some(suppressed) = self.admit(event, &name) else { return Ok(()) };
        let mut fields = Fields::new(self.format);
        event.record(&mut fields);
        if name == LIBRARY {
            fields.push("target", event.metadata().target());
        }
        if suppressed > 0 {
            fields.push("suppressed", &suppressed);
        }
        write_head(&mut writer, self.format, level, &name, &fields.message)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(&fields.fields)?;
            }
        }
        writer.write_str(&fields.text)?;
        writer.write_str(match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        })
    }
}

/// Spans keep their fields as formatted text, created once with the span.
impl<'writer> FormatFields<'writer> for LogFormat {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, from: R) -> fmt::Result {
        let mut fields = Fields::new(*self);
        from.record(&mut fields);
        writer.write_str(&fields.text)
    }
}

fn event_name(event: &Event<'_>) -> Cow<'static, str> {
    match event.metadata().name() {
        NAMED_BY_FIELD => {
            let mut name = NameField(String::new());
            event.record(&mut name);
            name.0.into()
        }
        // Events without an explicit name are called "event <file>:<line>".
        name if name.starts_with("event ") => LIBRARY.into(),
        name => name.into(),
    }
}

/// Reads [`NAME`].
struct NameField(String);

impl Visit for NameField {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == NAME {
            self.0.push_str(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn Debug) {}
}

fn write_head(
    writer: &mut Writer<'_>,
    format: LogFormat,
    level: &Level,
    name: &str,
    message: &str,
) -> fmt::Result {
    let ts = humantime::format_rfc3339_millis(std::time::SystemTime::now());
    let level_text = level_of(level).as_str();
    match format {
        LogFormat::Json => write!(
            writer,
            r#"{{"ts":"{ts}","level":"{level_text}","event":"{name}","msg":{}"#,
            json(&message)
        ),
        LogFormat::Text if writer.has_ansi_escapes() => {
            let colour = colour(level);
            write!(writer, "\x1b[2m{ts}\x1b[0m {colour}{level_text:<5}\x1b[0m ")?;
            write!(writer, "\x1b[1m{name}\x1b[0m: {}", message.escape_debug())
        }
        LogFormat::Text => {
            write!(writer, "{ts} {level_text:<5} {name}: {}", message.escape_debug())
        }
    }
}

fn colour(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[34m",
    }
}

/// Fields as written on the line.
struct Fields {
    format: LogFormat,
    text: String,
    message: String,
}

impl Fields {
    fn new(format: LogFormat) -> Self {
        Self { format, text: String::new(), message: String::new() }
    }

    fn push(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let value = json(value);
        match self.format {
            LogFormat::Json => self.push_json(name, &value),
            LogFormat::Text => self.push_text(name, &value),
        }
    }

    /// `value` is already JSON.
    fn push_json(&mut self, name: &str, value: &str) {
        self.text.push(',');
        self.text.push_str(&json(name));
        self.text.push(':');
        self.text.push_str(value);
    }

    fn push_text(&mut self, name: &str, value: &str) {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push('=');
        // JSON does not escape Latin-1 control characters and marks of direction, which terminals
        // interpret.
        self.text.extend(value.chars().flat_map(|c| {
            let escaped = is_interpreted(c).then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        }));
    }

    /// Merges the members of a JSON object, given as text, into the line.
    fn merge(&mut self, object: &str) {
        match self.format {
            LogFormat::Json => {
                let members = object.trim().strip_prefix('{').and_then(|o| o.strip_suffix('}'));
                if let Some(members) = members.filter(|members| !members.trim().is_empty()) {
                    self.text.push(',');
                    self.text.push_str(members);
                }
            }
            LogFormat::Text => {
                let members = serde_json::from_str::<serde_json::Map<_, _>>(object);
                for (name, value) in members.into_iter().flatten() {
                    self.push_text(&name, &json(&value));
                }
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            // Already in the line's head.
            NAME => {}
            // Both are JSON made by this crate: see telemetry::event and telemetry::session.
            "members" => self.merge(value),
            "tags" if value == "{}" => {}
            "tags" if self.format == LogFormat::Json => self.push_json("tags", value),
            "tags" => self.push_text("tags", value),
            name => self.push(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field.name(), &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message.push_str(&text),
            name => self.push(name, &text),
        }
    }
}

/// Control characters, ends of lines and paragraphs, and marks that turn the direction of text.
fn is_interpreted(c: char) -> bool {
    let is_mark =
        matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_mark
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and numbers are JSON")
}
