//! What was checked and what was found: rows for people, JSON for machines.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::super::plain;
use super::answer::{self, Answer};
use crate::config::key::ApiKey;

/// A shorter text is no secret, and may be part of any word.
const SECRET_BYTES_MIN: usize = 8;

session::vocabulary! {
    /// One thing that a pod needs for streaming.
    pub enum Check: "check" {
        /// The configuration is valid.
        Config = "config",
        /// There is an API key.
        Key = "key",
        /// There are enough file descriptors for `ipc.max_sessions`.
        Descriptors = "descriptors",
        /// The applications' socket can be bound.
        Socket = "socket",
        /// The applications' port can be bound, and its token be read; only where there is one.
        Port = "port",
        /// There are root certificates, and `upstream.ca_file` can be read.
        Roots = "roots",
        /// The host of `upstream.url` has an address.
        Dns = "dns",
        /// An address accepts TCP connections.
        Tcp = "tcp",
        /// The proxy at an address opens a tunnel to the host; only where there is one.
        Proxy = "proxy",
        /// An address shows a trusted certificate.
        Tls = "tls",
        /// The upgrade is answered with 101.
        Upgrade = "upgrade",
        /// Our clock agrees with the peer's.
        Clock = "clock",
        /// A second of audio is transcribed, and the stream ends as asked.
        Stream = "stream",
    }
}

session::vocabulary! {
    /// How a check went.
    pub enum Status: "status" {
        Ok = "ok",
        /// Not needed for streaming, but worth knowing.
        Warning = "warning",
        Failed = "failed",
        /// Not checked, because something before it failed.
        Skipped = "skipped",
    }
}

/// The result of one check.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) check: Check,
    /// The address, where there is one row for each.
    pub(super) target: Option<String>,
    pub(super) status: Status,
    pub(super) took: Duration,
    /// What was seen.
    pub(super) detail: String,
    /// What to do about it; `None` unless something is wrong.
    pub(super) advice: Option<String>,
}

impl Row {
    /// A check that found nothing wrong.
    pub(super) fn ok(check: Check, took: Duration, detail: impl Into<String>) -> Self {
        let (target, advice) = (None, None);
        Self { check, target, status: Status::Ok, took, detail: detail.into(), advice }
    }

    /// A check that failed.
    pub(super) fn failed(
        check: Check,
        took: Duration,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = Some(advice.into());
        Self { status: Status::Failed, advice, ..Self::ok(check, took, detail) }
    }

    /// A check that could not be made.
    pub(super) fn skipped(check: Check, detail: impl Into<String>) -> Self {
        Self { status: Status::Skipped, ..Self::ok(check, Duration::ZERO, detail) }
    }

    /// The same, for one address.
    pub(super) fn at(self, target: impl ToString) -> Self {
        Self { target: Some(target.to_string()), ..self }
    }

    fn to_json(&self) -> Value {
        json!({
            "check": self.check.as_str(),
            "target": self.target,
            "status": self.status.as_str(),
            "duration_ms": millis(self.took),
            "detail": self.detail,
            "advice": self.advice,
        })
    }

    /// One line, and the advice below it.
    fn to_text(&self) -> String {
        let name = match &self.target {
            Some(target) => format!("{} {target}", self.check.as_str()),
            None => self.check.as_str().to_owned(),
        };
        let mut text = format!(
            "{:<7}  {name:<30}  {:>9}  {}",
            self.status.as_str(),
            took(self.took),
            plain::line(&self.detail)
        );
        if let Some(advice) = &self.advice {
            let _ = write!(text, "\n         -> {}", plain::line(advice));
        }
        text
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    url: String,
    rows: Vec<Row>,
    answers: Option<Vec<Answer>>,
    /// What must not be printed, even if a peer repeats it.
    key: Option<ApiKey>,
    /// Shows what is being checked; `None` for machines, to whom rows are not printed as they come.
    screen: Option<ProgressBar>,
}

impl Report {
    /// An empty report, whose rows are printed as they come unless it is for machines.
    pub(super) fn new(narrates: bool) -> Self {
        Self { screen: narrates.then(screen), ..Self::default() }
    }

    /// Says whom all the rest is about.
    pub(super) fn about(&mut self, url: String) {
        self.print(format_args!("{url}\n"));
        self.url = url;
    }

    /// Says what is being checked, as long as that takes.
    pub(super) fn begin(&self, what: &'static str) {
        if let Some(screen) = &self.screen {
            screen.set_message(what);
        }
    }

    /// Prints a line for people. Whoever does not read it still gets the exit code.
    pub(super) fn print(&self, line: impl Display) {
        if let Some(screen) = &self.screen {
            screen.suspend(|| {
                let _ = writeln!(io::stdout(), "{line}");
            });
        }
    }

    /// Keeps this key out of everything that follows.
    pub(super) fn hide(&mut self, key: Option<ApiKey>) {
        self.key = key;
    }

    pub(super) fn add(&mut self, mut row: Row) {
        row.detail = self.without_key(row.detail);
        row.advice = row.advice.map(|advice| self.without_key(advice));
        self.begin("");
        self.print(row.to_text());
        self.rows.push(row);
    }

    /// Takes the answers of a probe.
    pub(super) fn answer(&mut self, mut answers: Vec<Answer>) {
        for answer in &mut answers {
            answer.seen = self.without_key(std::mem::take(&mut answer.seen));
        }
        self.print(format_args!("\n{}", answer::table(&answers)));
        self.answers = Some(answers);
    }

    /// A proxy's error page may show the request that it got.
    fn without_key(&self, text: String) -> String {
        match &self.key {
            Some(key) if key.expose().len() >= SECRET_BYTES_MIN => {
                text.replace(key.expose(), "[hidden]")
            }
            _ => text,
        }
    }

    /// Whether this pod can stream: nothing failed, nothing was left unchecked, and the probe, if
    /// there was one, saw what was expected.
    pub(super) fn is_ok(&self) -> bool {
        let is_fine = |row: &Row| matches!(row.status, Status::Ok | Status::Warning);
        self.rows.iter().all(is_fine) && self.answers.iter().flatten().all(Answer::agrees)
    }

    /// Whether everything so far allows for a probe.
    pub(super) fn can_stream(&self) -> bool {
        let streams = |row: &&Row| matches!(row.check, Check::Upgrade | Check::Stream);
        let mut streams = self.rows.iter().filter(streams).peekable();
        streams.peek().is_some() && streams.all(|row| row.status == Status::Ok)
    }

    /// The verdict, as the last line for people.
    pub(super) fn verdict(&self) -> String {
        let failed = self.rows.iter().filter(|row| row.status == Status::Failed).count();
        let differing = self.answers.iter().flatten().filter(|answer| !answer.agrees()).count();
        match (self.is_ok(), failed, differing) {
            (true, ..) => "All is well: this pod can stream.".into(),
            (false, 0, 0) => "Not everything could be checked.".into(),
            (false, 0, 1) => "This pod can stream, but 1 answer is not as expected.".into(),
            (false, 0, differing) => {
                format!("This pod can stream, but {differing} answers are not as expected.")
            }
            (false, 1, _) => "1 check failed.".into(),
            (false, failed, _) => format!("{failed} checks failed; start with the first."),
        }
    }

    /// See docs/doctor.md.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "ok": self.is_ok(),
            "version": env!("CARGO_PKG_VERSION"),
            "url": self.url,
            "checks": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "probe": self.answers.as_ref().map(|it| it.iter().map(Answer::to_json).collect::<Vec<_>>()),
        })
    }
}

/// What is being checked, on a terminal; nothing elsewhere.
fn screen() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a constant");
    ProgressBar::new_spinner().with_style(style)
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

/// A duration as people read it.
fn took(duration: Duration) -> String {
    if duration.is_zero() {
        return String::new();
    }
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: Vec<Row>) -> Report {
        Report { rows, ..Report::new(false) }
    }

    #[test]
    fn what_was_not_checked_is_not_well() {
        let fine = Row::ok(Check::Dns, Duration::ZERO, "");
        assert!(report(vec![fine.clone()]).is_ok());
        assert!(!report(vec![fine.clone(), Row::skipped(Check::Tls, "")]).is_ok());
        assert!(!report(vec![fine, Row::failed(Check::Tls, Duration::ZERO, "", "")]).is_ok());
    }

    #[test]
    fn there_is_nothing_to_ask_where_nothing_streams() {
        let row = |check| Row::ok(check, Duration::ZERO, "");
        assert!(!report(vec![row(Check::Dns)]).can_stream());
        assert!(report(vec![row(Check::Upgrade), row(Check::Stream)]).can_stream());
        let mute = Row::failed(Check::Stream, Duration::ZERO, "", "");
        assert!(!report(vec![row(Check::Upgrade), mute]).can_stream());
    }

    #[test]
    fn nothing_that_a_peer_says_moves_the_cursor() {
        let row = Row::failed(Check::Upgrade, Duration::ZERO, "\x1b[2Jgone", "look");
        assert!(!row.to_text().contains('\x1b'), "{row:?}");
    }
}
