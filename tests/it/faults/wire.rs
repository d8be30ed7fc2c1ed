//! A wire between the sidecar and Deepgram, which spoils what it carries when it is told to.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A TLS record of application data that nobody has encrypted.
const NO_RECORD: &[u8] = b"\x17\x03\x03\x00\x20................................";

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) addr: SocketAddr,
    state: watch::Sender<State>,
    _serving: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How often open connections were spoiled.
    spoiled: u32,
    /// Connections that are to be spoiled from their first byte on.
    next: u32,
}

impl Wire {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (state, _) = watch::channel(State::default());
        let mut serving = JoinSet::new();
        let shared = state.clone();
        serving.spawn(async move {
            let mut carrying = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let spoil = shared.borrow().next > 0;
                shared.send_modify(|state| state.next = state.next.saturating_sub(1));
                carrying.spawn(carry(near, target, spoil, shared.subscribe()));
            }
        });
        Self { addr, state, _serving: serving }
    }

    /// Spoils what open connections carry.
    pub(super) fn spoil(&self) {
        self.state.send_modify(|state| state.spoiled += 1);
    }

    /// Spoils so many connections from their beginning.
    pub(super) fn spoil_next(&self, connections: u32) {
        self.state.send_modify(|state| state.next = connections);
    }
}

async fn carry(
    mut near: TcpStream,
    target: SocketAddr,
    spoil: bool,
    state: watch::Receiver<State>,
) {
    if !spoil {
        let mut far = TcpStream::connect(target).await.unwrap();
        let mut orders = state.clone();
        let before = state.borrow().spoiled;
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = orders.wait_for(|state| state.spoiled > before) => {}
        }
    }
    // What comes back after it is nobody's business, but reading it keeps the end orderly.
    if near.write_all(NO_RECORD).await.is_ok() {
        let _ = near.read_to_end(&mut Vec::new()).await;
    }
}
