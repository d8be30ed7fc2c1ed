//! The list of pages.

use std::fmt::Write;

/// A page, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Index,
    Metrics,
    SessionMetrics,
    Livez,
    Readyz,
    Sessions,
    Session,
    Deaths,
    Config,
    LogLevel,
    BuildInfo,
}

impl Page {
    /// Every page, in the list's order.
    pub(super) const ALL: [Self; 11] = [
        Self::Index,
        Self::Metrics,
        Self::SessionMetrics,
        Self::Livez,
        Self::Readyz,
        Self::Sessions,
        Self::Session,
        Self::Deaths,
        Self::Config,
        Self::LogLevel,
        Self::BuildInfo,
    ];

    /// The prefix of a session's page.
    pub(super) const SESSION_PREFIX: &str = "/sessions/";

    pub(super) fn of_path(path: &str) -> Option<Self> {
        if path.strip_prefix(Self::SESSION_PREFIX).is_some_and(|id| !id.is_empty()) {
            return Some(Self::Session);
        }
        Self::ALL.into_iter().find(|page| page.path() == path)
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Metrics => "/metrics",
            Self::SessionMetrics => "/metrics/sessions",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Sessions => "/sessions",
            Self::Session => "/sessions/{id}",
            Self::Deaths => "/deaths",
            Self::Config => "/config",
            Self::LogLevel => "/log-level",
            Self::BuildInfo => "/buildinfo",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Index => "this list",
            Self::Metrics => "metrics for Prometheus",
            Self::SessionMetrics => "metrics of single sessions, bounded, for Prometheus",
            Self::Livez => "200 while the process is serving",
            Self::Readyz => "200 while it accepts sessions, otherwise 503 and the reasons",
            Self::Sessions => "the live sessions: ?state= &sort= &order= &limit=",
            Self::Session => "one session with its timers and latest events",
            Self::Deaths => "the last 200 connection deaths, with their evidence",
            Self::Config => "the effective configuration, secrets hidden",
            Self::LogLevel => "the log level; PUT a level to change it",
            Self::BuildInfo => "the running version, and since when",
        }
    }

    /// The allowed methods, as in the header `allow`.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::LogLevel => "GET, HEAD, PUT",
            _ => "GET, HEAD",
        }
    }
}

/// Every page with its description, one per line.
pub(super) fn list() -> String {
    Page::ALL.iter().fold(String::new(), |mut list, page| {
        writeln!(list, "{:<18} {}", page.path(), page.title()).expect("a string takes all");
        list
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_path() {
        for page in Page::ALL {
            assert_eq!(Page::of_path(page.path()), Some(page));
        }
        assert_eq!(Page::of_path("/sessions/call-7"), Some(Page::Session));
        for path in ["", "/sessions/", "/Sessions", "/metrics/", "//", "/livez/x"] {
            assert_eq!(Page::of_path(path), None, "{path}");
        }
    }

    #[test]
    fn every_page_stands_in_the_document() {
        let document = include_str!("../../../docs/admin.md");
        for page in Page::ALL {
            assert!(document.contains(&format!("`{}`", page.path())), "{page:?}");
        }
    }
}
