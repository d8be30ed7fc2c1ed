//! How a connection attempt can end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::members::{Members, Visitor};

use super::bounded;

crate::vocabulary! {
    /// Why an attempt failed: the `reason` of `connect_failed`.
    pub enum DialReason: "reason" {
        /// The name could not be resolved.
        Dns = "dns",
        /// No TCP connection.
        Tcp = "tcp",
        /// The TLS handshake failed.
        Tls = "tls",
        /// `upstream.connect_timeout` passed.
        Timeout = "timeout",
        /// The response to the upgrade was not valid HTTP or WebSocket.
        Protocol = "protocol",
        Http400 = "http_400",
        Http401 = "http_401",
        Http402 = "http_402",
        Http403 = "http_403",
        Http429 = "http_429",
        Http4xx = "http_4xx",
        Http5xx = "http_5xx",
        /// A redirect, which is never followed.
        Http3xx = "http_3xx",
        /// The sidecar's own: file descriptors, ports or memory.
        Resources = "resources",
    }
}

crate::vocabulary! {
    /// What keeps dials back, for every session of the credential.
    pub enum Blocker: "blocker" {
        /// Deepgram refuses the key, or its project has no credit.
        CredentialRefused = "credential_refused",
        /// The project is at its concurrency limit.
        UpstreamBusy = "upstream_busy",
        /// There is no way to Deepgram, or it fails.
        UpstreamBroken = "upstream_broken",
        /// The sidecar is out of its own resources.
        OwnResources = "own_resources",
    }
}

crate::vocabulary! {
    /// How dials come not to be held back any more.
    pub enum Release: "release" {
        /// One has succeeded, or the credential is another.
        Lifted = "lifted",
        /// The hold is over and nobody has dialled since, so nothing is known: the next dial probes.
        Lapsed = "lapsed",
    }
}

impl DialReason {
    /// The reason for an HTTP status other than 101.
    pub fn of_status(status: u16) -> Self {
        match status {
            400 => Self::Http400,
            401 => Self::Http401,
            402 => Self::Http402,
            403 => Self::Http403,
            429 => Self::Http429,
            300..=399 => Self::Http3xx,
            404..=499 => Self::Http4xx,
            500..=599 => Self::Http5xx,
            _ => Self::Protocol,
        }
    }

    /// What went wrong and what to do, in a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Dns => "DNS lookup failed; check upstream.url and the pod's DNS",
            Self::Tcp => "no TCP connection; check upstream.url, network policies and egress",
            Self::Tls => {
                "the TLS handshake failed; check upstream.ca_file and any proxy on the path"
            }
            Self::Timeout => {
                "no connection within upstream.connect_timeout; check the network path"
            }
            Self::Protocol => {
                "the response was not a WebSocket upgrade; check what upstream.url points to"
            }
            Self::Http400 => "Deepgram refused the parameters; see detail and correct them",
            Self::Http401 => "Deepgram refused the API key; check the sidecar's key",
            Self::Http402 => "the Deepgram project has no credit",
            Self::Http403 => "the Deepgram project is not allowed to use this model or feature",
            Self::Http429 => "the Deepgram project is at its concurrency limit; try again later",
            Self::Http4xx => "Deepgram refused the request; see status and detail",
            Self::Http5xx => "Deepgram failed; try again later",
            Self::Http3xx => {
                "the response was a redirect, which is never followed; correct upstream.url"
            }
            Self::Resources => {
                "the sidecar has run out of its own resources; raise the limit that detail names"
            }
        }
    }
}

/// What the HTTP proxy on the way to Deepgram has to do with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// There is no connection to it.
    Unreachable,
    /// It answered that it failed, or nothing that can be understood.
    Failed,
    /// It refused to connect us, and will again.
    Refused,
}

impl ProxyFault {
    fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "the HTTP proxy cannot be reached; check its address in the variable that detail \
                 names, network policies and egress"
            }
            Self::Failed => {
                "the HTTP proxy did not connect to Deepgram; see detail and the proxy's own log"
            }
            Self::Refused => {
                "the HTTP proxy refused; correct user and password in the variable that detail \
                 names, allow CONNECT to Deepgram there, or add Deepgram's host to NO_PROXY"
            }
        }
    }
}

/// The HTTP response that refused an upgrade, for an application that is refused in the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub content_type: Option<String>,
    /// Deepgram's `dg-error`.
    pub dg_error: Option<String>,
    /// Without the credential, should it be in it.
    pub body: Bytes,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialFailure {
    pub reason: DialReason,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The response, if there was one.
    pub answer: Option<Arc<Answer>>,
    /// Deepgram's own message or the error, up to 1 KiB; never key, header or query.
    pub detail: String,
    /// Deepgram's `dg-request-id`.
    pub request_id: Option<String>,
    /// Whether the peer's certificate was bad, so that retrying does not help.
    pub untrusted: bool,
    /// Set if it is a proxy that failed, and not Deepgram.
    pub proxy: Option<ProxyFault>,
    /// How long to wait before the next attempt, as Deepgram asked with 429 or 503.
    pub retry_after: Option<Duration>,
    /// How long the attempt waited behind other sessions' dials.
    pub queued: Duration,
    /// Nothing was dialled: this is what others were told just before, and it is final.
    pub withheld: bool,
}

impl Members for DialFailure {
    fn visit<'a>(&'a self, visitor: &mut Visitor<'_, 'a>) {
        visitor.word(self.reason);
        visitor.member("status", self.status);
        visitor.member("detail", &self.detail);
        visitor.member("request_id", self.request_id.as_deref());
        visitor.member("retry_after_ms", self.retry_after);
        visitor.member("queued_ms", self.queued);
        visitor.member("withheld", self.withheld);
    }
}

impl DialFailure {
    /// A failure before any HTTP response.
    pub fn before_answer(reason: DialReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            status: None,
            answer: None,
            detail: bounded(detail.into()),
            request_id: None,
            untrusted: false,
            proxy: None,
            retry_after: None,
            queued: Duration::ZERO,
            withheld: false,
        }
    }

    /// What went wrong and what to do, in a sentence.
    pub fn advice(&self) -> &'static str {
        self.proxy.map_or_else(|| self.reason.advice(), ProxyFault::advice)
    }

    /// What it tells of every other session's dial; `None` for a refusal of this one request.
    pub fn blocker(&self) -> Option<Blocker> {
        match self.reason {
            DialReason::Http401 | DialReason::Http402 => Some(Blocker::CredentialRefused),
            DialReason::Http429 => Some(Blocker::UpstreamBusy),
            DialReason::Resources => Some(Blocker::OwnResources),
            DialReason::Http4xx if self.status != Some(408) => None,
            DialReason::Http400 | DialReason::Http403 | DialReason::Http3xx => None,
            DialReason::Dns
            | DialReason::Tcp
            | DialReason::Tls
            | DialReason::Timeout
            | DialReason::Protocol
            | DialReason::Http4xx
            | DialReason::Http5xx => Some(Blocker::UpstreamBroken),
        }
    }

    /// Whether another attempt may help: 408, 429, 5xx, all transport failures below HTTP and a lack
    /// of our own resources. All other statuses are final (contract, section 7), also a proxy's.
    pub fn is_retryable(&self) -> bool {
        !self.withheld && self.is_passing()
    }

    /// Whether it may pass, for a session that has time: what others were told is no end then.
    pub fn is_passing(&self) -> bool {
        match self.reason {
            _ if self.proxy == Some(ProxyFault::Refused) => false,
            DialReason::Http429 | DialReason::Http5xx => true,
            DialReason::Http4xx => self.status == Some(408),
            DialReason::Http400
            | DialReason::Http401
            | DialReason::Http402
            | DialReason::Http403
            | DialReason::Http3xx => false,
            DialReason::Tls => !self.untrusted,
            DialReason::Dns
            | DialReason::Tcp
            | DialReason::Timeout
            | DialReason::Protocol
            | DialReason::Resources => true,
        }
    }
}

/// Durations of the phases of a successful dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialPhases {
    /// Behind other sessions' dials, before this one began; not part of [`DialPhases::total`].
    pub queued: Duration,
    /// Name resolution.
    pub dns: Duration,
    /// TCP connect.
    pub tcp: Duration,
    /// TLS handshake; zero on a plain connection.
    pub tls: Duration,
    /// HTTP upgrade.
    pub upgrade: Duration,
}

impl DialPhases {
    /// The whole dial.
    pub fn total(&self) -> Duration {
        self.dns + self.tcp + self.tls + self.upgrade
    }
}
