//! Values that are valid alone but not together.

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
        let ipc = &self.ipc;
        let is_listed = !ipc.allow_uids.is_empty() || !ipc.allow_gids.is_empty();
        if is_listed && ipc.tcp_listen.is_some() && ipc.tcp_token_file.is_none() {
            found.push(Contradiction {
                keys: &[&["ipc", "tcp_listen"], &["ipc", "allow_uids"], &["ipc", "allow_gids"]],
                message: "who comes in through a port has no user that could be on a list; set \
                          ipc.tcp_token_file, or remove one of the two",
            });
        }
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
}

/// Values that are valid alone but not together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contradiction {
    /// The keys' names. The first that was given is reported.
    pub(super) keys: &'static [&'static [&'static str]],
    /// What to do, in a sentence.
    pub(super) message: &'static str,
}
