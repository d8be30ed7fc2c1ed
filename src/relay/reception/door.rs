//! Who may open sessions, by the door that they come in through.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::ipc::compatible::Request;
use session::{ErrorCode, Refusal};

/// Where a connection has come in.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// The Unix socket, from this process if the kernel knows.
    Socket(Option<Peer>),
    /// The loopback port, from anywhere on this machine.
    Port,
}

impl Door {
    /// The word for it on log lines.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Socket(_) => "socket",
            Self::Port => "port",
        }
    }
}

/// User and group of the process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric id of the primary group.
    pub gid: u32,
}

/// Who may open sessions.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// `ipc.allow_uids`.
    pub uids: Vec<u32>,
    /// `ipc.allow_gids`.
    pub gids: Vec<u32>,
    /// The content of `ipc.tcp_token_file`.
    pub token: Option<SecretString>,
}

impl Peers {
    /// Whether a peer is on either list; empty lists admit anyone who can open the socket file. A peer
    /// without credentials is on neither.
    pub fn admit(&self, peer: Option<Peer>) -> bool {
        let anyone = self.uids.is_empty() && self.gids.is_empty();
        let listed = |it: Peer| self.uids.contains(&it.uid) || self.gids.contains(&it.gid);
        anyone || peer.is_some_and(listed)
    }

    /// Why nobody is served who comes in there, whatever they ask for.
    pub(super) fn refusal_at(&self, door: Door) -> Option<Refusal> {
        match door {
            Door::Socket(peer) if !self.admit(peer) => Some(not_allowed(peer)),
            Door::Socket(_) | Door::Port => None,
        }
    }

    /// Anything on this machine can reach the port, a browser's pages too.
    pub(super) fn check(&self, door: Door, request: &Request) -> Result<(), Refusal> {
        let Door::Port = door else { return Ok(()) };
        if request.is_from_page {
            let message = "requests of a browser's pages are not served; let the page's own server \
                           speak with the sidecar";
            return Err(Refusal::new(ErrorCode::PeerNotAllowed, message));
        }
        let Some(token) = &self.token else { return Ok(()) };
        let told = request.credential.as_deref().unwrap_or_default();
        if bool::from(told.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
            return Ok(());
        }
        let message = match told {
            "" => {
                "this port needs a token: give the SDK the content of ipc.tcp_token_file as its API key"
            }
            _ => {
                "the token is not the one in ipc.tcp_token_file; give the SDK that file's content as \
                 its API key"
            }
        };
        Err(Refusal::new(ErrorCode::PeerNotAllowed, message))
    }
}

fn not_allowed(peer: Option<Peer>) -> Refusal {
    let who = match peer {
        Some(peer) => peer.to_string(),
        None => "a peer without credentials".to_owned(),
    };
    let message = format!(
        "{who} is not allowed to open sessions; add it to ipc.allow_uids or ipc.allow_gids"
    );
    Refusal::new(ErrorCode::PeerNotAllowed, message)
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, gid {}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(uids: Vec<u32>, gids: Vec<u32>) -> Peers {
        Peers { uids, gids, token: None }
    }

    #[test]
    fn lists_admit_by_user_or_group() {
        let peer = Some(Peer { uid: 7, gid: 8 });
        assert!(Peers::default().admit(None));
        assert!(peers(vec![7], vec![]).admit(peer));
        assert!(peers(vec![1], vec![8]).admit(peer));
        assert!(!peers(vec![8], vec![7]).admit(peer));
        assert!(!peers(vec![7], vec![]).admit(None));
    }
}
