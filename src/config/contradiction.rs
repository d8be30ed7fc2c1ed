//! Values that are valid alone but not together.

use std::net::{IpAddr, SocketAddr};

use super::sections::Config;

impl Config {
    /// Checks across keys.
    pub(super) fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        let agent_url = self.upstream.agent_url.as_ref();
        let mut urls = [&self.upstream.url].into_iter().chain(agent_url);
        if urls.any(|url| url.scheme() == "ws") && !self.upstream.allow_plaintext {
            found.push(Contradiction {
                keys: &[
                    &["upstream", "url"],
                    &["upstream", "agent_url"],
                    &["upstream", "allow_plaintext"],
                ],
                message: "ws:// sends key and audio in the clear; use wss://, or set \
                          upstream.allow_plaintext to true",
            });
        }
        found.extend(self.of_the_port());
        if !self.drain.linger.is_zero() && self.drain.linger >= self.drain.timeout {
            found.push(Contradiction {
                keys: &[&["drain", "linger"], &["drain", "timeout"]],
                message: "must be shorter than drain.timeout, which it is part of; lower it, or \
                          raise drain.timeout and the pod's grace period",
            });
        }
        if self.vad.finalize_after > self.vad.hangover {
            found.push(Contradiction {
                keys: &[&["vad", "finalize_after"], &["vad", "hangover"]],
                message: "vad.finalize_after must be at most vad.hangover, because nothing is sent \
                          after that; lower the one, or raise the other",
            });
        }
        found
    }

    /// Checks what belongs to `ipc.tcp_listen`.
    fn of_the_port(&self) -> Vec<Contradiction> {
        let ipc = &self.ipc;
        let mut found = Vec::new();
        let is_listed = !ipc.allow_uids.is_empty() || !ipc.allow_gids.is_empty();
        if is_listed && ipc.tcp_listen.is_some() && ipc.tcp_token_file.is_none() {
            found.push(Contradiction {
                keys: &[&["ipc", "tcp_listen"], &["ipc", "allow_uids"], &["ipc", "allow_gids"]],
                message: "who comes in through a port has no user that could be on a list; set \
                          ipc.tcp_token_file, or remove one of the two",
            });
        }
        if ipc.tcp_token_file.is_some() && ipc.tcp_listen.is_none() {
            found.push(Contradiction {
                keys: &[&["ipc", "tcp_token_file"]],
                message: "there is no port that would ask for the token; set ipc.tcp_listen, or remove \
                          ipc.tcp_token_file",
            });
        }
        if ipc.tcp_listen.is_some_and(|port| takes_the_port_of(self.admin.listen, port)) {
            found.push(Contradiction {
                keys: &[&["ipc", "tcp_listen"], &["admin", "listen"]],
                message: "admin.listen has this port already; choose another for one of the two",
            });
        }
        found
    }
}

/// Whether the second address cannot be bound once the first is. Port 0 is a free one.
fn takes_the_port_of(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = match one.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => other.is_ipv4(),
        // That is IPv4 as well.
        IpAddr::V6(ip) if ip.is_unspecified() => true,
        ip => ip == other.ip(),
    };
    covers && one.port() == other.port() && one.port() != 0
}

/// Values that are valid alone but not together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contradiction {
    /// The keys' names. The first that was given is reported.
    pub(super) keys: &'static [&'static [&'static str]],
    /// What to do, in a sentence.
    pub(super) message: &'static str,
}
