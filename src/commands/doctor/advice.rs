//! What to do about each failure on the way to Deepgram.

use std::io;

use rustix::io::Errno;

use super::recorded::HttpAnswer;
use crate::upstream::dial::Dialer;
use crate::upstream::tunnel::Proxy;
use session::death::{Class, Reason};
use session::dial::{DialFailure, DialReason};

/// What to look at if the first peer on the way cannot be reached: the proxy's address where there is
/// a proxy, with the variable that names it, otherwise Deepgram's.
pub(super) fn first_peer<K>(dialer: &Dialer<K>) -> String {
    match &dialer.proxy {
        Some(Proxy { host, port, variable, .. }) => {
            format!("the proxy's address in {variable} ({host}:{port})")
        }
        None => format!("host and port in upstream.url ({}:{})", dialer.host, dialer.port),
    }
}

/// `peer` is what [`first_peer`] says.
pub(super) fn dns(peer: &str) -> String {
    format!(
        "check {peer}, the pod's dnsPolicy and /etc/resolv.conf, and that a NetworkPolicy allows \
         port 53 to the cluster's DNS"
    )
}

/// `peer` is what [`first_peer`] says.
pub(super) fn tcp(error: &io::Error, peer: &str) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            "out of file descriptors: raise the container's nofile limit (ulimit -Hn)".into()
        }
        Some(Errno::CONNREFUSED) => format!(
            "nothing listens there, or a firewall rejects it: check {peer}, then the egress rules"
        ),
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL) => {
            "this pod has no route to that address: check the node's network and the egress rules"
                .into()
        }
        Some(Errno::TIMEDOUT) => tcp_timeout(peer),
        Some(Errno::ACCESS | Errno::PERM) => {
            "the kernel forbids it: a NetworkPolicy or a security profile blocks egress".into()
        }
        _ => format!("check {peer}, network policies and egress"),
    }
}

/// `peer` is what [`first_peer`] says.
pub(super) fn tcp_timeout(peer: &str) -> String {
    format!(
        "no answer at all: a firewall, security group or NetworkPolicy drops the packets; allow TCP \
         egress to that address and port, or correct {peer}"
    )
}

pub(super) fn proxy(Proxy { variable, .. }: &Proxy) -> String {
    format!(
        "the HTTP proxy from {variable} does not let us through: correct its address, user and \
         password in the variable, allow CONNECT to this host there, or add the host to NO_PROXY"
    )
}

pub(super) const TLS_TIMEOUT: &str = "TCP connects but nobody answers: a firewall or proxy \
    accepts connections and holds them; allow this host through, or bypass it";

pub(super) fn tls(failure: &DialFailure) -> &'static str {
    let says = |text: &str| failure.detail.contains(text);
    if says("UnknownIssuer") || says("BadSignature") || says("CaUsedAsEndEntity") {
        "its certificate is not signed by an authority that this pod trusts, so a proxy that \
         inspects TLS is probably on the path: let this host bypass it, or put the proxy's \
         certificate authority into upstream.ca_file; for a self-hosted Deepgram, its own"
    } else if says("expired") || says("Expired") {
        "its certificate has expired, or this node's clock is wrong: compare `date -u` with a \
         clock that you trust, then have the certificate renewed"
    } else if says("not valid yet") || says("NotValidYet") {
        "its certificate is not valid yet, so this node's clock is probably slow: compare \
         `date -u` with a clock that you trust"
    } else if says("not valid for name") || says("NotValidForName") {
        "its certificate is for another host: check the host in upstream.url, and what answers on \
         that address"
    } else if failure.untrusted {
        "its certificate is not acceptable: check what answers on that address, and \
         upstream.ca_file"
    } else if says("InvalidContentType") || says("InvalidMessage") || says("corrupt message") {
        "the peer does not speak TLS: check the port in upstream.url; for a plain self-hosted \
         Deepgram use ws:// and upstream.allow_plaintext"
    } else {
        "the connection broke in the TLS handshake: a firewall or proxy may filter by host name; \
         allow this host"
    }
}

pub(super) const UPGRADE_TIMEOUT: &str = "TLS works but the request for a WebSocket is not \
    answered: a proxy may not support WebSockets, or Deepgram is overloaded; bypass the proxy, or \
    try again";

/// What to do about a refused upgrade. `key` says where the key comes from.
pub(super) fn upgrade(failure: &DialFailure, answer: Option<&HttpAnswer>, key: &str) -> String {
    let header = |name| answer.and_then(|it| it.header(name));
    let advice = match failure.reason {
        DialReason::Http400 => {
            "Deepgram refused doctor's parameters: if it does not serve that model, name one that \
             it does with --model"
                .into()
        }
        DialReason::Http401 => format!(
            "Deepgram refused the API key: check that {key} has a current key of the right \
             project, and that upstream.auth fits (token for keys, bearer for short-lived tokens)"
        ),
        DialReason::Http402 => {
            "the Deepgram project has no credit: whoever owns the account must add some; nothing \
             in this pod helps"
                .into()
        }
        DialReason::Http403 => {
            "the key's project may not use this model: choose another with --model, or ask whoever \
             owns the account"
                .into()
        }
        DialReason::Http429 => {
            let wait = header("retry-after").map(|it| format!(" (Retry-After: {it})"));
            format!(
                "the project is at its limit of concurrent streams{}: end streams, set \
                 upstream.max_connections to this pod's share, or have the limit raised",
                wait.unwrap_or_default()
            )
        }
        DialReason::Http3xx => format!(
            "a redirect to {}, which is never followed, because the key would go with it: set \
             upstream.url to Deepgram's own address",
            header("location").unwrap_or("nowhere")
        ),
        DialReason::Http4xx => {
            "nothing serves /v1/listen there: check what upstream.url points to".into()
        }
        DialReason::Http5xx => {
            "Deepgram failed: see its status page and try again; if it lasts, contact support with \
             the request id"
                .into()
        }
        DialReason::Protocol => {
            "what answers there does not speak HTTP and WebSocket, or expects TLS: check scheme, \
             host and port of upstream.url"
                .into()
        }
        reason => reason.advice().to_owned(),
    };
    let is_foreign = failure.status.is_some() && failure.request_id.is_none();
    let foreign = " (the answer has no dg-request-id, so it probably comes from a proxy or load \
                   balancer on the path, not from Deepgram: look there first)";
    if is_foreign { advice + foreign } else { advice }
}

/// What to do about a stream that ended by itself.
pub(super) fn ended(reason: Reason) -> &'static str {
    match reason {
        Reason::ClosedEarly => {
            "the peer closed a stream that had just begun: a proxy may not pass WebSockets on, or \
             Deepgram could not use the audio; bypass the proxy, or contact Deepgram's support \
             with the request id"
        }
        _ => match reason.class() {
            Class::Account => {
                "Deepgram closed it for reasons of the account: check credit and limits of the \
                 key's project"
            }
            Class::Provider => {
                "Deepgram closed it: see its status page; docs/runbook.md says what the reason \
                 means"
            }
            Class::Network => {
                "something on the path cut the connection: look for proxies and firewalls that \
                 limit WebSockets"
            }
            Class::Sidecar => "report this to the project",
        },
    }
}

pub(super) const MUTE: &str = "audio goes out but no result comes back: a proxy may hold \
    WebSocket messages back, or Deepgram is stalled; see its status page, and bypass the proxy to \
    compare";

pub(super) const NO_CLOSE: &str = "CloseStream is not answered as Deepgram answers it, so the end \
    of each session would be lost: check what upstream.url points to; a proxy may hold messages \
    back";

pub(super) const CLOCK: &str = "synchronise the node's clock (NTP): certificates, tokens, logs and \
    traces depend on it";
