//! What applications speak, and what that means for their sessions.

use std::time::Duration;

/// How soon an application that speaks Deepgram's dialect hears whether there is a connection, whatever
/// attempts there were: Deepgram's SDKs give up after 10 s.
const OPENED_WITHIN: Duration = Duration::from_secs(8);

/// How often it is asked whether it is still there.
const APP_PING_INTERVAL: Duration = Duration::from_secs(20);

crate::vocabulary! {
    /// What an application speaks.
    pub enum Dialect: "dialect" {
        /// The sidecar's own protocol.
        Native = "native",
        /// Deepgram's own, over a WebSocket.
        Compatible = "compatible",
    }
}

crate::vocabulary! {
    /// What an application speaks Deepgram's dialect with, as it says of itself.
    pub enum Sdk: "sdk" {
        /// Deepgram's Python SDK, since 5.
        Python = "python",
        /// The same before that.
        PythonLegacy = "python_legacy",
        /// Deepgram's JavaScript SDK.
        Javascript = "javascript",
        /// Deepgram's Go SDK.
        Go = "go",
        /// Deepgram's Rust SDK.
        Rust = "rust",
        /// Anything else.
        Other = "other",
    }
}

impl Dialect {
    /// How soon the application must hear whether there is a connection; `None` for whenever it is known.
    pub fn opened_within(self) -> Option<Duration> {
        (self == Self::Compatible).then_some(OPENED_WITHIN)
    }

    /// How often the application is asked whether it is still there; `None` for never.
    pub fn ping_interval(self) -> Option<Duration> {
        (self == Self::Compatible).then_some(APP_PING_INTERVAL)
    }

    /// Whether a death is the last that the application hears: it knows no dead sessions.
    pub fn ends_with_death(self) -> bool {
        self == Self::Compatible
    }
}
